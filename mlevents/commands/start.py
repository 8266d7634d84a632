"""`mlevents start`: run the app until Ctrl-C."""

import asyncio
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.settings import Environment
from handlers.azure.cloud import PUBLIC, SETTING
from mlevents.console import Console
from mlevents.lenient_json import BadFile
from mlevents.local.asked import until_asked
from mlevents.local.running import FAILURES, FOLDER, Options, Running


def start(options: Options, *, verbose: bool = False) -> int:
    """Run the app until SIGINT, SIGTERM or SIGHUP: 0; or until it cannot go on, the reason being printed: 1."""
    console = Console(sys.stdout, verbose=verbose, remember=options.remember)
    try:
        with _alone(options):
            return asyncio.run(until_asked(_live(options, console), console))
    except FAILURES as error:
        console.problem(str(error), getattr(error, "stack", ""))
        return 1


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
    settings = Environment(running.environment)
    if running.mailbox is not None:
        say(f"Mails are kept in {running.mailbox.folder}, and go nowhere else.")
    elif server := settings.get("EMAIL_SMTP_HOST") or settings.get("EMAIL_ACS_ENDPOINT"):
        say(f"Mails are really sent, by {server}.", "odd")
    if running.azure is not None:
        say(f"Azure ML is a stand-in at {running.azure.endpoint}. Play with it: python -m mlevents azure --help")
        if settings.get("EMAIL_ACS_ENDPOINT") and not settings.get("EMAIL_ACS_KEY"):
            say("Its identity is nobody's to the mail service: set EMAIL_ACS_KEY, or start with --no-azure.", "odd")
    else:
        say(f"Azure ML is the real one, at {settings.get(SETTING) or PUBLIC}.", "odd")
    say("Ctrl-C stops everything.")
    say()


@contextmanager
def _alone(options: Options) -> Iterator[None]:
    """Two at a time would spoil each other's storage. Raises BadFile if there is one already, or no app."""
    if not (options.app_dir / "host.json").is_file():
        raise BadFile(f"there is no host.json in {options.app_dir}: that is not a function app")
    folder = options.folder or options.app_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadFile(f"another `mlevents start` uses {folder}: stop it first") from error
        yield
