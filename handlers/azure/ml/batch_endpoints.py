"""`BatchEndpoints`: the batch endpoints of a workspace and their deployments, one of which is the default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from handlers.azure.errors import translated_errors
from handlers.azure.ml.cli.definition import WITH_SETTINGS, Definition, prefixed
from handlers.azure.ml.endpoints import Endpoints
from handlers.azure.ml.resources import Answer, Endpoint, NewDeployment
from schemas.links import endpoints_link

_AUTH = "AADToken"  # the only mode of batch endpoints; the client's default sends aadToken, which is not valid


@dataclass(frozen=True)
class BatchEndpoints(Endpoints):
    """Batch endpoints, with the settings of one rule for new deployments."""

    collection: ClassVar[str] = "batchEndpoints"

    compute: str = ""  # the cluster that jobs run on
    instance_count: int | None = 1  # None: as the CLI's file has it
    settings: Mapping[str, Any] = field(default_factory=dict)  # of azure.ai.ml's ModelBatchDeploymentSettings

    def link(self, endpoint: str) -> str:
        """The list of endpoints."""
        return endpoints_link(self.azureml.workspace) or ""

    def _read(self, body: Mapping[str, Any]) -> Endpoint:
        return Endpoint.batch(body)

    def create_endpoint(self, name: str, tags: Mapping[str, str]) -> str:
        """Start to create an endpoint."""
        with translated_errors():
            client, definition = self.azureml.client, self.files.endpoint
            from azure.ai.ml.entities import BatchEndpoint

            if definition:
                values = {"name": name, "tags": {**self.files.endpoint_tags, **tags}}
                endpoint = definition.load(values)
            else:
                endpoint = BatchEndpoint(name=name, auth_mode=_AUTH, tags=dict(tags))
            client.batch_endpoints.begin_create_or_update(endpoint)
            return self.azureml.transport.operation

    def set_traffic(self, endpoint: Endpoint, traffic: Mapping[str, int]) -> str:
        """Start to make the deployment with the traffic the default one."""
        default = next((name for name, share in traffic.items() if share), None)
        body = self.writable(endpoint, defaults={"deploymentName": default} if default else {})
        return self.azureml.arm.put(self.path(endpoint.name), body)

    def create(self, new: NewDeployment) -> str:
        """Start to create a deployment, after uploading its code if it has any."""
        with translated_errors():
            client = self.azureml.client
            from azure.ai.ml.entities import ModelBatchDeployment, ModelBatchDeploymentSettings

            deployment = (
                self._of_file(self.files.deployment, new)
                if self.files.deployment
                else ModelBatchDeployment(
                    name=new.name,
                    endpoint_name=new.endpoint,
                    model=new.model,
                    tags=dict(new.tags),
                    compute=self.compute,
                    settings=ModelBatchDeploymentSettings(instance_count=self.instance_count, **self.settings),
                    **self._code_arguments(new),
                )
            )
            client.batch_deployments.begin_create_or_update(deployment)
            return self.azureml.transport.operation

    def _of_file(self, definition: Definition, new: NewDeployment) -> Any:
        """The deployment of the CLI's file. Older files have the settings at their top level."""
        nested = definition.loader == WITH_SETTINGS
        start = "settings." if nested else ""
        values = self._overrides(new) | {f"{start}{name}": value for name, value in self.settings.items()}
        if self.compute:
            values["compute"] = prefixed(self.compute)
        if self.instance_count:
            owner = "settings" if nested and not definition.has_resources else "resources"
            values[f"{owner}.instance_count"] = self.instance_count
        return definition.load(values)

    def delete(self, endpoint: str, name: str) -> str:
        """Start to delete a deployment."""
        with translated_errors():
            self.azureml.client.batch_deployments.begin_delete(name=name, endpoint_name=endpoint)
            return self.azureml.transport.operation

    def delete_endpoint(self, name: str) -> str:
        """Start to delete an endpoint and its deployments."""
        with translated_errors():
            self.azureml.client.batch_endpoints.begin_delete(name=name)
            return self.azureml.transport.operation

    def capacity_problem(self) -> str:
        """Why the cluster cannot run jobs of another deployment; empty if it can, or if that is unknown."""
        return self._compute_problem(self.compute)

    def score(self, endpoint: Endpoint, deployment: str, request: bytes) -> Answer:
        """Not available: batch endpoints answer no requests, and rules cannot have a smoke test for them."""
        raise NotImplementedError
