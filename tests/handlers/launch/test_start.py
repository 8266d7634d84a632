"""The steps that start a run with an id of the service's choice, against a service in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from handlers.base import Action, CheckBack, GiveUp, Outcome, RetryLater, Succeeded
from handlers.launch.plan import Plan
from handlers.launch.run import ListUnavailable, OutcomeUnknown, Run, RunState
from handlers.launch.steps import start_and_follow
from handlers.launch.target import Prepared, SearchableTarget, SearchResult
from mlevents.testing.storage import NOW


@dataclass
class InMemory(SearchableTarget):
    """Starts runs in memory. A search finds them if they are `keyed`; otherwise all are candidates."""

    keyed: bool = True
    lost: int = 0  # responses that are still to be lost
    runs: list[str] = field(default_factory=list)

    noun = "the run"
    location = "memory"

    def read(self, id: str) -> Run | None:
        return Run(id, RunState.COMPLETED, "Succeeded") if id in self.runs else None

    def failure_reason(self, run: Run) -> str:
        return ""

    def cancel(self, id: str) -> None: ...

    def link(self, id: str) -> str | None:
        return None

    def prepare(self) -> Prepared:
        return {"of": "memory"}

    def start(self, prepared: Prepared) -> str | None:
        assert prepared == {"of": "memory"}
        self.runs.append(f"run-{len(self.runs) + 1}")
        if self.lost:
            self.lost -= 1
            raise ServiceResponseError("the connection broke")
        return self.runs[-1]

    def details(self) -> Mapping[str, str]:
        return {}

    def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> list[Run]:
        return [Run(id, RunState.UNDER_WAY, "InProgress") for id in self.runs]

    def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
        assert prepared == {"of": "memory"}
        found = [Run(id, RunState.UNDER_WAY, "InProgress") for id in self.runs]
        return SearchResult(match=found[0] if found else None) if self.keyed else SearchResult(candidates=tuple(found))


@dataclass
class Calls:
    """Consecutive calls of the handler, each with the state that the last one saved."""

    target: SearchableTarget
    at: datetime = NOW
    saved: CheckBack | None = None
    wait: bool = False
    crashed: bool = False  # the last call
    at_least_once: bool = False

    def next(self, after: timedelta = timedelta(), *, failures: int = 0, crashes: bool = False) -> Outcome:
        """Make the next call, after a pause. One that crashes saves no state; the one after it knows."""
        self.at += after
        state = self.saved.state if self.saved else {}
        action = Action(now=self.at, failures=failures, interrupted=self.crashed, state=state)
        outcome = start_and_follow(Plan(action, self.target, wait=self.wait, at_least_once=self.at_least_once))
        if isinstance(outcome, CheckBack) and not crashes:
            self.saved = outcome
        self.crashed = crashes
        return outcome

    def run_to_the_end(self, pauses: list[timedelta], late: timedelta = timedelta()) -> None:
        """Make calls until the action ends, after the pauses that it asks for or `late`. Collect the pauses."""
        while isinstance(outcome := self.next((pauses[-1] if pauses else timedelta()) + late), CheckBack):
            pauses.append(outcome.after)


def test_state_is_saved_before_the_start_request() -> None:
    calls = Calls(InMemory())
    outcome = calls.next()
    assert isinstance(outcome, CheckBack)
    assert (outcome.state["step"], outcome.note, calls.target.runs) == ("start", "prepare: done", [])  # type: ignore[attr-defined]  # of InMemory
    assert isinstance(calls.next(timedelta(seconds=1)), Succeeded)


@pytest.mark.parametrize("late", [timedelta(minutes=-10), timedelta(minutes=10), timedelta(days=3)])
def test_late_or_early_call_causes_no_search(late: timedelta) -> None:
    """Messages may be delayed, and clocks of machines differ."""
    target = InMemory(keyed=False, runs=["of-another-event"])
    calls = Calls(target)
    calls.next()
    assert isinstance(calls.next(late), Succeeded)
    assert target.runs == ["of-another-event", "run-2"]


@pytest.mark.parametrize("late", [timedelta(), timedelta(minutes=5)])
def test_denied_start_is_retried_for_half_an_hour_of_elapsed_time(late: timedelta) -> None:
    class Denied(InMemory):
        def start(self, prepared: Prepared) -> str | None:
            raise RetryLater("no such thing")

    calls = Calls(Denied())
    with pytest.raises(GiveUp, match="gave up after 30m: no such thing"):
        calls.run_to_the_end([], late)
    assert timedelta(minutes=30) <= calls.at - NOW <= timedelta(hours=1)


def test_crash_before_the_request_only_costs_time() -> None:
    """The request may have been sent, so two searches come first."""
    target = InMemory()
    calls = Calls(target)
    calls.next()
    calls.crashed = True
    assert calls.next() == CheckBack(timedelta(), calls.saved.state if calls.saved else {}, "start: done")
    first = calls.next()
    assert isinstance(first, CheckBack)
    assert first.after == timedelta(minutes=2)
    calls.next(first.after)
    assert isinstance(calls.next(), Succeeded)
    assert target.runs == ["run-1"]


@pytest.mark.parametrize("later", [timedelta(), timedelta(minutes=1), timedelta(hours=1)])
def test_search_follows_a_crashed_call(later: timedelta) -> None:
    target = InMemory()
    calls = Calls(target)
    calls.next()
    calls.next(crashes=True)
    for _ in range(3):
        outcome = calls.next(later)
        later = timedelta()
        if isinstance(outcome, Succeeded):
            break
    assert isinstance(outcome, Succeeded)
    assert target.runs == ["run-1"]


def test_search_follows_an_unexpected_exception() -> None:
    """The start may have succeeded before the exception."""
    target = InMemory()
    calls = Calls(target)
    calls.next()
    calls.next(crashes=True)
    calls.next(timedelta(seconds=5), failures=1)
    assert isinstance(calls.next(), Succeeded)
    assert target.runs == ["run-1"]


def test_search_follows_a_lost_response() -> None:
    target = InMemory(lost=1)
    calls = Calls(target)
    calls.next()
    answer = calls.next()
    assert isinstance(answer, CheckBack)
    assert answer.note == "the run may have been started: the connection broke"
    assert isinstance(calls.next(answer.after), Succeeded)
    assert target.runs == ["run-1"]


def test_candidate_makes_the_action_unsure_in_the_second_search() -> None:
    calls = Calls(InMemory(keyed=False, lost=1))
    calls.next()
    calls.next()
    calls.next(timedelta(seconds=30))
    with pytest.raises(GiveUp, match=r"unsure whether the run was started in memory: .* it may be run-1\."):
        calls.next(timedelta(minutes=2))


def test_failing_start_is_retried_for_a_day_with_growing_pauses() -> None:
    class Unreachable(InMemory):
        def start(self, prepared: Prepared) -> str | None:
            raise ServiceRequestError("no connection")

    calls = Calls(Unreachable())
    pauses: list[timedelta] = []
    with pytest.raises(GiveUp, match="the run could not be started: no connection"):
        calls.run_to_the_end(pauses)
    assert calls.at - NOW >= timedelta(hours=24)
    assert len(pauses) < 150
    assert max(pauses) == timedelta(hours=1)


def test_preexisting_runs_are_no_candidates() -> None:
    target = InMemory(keyed=False, lost=1, runs=["of-another-event"])
    calls = Calls(target)
    calls.next()
    calls.next()
    target.runs.remove("run-2")  # the service did not start it
    calls.run_to_the_end([])
    assert target.runs == ["of-another-event", "run-2"]


def test_run_that_another_event_started_meanwhile_is_a_candidate() -> None:
    target = InMemory(keyed=False)
    first, second = Calls(target), Calls(target)
    first.next()
    second.next()
    assert isinstance(second.next(), Succeeded)
    target.lost = 1
    with pytest.raises(GiveUp, match="it may be run-1, run-2"):
        first.run_to_the_end([])


def test_run_of_an_earlier_attempt_is_not_preexisting() -> None:
    """The list showed it late. In between, a second start was denied, so the action was prepared again."""

    class Late(InMemory):
        def start(self, prepared: Prepared) -> str | None:
            if denies:
                denies.clear()
                raise RetryLater("no role")
            return super().start(prepared)

        def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
            return SearchResult() if unlisted else super().find(since, now, prepared)

    unlisted, denies = [True], list[bool]()
    target = Late(keyed=False)
    calls = Calls(target)
    calls.next()
    calls.next(crashes=True)
    for _ in range(3):
        calls.next(timedelta(minutes=2))
    unlisted.clear()
    denies.append(True)
    calls.next()
    target.lost = 1
    with pytest.raises(GiveUp, match="it may be run-1, run-2"):
        calls.run_to_the_end([])


def test_run_starts_even_if_preexisting_runs_cannot_be_listed() -> None:
    class Unlistable(InMemory):
        def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> list[Run]:
            raise ListUnavailable("no list")

    calls = Calls(Unlistable(keyed=False))
    calls.run_to_the_end([])
    assert calls.target.runs == ["run-1"]  # type: ignore[attr-defined]  # of Unlistable


def test_missing_token_causes_no_search() -> None:
    """Without a token, the client sends nothing."""

    class WithoutToken(InMemory):
        def start(self, prepared: Prepared) -> str | None:
            if not self.lost:
                return super().start(prepared)
            self.lost -= 1
            self.runs.append("of-another-event")
            raise ClientAuthenticationError("no token")

    target = WithoutToken(keyed=False, lost=2)
    Calls(target).run_to_the_end([])
    assert target.runs == ["of-another-event", "of-another-event", "run-3"]


class Unnamed(InMemory):
    """Accepts requests without the id of the run, as older servers of GitHub do."""

    def start(self, prepared: Prepared) -> None:
        super().start(prepared)


def test_run_that_the_service_did_not_name_succeeds_without_wait() -> None:
    calls = Calls(target := Unnamed())
    calls.next()
    assert calls.next() == Succeeded("the run was started in memory")
    assert target.runs == ["run-1"]


def test_run_that_the_service_did_not_name_is_searched_for_before_it_is_followed() -> None:
    calls = Calls(target := Unnamed(), wait=True)
    calls.run_to_the_end([])
    assert target.runs == ["run-1"]


@pytest.mark.parametrize("at_least_once", [False, True])
def test_run_that_no_search_recognizes_is_not_requested_again_if_the_service_accepted_it(at_least_once: bool) -> None:
    calls = Calls(target := Unnamed(keyed=False), wait=True, at_least_once=at_least_once)
    with pytest.raises(GiveUp, match=r"was started .* cannot be followed: .* list of runs \(run-1\) shows"):
        calls.run_to_the_end([])
    assert target.runs == ["run-1"]


def test_search_follows_an_unknown_outcome_and_not_a_programming_error() -> None:
    class Failing(InMemory):
        def start(self, prepared: Prepared) -> None:
            super().start(prepared)
            raise OutcomeUnknown("the connection broke") if len(self.runs) == 1 else KeyError("id")

    calls = Calls(target := Failing())
    calls.run_to_the_end([])
    assert target.runs == ["run-1"]
    calls = Calls(Failing(runs=["of-another-event"]))
    calls.next()
    with pytest.raises(KeyError):
        calls.next()


def test_client_that_says_that_it_is_throttled_is_believed() -> None:
    """GitHub throttles with 403, so the status alone does not show it."""

    class Throttled(InMemory):
        def start(self, prepared: Prepared) -> None:
            raise RetryLater("slow down", timedelta(minutes=3), throttled=True)

    calls = Calls(Throttled())
    calls.next()
    with pytest.raises(RetryLater, match="slow down"):
        calls.next()


class FailingSearch(InMemory):
    """A search for its runs raises an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(lost=1)
        self.error = error

    def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
        raise self.error


