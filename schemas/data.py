"""The `data` of the five event types.

Names: "Azure Machine Learning as an Event Grid source" on learn.microsoft.com, in camelCase: the page still prints
PascalCase for three of the types, payloads that were received never do. Required is only what says which object the
event is about.
"""

from typing import NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from schemas.fields import TEXT, ModelIds, Number, OptionalText, RequiredText, Time, Version
from schemas.tags import Tags
from schemas.wire import WireModel


class EventData(WireModel):
    """What an event says about its object."""


class RunData(EventData):
    """A run."""

    experiment_id: OptionalText = None
    experiment_name: OptionalText = None
    run_id: RequiredText
    run_type: OptionalText = None
    run_tags: Tags = Field(default_factory=Tags)
    run_properties: Tags = Field(default_factory=Tags)


class RunCompletedData(RunData):
    """A run that completed."""


class RunStatusChangedData(RunData):
    """A run whose status changed. The service has written ``Failed`` and ``failed``: compare without regard to case."""

    run_status: RequiredText


class ModelRegisteredData(EventData):
    """A model version that was registered."""

    model_name: RequiredText
    model_version: Version
    model_tags: Tags = Field(default_factory=Tags)
    model_properties: Tags = Field(default_factory=Tags)


class ModelVersion(NamedTuple):
    """A registered model's name and version."""

    name: str
    version: str


class ModelDeployedData(EventData):
    """Models that were deployed to an endpoint."""

    service_name: RequiredText
    service_compute_type: OptionalText = None
    model_ids: ModelIds = ""
    service_tags: Tags = Field(default_factory=Tags)
    service_properties: Tags = Field(default_factory=Tags)

    @property
    def models(self) -> tuple[ModelVersion, ...]:
        """The deployed models, from ``name:version,name:version``; a version is "" where none is given."""
        ids = (item.strip() for item in self.model_ids.split(","))
        return tuple(_model_version(item) for item in ids if item)


class DatasetDriftDetectedData(EventData):
    """Drift that a dataset monitor (data drift v1) found. Its id or its name is required, whichever there is."""

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


def _first_text(*texts: str | None) -> str:
    return next((text for text in texts if text and text.strip()), "")


def _model_version(item: str) -> ModelVersion:
    name, colon, version = item.rpartition(":")
    return ModelVersion(name, version) if colon else ModelVersion(item, "")
