"""The steps that start what can only be searched for, with nothing behind them."""

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

from handlers.azure.run import ListUnavailable, Run, RunState
from handlers.base import Action, CheckBack, GiveUp, Outcome, RetryLater, Succeeded
from handlers.pipeline.plan import Plan
from handlers.pipeline.steps import start_and_follow
from handlers.pipeline.target import Prepared, SearchableTarget, SearchResult
from tests.kit.storage import NOW


@dataclass
class InMemory(SearchableTarget):
    """Starts runs in memory, and finds them, or does not know which is whose."""

    keyed: bool = True
    lost: int = 0  # so many answers are lost
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

    def start(self, prepared: Prepared) -> str:
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
    """Calls of the handler, one after the other, each with the state that the last has left, at a time of its own."""

    target: SearchableTarget
    at: datetime = NOW
    saved: CheckBack | None = None
    wait: bool = False

    died: bool = False
    at_least_once: bool = False

    def next(self, after: timedelta = timedelta(), *, failures: int = 0, dies: bool = False) -> Outcome:
        """The next call; one that dies leaves no state, and that it died is known."""
        self.at += after
        state = self.saved.state if self.saved else {}
        action = Action(now=self.at, failures=failures, interrupted=self.died, state=state)
        outcome = start_and_follow(Plan(action, self.target, wait=self.wait, at_least_once=self.at_least_once))
        if isinstance(outcome, CheckBack) and not dies:
            self.saved = outcome
        self.died = dies
        return outcome

    def to_the_end(self, pauses: list[timedelta], late: timedelta = timedelta()) -> None:
        """Call after call, as long as it wants another, after the pauses that it wants, or later."""
        while isinstance(outcome := self.next((pauses[-1] if pauses else timedelta()) + late), CheckBack):
            pauses.append(outcome.after)


def test_that_it_will_be_started_is_written_down_before() -> None:
    calls = Calls(InMemory())
    outcome = calls.next()
    assert isinstance(outcome, CheckBack)
    assert (outcome.state["step"], outcome.note, calls.target.runs) == ("start", "prepare: done", [])  # type: ignore[attr-defined]  # of InMemory
    assert isinstance(calls.next(timedelta(seconds=1)), Succeeded)


@pytest.mark.parametrize("late", [timedelta(minutes=-10), timedelta(minutes=10), timedelta(days=3)])
def test_when_the_next_call_comes_says_nothing(late: timedelta) -> None:
    """There may be many messages before it, and it may be by another machine's clock: nobody has asked yet."""
    target = InMemory(keyed=False, runs=["of-another-event"])
    calls = Calls(target)
    calls.next()
    assert isinstance(calls.next(late), Succeeded)
    assert target.runs == ["of-another-event", "run-2"]


@pytest.mark.parametrize("late", [timedelta(), timedelta(minutes=5)])
def test_a_role_that_never_comes_is_waited_for_half_an_hour(late: timedelta) -> None:
    """However late the messages are."""

    class Refused(InMemory):
        def start(self, prepared: Prepared) -> str:
            raise RetryLater("no such thing")

    calls = Calls(Refused())
    with pytest.raises(GiveUp, match="gave up after 30m: no such thing"):
        calls.to_the_end([], late)
    assert timedelta(minutes=30) <= calls.at - NOW <= timedelta(hours=1)


def test_a_call_that_dies_before_it_asks_costs_time_alone() -> None:
    """It may have asked: so it is searched for, twice, and started then."""
    target = InMemory()
    calls = Calls(target)
    calls.next()
    calls.died = True
    assert calls.next() == CheckBack(timedelta(), calls.saved.state if calls.saved else {}, "start: done")
    first = calls.next()
    assert isinstance(first, CheckBack)
    assert first.after == timedelta(minutes=2)
    calls.next(first.after)
    assert isinstance(calls.next(), Succeeded)
    assert target.runs == ["run-1"]


@pytest.mark.parametrize("later", [timedelta(), timedelta(minutes=1), timedelta(hours=1)])
def test_a_call_that_died_is_followed_by_a_search(later: timedelta) -> None:
    """Whenever it comes."""
    target = InMemory()
    calls = Calls(target)
    calls.next()
    calls.next(dies=True)
    for _ in range(3):
        outcome = calls.next(later)
        later = timedelta()
        if isinstance(outcome, Succeeded):
            break
    assert isinstance(outcome, Succeeded)
    assert target.runs == ["run-1"]


def test_so_is_a_call_that_failed_in_a_way_that_nobody_foresaw() -> None:
    """Its own failure may have come after the start."""
    target = InMemory()
    calls = Calls(target)
    calls.next()
    calls.next(dies=True)
    calls.next(timedelta(seconds=5), failures=1)
    assert isinstance(calls.next(), Succeeded)
    assert target.runs == ["run-1"]


