"""`Endpoints`: the operations that online and batch endpoints of a workspace have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any, ClassVar

from azure.core.exceptions import AzureError, HttpResponseError

from handlers.azure.errors import describe, error_text
from handlers.azure.ml.cli.definition import Definition, prefixed
from handlers.azure.ml.resources import ENDED_BADLY, Answer, Deployment, Endpoint, NewDeployment, state_of
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater
from handlers.errors import DENIED, THROTTLED
from schemas.links import endpoint_link

_NOT_OF_DEPLOYMENTS = frozenset({"azureml", "files", "auth", "public"})
_FAILED = ("failed", "canceled")  # Azure/azure-resource-manager-rpc, v1.0/async-api-reference.md


@dataclass(frozen=True)
class Code:
    """The code that serves a model: an environment, a folder or a code asset, and a script in it.

    With the CLI's file of a deployment, it replaces that of the file, and any of its parts may be empty.
    """

    environment: str
    code: str = ""
    scoring_script: str = ""


@dataclass(frozen=True)
class Files:
    """The CLI's files that a rule names, and the texts in them that are templates, rendered for an event."""

    deployment: Definition | None = None
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # of the deployment, by path: "tags"
    endpoint: Definition | None = None
    endpoint_tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoints(ABC):
    """Endpoints of one kind, with the settings of one rule for new ones.

    A method that starts an operation returns its URL, or an empty string if it has none, and does not wait. Methods
    raise what those of `AzureML` raise.
    """

    collection: ClassVar[str]

    azureml: AzureML
    files: Files = field(default_factory=Files)
    code: Code | None = None

    def path(self, endpoint: str, *below: str) -> str:
        """The ARM id of an endpoint, or of a resource below it."""
        return "/".join([self.azureml.path, self.collection, endpoint, *below])

    def link(self, endpoint: str) -> str:
        """The page of an endpoint in Azure ML studio; empty if it has none."""
        return endpoint_link(self.azureml.workspace, endpoint) or ""

    def endpoint(self, name: str) -> Endpoint | None:
        """Read an endpoint; None if it does not exist. A replica may answer with a state some seconds old."""
        body = self.azureml.arm.get(self.path(name))
        return self._read(body) if body else None

    @abstractmethod
    def _read(self, body: Mapping[str, Any]) -> Endpoint: ...

    @abstractmethod
    def create_endpoint(self, name: str, tags: Mapping[str, str]) -> str:
        """Start to create an endpoint."""

    def incompatibility(self, endpoint: Endpoint) -> str:
        """Why this endpoint cannot have the rule's deployments; empty if it can."""
        return ""

    def writable(self, endpoint: Endpoint, **properties: Any) -> dict[str, Any]:
        """An endpoint's body with changed properties, for a PUT. Without a location it gets the workspace's."""
        body = endpoint.writable(**properties)
        return body if "location" in body else {"location": self.azureml.location, **body}

    @property
    def fingerprint(self) -> str:
        """A short hash of the settings for new deployments, to compare those of an existing one with."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_OF_DEPLOYMENTS}
        file = self.files.deployment.text if self.files.deployment else ""
        return sha256(repr((own, file, self.files.texts)).encode()).hexdigest()[:12]

    @abstractmethod
    def set_traffic(self, endpoint: Endpoint, traffic: Mapping[str, int]) -> str:
        """Start to change the traffic: percent by deployment."""

    def deployment(self, endpoint: str, name: str) -> Deployment | None:
        """Read a deployment; None if it does not exist."""
        body = self.azureml.arm.get(self.path(endpoint, "deployments", name))
        return Deployment.of(body) if body else None

    def deployments(self, endpoint: str) -> list[Deployment]:
        """Read all deployments of an endpoint."""
        return [Deployment.of(body) for body in self.azureml.arm.items(self.path(endpoint, "deployments"))]

    @abstractmethod
    def create(self, new: NewDeployment) -> str:
        """Start to create a deployment, after uploading its code if it has any."""

    @abstractmethod
    def delete(self, endpoint: str, name: str) -> str:
        """Start to delete a deployment."""

    @abstractmethod
    def delete_endpoint(self, name: str) -> str:
        """Start to delete an endpoint and its deployments."""

    @abstractmethod
    def capacity_problem(self) -> str:
        """Why the service has no capacity for another deployment; empty if it has, or if that is unknown."""

    def _compute_problem(self, compute: str) -> str:
        """Why nothing can run on a compute of the workspace; empty if it can, or if that is unknown."""
        name = compute.rpartition("/")[2]
        with suppress(AzureError, GiveUp):
            found = self.azureml.arm.get(f"{self.azureml.path}/computes/{name}")
            if found is None:
                return f"there is no compute {name} in {self.azureml.workspace.name}: attach it, or fix the rule"
            state = state_of(found.get("properties") or {})
            if state in ENDED_BADLY:
                return f"the compute {name} of {self.azureml.workspace.name} is {state}: fix it, then replay"
        return ""

    @abstractmethod
    def score(self, endpoint: Endpoint, deployment: str, request: bytes) -> Answer:
        """Send one request to one deployment, even if it gets no traffic."""

    def log(self, endpoint: str, name: str) -> str:
        """The end of the log of a deployment's container; empty if it has none."""
        return ""

    def failure_reason(self, operation: str) -> str:
        """The service's message about an operation that has failed; empty if there is none.

        An operation with a ``Location`` header only has no status: its URL answers with the error response itself.
        """
        with suppress(AzureError, RetryLater, ValueError):  # ValueError: a response may not be JSON
            try:
                return error_text((self.azureml.arm.get_url(operation) or {}).get("error"))
            except GiveUp as error:
                return describe(error)
            except HttpResponseError as error:
                return "" if error.status_code in DENIED | THROTTLED else describe(error)
        return ""

    def failure(self, operation: str) -> str:
        """The service's message about an operation; empty if it has not failed, or if that is unknown."""
        with suppress(AzureError, GiveUp, RetryLater, ValueError):  # as above
            found = (self.azureml.arm.get_url(operation) if operation else None) or {}
            if str(found.get("status") or "").casefold() in _FAILED:
                return error_text(found.get("error")) or f"it is {found['status']}, and the service gives no reason"
        return ""

    def _overrides(self, new: NewDeployment) -> dict[str, Any]:
        """The values that replace those of the CLI's file of a deployment, by path."""
        texts: dict[str, Any] = {path: dict(values) for path, values in self.files.texts.items()}
        texts["tags"] = {**texts.get("tags", {}), **new.tags}
        values = {"name": new.name, "endpoint_name": new.endpoint, "model": prefixed(new.model), **texts}
        code = self.code or Code("")
        if environment := new.environment or code.environment:
            values["environment"] = prefixed(environment)
        if code.code:
            values["code_configuration"] = {"code": code.code, "scoring_script": code.scoring_script}
        return values

    def _code_arguments(self, new: NewDeployment) -> dict[str, Any]:
        """The arguments for code of azure-ai-ml's deployment entities."""
        if self.code is None:
            return {}
        from azure.ai.ml.entities import CodeConfiguration

        configuration = CodeConfiguration(code=self.code.code, scoring_script=self.code.scoring_script)
        return {"environment": new.environment or self.code.environment, "code_configuration": configuration}
