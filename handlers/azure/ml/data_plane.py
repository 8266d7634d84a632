"""`DataPlane`: requests to Azure ML's own services, such as batch endpoints and run history."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RequestIdPolicy, RetryPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest, HttpResponse

from handlers.azure import cloud
from handlers.azure.errors import translated_errors
from handlers.azure.transport import ONCE

if TYPE_CHECKING:
    from handlers.azure.ml.workspace import AzureML


class DataPlane:
    """Sends requests with a token for Azure ML. Methods raise what those of `AzureML` raise."""

    def __init__(self, azureml: "AzureML") -> None:
        self._azureml = azureml
        scope = f"{cloud.scoring_resource(azureml.endpoint)}/.default"
        policies = [
            RequestIdPolicy(),
            UserAgentPolicy("azureml-events"),
            RetryPolicy(**ONCE),
            BearerTokenCredentialPolicy(azureml.credential, scope),
        ]
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            azureml.endpoint, policies=policies, transport=azureml.transport
        )

    def get(self, url: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON at a URL that the service has returned."""
        return self._send(HttpRequest("GET", url, params=dict(query or {})))

    def api(self) -> str:
        """The URL of the workspace's services. Raises LookupError or TypeError if the workspace does not return it."""
        if not self._azureml.services_url:
            properties = (self._azureml.arm.get(self._azureml.path) or {})["properties"]
            self._azureml.services_url = str(self.get(str(properties["discoveryUrl"]))["api"]).rstrip("/")
        return self._azureml.services_url

    def post(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        """Post JSON to a URL that the service has returned, and return the JSON in the response."""
        return self._send(HttpRequest("POST", url, json=dict(body), headers=dict(headers)))

    def _send(self, request: HttpRequest) -> dict[str, Any]:
        with translated_errors():
            response = self._client.send_request(request)
            if response.status_code >= 400:
                raise HttpResponseError(response=response)
            return cast(dict[str, Any], response.json()) if response.content else {}
