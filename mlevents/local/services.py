"""The services that an app needs: a mailbox, Azurite and an emulated Azure ML, each only if the settings select it."""

import asyncio
import json
from collections.abc import Container
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from dispatch.settings import CONNECTION, Environment
from emulator.ports import free
from mlevents.console import Console
from mlevents.local import emulator, mailbox
from mlevents.local.azurite import DEFAULT_PORTS, Azurite
from mlevents.local.mailbox import Mail, Mailbox
from mlevents.local.options import Options

if TYPE_CHECKING:
    from emulator import Azure, Call

DEVELOPMENT_STORAGE = "usedevelopmentstorage=true"
FUNCTION = "azureml_event"  # takes events of all types
ALERTS = "monitor_alert"  # the function for alerts of Azure Monitor


class Services:
    """The running services; `mailbox`, `azurite` and `azure` are None if they do not run. `stack` stops them."""

    def __init__(self, options: Options, console: Console, stack: AsyncExitStack) -> None:
        self.mailbox: Mailbox | None = None
        self.azurite: Azurite | None = None
        self.azure: Azure | None = None
        self._options, self._console, self._stack = options, console, stack

    async def start(self, environment: dict[str, str]) -> None:
        """Start the services, and add to `environment` the settings that lead to them. Raises running.FAILURES."""
        if self._options.mailbox and mailbox.is_configured(environment):
            await self._start_mailbox(environment)
        storage = Environment(environment).get(CONNECTION)
        if self._options.azurite and storage.rstrip(";").casefold() == DEVELOPMENT_STORAGE:
            await self._start_azurite(environment)
        if self._options.azure and emulator.is_configured(environment):
            await self._start_azure(environment)

    async def _start_mailbox(self, environment: dict[str, str]) -> None:
        def on_mail(mail: Mail) -> None:
            self._console.event("mail", mail.line, cut=True)

        folder = self._options.state_folder / "mails"
        self.mailbox = Mailbox(folder, on_mail, remember=self._options.remember)
        await self.mailbox.start()
        self._stack.push_async_callback(self.mailbox.stop)
        environment |= self.mailbox.settings()

    async def _start_azurite(self, environment: dict[str, str]) -> None:
        usual = self._options.keep and free(DEFAULT_PORTS)
        folder = self._options.state_folder / "azurite" if self._options.keep else None
        self.azurite = await Azurite.spawn(folder, DEFAULT_PORTS if usual else (0, 0, 0))
        self._stack.push_async_callback(self.azurite.stop)
        if not usual:  # the worker needs the ports
            await self.azurite.ready()
            environment[CONNECTION] = self.azurite.connection_string

    async def _start_azure(self, environment: dict[str, str]) -> None:
        """The worker gets the emulator's identity, and trusts its certificate authority in addition to the others."""
        folder = self._options.state_folder / emulator.CERTIFICATES if self._options.keep else None
        starting, loop = emulator.emulated_azure(environment, folder, self._options.app_dir), asyncio.get_running_loop()
        self.azure = await asyncio.to_thread(starting.__enter__)
        self._stack.push_async_callback(asyncio.to_thread, starting.__exit__, None, None, None)
        environment |= self.azure.settings

        def on_call(call: "Call") -> None:  # called on threads of the emulator
            loop.call_soon_threadsafe(self._print_call, call)

        self.azure.calls.after(on_call)

    async def connect_azure(self, port: int, functions: Container[str]) -> None:
        """Make the emulator deliver its events to the app on `port`, and save its address for `mlevents azure`."""
        if self.azure is None:
            return
        if self._options.keep:  # else there may be several, and `mlevents azure` controls none of them
            note = self._options.state_folder / emulator.NOTE
            note.write_text(json.dumps({"url": self.azure.endpoint, "ca_file": str(self.azure.own_ca_file)}))
            self._stack.callback(note.unlink, missing_ok=True)
        if FUNCTION in functions:
            url = f"http://127.0.0.1:{port}/runtime/webhooks/eventgrid?functionName={FUNCTION}"
            await asyncio.to_thread(self.azure.events.deliver_to, url, twice_every=emulator.TWICE_EVERY)
        if ALERTS in functions:
            self.azure.alerts.deliver_to(f"http://127.0.0.1:{port}/api/{ALERTS}")

    def _print_call(self, call: "Call") -> None:
        """Print a call of the emulator that changes something or fails; all calls if the console is verbose."""
        failed = call.status is None or call.status >= 400
        if failed or call.method != "GET" or self._console.verbose:
            self._console.event("azure", call.line, "warning" if failed else "faint", cut=not failed)
