"""DeploymentFailed and EndpointFailed: what Azure ML could not create or change.

Provisioning states as Resource Manager lists them: learn.microsoft.com/rest/api/azureml, "Online Deployments" and
"Online Endpoints".
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.events.base import EventData, Rows, short_name
from schemas.events.model_deployed import EndpointSubject
from schemas.events.subject import subject_parts
from schemas.events.watched.base import WatchedEvent
from schemas.fields import OptionalText, RequiredText
from schemas.links import endpoint_link
from schemas.tags import Tags


class DeploymentSubject(NamedTuple):
    """``endpoints/{endpointName}/deployments/{deploymentName}``."""

    endpoint: str
    deployment: str


class EndpointFailedData(EventData):
    """An online endpoint that could not be created or changed. The error is that of its last operation, if known."""

    endpoint_name: RequiredText
    compute_type: OptionalText = None
    error_code: OptionalText = None
    error_message: OptionalText = None
    endpoint_tags: Tags = Field(default_factory=Tags)


class DeploymentFailedData(EventData):
    """A deployment that could not be created or changed. The error is that of its last operation, if known."""

    endpoint_name: RequiredText
    deployment_name: RequiredText
    model: OptionalText = None  # the id of the model version
    instance_type: OptionalText = None
    error_code: OptionalText = None
    error_message: OptionalText = None
    deployment_tags: Tags = Field(default_factory=Tags)


class EndpointFailed(WatchedEvent):
    """An online endpoint could not be created or changed."""

    facts = ("endpoint",)
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "2c1b7f04d6e84f7a9a55b1c3d4e5f607",
        "eventTime": "2026-11-22T09:02:51.114032Z",
        "data": {
            "endpointName": "churn",
            "computeType": "Managed",
            "errorCode": "BadRequest",
            "errorMessage": "The endpoint name is already in use in this region.",
            "endpointTags": {"team": "churn"},
        },
    }
    example_subject = "endpoints/{endpointName}"

    data: EndpointFailedData

    @property
    def object(self) -> str:
        """The endpoint's name."""
        return self.data.endpoint_name

    @property
    def about(self) -> str:
        """The endpoint."""
        return f"endpoint {self.object}"

    @property
    def label(self) -> str:
        """The endpoint, and that it failed."""
        return f"{short_name(self.object)} failed"

    @property
    def subject_parts(self) -> EndpointSubject | None:
        """The endpoint's name."""
        return subject_parts(EndpointSubject, r"endpoints/([^/]+)", self.subject)

    @property
    def studio_url(self) -> str | None:
        """The link to the endpoint's page."""
        return endpoint_link(self.workspace, self.object)

    @property
    def headline(self) -> str:
        """The endpoint, and that it failed."""
        return f"Endpoint {short_name(self.object)} failed"

    @property
    def lead(self) -> tuple[str, ...]:
        """Why it failed."""
        return _reason(self.data)

    @property
    def rows(self) -> Rows:
        """The endpoint and its compute."""
        return ("Endpoint", self.data.endpoint_name), ("Compute", self.data.compute_type)

    @property
    def is_bad_news(self) -> bool:
        """True: it reports a failure."""
        return True

    @property
    def tags(self) -> Tags:
        """The endpoint's tags."""
        return self.data.endpoint_tags

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The endpoint's name."""
        return (self.object,)


class DeploymentFailed(WatchedEvent):
    """A deployment of an online endpoint could not be created or changed."""

    facts = ("endpoint",)
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "71de3f0a5c2b4b9e8d7f6a1c0e9b8d24",
        "eventTime": "2026-11-22T09:05:33.830641Z",
        "data": {
            "endpointName": "churn",
            "deploymentName": "churn-8",
            "model": "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod/providers"
            "/Microsoft.MachineLearningServices/workspaces/churn-prod/models/churn/versions/8",
            "instanceType": "Standard_DS3_v2",
            "errorCode": "ResourceNotReady",
            "errorMessage": "User container has crashed or terminated.",
            "deploymentTags": {"team": "churn"},
        },
    }
    example_subject = "endpoints/{endpointName}/deployments/{deploymentName}"

    data: DeploymentFailedData

    @property
    def object(self) -> str:
        """The endpoint's name, as for the event of a deployment that succeeded."""
        return self.data.endpoint_name

    @property
    def about(self) -> str:
        """The deployment, and its endpoint."""
        return f"deployment {self.data.deployment_name} of endpoint {self.object}"

    @property
    def label(self) -> str:
        """The endpoint with the deployment, and that it failed."""
        return f"{short_name(self.object)}/{short_name(self.data.deployment_name)} failed"

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoint's name, that of the deployment, and the model version."""
        name, _, version = (self.data.model or "").partition("/models/")[2].partition("/versions/")
        return self.object, self.data.deployment_name, *([f"{name}:{version}"] if version else [])

    @property
    def subject_parts(self) -> DeploymentSubject | None:
        """The names of the endpoint and of the deployment."""
        return subject_parts(DeploymentSubject, r"endpoints/([^/]+)/deployments/([^/]+)", self.subject)

    @property
    def studio_url(self) -> str | None:
        """The link to the endpoint's page."""
        return endpoint_link(self.workspace, self.object)

    @property
    def headline(self) -> str:
        """The deployment, and that it failed."""
        return f"Deployment {short_name(self.data.deployment_name)} of endpoint {short_name(self.object)} failed"

    @property
    def lead(self) -> tuple[str, ...]:
        """Why it failed."""
        return _reason(self.data)

    @property
    def rows(self) -> Rows:
        """The endpoint, the deployment, its model and its machines."""
        data = self.data
        model = self.names[2] if len(self.names) > 2 else data.model
        return (
            ("Endpoint", data.endpoint_name),
            ("Deployment", data.deployment_name),
            ("Model", model),
            ("Machines", data.instance_type),
        )

    @property
    def is_bad_news(self) -> bool:
        """True: it reports a failure."""
        return True

    @property
    def tags(self) -> Tags:
        """The deployment's tags."""
        return self.data.deployment_tags

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The endpoint's name."""
        return (self.object,)


def _reason(data: EndpointFailedData | DeploymentFailedData) -> tuple[str, ...]:
    text = ": ".join(part for part in (data.error_code, data.error_message) if part)
    return (text,) if text else ()
