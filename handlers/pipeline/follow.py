"""The step that follows what was started to its end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import HttpResponseError

from handlers.azure.run import Run, RunState
from handlers.base import CheckBack, GiveUp, Outcome, Succeeded
from handlers.duration import format_duration
from handlers.pipeline.target import LaunchState, Plan

_SOON, _SELDOM = timedelta(seconds=30), timedelta(minutes=5)  # between two looks
_MISSES = 40  # looks at what was started and is not to be seen: ten minutes and more
_STUBBORN = timedelta(hours=1)  # how long a run may take to be canceled
_WHY = 700  # characters of a report, which has a thousand


@dataclass(frozen=True)
class Follow:
    """From its start to its end."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[LaunchState], Any], ...]:
        """In order."""
        return (self.follow,)

    def follow(self, state: LaunchState) -> Outcome:
        """Completed is good; failed and canceled are not; all else is looked at again."""
        plan, target = self.plan, self.plan.target
        run = target.look(state.run)
        if run is None:
            return self._missed(state)
        state.looks = 0
        if run.state is RunState.COMPLETED:
            summary = f"{target.what} {run.id} has completed in {target.where}"
            return Succeeded(summary, plan.details(state, run))
        if run.state.has_ended:
            raise GiveUp(self._ended_badly(run, state))
        if self._running(state) >= plan.timeout:
            self._overdue(run, state)
        return CheckBack(self._pause(state), note=f"{run.status}")

    def _missed(self, state: LaunchState) -> CheckBack:
        state.looks += 1
        if state.looks > _MISSES:
            raise GiveUp(f"{self.plan.target.what} {state.run} was started, and is not to be seen any more")
        return CheckBack(_SOON, note=f"{state.run} is not to be seen yet")

    def _ended_badly(self, run: Run, state: LaunchState) -> str:
        target = self.plan.target
        if state.canceling and run.state is RunState.CANCELED:
            why = f"not done within {format_duration(self.plan.timeout)}"
        else:
            why = (run.error or target.why(run) or "the service does not say why")[:_WHY].rstrip(". ")
        return f"{target.what} {run.id} {run.state}: {why}. {target.link(run.id) or ''}".strip()

    def _overdue(self, run: Run, state: LaunchState) -> None:
        """It has taken too long. Raises GiveUp, unless it is first to be canceled."""
        plan, late = self.plan, f"not done within {format_duration(self.plan.timeout)}"
        if not plan.cancel_on_timeout:
            raise GiveUp(f"{plan.target.what} {run.id}: {late}; it goes on. {plan.target.link(run.id) or ''}".strip())
        if self._running(state) >= plan.timeout + _STUBBORN:
            raise GiveUp(f"{plan.target.what} {run.id}: {late}; it was to be canceled, and is {run.status}")
        if run.state is not RunState.CANCELING:
            try:
                plan.target.cancel(run.id)
            except (GiveUp, HttpResponseError) as error:  # it has ended meanwhile, or is about to
                if isinstance(error, HttpResponseError) and error.status_code != HTTPStatus.CONFLICT:
                    raise
        state.canceling = True

    def _running(self, state: LaunchState) -> timedelta:
        return self.plan.action.now - (state.started or self.plan.action.started)

    def _pause(self, state: LaunchState) -> timedelta:
        """The longer it has run, the longer; but a timeout is met."""
        running = self._running(state)
        left = self.plan.timeout - running
        pause = min(max(running / 20, _SOON), _SELDOM, self.plan.poll or _SELDOM)
        return min(pause, max(left, timedelta(seconds=1))) if left > timedelta() else 2 * _SOON
