"""A running function app on one machine: its worker, triggers and URLs, and the services that it needs."""

import asyncio
import json
import os
import socket
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from dispatch.settings import SettingsError
from emulator.ports import PortTaken, listen
from mlevents.app_settings import BadFile, LocalSettings, is_disabled
from mlevents.console import Console
from mlevents.local.azurite import AzuriteError
from mlevents.local.host import payloads
from mlevents.local.host.functions import AppBroken, WorkerDied
from mlevents.local.host.host import Host
from mlevents.local.host.host_json import HostJson
from mlevents.local.options import APP_NOTE, Options
from mlevents.local.services import Services
from mlevents.local.triggers.http import WebApp
from mlevents.local.triggers.routes import Route, routes
from mlevents.local.triggers.triggers import Triggers

PORT = 7071

# Why an app cannot start. OSError: the folder for mails and storage cannot be created or written to.
FAILURES = (AppBroken, AzuriteError, BadFile, OSError, PortTaken, SettingsError, WorkerDied)


class Running:
    """A running app, for asynchronous code; `LocalApp` is the same for all other code."""

    def __init__(self, options: Options, console: Console) -> None:
        self.options, self.console = options, console
        self.host = Host(options.app_dir, console)
        self.environment: dict[str, str] = {}
        self.disabled: frozenset[str] = frozenset()
        self.routes: list[Route] = []  # of HTTP functions
        self.port = 0
        self._own: dict[str, str] = {}  # settings that are not the user's, such as those of the services
        self._stack = AsyncExitStack()
        self.services = Services(options, console, self._stack)

    async def __aenter__(self) -> Self:
        """Start everything. Raises FAILURES."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def ended(self) -> str:
        """Wait until the app cannot go on; returns why."""
        ends: dict[asyncio.Future[str], str] = {self.host.failed: ""}
        if self.services.azurite is not None:
            ends[self.services.azurite.died] = "Azurite has ended: "
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return next(ends[end] + end.result() for end in done)

    async def call(self, name: str, text: str = "") -> None:
        """Call a function as ``POST /admin/functions/NAME`` does, and wait for its end.

        Raises CallFailed, and KeyError for an unknown name.
        """
        function = self.host.functions[name]
        await self.host.call(function, payloads.manual(function, text))

    async def _start(self) -> None:
        options = self.options
        self._stack.push_async_callback(self.host.stop)
        await self.host.prepare()  # the worker loads while the rest starts
        settings = self._settings()
        users, notes = settings.environment(os.environ)
        self.environment = {**users, **options.settings}
        for note in (*settings.notes, *notes):
            self.console.print(note, "faint")
        listener = self._listen(settings.port)  # early requests wait until the functions are indexed
        self._stack.callback(listener.close)
        await self.services.start(self.environment)
        self.environment |= {
            "WEBSITE_HOSTNAME": f"localhost:{self.port}",
            "AzureWebJobsScriptRoot": str(options.app_dir),
        }
        self._own = {name: text for name, text in self.environment.items() if users.get(name) != text}
        host_json = HostJson.load(options.app_dir, self.environment)
        await self.host.start(self.environment, host_json.function_timeout)
        if self.services.azurite is not None:
            await self.services.azurite.ready()
        self.disabled = frozenset(name for name in self.host.functions if is_disabled(name, self.environment))
        triggers = Triggers(self.host, self.environment, self.disabled, self.console)
        triggers.create(host_json.queues, options.invisible)
        self.routes, problems = routes(self.host.functions.values(), host_json.route_prefix)
        for problem in problems:
            self.console.problem(problem)
        await self._serve(listener, triggers)
        self._save_address()
        triggers.start()
        await self.services.connect_azure(self.port, self.host.functions.keys() - self.disabled)

    async def reload(self) -> None:
        """Load the app again, with its settings; calls that run end first. The services stay as they are.

        Raises BadFile, SettingsError, AppBroken and WorkerDied; the app then goes on as it was.
        """
        environment = self._settings().environment(os.environ)[0] | self._own
        host_json = HostJson.load(self.options.app_dir, environment)
        await self.host.reload(environment, host_json.function_timeout)
        self.environment = environment

    def _settings(self) -> LocalSettings:
        file = self.options.settings_file
        return LocalSettings.read(file) if file else LocalSettings.load(self.options.app_dir)

    def _listen(self, preferred: int | None) -> socket.socket:
        port = self.options.port if self.options.port is not None else preferred or PORT
        listener = listen(port, "stop what uses it, or set Host.LocalHttpPort in local.settings.json, or --port 0")
        self.port = listener.getsockname()[1]
        return listener

    def _save_address(self) -> None:
        """Save the app's URL for `mlevents send`, unless several apps may use the folder."""
        if self.options.keep:
            note = self.options.state_folder / APP_NOTE
            note.write_text(json.dumps({"url": f"http://localhost:{self.port}"}))
            self._stack.callback(note.unlink, missing_ok=True)

    async def _serve(self, listener: socket.socket, triggers: Triggers) -> None:
        """Serve the URLs. Stopping goes in reverse: requests, then triggers and the worker, then calls that wait."""
        app = WebApp(self.host, self.console, self.disabled, self.routes)
        runner = app.runner(self.options.grace)
        await runner.setup()
        self._stack.push_async_callback(app.stop)
        self._stack.push_async_callback(self._stop_triggers, triggers)
        self._stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()

    async def _stop_triggers(self, triggers: Triggers) -> None:
        """Let calls end, then end their worker; then release their messages, which would stay invisible otherwise."""
        await triggers.stop(self.options.grace)
        await self.host.stop()
        await triggers.finish()
