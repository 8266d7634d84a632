"""ModelDeployed: models were deployed to an endpoint."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.events.base import NAME_LIMIT, Event, EventData, Rows, short_name
from schemas.events.subject import subject_parts
from schemas.fields import ModelIds, OptionalText, RequiredText
from schemas.links import endpoint_link
from schemas.tags import Tags


class EndpointSubject(NamedTuple):
    """``endpoints/{serviceId}``."""

    service_id: str


class ModelVersion(NamedTuple):
    """The name and version of a registered model."""

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
        """The deployed models, from ``name:version,name:version``. The version of an id that has none is ""."""
        ids = (item.strip() for item in self.model_ids.split(","))
        return tuple(_model_version(item) for item in ids if item)


class ModelDeployed(Event):
    """Models were deployed to an endpoint."""

    facts = ("endpoint", "model")
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "e7b30d5c-14a9-4f82-8d61-c5a2f9076be4",
        "eventTime": "2026-11-22T08:55:12.467191Z",
        "data": {
            "serviceName": "churn",
            "serviceComputeType": "AKS",
            "modelIds": "churn:7,churn-features:3",
            "serviceTags": {"stage": "production", "team": "churn"},
            "serviceProperties": {},
        },
    }
    example_subject = "endpoints/{serviceName}"

    data: ModelDeployedData

    @property
    def object(self) -> str:
        """The endpoint's name."""
        return self.data.service_name

    @property
    def about(self) -> str:
        """The model version, as for the event that registered it; of several models, the endpoint."""
        models = self.data.models
        return f"model {self._model_list}" if len(models) == 1 else f"endpoint {self.data.service_name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoint's name, and the models with their versions."""
        return self.data.service_name, *(":".join(filter(None, model)) for model in self.data.models)

    @property
    def subject_parts(self) -> EndpointSubject | None:
        """The endpoint's id."""
        return subject_parts(EndpointSubject, r"endpoints/([^/]+)", self.subject)

    @property
    def studio_url(self) -> str | None:
        """The link to the endpoint's page."""
        return endpoint_link(self.workspace, self.data.service_name)

    @property
    def headline(self) -> str:
        """The models and the endpoint."""
        noun = "Models" if len(self.data.models) > 1 else "Model"
        return f"{noun} {self._models_in_short} deployed to {short_name(self.data.service_name)}"

    @property
    def rows(self) -> Rows:
        """The endpoint, its compute and the models."""
        data = self.data
        return ("Endpoint", data.service_name), ("Compute", data.service_compute_type), ("Models", self._model_list)

    @property
    def tags(self) -> Tags:
        """The endpoint's tags."""
        return self.data.service_tags

    @property
    def properties(self) -> Tags:
        """The endpoint's properties."""
        return self.data.service_properties

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The endpoint's name; of ``model``, the name and version of the first model."""
        if name == "endpoint":
            return (self.data.service_name,)
        return next((model for model in self.data.models if model.version), ())

    @property
    def _model_list(self) -> str:
        return ", ".join(self.names[1:])

    @property
    def _models_in_short(self) -> str:
        """The models for a headline; of more than fit, the first, and how many more there are."""
        first, *others = self.names[1:] or ("",)
        if others and len(self._model_list) > NAME_LIMIT:
            return f"{short_name(first)} and {len(others)} more"
        return self._model_list if others else short_name(first)


def _model_version(item: str) -> ModelVersion:
    name, colon, version = item.rpartition(":")
    return ModelVersion(name, version) if colon else ModelVersion(item, "")
