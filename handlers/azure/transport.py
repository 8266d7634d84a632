"""How requests to Azure ML are sent: in bounded time, once, and not by threads that nobody waits for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.pipeline.transport import HttpTransport, RequestsTransport

CONNECT, READ = 5, 60  # seconds; a function may run for five minutes, and a step of a handler makes a few requests

# What might have arrived is never sent again here: the action is tried again, and looks first whether it was done.
# Connections that were never made may be tried again at once.
ONCE: dict[str, Any] = {"retry_status": 0, "retry_read": 0, "retry_connect": 2, "retry_total": 3}


class NotWaitedFor(Exception):  # noqa: N818 - what happens to a poller, and is as it should be
    """A thread of azure-core's LROPoller wanted to look how an operation is getting on: handlers look themselves."""


class Transport(HttpTransport[Any, Any]):
    """Sends the requests to one workspace and its registries. Shared by threads and by clients."""

    def __init__(self) -> None:
        self._requests = RequestsTransport(connection_timeout=CONNECT, read_timeout=READ)
        self._seen = threading.local()

    @property
    def operation(self) -> str:
        """The URL of the operation that this thread's last request began; empty if it began none."""
        return getattr(self._seen, "operation", "")

    @contextmanager
    def watched(self) -> Iterator[list[Any]]:
        """Collects what this thread is refused meanwhile: answers of 400 and above, and errors in place of an answer.

        For what a client does not tell: azure-ai-ml's validation makes texts of them.
        """
        refused: list[Any] = []
        self._seen.refused = refused
        try:
            yield refused
        finally:
            self._seen.refused = None

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send it, unless a poller wants to. Raises azure.core.exceptions.AzureError."""
        # begin_create_or_update cannot be told not to poll: its thread would look on, print dots and outlive the call.
        if threading.current_thread().name.startswith("LROPoller("):
            raise NotWaitedFor
        self._seen.operation = ""
        refused = getattr(self._seen, "refused", None)
        try:
            response = self._send(request, **kwargs)
        except Exception as error:
            if refused is not None:
                refused.append(error)
            raise
        if refused is not None and response.status_code >= 400:
            refused.append(response)
        headers = response.headers
        self._seen.operation = headers.get("Azure-AsyncOperation") or headers.get("Location", "")
        return response

    def _send(self, request: Any, **kwargs: Any) -> Any:
        return self._requests.send(request, **kwargs)

    def open(self) -> None:
        """Connections are made when they are needed."""

    def close(self) -> None:
        """They stay as long as the worker: whoever is done with them leaves them to the others."""

    def __exit__(self, *_: object) -> None:
        """As `close`."""
