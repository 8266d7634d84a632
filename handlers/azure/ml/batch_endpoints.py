"""`BatchEndpoints`: the batch endpoints of a workspace and their deployments, one of which is the default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from handlers.azure.errors import translated_errors
from handlers.azure.ml.endpoints import Code, Endpoints, code_arguments
from handlers.azure.ml.resources import Answer, Endpoint, NewDeployment

_AUTH = "AADToken"  # the only mode of batch endpoints; the client's default sends aadToken, which is not valid


@dataclass(frozen=True)
class BatchEndpoints(Endpoints):
    """Batch endpoints, with the settings of one rule for new deployments."""

    collection: ClassVar[str] = "batchEndpoints"

    compute: str = ""  # the cluster that jobs run on
    instance_count: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)  # of azure.ai.ml's ModelBatchDeploymentSettings
    code: Code | None = None

    def _read(self, body: Mapping[str, Any]) -> Endpoint:
        return Endpoint.batch(body)

    def create_endpoint(self, name: str, tags: Mapping[str, str]) -> str:
        """Start to create an endpoint."""
        with translated_errors():
            client = self.azureml.client
            from azure.ai.ml.entities import BatchEndpoint

            client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name, auth_mode=_AUTH, tags=dict(tags)))
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
