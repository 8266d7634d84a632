"""Azure Resource Manager, spoken to directly, through azure-core's pipeline."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HeadersPolicy,
    RequestIdPolicy,
    RetryPolicy,
    UserAgentPolicy,
)
from azure.core.rest import HttpRequest, HttpResponse

from handlers.azureml.errors import explained
from handlers.azureml.transport import ONCE, Transport

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

VERSION = "2025-12-01"  # the newest stable one: learn.microsoft.com/rest/api/azureml, "Online Endpoints"

_MOST_PAGES = 100


class Arm:
    """One Resource Manager. Every method raises azure.core.exceptions.AzureError, and RetryLater and GiveUp."""

    def __init__(
        self, endpoint: str, credential: "TokenCredential", transport: Transport, version: str = VERSION
    ) -> None:
        self.endpoint = endpoint
        self._query = {"api-version": version}
        policies = [
            RequestIdPolicy(),
            HeadersPolicy({"Accept": "application/json"}),
            UserAgentPolicy("azureml-events"),
            RetryPolicy(**ONCE),
            BearerTokenCredentialPolicy(credential, f"{endpoint}/.default"),
        ]
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            endpoint, policies=policies, transport=transport
        )
        self._transport = transport

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The resource at a path; None if there is none."""
        return self._read(HttpRequest("GET", self.endpoint + path, params={**self._query, **(query or {})}))

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """The resources of a collection; none if there is no such collection."""
        page = self.get(path)
        for _ in range(_MOST_PAGES):
            yield from (page or {}).get("value") or ()
            link = (page or {}).get("nextLink")
            if not link:
                return
            page = self.at(link)

    def at(self, url: str) -> dict[str, Any] | None:
        """What is at a URL that Resource Manager has given; None if nothing is, or if it leads elsewhere.

        Whoever creates a resource can write URLs into it: our token goes to Resource Manager alone.
        """
        return self._read(HttpRequest("GET", url)) if url.startswith(f"{self.endpoint}/") else None

    def put(self, path: str, body: Mapping[str, Any]) -> str:
        """Create or replace a resource; returns the URL of the operation that it began, if it began one."""
        self._sent(HttpRequest("PUT", self.endpoint + path, params=self._query, json=dict(body)))
        return self._transport.operation

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Ask a resource to do something, as the body says if that needs saying; its answer."""
        params, content = {**self._query, **(query or {})}, None if body is None else dict(body)
        return _body(self._sent(HttpRequest("POST", self.endpoint + path, params=params, json=content)))

    def _read(self, request: HttpRequest) -> dict[str, Any] | None:
        response = self._sent(request, allow=404)
        return None if response.status_code == 404 else _body(response)

    def _sent(self, request: HttpRequest, allow: int = 0) -> HttpResponse:
        with explained():
            response = self._client.send_request(request)
            if response.status_code >= 400 and response.status_code != allow:
                raise HttpResponseError(response=response)
            return response


def _body(response: HttpResponse) -> dict[str, Any]:
    return cast(dict[str, Any], response.json()) if response.content else {}
