"""What a roll-out is to do, and what is remembered of it from call to call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from handlers.azureml.endpoints import Endpoints
from handlers.azureml.gateway import AzureML
from handlers.azureml.resources import Deployment, Endpoint, ModelRef
from handlers.base import Action, CheckBack, GiveUp
from handlers.duration import format_duration
from handlers.rollout.names import deployment_name
from handlers.rollout.smoke import SmokeTest
from handlers.steps import StepState
from schemas import ModelRegistered

ACTION_TAG = "mlevents_action"  # on what a roll-out has made: by it, it knows its own
PAUSE = timedelta(seconds=15)  # between two looks at what takes seconds

_TAG_LIMIT = 256  # characters of an ARM tag's value: learn.microsoft.com, "Use tags to organize your Azure resources"
_CALM = 3  # looks before what may have been asked for by a call that failed is asked for again


class RolloutState(StepState):
    """What is kept between the calls of one roll-out."""

    began: datetime | None = None  # when the first call was
    operation: str = ""  # the URL of what was begun last
    made: bool = False  # did this action make the deployment? Only then may it delete it
    before: dict[str, int] = Field(default_factory=dict)  # the traffic to go back to
    was: dict[str, int] = Field(default_factory=dict)  # the traffic before the last change
    target: dict[str, int] = Field(default_factory=dict)  # the traffic that is to be, or is
    shares: int = 0  # how many of the plan's are decided
    moved: bool = False  # may any traffic have been moved?
    unsure: bool = False  # was a change decided that has not been seen?
    baked: int = 0  # looks at the present share
    old: list[str] = Field(default_factory=list)  # deployments to delete
    notes: list[str] = Field(default_factory=list)  # for the report
    broken: str = ""  # why it goes back
    log: str = ""  # the end of the container's log

    looks: int = 0  # of this step: that did not show what it waits for
    seen: int = 0  # of this step: looks in a row that did
    odd: int = 0  # of this step: looks in a row that showed what nobody asked for
    asked: bool = False  # of this step: has it asked for what it waits for?

    def next_step(self) -> None:
        """Forget what belongs to one step alone."""
        self.looks = self.seen = self.odd = 0
        self.asked = False


@dataclass(frozen=True)
class Plan:
    """A model version, an endpoint, and how to get from here to there."""

    event: ModelRegistered
    action: Action
    source: AzureML  # where the event's model is
    endpoints: Endpoints  # where it is to serve
    endpoint: str
    registered: ModelRef  # the model version that the event is about
    model: ModelRef  # the one to deploy: the same, unless the rule names another
    endpoint_of: Callable[[ModelRegistered], str]  # the endpoint, by the model's tags as they are
    has_code: bool = False
    create_endpoint: bool = True
    shares: tuple[int, ...] = (100,)
    bake: timedelta = timedelta()
    smoke_test: SmokeTest | None = None
    keep: int = 1
    timeout: timedelta = timedelta(hours=4)
    allow_older: bool = False
    leave_failed: bool = False
    poll: timedelta | None = None  # the longest pause between two looks at what is under way; None: as each step says

    @property
    def name(self) -> str:
        """The name of the deployment."""
        return deployment_name(self.model)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of what this action makes."""
        return {name: value[:_TAG_LIMIT] for name, value in self.action.tags.items()} | {
            ACTION_TAG: self.action.key.hex
        }

    def made(self, deployment: Deployment) -> bool:
        """Did this action make it?"""
        return deployment.tags.get(ACTION_TAG) == self.action.key.hex

    def look(self) -> tuple[Endpoint | None, Deployment | None]:
        """The endpoint and the deployment, as they are now or were a moment ago."""
        return self.endpoints.endpoint(self.endpoint), self.endpoints.deployment(self.endpoint, self.name)

    def in_time(self, state: RolloutState) -> None:
        """Raises GiveUp if there is no time left. Waiting for one's turn does not count."""
        if self.action.now - (state.began or self.action.started) > self.timeout:
            raise GiveUp(f"not done within {format_duration(self.timeout)}")

    def calm(self, state: RolloutState) -> bool:
        """May it be asked for now? If a call has failed, what it asked for may be done, and not be shown yet."""
        return state.looks >= _CALM or not (state.looks or self.action.failures)

    def why(self, *operations: str) -> str:
        """What the service says went wrong, of the first of these operations that it knows."""
        said = (self.endpoints.why(operation) for operation in operations if operation)
        return next(filter(None, said), "the service does not say why")


def again(state: RolloutState, note: str, after: timedelta = PAUSE) -> CheckBack:
    """Look again in this step, after a while."""
    state.looks += 1
    return CheckBack(after, note=note)


def busy(endpoint: Endpoint | None, name: str) -> bool:
    """Has the deployment any traffic?"""
    return bool(endpoint and (endpoint.traffic.get(name) or endpoint.mirrored.get(name)))
