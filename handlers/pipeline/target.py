"""What can be started, and what is remembered of it from call to call."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from pydantic import Field

from handlers.azure.run import Run
from handlers.base import Action, Succeeded
from handlers.steps import StepState

Known: TypeAlias = Mapping[str, str] | None  # what there was to be known of what is to be started; None: nothing


class LaunchState(StepState):
    """What is kept between the calls of one action."""

    since: datetime | None = None  # no run of ours is older
    known: dict[str, str] | None = None  # as `Nameless.prepare` has returned it
    others: list[str] = Field(default_factory=list)  # the ids of runs that were there before, and so are not ours
    blind: datetime | None = None  # since when runs cannot be listed
    denied: datetime | None = None  # since when the service has refused to
    tries: int = 0  # how often it may have been started, and was not
    trouble: str = ""  # why it could not be started last time
    looks: int = 0  # of this step: that did not show what it waits for
    run: str = ""  # the id of what was started
    started: datetime | None = None  # when that was known
    canceling: bool = False
    details: dict[str, str] = Field(default_factory=dict)  # for the outcome


class Target(ABC):
    """Something that runs. Methods raise what the service's client raises, and RetryLater and GiveUp."""

    @property
    @abstractmethod
    def what(self) -> str:
        """For people, with its article: "the job"."""

    @property
    @abstractmethod
    def where(self) -> str:
        """For people: the workspace or the factory."""

    @abstractmethod
    def look(self, id: str) -> Run | None:
        """A run as it is now; None if none is to be seen."""

    @abstractmethod
    def why(self, run: Run) -> str:
        """What went wrong with it, in the service's words; empty if it does not say."""

    @abstractmethod
    def cancel(self, id: str) -> None:
        """Ask for a run to be canceled."""

    @abstractmethod
    def link(self, id: str) -> str | None:
        """The page of a run."""


class Named(Target):
    """A run whose name we choose: the service has no two of a name."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The same on every call."""

    @abstractmethod
    def submit(self) -> None:
        """Start it. Raises NameTaken if there is one of that name."""

    @abstractmethod
    def told(self, found: Run | None = None) -> Mapping[str, str]:
        """What is to be said of what is started: by this call, which asks nothing, or `found`, which raises nothing."""

    @abstractmethod
    def is_ours(self, run: Run) -> bool:
        """Did this action start it?"""


class Nameless(Target):
    """A run whose id the service chooses: what was started can only be searched for."""

    @abstractmethod
    def prepare(self) -> Known:
        """Make sure that it can be started, as far as that can be known. What it returns, `start` and `ours` get."""

    @abstractmethod
    def start(self, known: Known) -> str:
        """Start it; its id. One request: what goes wrong counts as if it might have been started."""

    @abstractmethod
    def told(self) -> Mapping[str, str]:
        """What is to be said of what is started."""

    @abstractmethod
    def others(self, since: datetime, now: datetime, known: Known) -> Iterable[Run]:
        """Before it is started: runs that `ours` may take for ours, and that cannot be; as many as are had cheaply."""

    @abstractmethod
    def ours(self, since: datetime, now: datetime, known: Known) -> "Found":
        """The run of this action among those that were created since a moment. Raises TooManyRuns."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search for our run has found."""

    run: Run | None = None  # certainly ours
    perhaps: tuple[Run, ...] = ()  # may be ours or anybody's


@dataclass(frozen=True)
class Plan:
    """What to start, and what to wait for."""

    action: Action
    target: Target
    wait: bool = False
    timeout: timedelta = timedelta(hours=24)
    cancel_on_timeout: bool = False
    poll: timedelta | None = None  # the longest pause between two looks; None: it grows to five minutes
    at_least_once: bool = False

    def is_started(self, state: LaunchState, run: str, details: Mapping[str, str]) -> Succeeded | None:
        """It is: that is all, unless its end is waited for."""
        state.run, state.started, state.details = run, self.action.now, dict(details)
        if self.wait:
            return None
        return Succeeded(f"{self.target.what} {run} was started in {self.target.where}", self.details(state))

    def details(self, state: LaunchState, run: Run | None = None) -> dict[str, Any]:
        """For the outcome: what rules that follow are told."""
        details: dict[str, Any] = {"run": state.run, "where": self.target.where, **state.details}
        if link := self.target.link(state.run):
            details["link"] = link
        if run is not None:
            details |= {"status": run.status, **{f"output_{name}": uri for name, uri in run.outputs.items()}}
        return details
