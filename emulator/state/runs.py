"""Runs of jobs, of their steps, and of Data Factory's pipelines. How they advance: lifecycle.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulator.http.response import ErrorResponse

FINISHED = frozenset({"Completed", "Failed", "Canceled"})  # of jobs (JobStatus in types.md)
FACTORY_FINISHED = frozenset({"Succeeded", "Failed", "Cancelled"})  # of Data Factory, with its spelling


@dataclass
class Run:
    """A run as in run history. The run of a job has the job's name as its id."""

    id: str
    workspace: str  # ARM id
    experiment: str
    type: str  # azureml.PipelineRun, azureml.StepRun, ...
    created: datetime
    display_name: str = ""
    description: str = ""
    target: str = ""  # the name of the compute
    parent: str = ""  # the id of a step's pipeline run
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)  # URIs by name
    logs: dict[str, str] = field(default_factory=dict)  # texts by file: "user_logs/std_log.txt"
    metrics: dict[str, float] = field(default_factory=dict)  # last values by name
    hidden: bool = False  # archived
    status: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    error: ErrorResponse | None = None
    polls: int = -1  # how many more polls find it unchanged; negative: it does not advance by polls
    stages: list[Callable[[], None]] = field(default_factory=list)  # still to come

    @property
    def key(self) -> str:
        """The id of its job, in lower case."""
        return f"{self.workspace}/jobs/{self.id}".lower()

    @property
    def finished(self) -> bool:
        """Whether it has a final status."""
        return self.status in FINISHED


@dataclass
class FactoryRun:
    """A run of a Data Factory pipeline."""

    id: str
    factory: str  # ARM id
    pipeline: str
    parameters: Mapping[str, Any]
    started: datetime
    changed: datetime
    status: str = "Queued"
    ended: datetime | None = None
    message: str = ""
    unlisted: int = 0  # how many more queries do not show it
    polls: int = -1
    stages: list[Callable[[], None]] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether it has a final status."""
        return self.status in FACTORY_FINISHED
