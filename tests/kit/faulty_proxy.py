"""A proxy between the SDKs and Azurite that injects faults of the network and of the service.

It patches nothing: it resets connections, does not respond, or closes a connection in the middle of a response.
"""

import json
import re
import socket
import struct
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPResponse
from threading import Thread
from urllib.parse import unquote, urlsplit

from emulator.state.storage_account import ACCOUNT, KEY
from mlevents.local.azurite import Azurite

COMMIT_ID = re.compile(rb'("commit": ?")[0-9a-f]{32}')  # dispatch/inbox/tables.py recognizes its own commits by it
_KEYS = re.compile(r'"(?:RowKey|status)": ?"[^"]*"')
_NAMES = re.compile(r"[0-9a-f-]{10,}|\|[a-z][a-z-]+")  # hashes, days and rules
_MESSAGE = re.compile(rb"<MessageText>(.*)</MessageText>")
OTHER_COMMIT_ID = rb"\g<1>" + b"0" * 32


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received."""

    method: str
    target: str
    raw: bytes

    @property
    def kind(self) -> str:
        """The call of `dispatch.inbox.tables` that it makes, or the creation of a missing table or queue."""
        path = urlsplit(self.target).path.removeprefix(f"/{ACCOUNT}/")
        match self.method, path:
            case "POST", "$batch":
                return "commit"
            case "PUT", _ if "(PartitionKey=" in path:
                return "commit"  # of one update
            case "POST", "Tables":
                return "create the table"
            case "GET", _:
                return "read"
            case "POST", _:
                return "send"
        return "create the queue"

    @property
    def shape(self) -> str:
        """The request without ids: kinds of rows and their states. Requests of one shape are equivalent."""
        match self.kind:
            case "commit":
                about = "".join(_KEYS.findall(self.raw.decode()))
            case "send":
                about = self.message.rpartition(", ")[2]  # the message version
            case _:
                about = unquote(self.target)
        return f"{self.kind} {_NAMES.sub('*', about)}"

    @property
    def message(self) -> str:
        """The text of the queue message in it, if there is one."""
        found = _MESSAGE.search(self.raw)
        return b64decode(found[1]).decode() if found else ""

    @property
    def of_table(self) -> bool:
        """Is it for the table service?"""
        return self.kind in {"commit", "read", "create the table"}


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """A fault at `times` consecutive requests, which are applied or not.

    `response` is a complete response, or ``reset``, ``closed`` or ``silence``. Without it, the real response is sent;
    with `cut`, the first half of that. With `conflict`, another worker commits the same rows just before.
    """

    name: str
    applied: bool = False
    response: str | bytes = ""
    cut: bool = False
    conflict: bool = False
    times: int = 1

    @property
    def is_silent(self) -> bool:
        """Does the client wait for a response until its timeout?"""
        return self.response == "silence"

    def __str__(self) -> str:
        return self.name + (f" x{self.times}" if self.times > 1 else "")


def error_response(status: str, code: str, *headers: str) -> bytes:
    """An error response of Azure Storage (learn.microsoft.com, "Status and error codes")."""
    body = json.dumps({"odata.error": {"code": code, "message": {"lang": "en-US", "value": code}}}).encode()
    lines = [
        f"HTTP/1.1 {status}",
        f"x-ms-error-code: {code}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


BUSY = error_response("503 Server Busy", "ServerBusy")
FAULTS = (
    NetworkFault("reset before", response="reset"),
    NetworkFault("closed before", response="closed"),
    NetworkFault("silence before", response="silence"),
    NetworkFault("429", response=error_response("429 Too Many Requests", "TooManyRequests")),
    NetworkFault(
        "429 for an hour", response=error_response("429 Too Many Requests", "TooManyRequests", "Retry-After: 3600")
    ),
    NetworkFault("500 before", response=error_response("500 Internal Server Error", "InternalError")),
    NetworkFault("503 before", response=BUSY),
    NetworkFault("503 for a second", response=error_response("503 Server Busy", "ServerBusy", "Retry-After: 1")),
    NetworkFault("reset after", applied=True, response="reset"),
    NetworkFault("closed after", applied=True, response="closed"),
    NetworkFault("silence after", applied=True, response="silence"),
    NetworkFault("500 after", applied=True, response=error_response("500 Internal Server Error", "OperationTimedOut")),
    NetworkFault("503 after", applied=True, response=BUSY),
    NetworkFault("cut off", applied=True, response="closed", cut=True),
    NetworkFault("cut off, silence", applied=True, response="silence", cut=True),
)
CONFLICT = NetworkFault("another worker commits before", applied=True, conflict=True)  # a true 409 or 412; commits only


@dataclass
class FaultyProxy:
    """Injects the fault that `plan` returns for the number of a request.

    With `conflicts`, another worker commits the same rows before the first commit of each shape.
    """

    azurite: Azurite
    port: int
    plan: Callable[[int], NetworkFault | None] = lambda number: None
    conflicts: bool = False
    requests: list[Request] = field(default_factory=list)
    injected: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)  # messages that are in a queue
    _current: NetworkFault | None = None
    _left: int = 0  # further requests with the current fault

    @property
    def connection_string(self) -> str:
        """The connection string of the account through this proxy."""
        url = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"QueueEndpoint={url};TableEndpoint={url}"
        )

    @property
    def next_fault(self) -> NetworkFault | None:
        """The fault at the next request."""
        return self._current if self._left else self.plan(len(self.requests))

    def fault(self, request: Request) -> NetworkFault | None:
        """Log a request, and return its fault."""
        fault = self.next_fault
        if (
            self.conflicts
            and request.kind == "commit"
            and request.shape not in {known.shape for known in self.requests}
        ):
            fault = CONFLICT
        self.requests.append(request)
        self._left = (self._left or (fault.times if fault else 1)) - 1
        self._current = fault
        if fault:
            self.injected.append(f"{fault}: {request.kind}")
        return fault

    def upstream(self, request: Request) -> socket.socket:
        """Connect to the service that the request is for."""
        url = self.azurite.table_url if request.of_table else self.azurite.queue_url
        return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10)

    def apply(self, request: Request) -> bytes:
        """Send the request to Azurite, and return its response."""
        with self.upstream(request) as connection:
            connection.sendall(request.raw)
            with HTTPResponse(connection, method=request.method) as response:
                response.begin()
                body = response.read()
                kept = [h for h in response.getheaders() if h[0].lower() not in {"transfer-encoding", "content-length"}]
                head = "".join(f"{name}: {value}\r\n" for name, value in kept)
                start = f"HTTP/1.1 {response.status} {response.reason}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
                if response.status == 201 and request.kind == "send":
                    self.delivered.append(request.message)
        return start.encode("latin-1") + body

    def serve(self, client: socket.socket) -> None:
        """Serve all requests of one connection."""
        with client, suppress(ConnectionError):
            while (request := _read(client)) is not None and self._respond(client, request):
                pass

    def _respond(self, client: socket.socket, request: Request) -> bool:
        """Respond to a request; False if the connection is closed."""
        fault = self.fault(request)
        if fault is None:
            client.sendall(self.apply(request))
            return True
        if fault.conflict and request.kind == "commit":
            self.apply(replace(request, raw=COMMIT_ID.sub(OTHER_COMMIT_ID, request.raw)))
        response = self.apply(request) if fault.applied else b""
        if isinstance(fault.response, bytes):
            client.sendall(fault.response)
            return True
        if not fault.response or fault.cut:
            client.sendall(response[: len(response) // 2] if fault.cut else response)
        match fault.response:
            case "":
                return True
            case "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "silence":
                client.recv(1)  # until the client gives up
        return False


def _read(client: socket.socket) -> Request | None:
    """The next request; None when the client has closed the connection."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        if not (more := client.recv(65_536)):
            return None
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    missing = int(found[1]) - len(body) if found else 0
    while missing > 0:
        if not (more := client.recv(65_536)):
            return None
        raw, missing = raw + more, missing - len(more)
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
    return Request(method, target, raw)


@contextmanager
def running_proxy(azurite: Azurite) -> Iterator[FaultyProxy]:
    """Run a proxy."""
    threads: list[Thread] = []
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = FaultyProxy(azurite, listening.getsockname()[1])

        def listen() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    clients.append(client)
                    threads.append(Thread(target=proxy.serve, args=(client,)))
                    threads[-1].start()

        accepting = Thread(target=listen)
        accepting.start()
        try:
            yield proxy
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
