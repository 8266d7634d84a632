"""DatasetDriftDetected: a dataset monitor (data drift v1, retired in favour of model monitors) found drift."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import CoreSchema, core_schema

from schemas.drift import Drift
from schemas.events.base import Event, EventData
from schemas.events.subject import subject_parts
from schemas.fields import NOT_NULL_SCHEMA, TEXT, TEXT_SCHEMA, Number, OptionalText, Time
from schemas.links import run_link


class DriftSubject(NamedTuple):
    """``datadrift/{dataDriftId}/run/{runId}``, or both words in the plural."""

    drift_id: str
    run_id: str


class DatasetDriftDetectedData(EventData):
    """Drift that a dataset monitor found. The monitor's name or its id is required."""

    canonical_fields: ClassVar[Mapping[str, CoreSchema]] = {
        "data_drift_name": core_schema.chain_schema([TEXT_SCHEMA, NOT_NULL_SCHEMA])
    }

    data_drift_id: OptionalText = None
    data_drift_name: OptionalText = Field(default=None, validate_default=True)
    run_id: OptionalText = None
    base_dataset_id: OptionalText = None
    target_dataset_id: OptionalText = None
    drift_coefficient: Number = None
    start_time: Time = None
    end_time: Time = None

    @field_validator("data_drift_name")
    @classmethod
    def _name_or_id(cls, name: str | None, info: ValidationInfo) -> str | None:
        if not _first_text(name, info.data.get("data_drift_id")):
            raise ValueError(f"{TEXT}, where there is no dataDriftId")
        return name

    @property
    def monitor(self) -> str:
        """The monitor's name, else its id."""
        return _first_text(self.data_drift_name, self.data_drift_id)


class DatasetDriftDetected(Event):
    """A dataset monitor found drift."""

    reports_drift = True
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "93c6f8a2-d05e-4b17-9f24-6e8b1c7d3a50",
        "eventTime": "2026-11-22T03:00:21.902817Z",
        "data": {
            "dataDriftId": "4d0a9c1e-73b5-4f2c-8a66-9be1f0c7d215",
            "dataDriftName": "churn-drift",
            "runId": "4d0a9c1e-73b5-4f2c-8a66-9be1f0c7d215_1795316400000",
            "baseDatasetId": "a1e5d7c3-2b84-4d0f-b9a6-63c8e2f01d57",
            "targetDatasetId": "c8f2b6a4-9d13-4e75-8c50-17a4e9b3d682",
            "driftCoefficient": 0.4271,
            "startTime": "2026-11-15T00:00:00Z",
            "endTime": "2026-11-22T00:00:00Z",
        },
    }
    example_subject = "datadrift/{dataDriftId}/run/{runId}"

    data: DatasetDriftDetectedData

    @property
    def object(self) -> str:
        """The monitor's name, else its id."""
        return self.data.monitor

    @property
    def about(self) -> str:
        """The monitor."""
        return f"monitor {self.data.monitor}"

    @property
    def subject_parts(self) -> DriftSubject | None:
        """The ids of the monitor and of its run.

        The documentation has two forms: ``datadrift/{id}/run/{id}`` in "Trigger applications, processes, or CI/CD
        workflows based on Azure Machine Learning events" and in the SDKs' captured samples, ``datadrifts/{}/runs/{}``
        in "Azure Machine Learning as an Event Grid source".
        """
        form = r"(?:datadrift/([^/]+)/run|datadrifts/([^/]+)/runs)/([^/]+)"
        return subject_parts(DriftSubject, form, self.subject)

    @property
    def drift(self) -> Drift:
        """The drift that the monitor found."""
        data = self.data
        return Drift(
            monitor=data.monitor,
            coefficient=data.drift_coefficient,
            baseline_dataset=data.base_dataset_id,
            target_dataset=data.target_dataset_id,
            start_time=data.start_time,
            end_time=data.end_time,
            run_id=data.run_id,
        )

    @property
    def studio_url(self) -> str | None:
        """The link to the page of the monitor's run; None if the event does not name the run."""
        return run_link(self.workspace, self.data.run_id) if self.data.run_id else None


def _first_text(*texts: str | None) -> str:
    return next((text for text in texts if text and text.strip()), "")
