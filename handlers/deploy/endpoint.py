"""The step that creates the endpoint if it is missing, and deletes it again if its creation fails."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handlers.azure.ml.resources import DELETING, ENDED_BADLY, SUCCEEDED, Endpoint
from handlers.base import CheckBack, GiveUp
from handlers.deploy.limits import CLEANUP_RETRY, DELETION, ENDPOINT_DELETED
from handlers.deploy.plan import Plan
from handlers.deploy.state import CONFIRMED, RolloutState
from handlers.deploy.step_retry import retry_step


@dataclass(frozen=True)
class EndpointCreation:
    """From a missing endpoint to one that is ready."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """The one step."""
        return (self.ensure_endpoint,)

    def ensure_endpoint(self, state: RolloutState) -> CheckBack | None:
        """Create the endpoint if it is missing, and wait until it is ready."""
        plan = self.plan
        endpoint = plan.endpoints.endpoint(plan.endpoint)
        if state.cause:
            return self._delete_failed(endpoint, state)
        if endpoint and endpoint.state == SUCCEEDED:
            state.operation = ""
            return None
        if endpoint and endpoint.state in ENDED_BADLY:
            reason = plan.failure_reason(state.operation, endpoint.operation)
            return self._fail(endpoint, f"the endpoint {plan.endpoint} is {endpoint.state}: {reason}", state)
        plan.check_timeout(state)
        gone = plan.is_gone(endpoint, state)
        if endpoint is None and state.endpoint_existed and not gone:
            return plan.poll_again(state, f"the endpoint {plan.endpoint} was not found")
        if endpoint is None and not state.requested_at and plan.settled(state):
            return self._create(state)
        if reason := plan.failure(state.operation, endpoint.operation if endpoint else ""):
            return self._fail(endpoint, f"the endpoint {plan.endpoint} is Failed: {reason}", state)
        return plan.poll_again(state, f"the endpoint {plan.endpoint} is {endpoint.state if endpoint else 'missing'}")

    def _create(self, state: RolloutState) -> CheckBack:
        plan = self.plan
        try:
            state.operation = plan.endpoints.create_endpoint(plan.endpoint, plan.tags)
        except Exception as error:  # the rule's `retry` does not count here: each CheckBack of this step restarts it
            answer = retry_step(plan, state, error, plan.timeout)
            if isinstance(answer, GiveUp):
                raise answer from error
            return answer
        state.requested_at = plan.now
        return plan.poll_again(state, f"creating the endpoint {plan.endpoint}")

    def _fail(self, endpoint: Endpoint | None, reason: str, state: RolloutState) -> CheckBack:
        """Start to delete the endpoint if this action created it and it is empty: it would block every later version.

        Raises GiveUp for any other endpoint.
        """
        plan, reason = self.plan, reason.rstrip(".")
        if endpoint and not (plan.created(endpoint) and self._is_empty()):
            raise GiveUp(f"{reason}. Delete or fix the endpoint, then replay the event")
        state.next_step()
        state.cause = reason
        return CheckBack(timedelta(), note=f"{reason}. Deleting the endpoint")

    def _is_empty(self) -> bool:
        try:
            return not self.plan.endpoints.deployments(self.plan.endpoint)
        except GiveUp:  # the list may be incomplete
            return False

    def _delete_failed(self, endpoint: Endpoint | None, state: RolloutState) -> CheckBack:
        """Delete the endpoint. Raises GiveUp with the cause when it is deleted or cannot be."""
        plan = self.plan
        deleted = state.lasted(CONFIRMED, endpoint is None, plan.now) >= ENDPOINT_DELETED
        if deleted:
            raise GiveUp(f"{state.cause}. The endpoint was deleted: fix the cause, then replay the event")
        if endpoint is None:
            return plan.poll_again(state, f"the endpoint {plan.endpoint} was not found")
        try:
            self._delete(endpoint, state)
        except Exception as error:  # the report must name the cause, not only this error
            answer = retry_step(plan, state, error, CLEANUP_RETRY)
            if isinstance(answer, GiveUp):
                raise GiveUp(
                    f"{state.cause}. The endpoint could not be deleted: {answer}. Delete it, then replay the event"
                ) from error
            return answer
        return plan.poll_again(state, f"deleting the endpoint {endpoint.name}, which is {endpoint.state}")

    def _delete(self, endpoint: Endpoint, state: RolloutState) -> None:
        plan = self.plan
        if plan.polled_for(state) >= DELETION:
            raise GiveUp(f"it is still {endpoint.state}")
        if not state.requested_at and endpoint.state != DELETING and plan.settled(state):
            state.operation, state.requested_at = plan.endpoints.delete_endpoint(plan.endpoint), plan.now
        elif reason := plan.failure(state.operation if state.requested_at else "", endpoint.operation):
            raise GiveUp(reason)
