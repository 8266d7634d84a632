"""`BatchEndpoints`: batch endpoints of a workspace and their deployments, of which one is the default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from handlers.azure.errors import explained
from handlers.azure.ml.endpoints import Code, Endpoints, code_arguments
from handlers.azure.ml.resources import Answer, Endpoint, NewDeployment

_AUTH = "AADToken"  # which batch endpoints alone have; the client's own default is sent as aadToken, and is no such


@dataclass(frozen=True)
class BatchEndpoints(Endpoints):
    """Batch endpoints."""

    collection: ClassVar[str] = "batchEndpoints"

    compute: str = ""  # the cluster that its jobs run on
    instance_count: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)  # of azure.ai.ml's ModelBatchDeploymentSettings
    code: Code | None = None

    def _read(self, body: Mapping[str, Any]) -> Endpoint:
        return Endpoint.batch(body)

    def create_endpoint(self, name: str, tags: Mapping[str, str]) -> str:
        """Begin to make an endpoint."""
        with explained():
            client = self.azureml.client
            from azure.ai.ml.entities import BatchEndpoint

            client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name, auth_mode=_AUTH, tags=dict(tags)))
            return self.azureml.transport.operation

    def set_traffic(self, endpoint: Endpoint, traffic: Mapping[str, int]) -> str:
        """Begin to make the deployment that is to have the traffic the default one."""
        default = next((name for name, share in traffic.items() if share), None)
        body = self.writable(endpoint, defaults={"deploymentName": default} if default else {})
        return self.azureml.arm.put(self.path(endpoint.name), body)

    def create(self, new: NewDeployment) -> str:
        """Begin to make a deployment, uploading its code if need be."""
        with explained():
            client = self.azureml.client
            from azure.ai.ml.entities import ModelBatchDeployment, ModelBatchDeploymentSettings

            client.batch_deployments.begin_create_or_update(
                ModelBatchDeployment(
                    name=new.name,
                    endpoint_name=new.endpoint,
                    model=new.model,
                    tags=dict(new.tags),
                    compute=self.compute,
                    settings=ModelBatchDeploymentSettings(instance_count=self.instance_count, **self.settings),
                    **code_arguments(self.code),
                )
            )
            return self.azureml.transport.operation

    def delete(self, endpoint: str, name: str) -> str:
        """Begin to delete a deployment."""
        with explained():
            self.azureml.client.batch_deployments.begin_delete(name=name, endpoint_name=endpoint)
            return self.azureml.transport.operation

    def delete_endpoint(self, name: str) -> str:
        """Begin to delete an endpoint, and whatever is behind it."""
        with explained():
            self.azureml.client.batch_endpoints.begin_delete(name=name)
            return self.azureml.transport.operation

    def capacity_problem(self) -> str:
        """Why there is no room for another deployment: its jobs need a compute that is there."""
        return self._compute_problem(self.compute)

    def score(self, endpoint: Endpoint, deployment: str, request: bytes) -> Answer:
        """A batch endpoint answers no requests: rules cannot ask for a smoke test."""
        raise NotImplementedError
