"""`Plan`: what one roll-out has to do, and the reads and waits that its steps share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.azure.errors import with_quota_hint
from handlers.azure.ml.endpoints import Endpoints
from handlers.azure.ml.names import deployment_name
from handlers.azure.ml.resources import Deployment, Endpoint, ModelRef
from handlers.azure.ml.workspace import AzureML
from handlers.base import Action, CheckBack, GiveUp, RetryLater
from handlers.deploy.checks.guard import Guard
from handlers.deploy.checks.smoke_test import SmokeTest
from handlers.deploy.limits import ENDPOINT_MISSING, OUTCOME_KNOWN, PAUSE, REFUSAL_SETTLED
from handlers.deploy.state import MISSING, RolloutState
from handlers.duration import format_duration
from schemas import ModelRegistered

ACTION_TAG = "mlevents_action"  # on every resource that a roll-out creates: the key of its action
SETTINGS_TAG = "mlevents_settings"  # on a deployment: a hash of the settings with which it was created

_TAG_LIMIT = 256  # characters of an ARM tag's value: learn.microsoft.com, "Use tags to organize your Azure resources"


class EndpointNotFound(RetryLater):
    """A read did not find the endpoint; the next one may."""


class EndpointGone(GiveUp):
    """The endpoint was deleted during the roll-out."""


@dataclass(frozen=True)
class Plan:
    """A model version, an endpoint, and how to move the endpoint's traffic to that version."""

    event: ModelRegistered
    action: Action
    source: AzureML  # the workspace of the event's model
    endpoints: Endpoints  # of the workspace to deploy in
    endpoint: str
    registered: ModelRef  # the model version of the event
    model: ModelRef  # the one to deploy: the same, unless the rule names another
    endpoint_of: Callable[[ModelRegistered], str]  # the endpoint for an event, which depends on the model's tags
    serves_any_model: bool = False  # is there an environment, for a model that is neither MLflow nor Triton?
    environment: str = ""  # the reference to it, whose label is resolved once
    create_endpoint: bool = True
    shares: tuple[int, ...] = (100,)
    bake: timedelta = timedelta()
    guard: Guard | None = None
    smoke_test: SmokeTest | None = None
    keep: int = 1
    timeout: timedelta = timedelta(hours=4)
    allow_older: bool = False
    leave_failed: bool = False
    poll: timedelta | None = None  # the longest pause between two reads; None: each step's own

    @property
    def now(self) -> datetime:
        """When this call began."""
        return self.action.now

    @property
    def name(self) -> str:
        """The name of the deployment."""
        return deployment_name(self.model)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that this action creates."""
        return {name: value[:_TAG_LIMIT] for name, value in self.action.tags.items()} | {
            ACTION_TAG: self.action.key.hex
        }

    def created(self, resource: Deployment | Endpoint) -> bool:
        """Did this action create the resource?"""
        return resource.tags.get(ACTION_TAG) == self.action.key.hex

    def read(self) -> tuple[Endpoint | None, Deployment | None]:
        """Read the endpoint and the deployment. Either can be some seconds old."""
        return self.endpoints.endpoint(self.endpoint), self.endpoints.deployment(self.endpoint, self.name)

    def read_endpoint(self, state: RolloutState) -> Endpoint:
        """Read the endpoint. Raises EndpointNotFound, and EndpointGone once it has been missing for its limit."""
        endpoint = self.endpoints.endpoint(self.endpoint)
        if self.is_gone(endpoint, state):
            raise EndpointGone(f"the endpoint {self.endpoint} was deleted")
        if endpoint is None:
            raise EndpointNotFound(f"the endpoint {self.endpoint} was not found")
        return endpoint

    def is_gone(self, endpoint: Endpoint | None, state: RolloutState) -> bool:
        """Has no read found the endpoint for ENDPOINT_MISSING? Reads from a stale replica miss it for a shorter time.

        Call it with the result of every read.
        """
        return state.lasted(MISSING, endpoint is None, self.now) >= ENDPOINT_MISSING

    def wait(self, note: str, pause: timedelta = PAUSE) -> CheckBack:
        """Take this step again after the pause, or after the rule's `poll` if that is shorter."""
        return CheckBack(min(pause, self.poll or pause), note=note)

    def poll_again(self, state: RolloutState, note: str, pause: timedelta = PAUSE) -> CheckBack:
        """As `wait`, in a step whose limits count from its first poll."""
        state.polling_since = state.polling_since or self.now
        return self.wait(note, pause)

    def polled_for(self, state: RolloutState) -> timedelta:
        """The time since this step's first poll, or since the first one after its last error."""
        return self.now - (state.polling_since or self.now)

    def settled(self, state: RolloutState) -> bool:
        """May the step send its request now?

        Yes in its first poll. After an error or a crash, not before polls without an error have covered
        REFUSAL_SETTLED or OUTCOME_KNOWN: the failed request may have had an effect that reads do not show yet.
        """
        if self.action.failures:
            state.record_error(self.now, state.last_error)
        if state.polling_since is None:
            return state.last_error_at is None and not state.outcome_unknown
        return self.polled_for(state) >= (OUTCOME_KNOWN if state.outcome_unknown else REFUSAL_SETTLED)

    def check_timeout(self, state: RolloutState) -> None:
        """Raise GiveUp if the rule's `timeout` is over. It counts from the first step, after the wait for the lock."""
        if self.now - (state.started_at or self.action.started) > self.timeout:
            cause = f": {reason}" if (reason := state.last_error or state.held) else ""
            raise GiveUp(f"not done within {format_duration(self.timeout)}{cause}")

    def failure_reason(self, *operations: str) -> str:
        """The reason of the first of these failed operations that has one, with advice if it is about quota."""
        reasons = (self.endpoints.failure_reason(operation) for operation in operations if operation)
        return with_quota_hint(next(filter(None, reasons), "the service gives no reason"))

    def failure(self, operation: str, other: str = "") -> str:
        """Why the operation of this step has failed; empty if it has not.

        Without `operation`, as after a crash, read `other`, because some services advance an operation only when it is
        read. The failure of `other` is not this step's, so the result is empty.
        """
        failure = self.endpoints.failure(operation or other)
        return with_quota_hint(failure) if operation else ""


def has_traffic(endpoint: Endpoint | None, deployment: str) -> bool:
    """Does the deployment get traffic, or a copy of it?"""
    return bool(endpoint and (endpoint.traffic.get(deployment) or endpoint.mirrored.get(deployment)))
