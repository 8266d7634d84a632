"""`Run`: something that a service carries out and that ends: a job of Azure ML, a run of a Data Factory pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class TooMany(Exception):  # noqa: N818 - not a defect: there are more runs than are looked through
    """There are so many runs that one cannot be said not to be among them."""


class Unlisted(Exception):  # noqa: N818 - as TooMany
    """Runs cannot be listed, and perhaps never will be: it need not be an outage."""


class NameTaken(Exception):  # noqa: N818 - not a defect: mostly it is our own run that has it
    """There is a run of that name, and what it is cannot be changed."""


class RunState(StrEnum):
    """How it is."""

    UNDER_WAY = "under way"
    CANCELING = "being canceled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def over(self) -> bool:
        """Has it ended?"""
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELED)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is now, or was a moment ago."""

    id: str
    state: RunState
    status: str  # the service's own word for it
    group: str = ""  # the experiment, or the pipeline, that it belongs to
    created: datetime | None = None
    component: str = ""  # name:version of what it was made of, where the service says so
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)  # by name, where they are
    error: str = ""  # the service's, where it says so here

    def since(self, moment: datetime) -> bool:
        """May it have been created after a moment? Where the service does not say when, it may."""
        return self.created is None or self.created >= moment
