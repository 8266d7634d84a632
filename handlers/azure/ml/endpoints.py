"""`Endpoints`: what a roll-out wants of the endpoints of a workspace, be they online or batch endpoints."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from azure.core.exceptions import AzureError, HttpResponseError

from handlers.azure.errors import error_text, told
from handlers.azure.ml.resources import ENDED_BADLY, Answer, Deployment, Endpoint, NewDeployment, state_of
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater
from handlers.errors import DENIED, THROTTLED

_FAILED = ("failed", "canceled")  # Azure/azure-resource-manager-rpc, v1.0/async-api-reference.md


@dataclass(frozen=True)
class Code:
    """What serves a model that needs code: an environment, a folder or a code asset, and a script in it."""

    environment: str
    code: str
    scoring_script: str


@dataclass(frozen=True)
class Endpoints(ABC):
    """Endpoints of one kind, as one rule wants them made.

    What begins an operation returns its URL, as far as there is one, and waits for nothing. Methods raise what those of
    `AzureML` raise.
    """

    collection: ClassVar[str]

    azureml: AzureML

    def path(self, endpoint: str, *below: str) -> str:
        """The ARM id of an endpoint, or of what is below it."""
        return "/".join([self.azureml.path, self.collection, endpoint, *below])

    def endpoint(self, name: str) -> Endpoint | None:
        """An endpoint as it is now, or was a moment ago; None if there is none."""
        body = self.azureml.arm.get(self.path(name))
        return self._read(body) if body else None

    @abstractmethod
    def _read(self, body: Mapping[str, Any]) -> Endpoint: ...

    @abstractmethod
    def create_endpoint(self, name: str, tags: Mapping[str, str]) -> str:
        """Begin to make an endpoint."""

    def incompatibility(self, endpoint: Endpoint) -> str:
        """Why deployments as the rule wants them cannot be behind this endpoint; empty if they can."""
        return ""

    def writable(self, endpoint: Endpoint, **properties: Any) -> dict[str, Any]:
        """An endpoint's body, to be sent back with changes; in the workspace's location, if it does not say its own."""
        body = endpoint.writable(**properties)
        return body if "location" in body else {"location": self.azureml.location, **body}

    @abstractmethod
    def set_traffic(self, endpoint: Endpoint, traffic: Mapping[str, int]) -> str:
        """Begin to change who gets how much of the traffic, in percent."""

    def deployment(self, endpoint: str, name: str) -> Deployment | None:
        """A deployment; None if there is none."""
        body = self.azureml.arm.get(self.path(endpoint, "deployments", name))
        return Deployment.of(body) if body else None

    def deployments(self, endpoint: str) -> list[Deployment]:
        """All deployments of an endpoint."""
        return [Deployment.of(body) for body in self.azureml.arm.pages(self.path(endpoint, "deployments"))]

    @abstractmethod
    def create(self, new: NewDeployment) -> str:
        """Begin to make a deployment, uploading its code if need be."""

    @abstractmethod
    def delete(self, endpoint: str, name: str) -> str:
        """Begin to delete a deployment."""

    @abstractmethod
    def delete_endpoint(self, name: str) -> str:
        """Begin to delete an endpoint, and whatever is behind it."""

    @abstractmethod
    def capacity_problem(self) -> str:
        """Why there is no room for another deployment, where the service tells; else empty."""

    def _compute_problem(self, compute: str) -> str:
        """Why nothing can run on a compute of the workspace, by name or id; empty if it can, or if nobody tells."""
        name = compute.rpartition("/")[2]
        with suppress(AzureError, GiveUp):
            found = self.azureml.arm.get(f"{self.azureml.path}/computes/{name}")
            if found is None:
                return f"there is no compute {name} in {self.azureml.workspace.name}: attach it, or mend the rule"
            state = state_of(found.get("properties") or {})
            if state in ENDED_BADLY:
                return f"the compute {name} of {self.azureml.workspace.name} is {state}: mend it, then replay"
        return ""

    @abstractmethod
    def score(self, endpoint: Endpoint, deployment: str, request: bytes) -> Answer:
        """Send one request to one deployment, whatever its share of the traffic."""

    def log(self, endpoint: str, name: str) -> str:
        """The end of the log of a deployment's container; empty if there is none."""
        return ""

    def failure_reason(self, operation: str) -> str:
        """What went wrong with an operation that has failed, in the service's words; empty if it does not say.

        Where ``Location`` is all that there is of an operation, the answer there is that of a request that failed.
        """
        with suppress(AzureError, RetryLater, ValueError):  # an answer may not be JSON
            try:
                return error_text((self.azureml.arm.at(operation) or {}).get("error"))
            except GiveUp as error:
                return told(error)
            except HttpResponseError as error:
                return "" if error.status_code in DENIED | THROTTLED else told(error)
        return ""

    def failure(self, operation: str) -> str:
        """Why an operation has failed; empty if it has not, or if nobody tells."""
        with suppress(AzureError, GiveUp, RetryLater, ValueError):  # as above
            found = (self.azureml.arm.at(operation) if operation else None) or {}
            if str(found.get("status") or "").casefold() in _FAILED:
                return error_text(found.get("error")) or f"it is {found['status']}, and the service does not say why"
        return ""


def code_arguments(code: Code | None) -> dict[str, Any]:
    """The arguments of azure-ai-ml's deployment entities for code."""
    if code is None:
        return {}
    from azure.ai.ml.entities import CodeConfiguration

    configuration = CodeConfiguration(code=code.code, scoring_script=code.scoring_script)
    return {"environment": code.environment, "code_configuration": configuration}
