"""`Reader`: reads from Azure's services with a deadline and a largest size.

No answer can surprise the caller: one that is late, too long, no JSON, a redirection or an error raises `NotRead`, with
the reason in words and, where a role is missing, with that role.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RequestIdPolicy, RetryPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest, HttpResponse

from handlers.azure import cloud
from handlers.azure.arm import VERSION, is_same_server
from handlers.azure.facts.parts import Deadline, NotRead
from handlers.azure.facts.tokens import tokens_of
from handlers.azure.facts.values import object_of, objects, text
from handlers.azure.transport import CONNECT, ONCE
from handlers.base import GiveUp, RetryLater
from handlers.errors import DENIED
from handlers.roles import WORKSPACE_READER

if TYPE_CHECKING:
    from handlers.azure.ml.workspace import AzureML

JSON_LIMIT = 4_000_000  # bytes of a JSON response
_ERROR_LIMIT = 64_000  # bytes of an error response that are read
_REASON_LIMIT = 200  # characters of a service's own words
_PAGES = 10  # pages of a list that are read

_Client = PipelineClient[HttpRequest, HttpResponse]


class NotFound(NotRead):
    """The service does not have it, or not yet."""


class NotPermitted(NotRead):
    """The app's identity lacks a role. It is no use to ask again, until somebody assigns it."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a response, and its headers."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Reader:
    """Reads about the objects of one workspace. Its methods raise NotRead, and may be called on any thread."""

    def __init__(self, azureml: "AzureML", deadline: Deadline) -> None:
        self.azureml = azureml
        self.deadline = deadline
        self.path = azureml.path
        self._arm = self._client(azureml.endpoint)
        self._services = self._client(cloud.scoring_resource(azureml.endpoint))
        self._anonymous = self._client("")
        self._lock = Lock()
        self._no_services: NotRead | None = None

    def _client(self, resource: str) -> _Client:
        """A client that sends tokens for a resource; without one, it sends none."""
        policies: list[Any] = [RequestIdPolicy(), UserAgentPolicy("azureml-events"), RetryPolicy(**ONCE)]
        if resource:
            policies.append(BearerTokenCredentialPolicy(tokens_of(self.azureml.credential), f"{resource}/.default"))
        return PipelineClient(self.azureml.endpoint, policies=policies, transport=self.azureml.transport)

    def arm(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """A resource of Resource Manager."""
        params = {"api-version": VERSION, **(query or {})}
        return self._json(self._arm, HttpRequest("GET", self.azureml.endpoint + path, params=params))

    def arm_items(self, path: str) -> Iterator[Mapping[str, Any]]:
        """The resources in a collection of Resource Manager."""
        page = self.arm(path)
        for _ in range(_PAGES):
            yield from objects(page.get("value"))
            if not (url := page.get("nextLink")):
                return
            if not isinstance(url, str) or not is_same_server(url, self.azureml.endpoint):
                raise NotRead("the list continues on another server", transient=False)
            page = self._json(self._arm, HttpRequest("GET", url))
        raise NotRead(f"the list has more than {_PAGES} pages", transient=False)

    def service(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """What one of the workspace's own services has at a path."""
        return self._json(self._services, HttpRequest("GET", self._api() + path, params=dict(query or {})))

    def ask_service(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of one of the workspace's own services to a question with a body."""
        return self._json(self._services, HttpRequest("POST", self._api() + path, json=dict(body)))

    def service_items(self, path: str, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """The items of a list in run history, as azure-ai-ml pages it (its _restclient/runhistory, PaginatedRun)."""
        page = self.service(path, query)
        for _ in range(_PAGES):
            yield from objects(page.get("value"))
            token = page.get("continuationToken")
            if not token or not isinstance(token, str):
                return
            page = self.service(path, {**query, "$continuationToken": token})
        raise NotRead(f"the list has more than {_PAGES} pages", transient=False)

    def _api(self) -> str:
        """The URL of the workspace's services. It does not change, so that one request of a process learns it."""
        with self._lock:
            if self._no_services:
                raise self._no_services
            try:
                self.azureml.services_url = self.azureml.services_url or self._discover()
            except NotRead as error:
                self._no_services = error
                raise
            return self.azureml.services_url

    def _discover(self) -> str:
        discovery = object_of(self.arm(self.path).get("properties")).get("discoveryUrl")
        if not isinstance(discovery, str):
            raise NotRead("the workspace does not name its services")
        found = self._json(self._services, HttpRequest("GET", discovery)).get("api")
        if not isinstance(found, str) or urlsplit(found).scheme != "https":
            raise NotRead("the discovery of the workspace does not name its services")
        return found.rstrip("/")

    def anonymous(self, url: str, headers: Mapping[str, str], limit: int, *, keep_end: int) -> Content:
        """The content at a URL with a signature, to which no token is sent. Statuses 200, 206 and 416 are returned.

        Of a longer content, the last `keep_end` bytes are kept. Raises NotRead if it is longer than the limit.
        """
        request = HttpRequest("GET", url, headers=dict(headers))
        return self._send(self._anonymous, request, limit, {200, 206, 416}, keep_end)

    def _json(self, client: _Client, request: HttpRequest) -> Mapping[str, Any]:
        request.headers["Accept"] = "application/json"
        content = self._send(client, request, JSON_LIMIT, {200}).content
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            kind = "an HTML page" if content.lstrip()[:1] == b"<" else "no valid JSON"
            raise NotRead(f"the answer of {_host(request)} is {kind}") from None
        if not isinstance(value, dict):
            raise NotRead(f"the answer of {_host(request)} is no JSON object")
        return value

    def _send(
        self, client: _Client, request: HttpRequest, limit: int, expected: set[int], keep_end: int = 0
    ) -> Content:
        left = self.deadline.left
        if not left:
            raise self.deadline.passed()
        try:
            response = client.send_request(
                request, stream=True, connection_timeout=min(CONNECT, left), read_timeout=left
            )
            with response:
                if response.status_code not in expected:
                    raise _refusal(response, request, self._error(response, request))
                content = self._content(response, request, limit, keep_end)
                return Content(response.status_code, content, dict(response.headers))
        except NotRead:
            raise
        except ClientAuthenticationError as error:
            raise NotRead(f"the app has no token: {_short(error)}") from error
        except (GiveUp, RetryLater) as error:
            raise NotRead(_short(error), transient=isinstance(error, RetryLater)) from error
        except (AzureError, OSError) as error:  # requests' are OSErrors
            if not self.deadline.left:
                raise self.deadline.passed() from error
            raise NotRead(f"no answer from {_host(request)}: {_short(error)}") from error

    def _error(self, response: HttpResponse, request: HttpRequest) -> bytes:
        """The content of an error response; empty if it cannot be read."""
        try:
            return self._content(response, request, _ERROR_LIMIT, _ERROR_LIMIT)
        except (AzureError, OSError, NotRead):
            return b""

    def _content(self, response: HttpResponse, request: HttpRequest, limit: int, keep_end: int) -> bytes:
        """The content; its last `keep_end` bytes if that is not 0."""
        kept, length = bytearray(), 0
        for chunk in response.iter_bytes():
            length += len(chunk)
            kept += chunk
            if keep_end:
                del kept[:-keep_end]
            if length > limit:
                raise NotRead(f"the answer of {_host(request)} is longer than {limit:,} bytes", transient=False)
            if not self.deadline.left:
                raise self.deadline.passed()
        return bytes(kept)


def _refusal(response: HttpResponse, request: HttpRequest, content: bytes) -> NotRead:
    """The error for a status that is not expected."""
    status, host = response.status_code, _host(request)
    if 300 <= status < 400:
        return NotRead(f"{host} redirects elsewhere (HTTP {status})", transient=False)
    if status in DENIED and "Authorization" in request.headers:
        needed = f"the app's identity needs the role {WORKSPACE_READER.name} on {WORKSPACE_READER.where}"
        return NotPermitted(f"HTTP {status} from {host}; {needed}", transient=False)
    try:
        error = object_of(object_of(json.loads(content)).get("error"))
    except (ValueError, RecursionError):
        error = {"code": response.headers.get("x-ms-error-code")}  # of Azure Storage, which answers in XML
    said = [found for member in ("code", "message") if (found := text(error.get(member), _REASON_LIMIT))]
    reason = ": ".join([f"HTTP {status} from {host}", *said])
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(reason)
    return NotRead(reason, transient=status >= 500 or status in {408, 409, 425, 429})


def _host(request: HttpRequest) -> str:
    """The host of a request: its whole URL may have a signature in it."""
    return urlsplit(request.url).hostname or "the service"


def _short(error: Exception) -> str:
    """An exception in a few words. The texts of connection errors repeat the URL, which may have a signature."""
    if isinstance(error, GiveUp | RetryLater | ClientAuthenticationError):
        return text(str(error).partition("\n")[0], _REASON_LIMIT) or type(error).__name__
    return type(error).__name__
