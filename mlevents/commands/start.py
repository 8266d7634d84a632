"""``mlevents start``: run the app until Ctrl-C."""

import asyncio
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from dispatch.settings import Environment
from handlers.azure.cloud import PUBLIC, SETTING
from mlevents import PROJECT
from mlevents.app_rules import check_rules
from mlevents.app_settings import BadFile
from mlevents.cli import AppFolder, command_line, examples
from mlevents.console import Console
from mlevents.local.changes import Watch
from mlevents.local.fresh import remove_record
from mlevents.local.host.functions import CallFailed
from mlevents.local.options import Options
from mlevents.local.reload import reload_on_change, rules_folders
from mlevents.local.running import FAILURES, Running
from mlevents.local.signals import run_until_signal

PAGE, SWEEP = "web", "sweep"  # the functions that serve the record as pages, and finish what others left
_COLUMN = 12  # the width of the first column, of two
_TRIGGERS = {"eventgridtrigger": "Event Grid", "queuetrigger": "Queue", "timertrigger": "Timer"}
REMEMBERED = 1000  # lines, log records and mails: `mlevents start` may run for weeks

cli = command_line()


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise typer.BadParameter(f"{text!r} is not a port: 0 to 65535")
    return int(text)


@cli.command(epilog=examples("mlevents start", "MLEVENTS_RULES=samples/rules mlevents start --port 0"))
def start(
    *,
    port: Annotated[
        int | None,
        typer.Option(
            parser=_port,
            metavar="PORT",
            show_default="Host.LocalHttpPort of local.settings.json, else 7071",
            help="The port of the app's URLs; 0 is any free one.",
        ),
    ] = None,
    no_azurite: Annotated[bool, typer.Option("--no-azurite", help="Do not start Azurite: use a running one.")] = False,
    no_mail: Annotated[bool, typer.Option("--no-mail", help="Do not start a mailbox.")] = False,
    no_azure: Annotated[bool, typer.Option("--no-azure", help="Do not emulate Azure ML: use the real one.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="First remove the events and mails of earlier runs.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every call and every log record.")] = False,
    app: AppFolder = PROJECT,
) -> int:
    """Run the app on this machine, like `func start`, with the services that it needs.

    It starts Azurite, a mailbox and an emulated Azure ML, except those for which
    local.settings.json (or else its example) names a real service. When a rules
    file, code or a setting changes, it loads the app again.
    Exit code: 0 after Ctrl-C; 1 if the app cannot start or continue; 130 after a
    second Ctrl-C, which stops at once.
    """
    options = Options(
        app_dir=app,
        port=port,
        keep=True,
        azurite=not no_azurite,
        mailbox=not no_mail,
        azure=not no_azure,
        remember=REMEMBERED,
    )
    console = Console(sys.stdout, verbose=verbose, remember=options.remember)
    try:
        with _lock(options):
            if fresh:
                remove_record(options.state_folder, console)
            check_rules(app, console)
            return asyncio.run(run_until_signal(_run(options, console), console))
    except FAILURES as error:
        console.problem(str(error), getattr(error, "stack", ""))
        return 1


async def _run(options: Options, console: Console) -> int:
    """Run until the app cannot go on."""
    watch = Watch(options.app_dir, rules_folders(options.app_dir))
    async with Running(options, console) as running:
        _introduce(running)
        tasks = [asyncio.create_task(reload_on_change(running, watch)), asyncio.create_task(_sweep(running))]
        try:
            console.problem(await running.ended())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return 1


async def _sweep(running: Running) -> None:
    """Run the app's sweep now: its first run by the timer, on which `status` and the page rely, is minutes away."""
    if SWEEP in running.host.functions.keys() - running.disabled:
        with suppress(CallFailed):  # the host has printed it
            await running.call(SWEEP)


def _introduce(running: Running) -> None:
    """Print the functions by their triggers with URLs, and where mails and calls of Azure ML go."""
    console, base = running.console, f"http://localhost:{running.port}"
    paths = {route.function.name: route.path for route in running.routes}
    names: dict[str, list[str]] = {}
    console.print()
    console.print("Functions:")
    console.print()
    for function in running.host.functions.values():
        if function.name in running.disabled:
            names.setdefault("disabled", []).append(function.name)
        elif function.name in paths:
            methods = ",".join(str(method).upper() for method in function.trigger.get("methods") or ())
            _row(
                console,
                "HTTP",
                " ".join(filter(None, (f"{function.name}:", methods, f"{base}/{paths[function.name]}"))),
            )
        else:
            names.setdefault(_TRIGGERS.get(function.kind, function.trigger["type"]), []).append(function.name)
    for trigger, functions in names.items():
        _row(console, trigger, ", ".join(functions))
        if trigger == _TRIGGERS["eventgridtrigger"]:
            _row(console, "", f"{base}/runtime/webhooks/eventgrid?functionName=NAME")
    console.print()
    if page := paths.get(PAGE):
        _row(console, "Page", f"{base}/{page}".partition("/{")[0], "bold")
    _introduce_services(running)
    console.print("Ctrl-C stops everything.")
    console.print()


def _introduce_services(running: Running) -> None:
    """Print where mails and calls of Azure ML go; those that leave this machine as warnings."""
    console, settings = running.console, Environment(running.environment)
    if running.services.mailbox is not None:
        folder = running.services.mailbox.folder
        _row(console, "Mails", f"are not delivered: each is a numbered file in {_short(folder)}")
    elif server := settings.get("EMAIL_SMTP_HOST") or settings.get("EMAIL_ACS_ENDPOINT"):
        _row(console, "Mails", f"are really delivered, by {server}", "warning")
    if (azure := running.services.azure) is None:
        _row(console, "Azure ML", f"is the real one, at {settings.get(SETTING) or PUBLIC}", "warning")
        return
    _row(console, "Azure ML", f"is emulated at {azure.endpoint}; try `mlevents azure --help`")
    if settings.get("EMAIL_ACS_ENDPOINT") and not settings.get("EMAIL_ACS_KEY"):
        text = "The mail service does not know the emulated identity: set EMAIL_ACS_KEY, or start with --no-azure."
        console.print(text, "warning")


def _row(console: Console, name: str, text: str, style: str = "") -> None:
    """Print a row of two columns."""
    console.print(f"{name:<{_COLUMN - 1}} {text}", style, indent=_COLUMN)


def _short(path: Path) -> str:
    """A path, from the current folder if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


@contextmanager
def _lock(options: Options) -> Iterator[None]:
    """Lock the folder, because two apps would overwrite each other's storage.

    Raises BadFile if another one has locked it, if it is a file, or if there is no app.
    """
    if not (options.app_dir / "host.json").is_file():
        raise BadFile(f"there is no host.json in {options.app_dir}: that is not a function app")
    folder = options.state_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise BadFile(f"{folder} is a file; mails and storage are kept in a folder of that name: rename it") from error
    folder.chmod(0o700)  # mails and events are for nobody else on this machine
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadFile(f"another `mlevents start` uses {folder}: stop it first") from error
        yield
