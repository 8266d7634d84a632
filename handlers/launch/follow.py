"""The step that follows a run to its end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handlers.base import CheckBack, GiveUp, Outcome, Succeeded
from handlers.duration import format_duration
from handlers.errors import is_conflict
from handlers.launch.limits import CANCELLATION, MAX_PAUSE, MIN_PAUSE, OVERDUE_PAUSE, RUN_MISSING
from handlers.launch.plan import Plan
from handlers.launch.run import Run, RunState
from handlers.launch.state import LaunchState

_REASON_ATTEMPTS = 2  # to read why a run failed, before the last one
_MAX_REASON = 700  # characters of a reason: the outcome has 1,000, with room for the run's name and link


@dataclass(frozen=True)
class Follow:
    """From the start of a run to its end."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[LaunchState], Any], ...]:
        """The only step."""
        return (self.follow,)

    def follow(self, state: LaunchState) -> Outcome:
        """Read the run, and end with it. Raises GiveUp if it failed, was canceled, or exceeds the rule's timeout."""
        plan, target = self.plan, self.plan.target
        run = target.read(state.run)
        missing = state.missing_for(run is not None, plan.now)
        if run is None:
            return self._missing(state, missing)
        if run.state is RunState.COMPLETED:
            summary = f"{target.noun} {run.id} has completed in {target.location}"
            return Succeeded(summary, plan.details(state, run))
        if run.state.has_ended:
            raise GiveUp(self._failure(run, state))
        if self._elapsed(state) >= plan.timeout:
            self._overdue(run, state)
        return CheckBack(self._pause(state), note=f"{run.status}")

    def _missing(self, state: LaunchState, missing: timedelta) -> CheckBack:
        """Tolerate that reads do not find the run, for RUN_MISSING: the replica may be behind."""
        if missing >= RUN_MISSING:
            noun, span = self.plan.target.noun, format_duration(RUN_MISSING)
            raise GiveUp(f"{noun} {state.run} was started, but reads have not found it for {span}")
        return CheckBack(min(MIN_PAUSE, self.plan.poll or MIN_PAUSE), note=f"{state.run} was not found")

    def _failure(self, run: Run, state: LaunchState) -> str:
        """The message about a run that failed or was canceled."""
        target, canceled = self.plan.target, run.state is RunState.CANCELED
        if state.cancel_requested and canceled:
            reason = f"it did not end within {format_duration(self.plan.timeout)}"
        else:
            reason = (run.error or self._reason(run) or "the service gives no reason")[:_MAX_REASON]
        ending = "was canceled" if canceled else "failed"
        return f"{target.noun} {run.id} {ending}: {reason.rstrip('. ')}. {target.link(run.id) or ''}".strip()

    def _reason(self, run: Run) -> str:
        """Why the run failed; its status if that cannot be read: the run has failed in any case.

        Raises the client's error the first times.
        """
        try:
            return self.plan.target.failure_reason(run)
        except Exception:
            if self.plan.action.failures < _REASON_ATTEMPTS:
                raise
            return run.status

    def _overdue(self, run: Run, state: LaunchState) -> None:
        """Request the cancellation of a run that exceeds the timeout. Raises GiveUp if the rule does not ask for it."""
        plan, target = self.plan, self.plan.target
        late = f"{target.noun} {run.id} did not end within {format_duration(plan.timeout)}"
        if not plan.cancel_on_timeout:
            raise GiveUp(f"{late}, and is still running. {target.link(run.id) or ''}".strip())
        if self._elapsed(state) >= plan.timeout + CANCELLATION:
            raise GiveUp(f"{late}, and could not be canceled: its status is {run.status}")
        if run.state is not RunState.CANCELING:
            try:
                target.cancel(run.id)
            except Exception as error:  # the service does not cancel a run that is ending
                if not isinstance(error, GiveUp) and not is_conflict(error):
                    raise
        state.cancel_requested = True

    def _elapsed(self, state: LaunchState) -> timedelta:
        return self.plan.now - (state.started_at or self.plan.action.started)

    def _pause(self, state: LaunchState) -> timedelta:
        """The pause before the next read: a twentieth of the time so far, within limits, ending by the `timeout`."""
        elapsed = self._elapsed(state)
        left = self.plan.timeout - elapsed
        if left <= timedelta():
            return min(OVERDUE_PAUSE, self.plan.poll or OVERDUE_PAUSE)
        pause = min(max(elapsed / 20, MIN_PAUSE), MAX_PAUSE, self.plan.poll or MAX_PAUSE)
        return min(pause, max(left, timedelta(seconds=1)))
