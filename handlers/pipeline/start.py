"""The steps that start something, once, whatever has gone wrong in an earlier call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import islice
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from handlers.azure.errors import describe
from handlers.azure.run import ListUnavailable, NameTaken, Run, TooManyRuns
from handlers.base import CheckBack, GiveUp, Outcome, RetryLater
from handlers.errors import DENIED, NOT_PERMITTED, PROPAGATING, PROPAGATION, status_of
from handlers.pipeline.target import Found, Known, LaunchState, Named, Nameless, Plan

LISTED = timedelta(minutes=2)  # until what was started is surely in the service's lists
SKEW = timedelta(minutes=5)  # by which the service's clock may be off from ours

_BETWEEN, _SELDOM = timedelta(seconds=30), timedelta(hours=1)  # between two tries
_PATIENCE = timedelta(hours=24)
_REMEMBERED = 50  # runs that were there before


@dataclass(frozen=True)
class StartNamed:
    """Start what has a name: there can be but one."""

    plan: Plan
    target: Named

    @property
    def steps(self) -> tuple[Callable[[LaunchState], Any], ...]:
        """In order."""
        return (self.submit,)

    def submit(self, state: LaunchState) -> Outcome | None:
        """It is there, by this call or an earlier one."""
        target = self.target
        found = target.look(target.name)
        if found is None:
            try:
                target.submit()
                return self.plan.is_started(state, target.name, target.told())
            except (GiveUp, HttpResponseError, NameTaken) as error:
                found = self._after_all(error)
        if not target.is_ours(found):
            raise GiveUp(f"there is {target.what} {target.name}, and this action has not started it")
        return self.plan.is_started(state, target.name, target.told(found))

    def _after_all(self, error: Exception) -> Run:
        """What has our name, now that it was refused: perhaps because we have it. Raises that it was refused."""
        target = self.target
        found = target.look(target.name)
        if isinstance(error, NameTaken):
            if found is None:
                raise RetryLater(f"{target.what} {target.name} is not to be seen yet: {error}") from error
        elif found is None or not target.is_ours(found):
            raise error
        return found


@dataclass(frozen=True)
class StartNameless:
    """Start what can only be searched for.

    Before it is asked for, it is written down that it will be. A call that finds that written searches first if an
    earlier one has found it, too, and failed or died: it may have asked.
    """

    plan: Plan
    target: Nameless

    @property
    def steps(self) -> tuple[Callable[[LaunchState], Any], ...]:
        """In order; `search` goes back to `start` if there is nothing to be found."""
        return self.prepare, self.start, self.search

    @property
    def _now(self) -> datetime:
        return self.plan.action.now

    def prepare(self, state: LaunchState) -> None:
        """It can be started, and that it will be is saved with this step."""
        known = self.target.prepare()
        state.known = None if known is None else dict(known)
        if not state.tries:
            state.since, state.others = self._now, self._others(known)

    def _others(self, known: Known) -> list[str]:
        """What is listed already is not ours. That spares a doubt, and no more: an error is no reason not to start."""
        try:
            runs = self.target.others(self._now - SKEW, self._now, known)
            return [run.id for run in islice(runs, _REMEMBERED)]
        except (AzureError, GiveUp, RetryLater, TooManyRuns, ListUnavailable, ValueError):
            return []

    def start(self, state: LaunchState) -> Outcome | None:
        """Start it, unless it may be started already."""
        action = self.plan.action
        if state.since is None or action.failures or action.interrupted:
            state.step = "search"
            return None
        try:
            run = self.target.start(state.known)
        except (AzureError, RetryLater) as error:
            return self._not_started(error, state)
        return self._started(run, state)

    def _not_started(self, error: AzureError | RetryLater, state: LaunchState) -> Outcome:
        """What to do about it. What surely was refused is asked for again; of all else it must be seen what came."""
        status = error.status_code if isinstance(error, HttpResponseError) else None
        if status == HTTPStatus.TOO_MANY_REQUESTS:  # 503 does not prove it: a gateway may have lost the answer
            raise error
        state.trouble = " ".join(str(error).split())[:500]
        # Without a token, nothing was sent.
        if status in PROPAGATING or isinstance(error, RetryLater | ClientAuthenticationError):
            state.denied = state.denied or self._now
            if self._now - state.denied >= PROPAGATION:
                raise GiveUp(f"gave up after 30m: {state.trouble}")
            state.step = "prepare"  # what could not be known may be known by then, too
            return CheckBack(_BETWEEN, note=state.trouble)
        state.step, state.denied = "search", None
        pause = min(_BETWEEN * 2 ** min(state.tries, 10), _SELDOM)
        state.tries += 1
        return CheckBack(pause, note=f"it may have been started: {state.trouble}")

    def search(self, state: LaunchState) -> Outcome | None:
        """See what an earlier call has started. What is not to be seen, twice, was not started."""
        since = state.since or self.plan.action.started
        found, why = Found(), ""
        try:
            found, state.blind = self.target.ours(since - SKEW, self._now, state.known), None
        except TooManyRuns:
            why, state.blind = "there are too many runs to look through", None
        except (HttpResponseError, GiveUp, ListUnavailable) as error:
            why = _unlisted(error)
            if pause := self._blind(error, state, why):
                return pause
        if found.run is not None:
            return self._started(found.run.id, state)
        if not state.looks:
            state.looks += 1
            return CheckBack(LISTED, note=f"{self.target.what} is not to be seen; perhaps it was not started")
        perhaps = [run.id for run in found.perhaps if run.id not in state.others]
        if (why or perhaps) and not self.plan.at_least_once:
            raise GiveUp(self._unsure(why or f"it may be {', '.join(perhaps[:5])}"))
        if self._now - since >= _PATIENCE:
            raise GiveUp(f"{self.target.what} could not be started: {state.trouble}")
        state.looks, state.step = 0, "start"
        state.tries = max(state.tries, 1)  # what was not seen may yet come: no moment after that is the first one
        return None

    def _blind(self, error: Exception, state: LaunchState, why: str) -> CheckBack | None:
        """What to do about a list that is refused: roles take time to spread. None: that has been waited for."""
        if not isinstance(error, ListUnavailable) and status_of(error) not in DENIED | NOT_PERMITTED:
            raise error
        state.blind = state.blind or self._now
        waited = self._now - state.blind
        return CheckBack(max(_BETWEEN, min(waited, PROPAGATION - waited)), note=why) if waited < PROPAGATION else None

    def _started(self, run: str, state: LaunchState) -> Outcome | None:
        state.step, state.looks = "follow", 0
        return self.plan.is_started(state, run, self.target.told())

    def _unsure(self, why: str) -> str:
        return (
            f"unsure whether {self.target.what} was started in {self.target.where}: the call that asked for it did not "
            f"come to its end, and {why}. Look there, and replay the event if it was not; or let the rule say "
            "at_least_once: true"
        )


def _unlisted(error: Exception) -> str:
    role = ": give the app's identity a role that may" if status_of(error) in PROPAGATING else ""
    why = str(error) if isinstance(error, ListUnavailable) else describe(error)
    return f"what was started cannot be listed ({why[:300]}){role}"
