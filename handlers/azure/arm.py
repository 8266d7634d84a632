"""Azure Resource Manager, spoken to directly, through azure-core's pipeline."""

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

from handlers.azure.errors import explained
from handlers.azure.transport import ONCE, Transport
from handlers.base import GiveUp

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

VERSION = "2025-12-01"  # the newest stable one: learn.microsoft.com/rest/api/azureml, "Online Endpoints"

_MOST_PAGES = 100


class Unread(GiveUp):
    """A list goes on where it is not followed. What has been read of it proves nothing of what is not in it."""


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

    def pages(self, path: str, most: int = _MOST_PAGES) -> Iterator[dict[str, Any]]:
        """The resources of a collection; none if there is no such collection. Raises Unread if these are not all."""
        page = self.get(path) or {}
        for _ in range(most):
            yield from page.get("value") or ()
            if not (link := page.get("nextLink")):
                return
            if (more := self.at(link)) is None:
                raise Unread(f"the list {path} goes on at {link[:300]}, where nothing is that may be read")
            page = more
        raise Unread(f"the list {path} has more than {most} pages")

    def at(self, url: str) -> dict[str, Any] | None:
        """What is at a URL that Resource Manager has given; None if nothing is, or if it leads elsewhere.

        Whoever creates a resource can write URLs into it: our token goes to Resource Manager alone. It may name its
        port, as some of its nextLinks do, and spell its own name in another case.
        """
        if not is_at(url, self.endpoint):
            return None
        parts = urlsplit(url)
        return self._read(HttpRequest("GET", f"{self.endpoint}{parts.path}{parts.query and '?'}{parts.query}"))

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
        response = self._sent(request, allow=HTTPStatus.NOT_FOUND)
        return None if response.status_code == HTTPStatus.NOT_FOUND else _body(response)

    def _sent(self, request: HttpRequest, allow: int = 0) -> HttpResponse:
        with explained():
            response = self._client.send_request(request)
            if response.status_code >= 400 and response.status_code != allow:
                raise HttpResponseError(response=response)
            return response


def is_at(url: str, endpoint: str) -> bool:
    """Does a URL lead to the server of another one?"""
    try:
        parts = urlsplit(url)
        there = parts.scheme, parts.hostname, parts.port or 443
    except ValueError:  # it has no port that can be one
        return False
    here = urlsplit(endpoint)
    return there == (here.scheme, here.hostname, here.port or 443)


def _body(response: HttpResponse) -> dict[str, Any]:
    return cast(dict[str, Any], response.json()) if response.content else {}
