"""ModelRegistered: a model version was registered."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.events.base import Event, EventData, Rows, short_name
from schemas.events.subject import subject_parts
from schemas.fields import RequiredText, Version
from schemas.links import quoted, studio_link
from schemas.tags import Tags


class ModelSubject(NamedTuple):
    """``models/{modelName}:{modelVersion}``."""

    name: str
    version: str


class ModelRegisteredData(EventData):
    """A model version that was registered."""

    model_name: RequiredText
    model_version: Version
    model_tags: Tags = Field(default_factory=Tags)
    model_properties: Tags = Field(default_factory=Tags)


class AboutModelVersion(Event):
    """An event about a version of a model: the base class of several types."""

    example_subject = "models/{modelName}:{modelVersion}"

    data: ModelRegisteredData

    @property
    def object(self) -> str:
        """The model's name."""
        return self.data.model_name

    @property
    def about(self) -> str:
        """The model version."""
        return f"model {self.data.model_name}:{self.data.model_version}"

    @property
    def names(self) -> tuple[str, ...]:
        """The model's name, and its name with the version."""
        return self.data.model_name, f"{self.data.model_name}:{self.data.model_version}"

    @property
    def subject_parts(self) -> ModelSubject | None:
        """The model's name and version."""
        return subject_parts(ModelSubject, r"models/([^/]+):([^/:]+)", self.subject)

    @property
    def studio_url(self) -> str | None:
        """The link to the model version's page."""
        name, version = quoted(self.data.model_name), quoted(self.data.model_version)
        return studio_link(self.workspace, "model", f"{name}:{version}", "details")

    @property
    def tags(self) -> Tags:
        """The model version's tags."""
        return self.data.model_tags

    @property
    def properties(self) -> Tags:
        """The model version's properties."""
        return self.data.model_properties


class ModelRegistered(AboutModelVersion):
    """A model version was registered."""

    facts = ("model",)
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "5e92c0f7-8b41-4d6a-a3c8-90f1d7e4b265",
        "eventTime": "2026-11-22T08:42:30.535005Z",
        "data": {
            "modelName": "churn",
            "modelVersion": "7",
            "modelTags": {"stage": "production", "team": "churn", "endpoint": "churn"},
            "modelProperties": {"auc": "0.871"},
        },
    }

    @property
    def label(self) -> str:
        """The model version."""
        return f"{self.object}:{short_name(self.data.model_version)}"

    @property
    def headline(self) -> str:
        """The model version."""
        return f"Model {short_name(self.data.model_name)}:{short_name(self.data.model_version)} registered"

    @property
    def rows(self) -> Rows:
        """The model and its version."""
        return ("Model", self.data.model_name), ("Version", self.data.model_version)

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The model's name and version."""
        return self.data.model_name, self.data.model_version
