"""`OnlineEndpoints`: the online endpoints of a workspace and their deployments, managed or on Kubernetes."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest, HttpResponse

from handlers.azure import cloud
from handlers.azure.errors import translated_errors
from handlers.azure.ml.cli.definition import Definition, prefixed
from handlers.azure.ml.endpoints import Endpoints
from handlers.azure.ml.quota import quota_problem
from handlers.azure.ml.resources import Answer, Endpoint, NewDeployment

LOG_LINES = 100


@dataclass(frozen=True)
class OnlineEndpoints(Endpoints):
    """Online endpoints, with the settings of one rule for new endpoints and deployments."""

    collection: ClassVar[str] = "onlineEndpoints"

    instance_type: str | None = None  # required, except on Kubernetes
    instance_count: int = 1
    auth: str = ""  # aad_token, key or aml_token; empty: see `_auth`
    public: bool | None = None  # can the internet reach it? None: as the CLI's file has it, else yes
    compute: str = ""  # the Kubernetes cluster; empty for managed endpoints
    environment_variables: Mapping[str, str] = field(default_factory=dict)

    def _read(self, body: Mapping[str, Any]) -> Endpoint:
        return Endpoint.online(body)

    def create_endpoint(self, name: str, tags: Mapping[str, str]) -> str:
        """Start to create an endpoint."""
        with translated_errors():
            client = self.azureml.client
            from azure.ai.ml.entities import KubernetesOnlineEndpoint, ManagedOnlineEndpoint

            same: dict[str, Any] = {"name": name, "auth_mode": self._auth, "tags": dict(tags)}
            access = "Disabled" if self.public is False else "Enabled"  # the schema's spelling: sent unchanged
            endpoint: Any
            if self.files.endpoint:
                endpoint = self._endpoint_of_file(self.files.endpoint, name, tags)
            elif self.compute:
                endpoint = KubernetesOnlineEndpoint(**same, compute=self.compute)
            else:
                endpoint = ManagedOnlineEndpoint(**same, public_network_access=access)
            client.online_endpoints.begin_create_or_update(endpoint)
            return self.azureml.transport.operation

    def _endpoint_of_file(self, definition: Definition, name: str, tags: Mapping[str, str]) -> Any:
        values: dict[str, Any] = {"name": name, "tags": {**self.files.endpoint_tags, **tags}}
        if self.auth:
            values["auth_mode"] = self.auth
        if self.compute:
            values["compute"] = prefixed(self.compute)
        elif self.public is not None:
            values["public_network_access"] = "enabled" if self.public else "disabled"
        return definition.load(values)

    @property
    def _auth(self) -> str:
        """The rule's mode; by default Entra tokens for managed endpoints, and keys on Kubernetes, which has no others
        (learn.microsoft.com, "Authenticate clients for online endpoints").
        """
        return self.auth or ("key" if self.compute else "aad_token")

    def incompatibility(self, endpoint: Endpoint) -> str:
        """Why this endpoint cannot have the rule's deployments; empty if it can."""
        cluster = endpoint.compute.rpartition("/")[2]
        if bool(cluster) == bool(self.compute):
            return ""
        kind = (
            f"on the Kubernetes cluster {cluster}: the rule must have compute: {cluster}"
            if cluster
            else f"a managed one, but the rule has compute: {self.compute}"
        )
        return f"the endpoint {endpoint.name} is {kind}"

    def set_traffic(self, endpoint: Endpoint, traffic: Mapping[str, int]) -> str:
        """Start to change the traffic: percent by deployment.

        This sends the endpoint back as it was read, with the newest api-version: azure-ai-ml uses 2022-02-01-preview,
        which drops the properties that it does not know. The API has no ETag: the caller must hold the endpoint's lock.
        """
        return self.azureml.arm.put(self.path(endpoint.name), self.writable(endpoint, traffic=dict(traffic)))

    def create(self, new: NewDeployment) -> str:
        """Start to create a deployment, after uploading its code if it has any."""
        with translated_errors():
            client = self.azureml.client
            from azure.ai.ml.entities import KubernetesOnlineDeployment, ManagedOnlineDeployment

            kind = KubernetesOnlineDeployment if self.compute else ManagedOnlineDeployment
            deployment = (
                self._deployment_of_file(self.files.deployment, new)
                if self.files.deployment
                else kind(
                    name=new.name,
                    endpoint_name=new.endpoint,
                    model=new.model,  # the id: for a Model, the client would request its datastore
                    tags=dict(new.tags),
                    instance_type=self.instance_type,
                    instance_count=self.instance_count,
                    environment_variables=dict(self.environment_variables),
                    **self._code_arguments(new),
                )
            )
            client.online_deployments.begin_create_or_update(deployment)
            return self.azureml.transport.operation

    def _deployment_of_file(self, definition: Definition, new: NewDeployment) -> Any:
        values = self._overrides(new) | {"instance_count": self.instance_count}
        if self.environment_variables:
            values["environment_variables"] = {**values.get("environment_variables", {}), **self.environment_variables}
        if self.instance_type:
            values["instance_type"] = self.instance_type
        if self.compute:
            values["type"] = "kubernetes"
        return definition.load(values)

    def delete(self, endpoint: str, name: str) -> str:
        """Start to delete a deployment."""
        with translated_errors():
            self.azureml.client.online_deployments.begin_delete(name=name, endpoint_name=endpoint)
            return self.azureml.transport.operation

    def delete_endpoint(self, name: str) -> str:
        """Start to delete an endpoint and its deployments."""
        with translated_errors():
            self.azureml.client.online_endpoints.begin_delete(name=name)
            return self.azureml.transport.operation

    def capacity_problem(self) -> str:
        """Why the service has no capacity for another deployment; empty if it has, or if that is unknown."""
        if self.compute:
            return self._compute_problem(self.compute)
        if not self.instance_type:
            return ""
        return quota_problem(self.azureml, self.instance_type, self.instance_count)

    def log(self, endpoint: str, name: str) -> str:
        """The end of the log of a deployment's container, or of the one that downloads its model; empty if none."""
        logs = self.azureml.client.online_deployments
        for container in (None, "storage-initializer"):
            with suppress(Exception):  # the log is optional: the rollback continues without it
                text = str(logs.get_logs(name, endpoint, LOG_LINES, container_type=container)).strip()
                if text and text != "None":  # the client's text for an empty log
                    return text
        return ""

    def score(self, endpoint: Endpoint, deployment: str, request: bytes) -> Answer:
        """Send one request to one deployment, even if it gets no traffic.

        azure-ai-ml's `invoke` is not used: it stores the deployment's name in a global variable, so that later calls in
        the same process go to this deployment, too, unless they name another.
        """
        headers = {
            "Authorization": f"Bearer {self._key(endpoint)}",
            "Content-Type": "application/json",
            "azureml-model-deployment": deployment,
        }
        client: PipelineClient[HttpRequest, HttpResponse]
        client = PipelineClient(endpoint.scoring_uri, policies=[], transport=self.azureml.transport)
        try:
            response = client.send_request(HttpRequest("POST", endpoint.scoring_uri, headers=headers, content=request))
            return Answer(response.status_code, response.text())
        except AzureError as error:
            return Answer(0, f"{type(error).__name__}: {error}")

    def _key(self, endpoint: Endpoint) -> str:
        """The key or token for requests to an endpoint, for its authentication mode."""
        match endpoint.auth.casefold():
            case "key":
                return str(self.azureml.arm.post(self.path(endpoint.name, "listKeys"))["primaryKey"])
            case "amltoken":
                return str(self.azureml.arm.post(self.path(endpoint.name, "token"))["accessToken"])
        resource = cloud.scoring_resource(self.azureml.endpoint)
        return str(self.azureml.credential.get_token(f"{resource}/.default").token)
