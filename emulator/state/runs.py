"""Runs: of jobs and of their steps, and of Data Factory's pipelines. How they get on is lifecycle.py's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulator.wire import Refusal

ENDED = frozenset({"Completed", "Failed", "Canceled"})  # of jobs (JobStatus in types.md)
FACTORY_ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})  # of Data Factory, which spells it so


@dataclass
class Run:
    """A run as run history has it. That of a job has the job's name for its id."""

    id: str
    workspace: str  # its ARM id
    experiment: str
    type: str  # azureml.PipelineRun, azureml.StepRun, ...
    created: datetime
    display_name: str = ""
    description: str = ""
    target: str = ""  # the name of the compute
    parent: str = ""  # the id of the run that it is a step of
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)  # by name, where they are
    hidden: bool = False  # archived
    status: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    error: Refusal | None = None
    looks: int = -1  # so many more looks find it as it is; below zero, looks do not matter
    rest: list[Callable[[], None]] = field(default_factory=list)  # what is still to come

    @property
    def key(self) -> str:
        """The id of its job, in lower case: what it is kept under."""
        return f"{self.workspace}/jobs/{self.id}".lower()

    @property
    def over(self) -> bool:
        """Has it ended?"""
        return self.status in ENDED


@dataclass
class FactoryRun:
    """A run of a pipeline of Data Factory."""

    id: str
    factory: str  # its ARM id
    pipeline: str
    parameters: Mapping[str, Any]
    began: datetime
    changed: datetime
    status: str = "Queued"
    ended: datetime | None = None
    message: str = ""
    unlisted: int = 0  # so many more queries do not show it yet
    looks: int = -1
    rest: list[Callable[[], None]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Has it ended?"""
        return self.status in FACTORY_ENDED
