"""The steps that delete older deployments. The model serves already: no failure here undoes that."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handlers.azure.ml.resources import DELETING, ENDED_BADLY, Deployment
from handlers.base import GiveUp, Outcome, Succeeded
from handlers.deploy.limits import CLEANUP_RETRY, DELETION
from handlers.deploy.plan import ACTION_TAG, EndpointGone, Plan, has_traffic
from handlers.deploy.state import RolloutState
from handlers.deploy.step_retry import retry_step
from handlers.deploy.traffic import format_traffic


@dataclass(frozen=True)
class Cleanup:
    """Deletes deployments that this handler created, that have no traffic, and that the rule does not keep."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order."""
        return self.list_outdated, self.delete_outdated

    def list_outdated(self, state: RolloutState) -> Outcome | None:
        """List the deployments to delete."""
        try:
            state.to_delete = self._outdated(state)
        except EndpointGone:
            raise
        except Exception as error:  # of any kind: the model serves already
            answer = retry_step(self.plan, state, error, CLEANUP_RETRY)
            if not isinstance(answer, GiveUp):
                return answer
            state.notes.append(f"older deployments could not be listed: {answer}")
        return None

    def _outdated(self, state: RolloutState) -> list[str]:
        plan, endpoint = self.plan, self.plan.read_endpoint(state)
        created = [d for d in plan.endpoints.deployments(plan.endpoint) if ACTION_TAG in d.tags and d.name != plan.name]
        idle = [d for d in created if not has_traffic(endpoint, d.name)]
        good = sorted((d for d in idle if d.state not in ENDED_BADLY), key=_age, reverse=True)
        failed = [] if plan.leave_failed else [d for d in idle if d.state in ENDED_BADLY]
        return [d.name for d in (*good[plan.keep :], *failed)]

    def delete_outdated(self, state: RolloutState) -> Outcome:
        """Delete them one after the other, then report success; name those that could not be deleted."""
        while state.to_delete:
            name = state.to_delete[0]
            if (outcome := self._try_delete(name, state)) is not None:
                return outcome
            state.to_delete = state.to_delete[1:]
            state.next_step()
        return self._succeeded(state)

    def _try_delete(self, name: str, state: RolloutState) -> Outcome | None:
        try:
            return self._delete(name, state)
        except Exception as error:  # of any kind: the model serves already
            answer = retry_step(self.plan, state, error, CLEANUP_RETRY)
            if not isinstance(answer, GiveUp):
                return answer
            state.notes.append(f"{name} could not be deleted: {answer}")
        return None

    def _delete(self, name: str, state: RolloutState) -> Outcome | None:
        """Delete one deployment, if it still has no traffic. None when there is nothing more to do about it."""
        plan = self.plan
        found = plan.endpoints.deployment(plan.endpoint, name)
        if found is None:
            return None
        plan.check_timeout(state)
        if plan.polled_for(state) >= DELETION:
            raise GiveUp(f"it is still {found.state}")
        if not state.requested_at and found.state != DELETING and plan.settled(state):
            if has_traffic(plan.read_endpoint(state), name):  # the second read; the first was in `list_outdated`
                return None
            state.operation, state.requested_at = plan.endpoints.delete(plan.endpoint, name), plan.now
        if reason := plan.failure(state.operation if state.requested_at else "", found.operation):
            raise GiveUp(reason)
        return plan.poll_again(state, f"deleting {name}")

    def _succeeded(self, state: RolloutState) -> Succeeded:
        plan = self.plan
        summary = f"{plan.model} serves {plan.endpoint}, by the deployment {plan.name}"
        details = {
            "endpoint": plan.endpoint,
            "deployment": plan.name,
            "model": plan.model.id,
            "workspace": plan.endpoints.azureml.workspace.name,
            "before": format_traffic(state.original_traffic),
        }
        if link := plan.endpoints.link(plan.endpoint):
            details["link"] = link
        return Succeeded("; ".join([summary, *state.notes]), details)


def _age(deployment: Deployment) -> tuple[datetime, str]:
    return deployment.created or datetime.min.replace(tzinfo=UTC), deployment.name
