"""`Transport`: sends each request to Azure once, with timeouts, and blocks the polling threads of azure-core."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline.transport import HttpTransport, RequestsTransport

from handlers.base import GiveUp, shorten

CONNECT, READ = 5, 60  # timeouts in seconds; a function may run for five minutes, and a step makes a few requests

# A request that may have arrived is not sent again: dispatch retries the action, which first reads what has been done.
# Only a connection that could not be opened is tried again at once.
ONCE: dict[str, Any] = {"retry_status": 0, "retry_read": 0, "retry_connect": 2, "retry_total": 3}


# "Remove dot segments" (RFC 3986, section 5.2.4) applies to %2E as well: clients decode it first (section 6.2.2.2).
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?=/|$)", re.IGNORECASE)


class PollerBlocked(Exception):  # noqa: N818 - not an error: it ends a polling thread
    """A thread of azure-core's LROPoller tried to poll an operation. Handlers poll by themselves."""


class Transport(HttpTransport[Any, Any]):
    """Sends the requests to one workspace and its registries. Threads and clients share it."""

    def __init__(self) -> None:
        self._requests = RequestsTransport(connection_timeout=CONNECT, read_timeout=READ)
        self._thread = threading.local()

    @property
    def operation(self) -> str:
        """The URL of the operation that this thread's last request started; empty if it started none."""
        return getattr(self._thread, "operation", "")

    @contextmanager
    def recorded_errors(self) -> Iterator[list[Any]]:
        """Record the error responses and exceptions that this thread's requests get within the block.

        azure-ai-ml's validation reports them as text only.
        """
        errors: list[Any] = []
        self._thread.errors = errors
        try:
            yield errors
        finally:
            self._thread.errors = None

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send a request.

        Raises azure.core.exceptions.AzureError, PollerBlocked in a thread of a poller, and GiveUp for a path with a
        segment ``.`` or ``..``: a name from an event would address another resource.
        """
        if _DOT_SEGMENT.search(urlsplit(request.url).path):
            raise GiveUp(f"a name that consists of dots cannot be part of a path: {shorten(request.url, 500)}")
        # begin_create_or_update has no option not to poll: its thread would print dots and outlive the call.
        if threading.current_thread().name.startswith("LROPoller("):
            raise PollerBlocked
        self._thread.operation = ""
        errors = getattr(self._thread, "errors", None)
        try:
            response = self._send(request, **kwargs)
        except Exception as error:
            if errors is not None:
                errors.append(error)
            raise
        if errors is not None and response.status_code >= 400:
            errors.append(response)
        headers = response.headers
        self._thread.operation = headers.get("Azure-AsyncOperation") or headers.get("Location", "")
        return response

    def _send(self, request: Any, **kwargs: Any) -> Any:
        return self._requests.send(request, **kwargs)

    def open(self) -> None:
        """Do nothing: connections are opened when they are needed."""

    def close(self) -> None:
        """Do nothing: other clients use the same connections, which last as long as the worker."""

    def __exit__(self, *_: object) -> None:
        """Do nothing, as `close`."""
