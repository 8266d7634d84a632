"""How long a step is tried again that goes wrong: said here, not by the rule's `retry`.

A rule's `retry` ends an action where it is. What a roll-out has begun must come to an end, a good one or where it was.
"""

from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError

from handlers.azure.errors import told
from handlers.base import CheckBack, GiveUp, RetryLater
from handlers.deploy.plan import PAUSE, Plan, RolloutState
from handlers.duration import format_duration

_BUSY = (429, 503)
_TOO_SLOW = 408
_ACCESS = (401, 403, 404)  # a role takes minutes to spread, and a resource to be everywhere
_ROLES = timedelta(minutes=30)
_LONGEST = timedelta(minutes=15)  # between two tries
_SAID = 500  # characters of an error that are kept


class Unseen(RetryLater):
    """The endpoint is not to be seen: one more look."""


def once_more(plan: Plan, state: RolloutState, error: Exception, patience: timedelta) -> CheckBack | GiveUp:
    """The same step again, in a while; GiveUp if that is pointless, or has gone on for so long.

    Raises the error if it is for the app to classify.
    """
    if isinstance(error, GiveUp):
        return error
    if isinstance(error, Unseen):
        return CheckBack(PAUSE, note=str(error))
    if _is_for_the_app(error) or (_is_a_defect(error) and not (state.failed or plan.action.failures)):
        raise error
    span = state.has_failed(plan.action.now, told(error)[:_SAID], refused=_is_refused(error))
    if span >= min(patience, _own_patience(error) or patience):
        return GiveUp(f"{told(error)} (for {format_duration(span)})")
    return CheckBack(min(PAUSE * (1 << min(state.failed - 1, 10)), _LONGEST), note=told(error))


def _is_for_the_app(error: Exception) -> bool:
    """Does the service ask for a pause? Then all actions make it that want something of the workspace."""
    if isinstance(error, RetryLater):
        return error.throttled
    return isinstance(error, HttpResponseError) and error.status_code in _BUSY


def _is_a_defect(error: Exception) -> bool:
    """Then the app shall log where it came from, once."""
    return not isinstance(error, AzureError | RetryLater)


def _is_refused(error: Exception) -> bool:
    """Is it sure that nothing was done?"""
    if isinstance(error, HttpResponseError):
        return 400 <= (error.status_code or 0) < 500 and error.status_code != _TOO_SLOW
    return isinstance(error, RetryLater)


def _own_patience(error: Exception) -> timedelta | None:
    if isinstance(error, RetryLater):
        return error.patience
    return _ROLES if isinstance(error, HttpResponseError) and error.status_code in _ACCESS else None
