"""ModelTagged, ModelArchived, ModelRestored and RegistryModelRegistered: what became of a model version.

Model versions as Resource Manager lists them: learn.microsoft.com/rest/api/azureml, "Model Versions", "Registry Model
Versions". Names of tags are as the user wrote them; in ModelRegistered, Azure ML writes their first letter small.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from schemas.events.base import Rows, short_name
from schemas.events.model_registered import AboutModelVersion, ModelRegistered, ModelRegisteredData
from schemas.events.watched.base import RegistryId, WatchedEvent
from schemas.fields import OptionalText
from schemas.links import quoted
from schemas.tags import Tags

_VERSION: Mapping[str, Any] = {
    "modelName": "churn",
    "modelVersion": "7",
    "modelTags": {"stage": "production", "team": "churn"},
    "modelProperties": {"auc": "0.871"},
}


class ModelVersionData(ModelRegisteredData):
    """A model version."""

    stage: OptionalText = None


class ModelTaggedData(ModelVersionData):
    """A model version whose tags or stage have changed. `model_tags` and `stage` are the new ones.

    `changed_tags` has the new values of the tags that were added or changed, and `removed_tags` the old values of those
    that were removed.
    """

    changed_tags: Tags = Field(default_factory=Tags)
    removed_tags: Tags = Field(default_factory=Tags)
    previous_tags: Tags = Field(default_factory=Tags)
    previous_stage: OptionalText = None


class ModelVersionEvent(WatchedEvent, AboutModelVersion):
    """An event about a model version."""

    happened: ClassVar[str]  # to the model version, in a headline

    data: ModelVersionData

    @property
    def label(self) -> str:
        """The model version, and what happened to it."""
        return f"{self._short} {self.happened}"

    @property
    def headline(self) -> str:
        """The model version, and what happened to it."""
        return f"Model {self._short} {self.happened}"

    @property
    def rows(self) -> Rows:
        """The model, its version and its stage."""
        data = self.data
        return ("Model", data.model_name), ("Version", data.model_version), ("Stage", data.stage)

    @property
    def _short(self) -> str:
        return f"{short_name(self.data.model_name)}:{short_name(self.data.model_version)}"


class ModelTagged(ModelVersionEvent):
    """The tags or the stage of a model version were changed after its registration."""

    happened = "tagged"
    facts = ("model",)
    compared_with = (ModelRegistered,)
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "4f3f0c4f6a2d4a3c8b7e21d09f5c6e18",
        "eventTime": "2026-11-22T09:12:07.118203Z",
        "data": {
            **_VERSION,
            "changedTags": {"stage": "production"},
            "removedTags": {"candidate": "yes"},
            "previousTags": {"stage": "staging", "candidate": "yes", "team": "churn"},
        },
    }

    data: ModelTaggedData

    @property
    def lead(self) -> tuple[str, ...]:
        """What was changed, line by line: the tag with its new and its old value."""
        data, before = self.data, self.data.previous_tags
        lines = [
            f"{name}: {value}{f' (was {before[name]})' if name in before else ''}"
            for name, value in data.changed_tags.items()
        ]
        lines += [f"{name} removed (was {value})" for name, value in data.removed_tags.items()]
        if data.stage != data.previous_stage:
            was = f" (was {data.previous_stage})" if data.previous_stage else ""
            lines.append(f"stage of the model: {data.stage or 'none'}{was}")
        return tuple(lines)

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The model's name and version."""
        return self.data.model_name, self.data.model_version


class ModelArchived(ModelVersionEvent):
    """A model version was archived."""

    happened = "archived"
    facts = ("model",)
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "0b8f5f3a7f5e4c0d9c3c51f6d2a7e940",
        "eventTime": "2026-11-22T09:20:44.902117Z",
        "data": {**_VERSION, "modelVersion": "5", "modelTags": {"team": "churn"}, "stage": "Archived"},
    }

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The model's name and version."""
        return self.data.model_name, self.data.model_version


class ModelRestored(ModelVersionEvent):
    """A model version that was archived was restored."""

    happened = "restored"
    facts = ("model",)
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "6f5cf6a1c0a94f0e8f3f1b1d2e9b7c35",
        "eventTime": "2026-11-22T09:31:02.377410Z",
        "data": {**_VERSION, "modelVersion": "5", "modelTags": {"team": "churn"}},
    }

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The model's name and version."""
        return self.data.model_name, self.data.model_version


class RegistryModelRegistered(ModelVersionEvent):
    """A model version was registered in a registry, which publishes no events."""

    resource_id = RegistryId
    happened = "registered"
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "9a1d7c52b04e4f2f8c6f0e3db7a58c11",
        "eventTime": "2026-11-22T09:40:15.604418Z",
        "topic": "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod"
        "/providers/Microsoft.MachineLearningServices/registries/churn-registry",
        "data": {**_VERSION},
    }

    @property
    def studio_url(self) -> str | None:
        """The link to the model version's page in the registry, of the form that azureml-examples links to."""
        names = map(quoted, (self.resource.name, self.data.model_name, self.data.model_version))
        registry, name, version = names
        if {".", ".."} & {registry, name, version}:
            return None
        return f"https://ml.azure.com/registries/{registry}/models/{name}/version/{version}"

    @property
    def rows(self) -> Rows:
        """The registry, the model and its version."""
        return ("Registry", self.resource.name), *super().rows
