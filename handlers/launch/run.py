"""`Run`: a job of Azure ML, or a run of a pipeline or workflow of another service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class TooManyRuns(Exception):  # noqa: N818 - not a bug: the caller decides what it means
    """There are more runs than the client reads, so a run that it did not find may still exist."""


class ListUnavailable(Exception):  # noqa: N818 - as TooManyRuns
    """The service does not list runs, at the moment or ever. This need not be an outage."""


class OutcomeUnknown(Exception):  # noqa: N818 - as TooManyRuns
    """A request got no answer, or one that does not say whether the service acted on it."""


class NameTaken(Exception):  # noqa: N818 - not a bug: usually an earlier call of the same action started the run
    """A run of that name exists already, and cannot be changed."""


class RunState(StrEnum):
    """The state of a run, for every service."""

    UNDER_WAY = "under way"
    CANCELING = "being canceled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def has_ended(self) -> bool:
        """Is this a final state?"""
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELED)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as the service described it."""

    id: str
    state: RunState
    status: str  # the service's own name of the state
    group: str = ""  # the experiment or the pipeline that it belongs to
    created: datetime | None = None
    component: str = ""  # name:version of its component, if the service returns it
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)  # URIs by name
    error: str = ""  # the service's message, if it is part of the run

    def since(self, moment: datetime) -> bool:
        """Was it created at or after a moment? True also if its time of creation is unknown."""
        return self.created is None or self.created >= moment
