"""`Arm`: requests to Azure Resource Manager, through azure-core's pipeline."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

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

from handlers.azure.errors import translated_errors
from handlers.azure.transport import ONCE, Transport
from handlers.base import GiveUp, shorten

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

VERSION = "2025-12-01"  # the newest stable one: learn.microsoft.com/rest/api/azureml, "Online Endpoints"

_MOST_PAGES = 100


class IncompleteList(GiveUp):
    """A list has more pages than the client reads, so a resource that it did not find may still exist."""


class Arm:
    """A client of one Resource Manager. Every method raises AzureError of azure-core, RetryLater or GiveUp.

    Other services whose API has the same shape have an `endpoint` and a `resource`, for which tokens are requested. An
    API without versions has an empty `version`.
    """

    def __init__(
        self,
        endpoint: str,
        credential: "TokenCredential",
        transport: Transport,
        version: str = VERSION,
        resource: str = "",
    ) -> None:
        self.endpoint = endpoint
        self._query = {"api-version": version} if version else {}
        policies = [
            RequestIdPolicy(),
            HeadersPolicy({"Accept": "application/json"}),
            UserAgentPolicy("azureml-events"),
            RetryPolicy(**ONCE),
            BearerTokenCredentialPolicy(credential, f"{resource or endpoint}/.default"),
        ]
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            endpoint, policies=policies, transport=transport
        )
        self._transport = transport

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The resource at a path; None if it does not exist."""
        return self._read(HttpRequest("GET", self.endpoint + path, params={**self._query, **(query or {})}))

    def items(self, path: str, most: int = _MOST_PAGES, link: str = "nextLink") -> Iterator[dict[str, Any]]:
        """The resources in a collection; none if it does not exist. `link` is the key of the next page's URL.

        Raises IncompleteList if there are too many pages, or if the next page is missing or on another server.
        """
        page = self.get(path) or {}
        for _ in range(most):
            yield from page.get("value") or ()
            if not (url := page.get(link)):
                return
            if (more := self.get_url(url)) is None:
                raise IncompleteList(
                    f"the list {path} continues at {shorten(url, 300)}, which is missing or on another server"
                )
            page = more
        raise IncompleteList(f"the list {path} has more than {most} pages")

    def get_url(self, url: str) -> dict[str, Any] | None:
        """The resource at a URL from a response; None if it does not exist, or if the URL is of another server.

        The user who creates a resource can write URLs into it, so the token is sent to Resource Manager only. A URL may
        have its port, as in some nextLinks, and its name in upper case.
        """
        if not is_same_server(url, self.endpoint):
            return None
        parts = urlsplit(url)
        return self._read(HttpRequest("GET", f"{self.endpoint}{parts.path}{parts.query and '?'}{parts.query}"))

    def put(self, path: str, body: Mapping[str, Any]) -> str:
        """Create or replace a resource. Returns the URL of the operation that this started, or an empty string."""
        self._send(HttpRequest("PUT", self.endpoint + path, params=self._query, json=dict(body)))
        return self._transport.operation

    def delete(self, path: str) -> None:
        """Delete a resource; one that does not exist is deleted already. The service goes on after its answer."""
        self._send(HttpRequest("DELETE", self.endpoint + path, params=self._query), allow=HTTPStatus.NOT_FOUND)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Call an action of a resource, with a body if the action takes one. Returns the body of the response."""
        params, content = {**self._query, **(query or {})}, None if body is None else dict(body)
        return _body(self._send(HttpRequest("POST", self.endpoint + path, params=params, json=content)))

    def start(self, path: str, body: Mapping[str, Any]) -> str:
        """Call an action that starts an operation. Returns the operation's URL, or an empty string."""
        self.post(path, body)
        return self._transport.operation

    def _read(self, request: HttpRequest) -> dict[str, Any] | None:
        response = self._send(request, allow=HTTPStatus.NOT_FOUND)
        return None if response.status_code == HTTPStatus.NOT_FOUND else _body(response)

    def _send(self, request: HttpRequest, allow: int = 0) -> HttpResponse:
        with translated_errors():
            response = self._client.send_request(request)
            if response.status_code >= 400 and response.status_code != allow:
                raise HttpResponseError(response=response)
            return response


def is_same_server(url: str, endpoint: str) -> bool:
    """Do two URLs have the same scheme, host and port?"""
    try:
        parts = urlsplit(url)
        other = parts.scheme, parts.hostname, parts.port or 443
    except ValueError:  # an invalid port
        return False
    own = urlsplit(endpoint)
    return other == (own.scheme, own.hostname, own.port or 443)


def _body(response: HttpResponse) -> dict[str, Any]:
    return cast(dict[str, Any], response.json()) if response.content else {}
