"""The base classes of the event types about runs: RunCompleted and RunStatusChanged."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.events.base import Event, EventData, Rows, short_name
from schemas.events.subject import subject_parts
from schemas.fields import OptionalText, RequiredText
from schemas.links import run_link
from schemas.tags import Tags

# A run's status moves in one direction, to a final one (azure-sdk-for-js, arm-machinelearning, JobStatus:
# "NotResponding is the only state exempt from strict transition orders").
_STATUSES = (
    ("notstarted",),
    ("starting",),
    ("provisioning",),
    ("preparing",),
    ("queued",),
    (),  # Running, Paused, NotResponding, and every status that is not listed
    ("finalizing",),
    ("cancelrequested",),
    ("completed", "failed", "canceled"),
)
_RANKS = {status: rank for rank, statuses in enumerate(_STATUSES) for status in statuses}
_RUNNING = _STATUSES.index(())

# The statuses of jobs and of runs: JobStatus and RunStatus in azure-ai-ml's REST clients.
RUN_STATUSES = (
    *("NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested"),
    *("Completed", "Failed", "Canceled", "NotResponding", "Paused", "Pausing", "Unapproved", "Unknown"),
)
# The types of runs in recorded events, and those that azureml-core and azureml-widgets know.
_RUN_TYPES = (
    *("azureml.PipelineRun", "azureml.StepRun", "azureml.ReusedStepRun", "azureml.scriptrun", "azureml.batchrun"),
    *("automl", "hyperdrive", "reinforcementlearning", "experiment"),
)

EXAMPLE_RUN: Mapping[str, Any] = {
    "experimentId": "7b4c1f52-0d6e-4a83-9c1a-2f8e5d90b6a7",
    "experimentName": "churn-training",
    "runId": "plucky_lime_h3k8wq2v1n",
    "runType": "azureml.PipelineRun",
    "runTags": {
        "team": "churn",
        "stage": "production",
        "owner": "ml-team@example.com",
        "azureml.pipelineComponent": "pipelinerun",
    },
    "runProperties": {"azureml.runsource": "azureml.PipelineRun", "runSource": "SDK", "runType": "Schedule"},
}


def status_rank(status: str) -> int:
    """The position of a status in the life cycle of a run."""
    return _RANKS.get(status.casefold(), _RUNNING)


class RunSubject(NamedTuple):
    """``experiments/{experimentId}/runs/{runId}``."""

    experiment_id: str
    run_id: str


class RunData(EventData):
    """A run."""

    known_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {"runType": _RUN_TYPES}
    more_names = ("createdBy",)  # "always set" (Azure/azure-rest-api-specs, PR 31182), but in no recorded event

    experiment_id: OptionalText = None
    experiment_name: OptionalText = None
    run_id: RequiredText
    run_type: OptionalText = None
    run_tags: Tags = Field(default_factory=Tags)
    run_properties: Tags = Field(default_factory=Tags)


class RunEvent(Event):
    """An event about a run."""

    facts = ("run",)
    example_subject = "experiments/{experimentId}/runs/{runId}"

    data: RunData

    @property
    def object(self) -> str:
        """The run's id."""
        return self.data.run_id

    @property
    def object_kind(self) -> str:
        """``run``, for every event type about runs."""
        return "run"

    @property
    def about(self) -> str:
        """The run."""
        return f"run {self.data.run_id}"

    @property
    def subject_parts(self) -> RunSubject | None:
        """The ids of the experiment and of the run."""
        return subject_parts(RunSubject, r"experiments/([^/]+)/runs/([^/]+)", self.subject)

    @property
    def studio_url(self) -> str | None:
        """The link to the run's page."""
        return run_link(self.workspace, self.data.run_id)

    @property
    def rows(self) -> Rows:
        """The run and its experiment."""
        data = self.data
        return ("Run", data.run_id), ("Experiment", data.experiment_name)

    @property
    def tags(self) -> Tags:
        """The run's tags."""
        return self.data.run_tags

    @property
    def properties(self) -> Tags:
        """The run's properties."""
        return self.data.run_properties

    @property
    def chosen_names(self) -> tuple[str, ...]:
        """The run's id and its experiment's name."""
        return self.data.run_id, self.data.experiment_name or ""

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The run's id."""
        return (self.data.run_id,)

    @property
    def in_experiment(self) -> str:
        """The experiment in parentheses, to end a headline with; empty if the event does not name it."""
        return f" (experiment {short_name(self.data.experiment_name)})" if self.data.experiment_name else ""
