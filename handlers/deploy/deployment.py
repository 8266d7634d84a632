"""The steps that create the deployment and test it, before it gets any traffic."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jinja2 import TemplateError

from handlers.azure.ml.resources import DELETING, ENDED_BADLY, SUCCEEDED, Deployment, Endpoint, NewDeployment
from handlers.base import GiveUp, Outcome
from handlers.deploy.checks.smoke_test import SmokeTestResult, Verdict
from handlers.deploy.limits import DEPLOYMENT_VISIBLE, LONG_PAUSE, PAUSE, READY_TO_SCORE
from handlers.deploy.plan import SETTINGS_TAG, Plan
from handlers.deploy.state import RolloutState
from handlers.deploy.step_retry import with_rollback
from handlers.errors import PROPAGATION

_SMOKE_TEST_LIMITS = {Verdict.FAILED: timedelta(), Verdict.NOT_READY: READY_TO_SCORE, Verdict.DENIED: PROPAGATION}


@dataclass(frozen=True)
class DeploymentCreation:
    """From an endpoint to a deployment behind it that has passed its smoke test."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order."""
        return self.create_deployment, self.await_deployment, self.smoke_test

    @with_rollback
    def create_deployment(self, state: RolloutState) -> Outcome | None:
        """Create the deployment unless it exists. First delete one that an earlier action left failed."""
        plan = self.plan
        plan.check_timeout(state)
        found = plan.endpoints.deployment(plan.endpoint, plan.name)
        if found is None:
            if not plan.settled(state):
                return plan.poll_again(state, f"the deployment {plan.name} was not found")
            tags = plan.tags | {SETTINGS_TAG: plan.endpoints.fingerprint}
            new = NewDeployment(plan.endpoint, plan.name, plan.model.id, tags, state.environment)
            state.operation, state.created = plan.endpoints.create(new), True
        elif plan.created(found):
            state.created = True
        elif found.state in (*ENDED_BADLY, DELETING):
            return self._delete_failed(found, state)
        elif found.tags.get(SETTINGS_TAG, plan.endpoints.fingerprint) != plan.endpoints.fingerprint:
            state.notes.append("the deployment existed already, with other settings than the rule has now")
        return None

    def _delete_failed(self, found: Deployment, state: RolloutState) -> Outcome:
        plan, description = self.plan, f"the deployment {found.name}, which an earlier action left {found.state},"
        if found.state != DELETING and not state.requested_at and plan.settled(state):
            state.operation, state.requested_at = plan.endpoints.delete(plan.endpoint, plan.name), plan.now
        if reason := plan.failure(state.operation if state.requested_at else "", found.operation):
            raise GiveUp(f"{description} could not be deleted: {reason}")
        return plan.poll_again(state, f"{description} is being deleted")

    @with_rollback
    def await_deployment(self, state: RolloutState) -> Outcome | None:
        """Wait until the deployment is provisioned."""
        plan = self.plan
        plan.check_timeout(state)
        found = plan.endpoints.deployment(plan.endpoint, plan.name)
        if found is None or (state.created and not plan.created(found)):
            if plan.polled_for(state) >= DEPLOYMENT_VISIBLE:
                raise GiveUp(f"Azure accepted the deployment {plan.name}, but it never appeared")
            if reason := plan.failure(state.operation):
                raise GiveUp(f"the deployment {plan.name} is Failed: {reason}")
            return plan.poll_again(state, f"the deployment {plan.name} was not found")
        if found.state in ENDED_BADLY:
            reason = plan.failure_reason(state.operation, found.operation)
            raise GiveUp(f"the deployment {plan.name} is {found.state}: {reason}")
        if found.state != SUCCEEDED:
            if reason := plan.failure(state.operation or found.operation):
                raise GiveUp(f"the deployment {plan.name} is Failed: {reason}")
            return plan.wait(f"the deployment {plan.name} is {found.state}", LONG_PAUSE)
        return None

    @with_rollback
    def smoke_test(self, state: RolloutState) -> Outcome | None:
        """Send the smoke test to the new deployment. A deployment that is not ready or denies access is retried."""
        plan = self.plan
        plan.check_timeout(state)
        verdict, reason = run_smoke_test(plan, plan.read_endpoint(state))
        if verdict is Verdict.PASSED:
            return None
        if verdict.value != state.verdict:
            state.verdict, state.polling_since = verdict.value, None
        if plan.polled_for(state) >= _SMOKE_TEST_LIMITS[verdict]:
            raise GiveUp(f"the smoke test failed: {reason}")
        pause = LONG_PAUSE if verdict is Verdict.DENIED else PAUSE
        return plan.poll_again(state, f"the smoke test failed: {reason}", pause)


def run_smoke_test(plan: Plan, endpoint: Endpoint) -> SmokeTestResult:
    """The new deployment's result in the smoke test; passed if the rule has no smoke test."""
    test = plan.smoke_test
    if test is None:
        return SmokeTestResult(Verdict.PASSED)
    try:
        body = test.body()
    except ValueError as error:
        return SmokeTestResult(Verdict.FAILED, str(error))
    try:
        return test.classify(plan.endpoints.score(endpoint, plan.name, body), plan.event)
    except TemplateError as error:
        return SmokeTestResult(Verdict.FAILED, f"{type(error).__name__}: {error}")
