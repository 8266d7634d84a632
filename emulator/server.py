"""The service over HTTPS, on a thread of its own."""

import asyncio
import ssl
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from emulator.background import Background
from emulator.ml import storage
from emulator.ports import listen
from emulator.service import Service
from emulator.wire import Request

LARGEST = 100 * 2**20  # bytes of a request
TICK = 0.1  # seconds between two looks at what takes time


class Server:
    """Listens on a free port of localhost while in its ``with``."""

    def __init__(self, service: Service, tls: ssl.SSLContext) -> None:
        self._service, self._tls = service, tls
        self._background = Background()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._background)
            self._background.run(self._start())
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._background.run(self._stop())
        finally:
            self._background.__exit__(None, None, None)

    async def _start(self) -> None:
        listener = listen(0, "")
        self._service.world.url = f"https://localhost:{listener.getsockname()[1]}"
        application = web.Application(client_max_size=LARGEST)
        application.router.add_route("*", storage.PATH, self._pass_on)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._client = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()
        self._ticking = asyncio.create_task(self._tick())

    async def _stop(self) -> None:
        self._ticking.cancel()
        await asyncio.wait([self._ticking])
        server = self._runner.server
        transports = [connection.transport for connection in server.connections] if server else []
        await self._runner.cleanup()
        await self._client.close()
        for transport in filter(None, transports):
            transport.abort()  # else TLS would wait for a client to say goodbye, in a loop that runs no longer
        await asyncio.sleep(0.01)

    async def _tick(self) -> None:
        """What takes time ends, whether or not somebody looks."""
        while True:
            await asyncio.sleep(TICK)
            await asyncio.to_thread(self._settle)

    def _settle(self) -> None:
        with self._service.world.changing():
            self._service.world.settle_due()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        return await storage.pass_on(request, self._service.world, self._client)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = Request(
            request.method,
            request.path,
            {name.lower(): value for name, value in request.query.items()},
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        answer = await asyncio.to_thread(self._service.answer, asked)
        if answer is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if answer.body is None:
            return web.Response(status=answer.status, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)
