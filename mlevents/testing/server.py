"""`RecordingServer`: an HTTP or HTTPS server that keeps each request, and answers as a test wants.

with RecordingServer(Answer(429, headers={"Retry-After": "7"}), Answer(200, {"id": 1})) as server:
    Chat(url=server.url("/hook")).run(event, action)
assert server.requests[0].json() == {"text": "brave_kiwi failed"}
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDictProxy

from emulator.background import Background
from emulator.certificates import Authority
from emulator.ports import listen


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived."""

    method: str
    path: str  # as sent: percent-encoded, without the query
    query: dict[str, str]  # decoded; of a repeated name, the last value
    headers: CIMultiDictProxy[str]  # names in any case; `getall` has the values of a repeated one
    body: bytes

    @property
    def text(self) -> str:
        """The body. Raises UnicodeDecodeError if it is not UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body's JSON. Raises ValueError if it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answers. A `body` that is neither bytes nor text is sent as JSON.

    `after` delays it until the test sets this event, or the server's block ends. With `drop`, the connection is closed
    without an answer.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: Event | None = None
    drop: bool = False

    @classmethod
    def redirect(cls, to: str, status: int = 302) -> "Answer":
        """A redirect to a URL."""
        return cls(status, headers={"Location": to})

    def response(self) -> web.Response:
        """The answer as aiohttp sends it."""
        if isinstance(self.body, bytes):
            return web.Response(status=self.status, headers=self.headers, body=self.body)
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        kind = "text/plain" if isinstance(self.body, str) else "application/json"
        response = web.Response(status=self.status, text=text, content_type=kind)
        response.headers.update(self.headers)
        return response


class RecordingServer:
    """Listens on 127.0.0.1 within a ``with`` block, on a free port unless one is given.

    It gives one of the answers per request, in order, and repeats the last one; without any, it answers 200. A function
    as an answer decides by the request. If the function raises, the client gets a 500, and the end of the block raises.

    With `https`, the certificate is for localhost, 127.0.0.1 and `names`; `ca_file` has its authority, and
    `environment` the variables that make requests and Python's ssl trust it, and no other.
    """

    def __init__(
        self,
        *answers: Answer | Callable[[Request], Answer],
        https: bool = False,
        names: tuple[str, ...] = (),
        port: int = 0,
    ):
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.port = port
        self._https, self._names = https, names
        self._background, self._folder = Background(), TemporaryDirectory()
        self._errors: list[Exception] = []
        self._closing = False

    @property
    def ca_file(self) -> Path:
        """The PEM file of the authority that issued the certificate, until the block ends."""
        return Path(self._folder.name) / "authority.pem"

    @property
    def environment(self) -> dict[str, str]:
        """The variables to set, so that clients trust the certificate."""
        return {name: str(self.ca_file) for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}

    def url(self, path: str = "/", host: str = "localhost") -> str:
        """The URL of a path."""
        return f"{'https' if self._https else 'http'}://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._background)
            stack.callback(self._folder.cleanup)
            self._background.run(self._start())
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._background.run(self._stop())
        self._background.__exit__(None, None, None)
        self._folder.cleanup()
        if self._errors and error is None:
            raise self._errors[0]

    async def _start(self) -> None:
        tls = None
        if self._https:
            authority = Authority()
            authority.alone(Path(self._folder.name))
            tls = authority.server(*self._names)
        listener = listen(self.port, "choose another port, or stop what uses it")
        self.port = listener.getsockname()[1]
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=tls).start()

    async def _stop(self) -> None:
        server = self._runner.server
        transports = [connection.transport for connection in server.connections] if server else []
        await self._runner.cleanup()
        for transport in filter(None, transports):
            transport.abort()  # TLS would wait for the client's close_notify, on a loop that no longer runs
        await asyncio.sleep(0)

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        path, _, query = received.raw_path.partition("?")
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        body = await received.content.read()
        request = Request(received.method, path, parameters, received.headers, body)
        self.requests.append(request)
        given = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]) if self.answers else Answer()
        answer = await asyncio.to_thread(self._decided, given, request)
        if answer.after is not None:
            while not (answer.after.is_set() or self._closing):
                await asyncio.sleep(0.01)
        if answer.drop and received.transport is not None:
            received.transport.abort()
        return answer.response()

    def _decided(self, given: Answer | Callable[[Request], Answer], request: Request) -> Answer:
        try:
            return given if isinstance(given, Answer) else given(request)
        except Exception as error:  # of the test's function: it must fail the test, not only the request
            self._errors.append(error)
            return Answer(500, f"{type(error).__name__}: {error}")
