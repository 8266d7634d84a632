"""The two kinds of runs: those whose name the app chooses, and those it has to search for."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from handlers.launch.run import Run

Prepared: TypeAlias = Mapping[str, str] | None  # what `prepare` has read; None: the service denies reading it


class Target(ABC):
    """A run to start and follow. Methods raise what the service's client raises, and RetryLater and GiveUp."""

    @property
    @abstractmethod
    def noun(self) -> str:
        """The kind of run, with its article, for messages: "the job"."""

    @property
    @abstractmethod
    def location(self) -> str:
        """The name of the workspace, the factory or the repository."""

    @abstractmethod
    def read(self, id: str) -> Run | None:
        """Read a run; None if it is not found."""

    @abstractmethod
    def failure_reason(self, run: Run) -> str:
        """Why the run failed, in the service's words; empty if it gives no reason."""

    @abstractmethod
    def cancel(self, id: str) -> None:
        """Request the cancellation of a run."""

    @abstractmethod
    def link(self, id: str) -> str | None:
        """The URL of the run's page in the service's studio."""


class IdempotentTarget(Target):
    """A run whose name the app chooses. The service has only one run of a name, so a repeated request is harmless."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the run: the same on every call of an action."""

    @abstractmethod
    def submit(self) -> None:
        """Start the run. Raises NameTaken if a run of that name exists."""

    @abstractmethod
    def details(self, found: Run | None = None) -> Mapping[str, str]:
        """Details for the outcome, of the run that `submit` started or of `found`.

        Makes no request for the former, and raises nothing for the latter.
        """

    @abstractmethod
    def is_match(self, run: Run) -> bool:
        """Did this action start the run?"""


class SearchableTarget(Target):
    """A run whose id the service chooses. After a request without an answer, only a search shows whether it exists."""

    @abstractmethod
    def prepare(self) -> Prepared:
        """Check that the run can be started, and read what `start` and `find` need, as far as the service permits."""

    @abstractmethod
    def start(self, prepared: Prepared) -> str | None:
        """Start the run and return its id; None if the service started it and does not return one.

        Makes one request only. Raises RetryLater, GiveUp or an error with a 4xx if the service started no run, and
        OutcomeUnknown or an error of azure-core if it may have started one.
        """

    @abstractmethod
    def details(self) -> Mapping[str, str]:
        """Details for the outcome."""

    @abstractmethod
    def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> Iterable[Run]:
        """Runs that exist before the first attempt, and that `find` could mistake for this action's run.

        Only those that one or two requests can list.
        """

    @abstractmethod
    def find(self, since: datetime, now: datetime, prepared: Prepared) -> "SearchResult":
        """Search the runs that were created since a moment for this action's run. Raises TooManyRuns."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search for an action's run."""

    match: Run | None = None  # certainly the action's run
    candidates: tuple[Run, ...] = ()  # runs that may or may not be the action's
