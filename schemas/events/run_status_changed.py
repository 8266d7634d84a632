"""RunStatusChanged: the status of a run changed. Model monitors report drift by this event type."""

from collections.abc import Mapping
from typing import Any, ClassVar

from schemas.drift import Drift, monitor_breach
from schemas.events.base import Rows, short_name
from schemas.events.run import EXAMPLE_RUN, RUN_STATUSES, RunData, RunEvent, status_rank
from schemas.fields import RequiredText
from schemas.links import run_link

_PIPELINE_TAG = "azureml.pipelinerunid"  # of a step: the id of its pipeline's run
_BAD = {"failed", "notresponding", "canceled", "cancelrequested"}
_VERBS = {"failed", "completed", "canceled", "queued", "paused"}  # statuses that make a sentence: "Run x failed"


class RunStatusChangedData(RunData):
    """A run whose status changed. The service writes both ``Failed`` and ``failed``: compare without case."""

    known_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {**RunData.known_texts, "runStatus": RUN_STATUSES}

    run_status: RequiredText


class RunStatusChanged(RunEvent):
    """The status of a run changed."""

    reports_drift = True
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "c1a7e94d-2f60-5b38-9e15-7d04b8f3a6c2",
        "eventTime": "2026-11-22T09:12:44.723931Z",
        "data": {**EXAMPLE_RUN, "runId": "brave_kiwi_t5m0xr7c4d", "runStatus": "Failed"},
    }

    data: RunStatusChangedData

    @property
    def drift(self) -> Drift | None:
        """The drift that a model monitor's run reports in its tags."""
        return monitor_breach(self.data.run_tags, self.data.run_id)

    @property
    def about(self) -> str:
        """The signal that found drift, whose runs have a new id each time, or the run."""
        drift = self.drift
        return f"monitor {drift.signal}" if drift and drift.signal else super().about

    @property
    def label(self) -> str:
        """The run and its status."""
        return f"{self.object} {short_name(self.data.run_status)}"

    @property
    def studio_url(self) -> str | None:
        """The link to the run's page; of a step that reports drift, to that of the monitor's run."""
        monitor = self.data.run_tags.get(_PIPELINE_TAG) if self.drift else None
        return run_link(self.workspace, monitor) if monitor and isinstance(monitor, str) else super().studio_url

    @property
    def rank(self) -> int:
        """The rank of the run's status."""
        return status_rank(self.data.run_status)

    @property
    def headline(self) -> str:
        """The run, its status, and its experiment."""
        status = self.data.run_status
        changed = f" {status.lower()}" if status.lower() in _VERBS else f": {status}"
        return f"Run {short_name(self.data.run_id)}{changed}{self.in_experiment}"

    @property
    def lead(self) -> tuple[str, ...]:
        """Where the reason of a failure is: the event does not have it."""
        failed = self.data.run_status.lower() == "failed"
        return ("The event does not have the reason: the page of the run has the error and the logs.",) * failed

    @property
    def rows(self) -> Rows:
        """The status, the run and its experiment; of a run that found drift, only the experiment."""
        if self.drift:
            return (("Experiment", self.data.experiment_name),)
        return ("Status", self.data.run_status), *super().rows

    @property
    def is_bad_news(self) -> bool:
        """Did the run fail, stop responding or get canceled, or does it report drift?"""
        return self.data.run_status.lower() in _BAD or super().is_bad_news
