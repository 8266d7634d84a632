"""May this model version be deployed here, now? The steps before a deployment is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jinja2 import TemplateError

from handlers.azure.ml.names import later
from handlers.azure.ml.resources import DELETING, ENDED_BADLY, SUCCEEDED, Endpoint, Model, ModelRef
from handlers.base import CheckBack, GiveUp, Outcome, Skipped
from handlers.deploy.plan import Plan, RolloutState, again
from handlers.deploy.step_retry import once_more
from schemas import ModelRegistered, Tags

_MISSES = 10  # looks for a model: its event may be here before every replica of Resource Manager knows it
_BETWEEN = timedelta(seconds=30)
_SURE, _MOST = 2, 40  # looks at an endpoint that is being deleted: in a row that do not find it, and in all
_TIDYING = timedelta(minutes=30)  # with a service that does not delete it


@dataclass(frozen=True)
class Wanted:
    """Each step ends the action, or lets it pass."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order."""
        return self.still_wanted, self.in_order, self.room, self.endpoint_ready

    def still_wanted(self, state: RolloutState) -> Outcome | None:
        """The model is there, its tags as they are now match the rule, and no later version has taken its place."""
        plan = self.plan
        state.began = state.began or plan.action.now
        model = plan.source.model(plan.registered)
        if model is None:
            if state.looks < _MISSES:
                return again(state, f"the model {plan.registered} is not to be seen yet", _BETWEEN)
            return Skipped(f"there is no model {plan.registered} in {plan.source.workspace.name}")
        event = as_it_is(plan.event, model)
        if not plan.action.matches(event):
            return Skipped(f"the tags of {plan.registered} as they are now do not match the rule: {_shown(model.tags)}")
        if (endpoint := plan.endpoint_of(event)) != plan.endpoint:
            return Skipped(f"by its tags as they are now, {plan.registered} belongs to {endpoint}, not {plan.endpoint}")
        if other := self._superseded_by(model):
            return Skipped(f"{plan.registered} is superseded by {other}, which was registered later")
        self._check_code(model)
        return None

    def _superseded_by(self, model: Model) -> ModelRef | None:
        """A later version that the same rule sends to the same endpoint: of many at once the last is deployed."""
        plan = self.plan
        for other in plan.source.other_versions(model):
            # Whoever allows older versions may replay an old event. What is newer than the replay still counts.
            replayed = plan.allow_older and plan.action.generation > 0
            if replayed and other.created and other.created <= plan.action.started:
                continue
            if _is_later(other, model) and self._is_for_us(as_it_is(plan.event, other)):
                return other.ref
        return None

    def _is_for_us(self, event: ModelRegistered) -> bool:
        try:
            return self.plan.action.matches(event) and self.plan.endpoint_of(event) == self.plan.endpoint
        except (TemplateError, GiveUp):  # it has no endpoint, or one that is not allowed
            return False

    def _check_code(self, model: Model) -> None:
        plan = self.plan
        if plan.model != plan.registered:
            found = plan.source.model(plan.model)
            if found is None:
                raise GiveUp(f"there is no model {plan.model.id}; register it there, or mend the rule's 'model'")
            model = found
        if model.needs_code and not plan.has_code:
            raise GiveUp(
                f"{plan.model} is of type {model.type or 'unknown'}, which cannot be deployed without code: give the "
                "rule an environment, code and a scoring_script, or register it as an MLflow model"
            )

    def in_order(self, state: RolloutState) -> Skipped | None:
        """There is an endpoint or may be one, and it does not serve a later version."""
        plan = self.plan
        endpoint = plan.endpoints.endpoint(plan.endpoint)
        if endpoint is None:
            if not plan.create_endpoint:
                raise GiveUp(
                    f"there is no endpoint {plan.endpoint} in {plan.endpoints.azureml.workspace.name}: create it, "
                    "or let the rule say create_endpoint: true"
                )
            return None
        state.there = True
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
            return False  # versions of different models say nothing about each other
        by_number = later(serving.version, ours.version)
        if by_number is not None:
            return by_number
        other, mine = self.plan.source.model(serving), self.plan.source.model(ours)
        return bool(other and mine and _is_later(other, mine))

    def room(self, state: RolloutState) -> None:
        """There is quota for the deployment, as far as the service tells; or it is there already."""
        plan = self.plan
        if plan.endpoints.deployment(plan.endpoint, plan.name) is None and (why := plan.endpoints.capacity_problem()):
            raise GiveUp(why)

    def endpoint_ready(self, state: RolloutState) -> CheckBack | None:
        """The endpoint is there: it is made if it is missing."""
        plan = self.plan
        endpoint = plan.endpoints.endpoint(plan.endpoint)
        if state.broken:
            return self._removing(endpoint, state)
        if endpoint and endpoint.state == SUCCEEDED:
            state.operation = ""
            return None
        if endpoint and endpoint.state in ENDED_BADLY:
            why = plan.failure_reason(state.operation, endpoint.operation)
            return self._broken(endpoint, f"the endpoint {plan.endpoint} is {endpoint.state}: {why}", state)
        plan.in_time(state)
        if endpoint is None and state.there and not plan.is_lost(None, state):
            return again(state, f"the endpoint {plan.endpoint} is not to be seen")
        if endpoint is None and not state.asked and plan.calm(state):
            state.operation = plan.endpoints.create_endpoint(plan.endpoint, plan.tags)
            state.asked = True
        elif why := plan.failure(state.operation, endpoint.operation if endpoint else ""):
            return self._broken(endpoint, f"the endpoint {plan.endpoint} is Failed: {why}", state)
        return again(state, f"the endpoint {plan.endpoint} is {endpoint.state if endpoint else 'not there yet'}")

    def _broken(self, endpoint: Endpoint | None, why: str, state: RolloutState) -> CheckBack:
        """One that this action made, and that nobody uses, would stand in the way of every later version."""
        plan, why = self.plan, why.rstrip(".")
        if endpoint and not (plan.made(endpoint) and self._is_empty()):
            raise GiveUp(f"{why}. Delete it or mend it, then replay")
        state.next_step()
        state.broken = why
        return CheckBack(timedelta(), note=f"{why}. It is going to be deleted")

    def _is_empty(self) -> bool:
        try:
            return not self.plan.endpoints.deployments(self.plan.endpoint)
        except GiveUp:  # nobody knows
            return False

    def _removing(self, endpoint: Endpoint | None, state: RolloutState) -> CheckBack:
        """Raises GiveUp, with what went wrong, when it is gone or will not go."""
        if endpoint is None:
            state.seen += 1
            if state.seen >= _SURE:
                raise GiveUp(f"{state.broken}. There is no endpoint now: mend what is wrong, then replay")
            return again(state, f"there is no endpoint {self.plan.endpoint}")
        state.seen = 0
        try:
            self._remove(endpoint, state)
        except Exception as error:  # whatever it is, what went wrong before must be told
            answer = once_more(self.plan, state, error, _TIDYING)
            if isinstance(answer, GiveUp):
                raise GiveUp(f"{state.broken}. Delete it, then replay: that failed here: {answer}") from error
            return answer
        return again(state, f"deleting the endpoint {endpoint.name}, which is {endpoint.state}")

    def _remove(self, endpoint: Endpoint, state: RolloutState) -> None:
        plan = self.plan
        if state.looks >= _MOST:
            raise GiveUp(f"it is still {endpoint.state}")
        if not state.asked and endpoint.state != DELETING and plan.calm(state):
            state.operation, state.asked = plan.endpoints.delete_endpoint(plan.endpoint), True
        elif why := plan.failure(state.operation if state.asked else "", endpoint.operation):
            raise GiveUp(why)


def as_it_is(event: ModelRegistered, model: Model) -> ModelRegistered:
    """The event as it would be if the model version were registered now."""
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


def _shown(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in tags.items()) or "none"
