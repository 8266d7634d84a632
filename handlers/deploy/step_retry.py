"""Retry a failing step, and start the rollback when retrying has not helped.

A rule's `retry` would end an action in the middle of its work. What a roll-out has created must either serve or be
deleted in the end, so the roll-out's own limits replace the rule's.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Protocol

from azure.core.exceptions import AzureError

from handlers.azure.errors import describe
from handlers.base import CheckBack, GiveUp, Outcome, RetryLater
from handlers.deploy.limits import PAUSE
from handlers.deploy.plan import EndpointNotFound, Plan
from handlers.deploy.state import RolloutState
from handlers.duration import format_duration
from handlers.errors import classify, is_rejected, is_throttled

_MAX_BACKOFF = timedelta(minutes=15)
_MAX_TEXT = 500  # characters of an error that are kept
_MAX_LOG = 1_500  # characters of a container's log that are kept


class ConcurrentChange(GiveUp):
    """Someone else is changing the endpoint: the roll-out stops and is not rolled back."""


class _HasPlan(Protocol):
    @property
    def plan(self) -> Plan: ...


Step = Callable[[Any, RolloutState], Outcome | None]


def retry_step(plan: Plan, state: RolloutState, error: Exception, max_elapsed: timedelta) -> CheckBack | GiveUp:
    """Return a CheckBack that retries the step after a backoff, or a GiveUp after `max_elapsed` or a permanent error.

    Raises the error itself if the app must act on it: if the service is throttled, so that every action for this
    workspace waits, and at the first exception that is not a response of a service, so that the app logs its traceback.
    """
    if isinstance(error, GiveUp):
        return error
    if isinstance(error, EndpointNotFound):
        return plan.wait(str(error))
    is_defect = not isinstance(error, AzureError | RetryLater)
    if is_throttled(error) or (is_defect and not (state.errors or plan.action.failures)):
        raise error
    rejected = isinstance(error, RetryLater) or is_rejected(error)
    elapsed = state.record_error(plan.now, describe(error)[:_MAX_TEXT], rejected=rejected)
    verdict = classify(error)
    own_limit = verdict.max_elapsed if isinstance(verdict, RetryLater) else None
    if elapsed >= min(max_elapsed, own_limit or max_elapsed):
        return GiveUp(f"{describe(error)} (for {format_duration(elapsed)})")
    return CheckBack(min(PAUSE * (1 << min(state.errors - 1, 10)), _MAX_BACKOFF), note=describe(error))


def with_rollback(step: Step) -> Step:
    """Retry the step within the rule's `timeout`; when it fails for good, roll back before reporting the failure."""

    @wraps(step)
    def guarded(self: _HasPlan, state: RolloutState) -> Outcome | None:
        try:
            return step(self, state)
        except ConcurrentChange:
            raise
        except Exception as error:  # any failure of this step starts the rollback if it lasts
            answer = retry_step(self.plan, state, error, self.plan.timeout)
            if not isinstance(answer, GiveUp):
                return answer
            roll_back(self.plan, state, str(answer))
            return None

    return guarded


def roll_back(plan: Plan, state: RolloutState, cause: str) -> None:
    """Go to the first step of the rollback. Read the container's log first, while there is a container."""
    state.cause, state.step = cause, "restore_traffic"
    if state.created or state.moved:
        state.log = plan.endpoints.log(plan.endpoint, plan.name)[-_MAX_LOG:]
