"""The steps that start a run once, whatever happened in an earlier call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from handlers.azure.errors import describe
from handlers.base import CheckBack, GiveUp, Outcome, RetryLater, Succeeded, shorten
from handlers.duration import format_duration
from handlers.errors import (
    DENIED,
    NOT_PERMITTED,
    PROPAGATING,
    PROPAGATION,
    is_rejected,
    is_throttled,
    said_once,
    status_of,
)
from handlers.launch.limits import CLOCK_SKEW, MAX_RETRY_PAUSE, RETRY_PAUSE, RUN_LISTED, START_RETRY
from handlers.launch.plan import Plan
from handlers.launch.run import ListUnavailable, NameTaken, OutcomeUnknown, Run, TooManyRuns
from handlers.launch.state import LaunchState
from handlers.launch.target import IdempotentTarget, Prepared, SearchableTarget, SearchResult

_MAX_PREEXISTING = 50  # ids of runs that are kept
_MAX_ERROR = 500  # characters of an error that are kept


@dataclass(frozen=True)
class StartIdempotent:
    """Start a run whose name the app chooses: a second request cannot start a second run."""

    plan: Plan
    target: IdempotentTarget

    @property
    def steps(self) -> tuple[Callable[[LaunchState], Any], ...]:
        """The only step."""
        return (self.submit,)

    def submit(self, state: LaunchState) -> Outcome | None:
        """Submit the run, unless an earlier call has done so. Raises GiveUp if another run has its name."""
        target = self.target
        found = target.read(target.name)
        if found is None:
            try:
                target.submit()
                return self.plan.record_start(state, target.name, target.details())
            except (GiveUp, HttpResponseError, NameTaken) as error:
                found = self._despite(error)
        if not target.is_match(found):
            raise GiveUp(f"{target.noun} {target.name} exists, but this action did not start it")
        return self.plan.record_start(state, target.name, target.details(found))

    def _despite(self, error: Exception) -> Run:
        """The run that exists although the service refused to start it: mostly, it refused because it exists.

        Raises the error if there is none, and RetryLater if the name is taken but reads do not find the run yet.
        """
        target = self.target
        found = target.read(target.name)
        if isinstance(error, NameTaken):
            if found is None:
                raise RetryLater(f"{target.noun} {target.name} exists, but reads do not find it: {error}") from error
        elif found is None or not target.is_match(found):
            raise error
        return found


@dataclass(frozen=True)
class StartSearchable:
    """Start a run whose id the service chooses.

    The state is saved before the request is sent. A call that finds the saved state after a failure or a crash searches
    for a run before it sends another request, because the earlier call may have started one.
    """

    plan: Plan
    target: SearchableTarget

    @property
    def steps(self) -> tuple[Callable[[LaunchState], Any], ...]:
        """In order; `search` goes back to `start` if it finds no run."""
        return self.prepare, self.start, self.search

    def prepare(self, state: LaunchState) -> None:
        """Check that the run can be started. The state is saved after this step, before the request."""
        prepared = self.target.prepare()
        state.prepared = None if prepared is None else dict(prepared)
        if not state.attempts:
            state.prepared_at, state.preexisting = self.plan.now, self._preexisting(prepared)

    def _preexisting(self, prepared: Prepared) -> list[str]:
        """The ids of runs that exist already; none if they cannot be listed: the run can start without."""
        try:
            runs = self.target.preexisting(self.plan.now - CLOCK_SKEW, self.plan.now, prepared)
            return [run.id for run in islice(runs, _MAX_PREEXISTING)]
        except Exception:  # of any client
            return []

    def start(self, state: LaunchState) -> Outcome | None:
        """Request the run, or continue with the search if an earlier call may have requested it."""
        action = self.plan.action
        if state.prepared_at is None or action.failures or action.interrupted:
            state.step = "search"
            return None
        try:
            run = self.target.start(state.prepared)
        except Exception as error:
            if not isinstance(error, AzureError | OutcomeUnknown | RetryLater) and not is_rejected(error):
                raise
            return self._retry_or_search(error, state)
        if run is None:
            return self._accepted(state)
        return self._record_start(run, state)

    def _accepted(self, state: LaunchState) -> Outcome | None:
        """Search for a run that the service started without naming it. Return the outcome if the rule does not wait."""
        if not self.plan.wait:
            return Succeeded(f"{self.target.noun} was started in {self.target.location}", self.target.details())
        state.accepted, state.step = True, "search"
        return CheckBack(RETRY_PAUSE, note=f"{self.target.noun} was started; the service did not name it")

    def _retry_or_search(self, error: Exception, state: LaunchState) -> Outcome:
        """Request the run again if the error proves that the service did not start it; otherwise search for it.

        Raises the error if the service is throttled, so that every action for it waits.
        """
        unsent = isinstance(error, RetryLater | ClientAuthenticationError)  # without a token, the client sends nothing
        # A 503 proves nothing: a gateway may have lost the answer.
        if is_throttled(error) and (unsent or is_rejected(error)):
            raise error
        state.last_error = " ".join(said_once(str(error)).split())[:_MAX_ERROR]
        propagating = is_rejected(error) and status_of(error) in PROPAGATING
        if propagating or unsent:
            state.denied_since = state.denied_since or self.plan.now
            if self.plan.now - state.denied_since >= PROPAGATION:
                raise GiveUp(f"gave up after {format_duration(PROPAGATION)}: {state.last_error}")
            state.step = "prepare"  # by then, the identity may be permitted to read more
            return CheckBack(RETRY_PAUSE, note=state.last_error)
        state.step, state.denied_since = "search", None
        pause = min(RETRY_PAUSE * 2 ** min(state.attempts, 10), MAX_RETRY_PAUSE)
        state.attempts += 1
        return CheckBack(pause, note=f"{self.target.noun} may have been started: {state.last_error}")

    def search(self, state: LaunchState) -> Outcome | None:
        """Search for the run. If no search finds it for RUN_LISTED, request it again.

        Raises GiveUp if it cannot be known whether the run exists, unless the rule says `at_least_once`, and when
        requests have failed for START_RETRY.
        """
        since = state.prepared_at or self.plan.action.started
        result, problem = SearchResult(), ""
        try:
            result = self.target.find(since - CLOCK_SKEW, self.plan.now, state.prepared)
            state.listing_failed_since = None
        except TooManyRuns:
            problem, state.listing_failed_since = "there are too many runs to search", None
        except Exception as error:
            problem = _listing_problem(error)
            if pause := self._retry_listing(error, state, problem):
                return pause
        if result.match is not None:
            return self._record_start(result.match.id, state)
        if (missing := state.missing_for(False, self.plan.now)) < RUN_LISTED:
            return CheckBack(RUN_LISTED - missing, note=f"{self.target.noun} was not found; the lists may be behind")
        candidates = [run.id for run in result.candidates if run.id not in state.preexisting]
        if state.accepted:
            raise GiveUp(self._unnamed(candidates))
        if (problem or candidates) and not self.plan.at_least_once:
            raise GiveUp(self._unsure(problem or f"it may be {', '.join(candidates[:5])}"))
        self._request_again(state, since)
        return None

    def _request_again(self, state: LaunchState, since: datetime) -> None:
        """Go back to `start`. Raises GiveUp if requests have failed for START_RETRY."""
        if self.plan.now - since >= START_RETRY:
            raise GiveUp(f"{self.target.noun} could not be started: {state.last_error}")
        state.missing_since, state.missing_at, state.step = None, None, "start"
        state.attempts = max(state.attempts, 1)  # a run that the lists show late must not count as preexisting

    def _retry_listing(self, error: Exception, state: LaunchState, problem: str) -> CheckBack | None:
        """A CheckBack while a denied list may be due to a role that is not effective yet; then None.

        Raises an error of any other kind.
        """
        if not isinstance(error, ListUnavailable) and status_of(error) not in DENIED | NOT_PERMITTED:
            raise error
        state.listing_failed_since = state.listing_failed_since or self.plan.now
        elapsed = self.plan.now - state.listing_failed_since
        if elapsed >= PROPAGATION:
            return None
        return CheckBack(max(RETRY_PAUSE, min(elapsed, PROPAGATION - elapsed)), note=problem)

    def _record_start(self, run: str, state: LaunchState) -> Outcome | None:
        state.step = "follow"
        return self.plan.record_start(state, run, self.target.details())

    def _unnamed(self, candidates: list[str]) -> str:
        among = f" ({', '.join(candidates[:5])})" if candidates else ""
        return (
            f"{self.target.noun} was started in {self.target.location}, but cannot be followed: the service did not "
            f"name it, and nothing in its list of runs{among} shows which one it is"
        )

    def _unsure(self, problem: str) -> str:
        return (
            f"unsure whether {self.target.noun} was started in {self.target.location}: the outcome of the request is "
            f"unknown, and {problem}. Check there, and replay the event if it was not started. With at_least_once: "
            "true, the rule would request it again, at the risk of a second run"
        )


def _listing_problem(error: Exception) -> str:
    """The message about a list that cannot be read, with advice if a role may be missing."""
    advice = ": give the app's identity a role that may list them" if status_of(error) in PROPAGATING else ""
    reason = str(error) if isinstance(error, ListUnavailable) else describe(error)
    return f"the runs cannot be listed ({shorten(reason, 300)}){advice}"
