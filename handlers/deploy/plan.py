"""What a roll-out is to do, and what is remembered of it from call to call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from handlers.azure.errors import advised
from handlers.azure.ml.endpoints import Endpoints
from handlers.azure.ml.names import deployment_name
from handlers.azure.ml.resources import Deployment, Endpoint, ModelRef
from handlers.azure.ml.workspace import AzureML
from handlers.base import Action, CheckBack, GiveUp
from handlers.deploy.smoke_test import SmokeTest
from handlers.duration import format_duration
from handlers.steps import StepState
from schemas import ModelRegistered

ACTION_TAG = "mlevents_action"  # on what a roll-out has made: by it, it knows its own
PAUSE = timedelta(seconds=15)  # between two looks at what takes seconds

_TAG_LIMIT = 256  # characters of an ARM tag's value: learn.microsoft.com, "Use tags to organize your Azure resources"
_LULL = timedelta(hours=1)  # without an error: the next one is another story
_CALM = 3  # looks before what was refused is asked for again
_DOUBT = 8  # looks before what may have been done, and is not shown, is asked for again: two minutes
_LOST = 3  # looks in a row that must not find an endpoint that was there: one replica may not know it


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
    there: bool = False  # the endpoint was there before: to make it anew would take its traffic away
    lost: int = 0  # of this step: looks in a row that did not find the endpoint
    verdict: str = ""  # of this step: what its looks say, as far as they say the same
    asked: bool = False  # of this step: has it asked for what it waits for?
    upset: int | None = None  # of this step: its looks when a call failed last, or died
    doubtful: bool = False  # of this step: may such a call have done what nobody knows of?
    failed: int = 0  # of this step: calls that failed, without a lull
    failing_since: datetime | None = None  # of this step: when the first of these was
    failed_at: datetime | None = None  # of this step: when the last of them was
    failure: str = ""  # of this step: what it said

    def next_step(self) -> None:
        """Forget what belongs to one step alone."""
        self.looks = self.seen = self.odd = self.lost = self.failed = 0
        self.asked = self.doubtful = False
        self.upset = self.failing_since = self.failed_at = None
        self.verdict = self.failure = ""

    def has_failed(self, now: datetime, failure: str, *, refused: bool = False) -> timedelta:
        """Remember that a call did, having done nothing if it was refused; returns for how long they have by now."""
        if self.failed_at is None or self.failing_since is None or now - self.failed_at > _LULL:
            self.failing_since, self.failed = now, 0
        self.failed_at, self.failure, self.upset = now, failure, self.looks
        self.failed += 1
        self.doubtful = self.doubtful or not refused
        return now - self.failing_since


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

    def made(self, it: Deployment | Endpoint) -> bool:
        """Did this action make it?"""
        return it.tags.get(ACTION_TAG) == self.action.key.hex

    def look(self) -> tuple[Endpoint | None, Deployment | None]:
        """The endpoint and the deployment, as they are now or were a moment ago."""
        return self.endpoints.endpoint(self.endpoint), self.endpoints.deployment(self.endpoint, self.name)

    def is_lost(self, endpoint: Endpoint | None, state: RolloutState) -> bool:
        """Is the endpoint gone that was there, and not just unknown to one replica?"""
        state.lost = 0 if endpoint else state.lost + 1
        return state.lost >= _LOST

    def in_time(self, state: RolloutState) -> None:
        """Raises GiveUp if there is no time left. Waiting for one's turn does not count."""
        if self.action.now - (state.began or self.action.started) > self.timeout:
            cause = f": {state.failure}" if state.failure else ""
            raise GiveUp(f"not done within {format_duration(self.timeout)}{cause}")

    def calm(self, state: RolloutState) -> bool:
        """May it be asked for now? What a call asked for that failed or died may be done, and not be shown yet."""
        if self.action.failures:
            state.has_failed(self.action.now, state.failure)
        if state.upset is None and not state.looks:
            return True
        return state.looks - (state.upset or 0) >= (_DOUBT if state.doubtful else _CALM)

    def failure_reason(self, *operations: str) -> str:
        """What the service says went wrong, of the first of these operations that it knows; and what to do."""
        said = (self.endpoints.failure_reason(operation) for operation in operations if operation)
        return advised(next(filter(None, said), "the service does not say why"))

    def failure(self, operation: str, other: str = "") -> str:
        """Why an operation has failed; empty as far as it has not.

        Without one, as when the call died that began it, the `other` is looked at: its end says nothing of ours, but
        there may be services whose operations only go on when somebody looks.
        """
        failure = self.endpoints.failure(operation or other)
        return advised(failure) if operation else ""


def again(state: RolloutState, note: str, after: timedelta = PAUSE) -> CheckBack:
    """Look again in this step, after a while."""
    state.looks += 1
    return CheckBack(after, note=note)


def busy(endpoint: Endpoint | None, name: str) -> bool:
    """Has the deployment any traffic?"""
    return bool(endpoint and (endpoint.traffic.get(name) or endpoint.mirrored.get(name)))
