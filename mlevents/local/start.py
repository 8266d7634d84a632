"""`mlevents start`: run the app until Ctrl-C."""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatch.settings import SettingsError
from mlevents.local.azurite import AzuriteError
from mlevents.local.child import AppBroken, WorkerDied
from mlevents.local.console import Console
from mlevents.local.lenient_json import BadFile
from mlevents.local.running import Options, PortTaken, Running


def start(options: Options, *, verbose: bool = False) -> int:
    """Run the app until SIGINT, SIGTERM or SIGHUP: 0; or until it cannot go on, the reason being printed: 1."""
    console = Console(sys.stdout, verbose=verbose)
    try:
        with _alone(options.folder or options.app_dir / ".mlevents"):
            return asyncio.run(_run(options, console))
    except AppBroken as error:
        console.problem(f"the functions cannot be indexed: {error}", error.stack)
    except (AzuriteError, BadFile, PortTaken, SettingsError, WorkerDied) as error:
        console.problem(str(error))
    return 1


async def _run(options: Options, console: Console) -> int:
    asked = asyncio.Event()

    def ask() -> None:
        if asked.is_set():
            os._exit(130)  # asked twice: at once; the other processes notice it
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    living, stopping = asyncio.create_task(_live(options, console)), asyncio.create_task(asked.wait())
    await asyncio.wait([living, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if living.done():
        return living.result()
    console.say("stopping", "faint")
    living.cancel()
    await asyncio.wait([living])
    return 0


async def _live(options: Options, console: Console) -> int:
    """Run until the app cannot go on."""
    async with Running(options, console) as running:
        _introduce(running)
        console.problem(await running.ended())
        return 1


def _introduce(running: Running) -> None:
    """As `func start` does: the functions and their URLs; and where the mails go."""
    say, base = running.console.say, f"http://localhost:{running.port}"
    say()
    say("Functions:")
    say()
    for function in running.host.functions.values():
        if function.name in running.disabled:
            say(f"    {function.name}: disabled", "faint")
        elif function.kind == "eventgridtrigger":
            say(f"    {function.name}: {base}/runtime/webhooks/eventgrid?functionName={function.name}")
        else:
            say(f"    {function.name}: {function.trigger['type']}")
    say()
    if running.mailbox is not None:
        say(f"Mails are kept in {running.mailbox.folder}, and go nowhere else.")
    elif host := running.environment.get("EMAIL_SMTP_HOST"):
        say(f"Mails are really sent, by {host}.", "odd")
    say("Ctrl-C stops everything.")
    say()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two at a time would spoil each other's storage. Raises BadFile if there is one already."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadFile(f"another `mlevents start` uses {folder}: stop it first") from error
        yield
