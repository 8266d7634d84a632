"""``mlevents start``: run the app until Ctrl-C."""

import asyncio
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
from mlevents.local.options import Options
from mlevents.local.reload import reload_on_change, rules_folders
from mlevents.local.running import FAILURES, Running
from mlevents.local.signals import run_until_signal

PAGE = "web"  # the function that serves the record as pages
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
        reloading = asyncio.create_task(reload_on_change(running, watch))
        try:
            console.problem(await running.ended())
        finally:
            reloading.cancel()
            await asyncio.wait([reloading])
        return 1


def _introduce(running: Running) -> None:
    """Print the functions with their URLs, as `func start` does, and where mails and calls of Azure ML go."""
    console, base = running.console, f"http://localhost:{running.port}"
    console.print()
    console.print("Functions:")
    console.print()
    urls = {route.function.name: f"{base}/{route.path}" for route in running.routes}
    for function in running.host.functions.values():
        if function.name in running.disabled:
            console.print(f"    {function.name}: disabled", "faint")
        elif function.kind == "eventgridtrigger":
            url = f"{base}/runtime/webhooks/eventgrid?functionName={function.name}"
            console.print(f"    {function.name}: {url}", indent=8)
        elif function.name in urls:
            methods = ",".join(str(method).upper() for method in function.trigger.get("methods") or ())
            console.print(f"    {function.name}: {f'[{methods}] ' if methods else ''}{urls[function.name]}", indent=8)
        else:
            console.print(f"    {function.name}: {function.trigger['type']}")
    console.print()
    if page := urls.get(PAGE):
        console.print(f"See what happened at {page.partition('/{')[0]}", "bold", indent=4)
    settings = Environment(running.environment)
    if running.services.mailbox is not None:
        console.print(
            f"Mails are not delivered: each is a numbered file in {running.services.mailbox.folder}.", indent=4
        )
    elif server := settings.get("EMAIL_SMTP_HOST") or settings.get("EMAIL_ACS_ENDPOINT"):
        console.print(f"Mails are really delivered, by {server}.", "warning")
    if (azure := running.services.azure) is not None:
        console.print(f"Azure ML is emulated at {azure.endpoint}. Control it with: mlevents azure --help")
        if settings.get("EMAIL_ACS_ENDPOINT") and not settings.get("EMAIL_ACS_KEY"):
            console.print(
                "The mail service does not know the emulated identity: set EMAIL_ACS_KEY, or start with --no-azure.",
                "warning",
            )
    else:
        console.print(f"The app uses the real Azure ML, at {settings.get(SETTING) or PUBLIC}.", "warning")
    console.print("Ctrl-C stops everything.")
    console.print()


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