def test_a_lost_answer_is_looked_for_at_once() -> None:
    target = InMemory(lost=1)
    calls = Calls(target)
    calls.next()
    lost = calls.next()
    assert isinstance(lost, CheckBack)
    assert lost.note == "the run may have been started: the connection broke"
    assert isinstance(calls.next(lost.after), Succeeded)
    assert target.runs == ["run-1"]


def test_what_may_be_anybody_s_is_for_people_to_decide() -> None:
    """After the second look: until then it may be told apart yet."""
    calls = Calls(InMemory(keyed=False, lost=1))
    calls.next()
    calls.next()
    calls.next(timedelta(seconds=30))
    with pytest.raises(GiveUp, match=r"unsure whether the run was started in memory: .* it may be run-1\."):
        calls.next(timedelta(minutes=2))


def test_what_is_never_started_is_tried_less_and_less_often() -> None:
    """For a day."""

    class Refusing(InMemory):
        def start(self, prepared: Prepared) -> str:
            raise ServiceRequestError("nobody answers")

    calls = Calls(Refusing())
    pauses: list[timedelta] = []
    with pytest.raises(GiveUp, match="the run could not be started: nobody answers"):
        calls.to_the_end(pauses)
    assert calls.at - NOW >= timedelta(hours=24)
    assert len(pauses) < 150
    assert max(pauses) == timedelta(hours=1)


def test_what_was_there_before_is_not_ours() -> None:
    """However shortly before."""
    target = InMemory(keyed=False, lost=1, runs=["of-another-event"])
    calls = Calls(target)
    calls.next()
    calls.next()
    target.runs.remove("run-2")  # it was not started after all
    calls.to_the_end([])
    assert target.runs == ["of-another-event", "run-2"]


def test_what_came_between_may_be_ours() -> None:
    """Two events at the same time: the one does not know what the other has started."""
    target = InMemory(keyed=False)
    first, second = Calls(target), Calls(target)
    first.next()
    second.next()
    assert isinstance(second.next(), Succeeded)
    target.lost = 1
    with pytest.raises(GiveUp, match="it may be run-1, run-2"):
        first.to_the_end([])


def test_what_a_call_may_have_started_is_not_taken_for_what_was_there_before() -> None:
    """It was listed late: a second start was refused, so that it is prepared again, and then an answer was lost."""

    class Late(InMemory):
        def start(self, prepared: Prepared) -> str:
            if refuses:
                refuses.clear()
                raise RetryLater("no role")
            return super().start(prepared)

        def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
            return SearchResult() if hidden else super().find(since, now, prepared)

    hidden, refuses = [True], list[bool]()
    target = Late(keyed=False)
    calls = Calls(target)
    calls.next()
    calls.next(dies=True)
    for _ in range(3):
        calls.next(timedelta(minutes=2))
    hidden.clear()
    refuses.append(True)
    calls.next()
    target.lost = 1
    with pytest.raises(GiveUp, match="it may be run-1, run-2"):
        calls.to_the_end([])


def test_that_others_cannot_be_listed_is_no_reason_not_to_start() -> None:
    class Hidden(InMemory):
        def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> list[Run]:
            raise ListUnavailable("no list")

    calls = Calls(Hidden(keyed=False))
    calls.to_the_end([])
    assert calls.target.runs == ["run-1"]  # type: ignore[attr-defined]  # of Hidden


def test_without_a_token_nothing_was_sent() -> None:
    """So that there is nothing to be unsure about."""

    class Nobody(InMemory):
        def start(self, prepared: Prepared) -> str:
            if not self.lost:
                return super().start(prepared)
            self.lost -= 1
            self.runs.append("of-another-event")
            raise ClientAuthenticationError("the identity does not answer")

    target = Nobody(keyed=False, lost=2)
    Calls(target).to_the_end([])
    assert target.runs == ["of-another-event", "of-another-event", "run-3"]


class Unseeable(InMemory):
    """Its runs cannot be listed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(lost=1)
        self.error = error

    def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
        raise self.error


def _refused(status: int) -> HttpResponseError:
    error = HttpResponseError("no role")
    error.status_code = status
    return error


@pytest.mark.parametrize("error", [_refused(401), _refused(403), ListUnavailable("no list")], ids=repr)
def test_a_search_that_may_not_be_made_ends_unsure(error: Exception) -> None:
    """After half an hour: roles take time to spread."""
    calls = Calls(Unseeable(error))
    with pytest.raises(GiveUp, match=r"^unsure .* the runs cannot be listed \(.*no "):
        calls.to_the_end([])
    assert timedelta(minutes=30) <= calls.at - NOW <= timedelta(minutes=45)


def test_a_search_that_may_not_be_made_starts_it_where_that_is_wanted() -> None:
    target = Unseeable(_refused(403))
    Calls(target, at_least_once=True).to_the_end([])
    assert target.runs == ["run-1", "run-2"]


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_search_that_only_fails_is_made_again(status: int) -> None:
    """As the rule's `retry` says, or when the service says."""
    calls = Calls(Unseeable(_refused(status)))
    with pytest.raises(HttpResponseError):
        calls.to_the_end([])
