"""The function app with all that it needs on one machine: worker, triggers, URLs, Azurite, mailbox."""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from dispatch.settings import CONNECTION, Environment, SettingsError
from emulator.ports import PortTaken, free, listen
from mlevents import app_settings as appsettings
from mlevents.app_settings import LocalSettings
from mlevents.console import Console
from mlevents.lenient_json import BadFile
from mlevents.local import emulator as cloud
from mlevents.local import mailbox
from mlevents.local.azurite import DEFAULT_PORTS, Azurite, AzuriteError
from mlevents.local.host import payloads
from mlevents.local.host.host import Host
from mlevents.local.host.host_json import HostJson
from mlevents.local.host.worker_process import AppBroken, WorkerDied
from mlevents.local.mailbox import Mail, Mailbox
from mlevents.local.triggers.http import WebApp
from mlevents.local.triggers.queue_messages import INVISIBLE
from mlevents.local.triggers.triggers import Triggers

if TYPE_CHECKING:
    from emulator import Azure, Call

EMULATOR = "usedevelopmentstorage=true"
FOLDER = ".mlevents"  # in the app's folder: what is kept between runs
FUNCTION = "azureml_event"  # which takes events of all types
PORT = 7071

# Why an app cannot be started. OSError: the folder for mails and storage cannot be made or written to.
FAILURES = (AppBroken, AzuriteError, BadFile, OSError, PortTaken, SettingsError, WorkerDied)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run an app."""

    app_dir: Path
    port: int | None = 0  # 0: any free one; None: local.settings.json's, else 7071
    settings: Mapping[str, str] = field(default_factory=dict)  # before the environment and the file
    settings_file: Path | None = None  # left out: the app's local.settings.json, or its example
    folder: Path | None = None  # for mails and, if `keep`, what Azurite holds; left out: FOLDER in the app's folder
    keep: bool = False  # keep what Azurite holds
    azurite: bool = True  # start Azurite if the settings say UseDevelopmentStorage=true
    mailbox: bool = True  # take the mails if the settings send them to localhost:1025
    azure: bool = False  # stand in for Azure ML, unless the setting MLEVENTS_ARM_ENDPOINT says where it is
    remember: int | None = None  # how many mails `LocalApp.mails` has, the latest; None: all
    grace: float = 5.0  # seconds that calls have to end when all is stopped
    invisible: timedelta = INVISIBLE  # how long a queue message that was read is; renewed while its call runs


class Running:
    """A running app: asynchronous; `LocalApp` is the same for everyone else."""

    def __init__(self, options: Options, console: Console) -> None:
        self.options, self.console = options, console
        self.host = Host(options.app_dir, console)
        self.folder = options.folder or options.app_dir / FOLDER
        self.mailbox: Mailbox | None = None
        self.azure: Azure | None = None  # the stand-in
        self.environment: dict[str, str] = {}
        self.disabled: frozenset[str] = frozenset()
        self.port = 0
        self._azurite: Azurite | None = None
        self._stack = AsyncExitStack()

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
        """Wait until the app cannot go on, for the reason that is returned."""
        ends: dict[asyncio.Future[str], str] = {self.host.failed: ""}
        if self._azurite is not None:
            ends[self._azurite.died] = "Azurite has ended: "
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return next(ends[end] + end.result() for end in done)

    async def call(self, name: str, text: str = "") -> None:
        """Call a function by hand, and wait for its end. Raises CallFailed, and KeyError for an unknown name."""
        function = self.host.functions[name]
        await self.host.call(function, payloads.by_hand(function, text))

    async def _start(self) -> None:
        options = self.options
        self._stack.push_async_callback(self.host.stop)
        await self.host.prepare()  # while the rest is made ready
        settings = (
            LocalSettings.read(options.settings_file) if options.settings_file else LocalSettings.load(options.app_dir)
        )
        self.environment, notes = settings.environment(os.environ)
        self.environment |= options.settings
        for note in (*settings.notes, *notes):
            self.console.say(note, "faint")
        listener = self._listen(settings.port)  # who calls already waits until the functions are there
        self._stack.callback(listener.close)
        await self._start_mailbox()
        await self._start_azurite()
        await self._start_azure()
        self.environment |= {
            "WEBSITE_HOSTNAME": f"localhost:{self.port}",
            "AzureWebJobsScriptRoot": str(options.app_dir),
        }
        host_json = HostJson.load(options.app_dir, self.environment)
        await self.host.start(self.environment, host_json.function_timeout)
        if self._azurite is not None:
            await self._azurite.ready()
        names = self.host.functions
        self.disabled = frozenset(name for name in names if appsettings.is_disabled(name, self.environment))
        triggers = Triggers(self.host, self.environment, self.disabled, self.console)
        triggers.make(host_json.queues, options.invisible)
        await self._serve(listener, triggers)
        triggers.start()
        await self._connect_azure()

    async def _stop_triggers(self, triggers: Triggers) -> None:
        """Calls get a chance to end, then their worker ends; their messages are then released, not left invisible."""
        await triggers.stop(self.options.grace)
        await self.host.stop()
        await triggers.finish()

    def _listen(self, preferred: int | None) -> socket.socket:
        wanted = self.options.port if self.options.port is not None else preferred or PORT
        listener = listen(wanted, "stop what uses it, or set Host.LocalHttpPort in local.settings.json, or --port 0")
        self.port = listener.getsockname()[1]
        return listener

    async def _start_mailbox(self) -> None:
        if not (self.options.mailbox and mailbox.is_meant(self.environment)):
            return
        self.mailbox = Mailbox(self.folder / "mails", self._tell_mail, remember=self.options.remember)
        await self.mailbox.start()
        self._stack.push_async_callback(self.mailbox.stop)
        self.environment |= self.mailbox.settings()

    def _tell_mail(self, mail: Mail) -> None:
        self.console.event("mail", mail.line)

    async def _start_azurite(self) -> None:
        storage = Environment(self.environment).get(CONNECTION)
        if not self.options.azurite or storage.rstrip(";").casefold() != EMULATOR:
            return
        usual = self.options.keep and free(DEFAULT_PORTS)
        folder = self.folder / "azurite" if self.options.keep else None
        self._azurite = await Azurite.spawn(folder, DEFAULT_PORTS if usual else (0, 0, 0))
        self._stack.push_async_callback(self._azurite.stop)
        if not usual:  # the worker must be told where it is
            await self._azurite.ready()
            self.environment[CONNECTION] = self._azurite.connection_string

    async def _start_azure(self) -> None:
        """Its identity is the app's, and its authority is trusted beside those that are already."""
        if not (self.options.azure and cloud.is_meant(self.environment)):
            return
        running, loop = cloud.standin(self.environment), asyncio.get_running_loop()
        self.azure = await asyncio.to_thread(running.__enter__)
        self._stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        self.environment |= self.azure.settings

        def tell(call: "Call") -> None:  # called on threads of the stand-in
            loop.call_soon_threadsafe(self._tell_call, call)

        self.azure.calls.after(tell)

    async def _connect_azure(self) -> None:
        """What happens there is delivered to the function for all events, and `mlevents azure` is told where it is."""
        if self.azure is None:
            return
        if self.options.keep:  # else there may be several, and a person plays with none of them
            note = self.folder / cloud.NOTE
            note.write_text(json.dumps({"url": self.azure.endpoint, "ca_file": str(self.azure.own_ca_file)}))
            self._stack.callback(note.unlink, missing_ok=True)
        if FUNCTION in self.host.functions and FUNCTION not in self.disabled:
            url = f"http://127.0.0.1:{self.port}/runtime/webhooks/eventgrid?functionName={FUNCTION}"
            await asyncio.to_thread(self.azure.events.deliver_to, url, twice_every=cloud.TWICE_EVERY)

    def _tell_call(self, call: "Call") -> None:
        """What changes something, and what was not to be had; all of it with `--verbose`."""
        bad = call.status is None or call.status >= 400
        if bad or call.method != "GET" or self.console.verbose:
            self.console.event("azure", call.line, "odd" if bad else "faint")

    async def _serve(self, listener: socket.socket, triggers: Triggers) -> None:
        """Stopped in reverse: first requests, then triggers and the worker, and only then what waits for it."""
        app = WebApp(self.host, self.console, self.disabled)
        runner = web.AppRunner(app.application(), access_log=None, shutdown_timeout=self.options.grace)
        await runner.setup()
        self._stack.push_async_callback(app.stop)
        self._stack.push_async_callback(self._stop_triggers, triggers)
        self._stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()
