"""The HTTPS server, on a separate thread."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from emulator.background import Background
from emulator.http.request import Request
from emulator.http.response import NULL
from emulator.http.routing import Route
from emulator.ml import datastores
from emulator.ports import listen
from emulator.service import ROUTES, Service

LARGEST = 100 * 2**20  # bytes of a request
TICK = 0.1  # seconds between two checks for operations and runs that are due

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Listens on a free port of localhost, within a ``with`` block."""

    def __init__(self, service: Service, tls: ssl.SSLContext, more: tuple[Route, ...] = ()) -> None:
        self._service, self._tls, self._routes = service, tls, (*ROUTES, *more)
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
        self._service.state.url = f"https://localhost:{listener.getsockname()[1]}"
        application = web.Application(client_max_size=LARGEST, middlewares=[self._unrouted])
        application.router.add_route("*", datastores.PATH, self._forward_to_storage)
        for route in self._routes:
            application.router.add_route(route.method, route.path, self._handler(route))
        self._client = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()
        self._ticking = asyncio.create_task(self._tick())

    async def _stop(self) -> None:
        self._ticking.cancel()
        await asyncio.wait([self._ticking])
        server = self._runner.server
        transports = _transports(server)
        await self._runner.cleanup()
        await self._client.close()
        for _ in range(3):  # a handshake that was under way makes another connection
            transports |= _transports(server)
            for transport in transports:
                transport.abort()  # TLS would wait for the client's close_notify, on a loop that no longer runs
            await asyncio.sleep(0.01)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _tick(self) -> None:
        """Complete operations and runs on time, even if no client polls."""
        while True:
            await asyncio.sleep(TICK)
            await asyncio.to_thread(self._complete_due)

    def _complete_due(self) -> None:
        with self._service.state.transaction():
            self._service.state.complete_due()

    async def _forward_to_storage(self, request: web.Request) -> web.StreamResponse:
        return await datastores.forward(request, self._service.state, self._client)

    def _handler(self, route: Route) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._respond(request, route)

        return handle

    @web.middleware
    async def _unrouted(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return await self._respond(request, None)
        except web.HTTPMethodNotAllowed:
            return await self._respond(request, None, path_exists=True)

    async def _respond(
        self, request: web.Request, route: Route | None, *, path_exists: bool = False
    ) -> web.StreamResponse:
        params = {name: value for name, value in request.match_info.items() if not name.startswith("_")}
        received = Request(
            self._service.state,
            request.method,
            request.path,
            {name.lower(): value for name, value in request.query.items()},
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
            params,
            route.template.format_map(params) if route else "",
        )
        response = await asyncio.to_thread(self._service.handle, received, route, path_exists=path_exists)
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if response.body is None:
            return web.Response(status=response.status, headers=response.headers)
        if isinstance(response.body, bytes):
            return web.Response(status=response.status, headers=response.headers, body=response.body)
        content = None if response.body is NULL else response.body
        return web.json_response(content, status=response.status, headers=response.headers)


def _transports(server: web.Server | None) -> set[asyncio.Transport]:
    """Those of the connections that are open now."""
    return {each.transport for each in (server.connections if server else ()) if each.transport is not None}