def http_error(status: int) -> HttpResponseError:
    error = HttpResponseError("no role")
    error.status_code = status
    return error


class OtherClientError(Exception):
    """Of a client that is not azure-core's."""

    status_code = 403


DENIED = [http_error(401), http_error(403), OtherClientError("no list"), ListUnavailable("no list")]


@pytest.mark.parametrize("error", DENIED, ids=repr)
def test_denied_search_makes_the_action_unsure_after_half_an_hour(error: Exception) -> None:
    calls = Calls(FailingSearch(error))
    with pytest.raises(GiveUp, match=r"^unsure .* the runs cannot be listed \(.*no "):
        calls.run_to_the_end([])
    assert timedelta(minutes=30) <= calls.at - NOW <= timedelta(minutes=45)


def test_at_least_once_starts_a_second_run_after_a_denied_search() -> None:
    target = FailingSearch(http_error(403))
    Calls(target, at_least_once=True).run_to_the_end([])
    assert target.runs == ["run-1", "run-2"]


@pytest.mark.parametrize("status", [429, 503, 500])
def test_failed_search_is_retried_as_the_rule_says(status: int) -> None:
    calls = Calls(FailingSearch(http_error(status)))
    with pytest.raises(HttpResponseError):
        calls.run_to_the_end([])
