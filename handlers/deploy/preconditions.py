"""The steps that check whether this model version may be deployed here, now. They create nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from handlers.azure.ml.assets import AssetRef, resolve
from handlers.azure.ml.names import later
from handlers.azure.ml.resources import Model, ModelRef
from handlers.base import GiveUp, Outcome, Skipped
from handlers.deploy.limits import LONG_PAUSE, MODEL_VISIBLE
from handlers.deploy.plan import Plan
from handlers.deploy.state import RolloutState
from handlers.duration import format_duration
from schemas import ModelRegistered, Tags


@dataclass(frozen=True)
class Preconditions:
    """Each step ends the action or lets the roll-out continue."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order."""
        return self.check_model, self.check_endpoint, self.check_quota

    def check_model(self, state: RolloutState) -> Outcome | None:
        """Skip the model unless its current tags match the rule and no later version supersedes it.

        Raises GiveUp if the model is not found within MODEL_VISIBLE, or needs code that the rule does not have, and
        RetryLater if the environment has no version that `latest` could stand for.
        """
        plan = self.plan
        state.started_at = state.started_at or plan.now
        model = plan.source.model(plan.registered)
        if model is None:
            missing = f"the model {plan.registered} was not found in {plan.source.workspace.name}"
            if plan.polled_for(state) >= MODEL_VISIBLE:
                raise GiveUp(f"{missing} within {format_duration(MODEL_VISIBLE)}")
            return plan.poll_again(state, missing, LONG_PAUSE)
        event = with_current_tags(plan.event, model)
        if not plan.action.matches(event):
            return Skipped(f"the current tags of {plan.registered} do not match the rule: {_format_tags(model.tags)}")
        if (endpoint := plan.endpoint_of(event)) != plan.endpoint:
            return Skipped(f"the current tags of {plan.registered} name the endpoint {endpoint}, not {plan.endpoint}")
        if other := self._superseded_by(model):
            return Skipped(f"{plan.registered} is superseded by {other}, which was registered later")
        self._check_code(model)
        self._resolve_environment(state)
        return None

    def _superseded_by(self, model: Model) -> ModelRef | None:
        """A later version that the same rule deploys behind the same endpoint, if there is one."""
        plan = self.plan
        for other in plan.source.other_versions(model):
            # With `allow_older`, a replay deploys an older version; versions registered after the replay still count.
            replayed = plan.allow_older and plan.action.replay_number > 0
            if replayed and other.created and other.created <= plan.action.started:
                continue
            if _is_later(other, model) and self._is_deployed_here(with_current_tags(plan.event, other)):
                return other.ref
        return None

    def _is_deployed_here(self, event: ModelRegistered) -> bool:
        try:
            return self.plan.action.matches(event) and self.plan.endpoint_of(event) == self.plan.endpoint
        except (TemplateError, GiveUp):  # its tags name no endpoint, or one that the rule does not allow
            return False

    def _check_code(self, model: Model) -> None:
        plan = self.plan
        if plan.model != plan.registered:
            found = plan.source.model(plan.model)
            if found is None:
                raise GiveUp(f"there is no model {plan.model.id}: register it there, or fix the rule's 'model'")
            model = found
        if model.needs_code and not plan.serves_any_model:
            raise GiveUp(
                f"{plan.model} is of type {model.type or 'unknown'}, which cannot be deployed without code: give the "
                "rule an environment, code and a scoring_script, or register it as an MLflow model"
            )

    def _resolve_environment(self, state: RolloutState) -> None:
        """Read which version `latest` stands for, once: every later call of this action uses the same."""
        if self.plan.environment:
            ref = AssetRef.parse(self.plan.environment, "environments")
            state.environment = resolve(self.plan.endpoints.azureml, ref).id

    def check_endpoint(self, state: RolloutState) -> Skipped | None:
        """Skip the model if the endpoint serves a later version.

        Raises GiveUp if the endpoint is missing and the rule does not create it, or if it is of another kind.
        """
        plan = self.plan
        endpoint = plan.endpoints.endpoint(plan.endpoint)
        if endpoint is None:
            if not plan.create_endpoint:
                raise GiveUp(
                    f"there is no endpoint {plan.endpoint} in {plan.endpoints.azureml.workspace.name}: create it, "
                    "or set create_endpoint: true in the rule"
                )
            return None
        state.endpoint_existed = True
        if reason := plan.endpoints.incompatibility(endpoint):
            raise GiveUp(reason)
        if plan.allow_older:
            return None
        for name in endpoint.traffic:
            serving = plan.endpoints.deployment(plan.endpoint, name)
            if serving and serving.ref and self._is_earlier_than(serving.ref):
                return Skipped(f"{plan.endpoint} serves {serving.ref}, which is later than {plan.model}")
        return None

    def _is_earlier_than(self, serving: ModelRef) -> bool:
        ours = self.plan.model
        if serving.model_id.casefold() != ours.model_id.casefold():
            return False  # versions of different models cannot be compared
        by_number = later(serving.version, ours.version)
        if by_number is not None:
            return by_number
        other, mine = self.plan.source.model(serving), self.plan.source.model(ours)
        return bool(other and mine and _is_later(other, mine))

    def check_quota(self, state: RolloutState) -> None:
        """Raise GiveUp if the service reports too little quota, or no compute, for a deployment that does not exist."""
        plan = self.plan
        if plan.endpoints.deployment(plan.endpoint, plan.name) is None and (
            problem := plan.endpoints.capacity_problem()
        ):
            raise GiveUp(problem)


def with_current_tags(event: ModelRegistered, model: Model) -> ModelRegistered:
    """The event that Azure ML would send if the model version were registered now, with its current tags."""
    data = {
        "model_version": model.ref.version,
        "model_tags": Tags(model.tags),
        "model_properties": Tags(model.properties),
    }
    subject = f"models/{model.ref}"
    return event.model_copy(update={"subject": subject, "data": event.data.model_copy(update=data)})


def _is_later(other: Model, model: Model) -> bool:
    by_number = later(other.ref.version, model.ref.version)
    if by_number is not None:
        return by_number
    return bool(other.created and model.created and other.created > model.created)


def _format_tags(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in tags.items()) or "none"
