"""The steps that undo a roll-out: restore the traffic, delete the deployment, report the failure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from handlers.azure.ml.resources import DELETING, ENDED_BADLY, SUCCEEDED, Deployment, Endpoint
from handlers.base import TEXT_LIMIT, GiveUp, Outcome, shorten
from handlers.deploy import limits
from handlers.deploy.plan import Plan, has_traffic
from handlers.deploy.state import CONFIRMED, UNEXPECTED, RolloutState
from handlers.deploy.step_retry import retry_step
from handlers.deploy.traffic import format_traffic

_REASON, _CAUSE, _LOG = 500, 300, 300  # characters of each part of a report, which has a thousand
_OF_LOG = " The end of its log: "


@dataclass(frozen=True)
class Rollback:
    """From the step at which the roll-out failed back to the original state."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order."""
        return self.restore_traffic, self.delete_deployment, self.report

    def restore_traffic(self, state: RolloutState) -> Outcome | None:
        """Give the new deployment the share that it had before, which does not undo what others have changed since."""
        endpoint = None
        try:
            endpoint = self.plan.endpoints.endpoint(self.plan.endpoint) if state.moved else None
            return self._restore(endpoint, state) if endpoint else self._no_endpoint(state)
        except Exception as error:  # the report must name the cause of the rollback, not only this error
            answer = retry_step(self.plan, state, error, limits.ROLLBACK_RETRY)
            return self._not_restored(endpoint, state, answer) if isinstance(answer, GiveUp) else answer

    def _no_endpoint(self, state: RolloutState) -> Outcome | None:
        """There is nothing to restore if no traffic was moved, or if the endpoint was deleted."""
        if not state.moved or self.plan.is_gone(None, state):
            return None
        state.lasted(CONFIRMED, False, self.plan.now)
        return self.plan.poll_again(state, f"the endpoint {self.plan.endpoint} was not found")

    def _restore(self, endpoint: Endpoint, state: RolloutState) -> Outcome | None:
        plan, traffic = self.plan, format_traffic(endpoint.traffic)
        plan.is_gone(endpoint, state)
        idle, settled = _is_idle(endpoint.state), plan.settled(state)
        # An unconfirmed change may still take effect, even if no read shows it. So the original traffic is requested in
        # any case, unless this step has done so, or a call whose outcome is unknown may have.
        requested = state.requested_at or not state.unconfirmed or (state.outcome_unknown and settled)
        restored = bool(idle and requested and self._is_restored(endpoint, state))
        lasted = state.lasted(CONFIRMED, restored, plan.now)
        if restored:
            return None if lasted >= limits.TRAFFIC_SETTLED else plan.poll_again(state, f"traffic: {traffic}")
        reason = plan.failure(state.operation) if state.requested_at else ""
        if plan.polled_for(state) >= limits.TRAFFIC_RESTORED:
            raise GiveUp(f"the endpoint does not show it{f': {reason}' if reason else ''}")
        overdue = state.requested_at and plan.now - state.requested_at >= limits.TRAFFIC_VISIBLE
        if idle and settled and (overdue or not state.requested_at):
            state.operation = plan.endpoints.set_traffic(endpoint, state.original_traffic)
            state.requested_at = plan.now
        return plan.poll_again(state, f"traffic: {traffic}, restoring {format_traffic(state.original_traffic)}")

    def _is_restored(self, endpoint: Endpoint, state: RolloutState) -> bool:
        return endpoint.traffic.get(self.plan.name, 0) == state.original_traffic.get(self.plan.name, 0)

    def _not_restored(self, endpoint: Endpoint | None, state: RolloutState, error: GiveUp) -> Outcome | None:
        """Raise GiveUp: a person must restore the traffic. None if the traffic was never moved."""
        if endpoint and _is_idle(endpoint.state) and self._is_restored(endpoint, state):
            return None
        now = f"it is {format_traffic(endpoint.traffic)}, and" if endpoint else "it cannot be read; it"
        before = format_traffic(state.original_traffic)
        raise GiveUp(
            f"Restore the traffic of {self.plan.endpoint} manually: {now} was {before}. "
            f"{str(error)[:_REASON]}. The roll-out was rolled back because of this: {state.cause[:_CAUSE]}"
        ) from error

    def delete_deployment(self, state: RolloutState) -> Outcome | None:
        """Delete the deployment, if this action created it and the rule does not leave failed deployments."""
        answer: Outcome | GiveUp | str
        try:
            answer = self._delete(state)
        except Exception as error:  # the report must name the cause of the rollback, not only this error
            answer = retry_step(self.plan, state, error, limits.ROLLBACK_RETRY)
        if isinstance(answer, GiveUp):
            answer = f"the deployment {self.plan.name} could not be deleted: {answer}"
        if not isinstance(answer, str):
            return answer
        state.notes.append(shorten(answer, _CAUSE))
        return None

    def _delete(self, state: RolloutState) -> Outcome | str:
        """Take the next action towards the deletion; return a text for the report when there is nothing more to do."""
        plan, name = self.plan, self.plan.name
        endpoint, found = plan.read()
        absent_for = state.lasted(CONFIRMED, found is None, plan.now)
        if found is None:
            note = f"there is no deployment {name}"
            limit = limits.DEPLOYMENT_DELETED if state.requested_at else limits.DEPLOYMENT_ABSENT
            return note if absent_for >= limit else plan.poll_again(state, note)
        if plan.leave_failed or not plan.created(found):  # its tag decides: the state may not know of a crashed call
            return f"the deployment {name} was left"
        if plan.polled_for(state) >= limits.ROLLBACK_DELETION:
            return f"the deployment {name} should be deleted, but is still {found.state}"
        busy = has_traffic(endpoint, name)
        busy_for = state.lasted(UNEXPECTED, busy, plan.now)
        if not state.requested_at and self._may_delete(found, state):
            if busy_for >= limits.CONCURRENT_CHANGE:
                return f"the deployment {name} was left, because someone else gave it traffic"
            if endpoint is None or busy:
                return plan.poll_again(state, f"not deleting {name} yet: it may have traffic")
            state.operation, state.requested_at = plan.endpoints.delete(plan.endpoint, name), plan.now
        if reason := plan.failure(state.operation if state.requested_at else "", found.operation):
            raise GiveUp(reason)
        pause = limits.PAUSE if _is_idle(found.state) else limits.DELETION_PAUSE
        return plan.poll_again(state, f"deleting {name}, which is {found.state}", pause)

    def _may_delete(self, found: Deployment, state: RolloutState) -> bool:
        """Wait for the end of a creation, but not for one that is stuck."""
        if found.state == DELETING or not self.plan.settled(state):
            return False
        return _is_idle(found.state) or self.plan.polled_for(state) >= limits.STUCK_CREATION

    def report(self, state: RolloutState) -> None:
        """Raise GiveUp with the cause, what was undone, the end of the log, and the link to the endpoint."""
        plan = self.plan
        traffic = f"the traffic of {plan.endpoint} is restored" if state.moved else "no traffic was moved"
        undone = "; ".join([traffic, *state.notes])
        text = f"{plan.model} was not deployed: {state.cause[:_REASON].rstrip('.')}. Now {undone}."
        link = f" {plan.endpoints.link(plan.endpoint)}".rstrip()
        room = min(_LOG, TEXT_LIMIT - len(text) - len(link) - len(_OF_LOG))  # a link that is cut is useless
        log = f"{_OF_LOG}{state.log[-room:]}" if state.log and room > 0 else ""
        raise GiveUp(f"{text}{log}{link}")


def _is_idle(state: str) -> bool:
    """Is no operation in progress in this provisioning state?"""
    return state in (SUCCEEDED, *ENDED_BADLY)
