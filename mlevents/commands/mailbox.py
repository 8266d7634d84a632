"""``mlevents mailbox``: a mail server for those who run the app with `func start`, which starts none."""

import asyncio
import sys
from pathlib import Path

from emulator.ports import PortTaken
from mlevents import PROJECT
from mlevents.cli import AppFolder, command_line, examples
from mlevents.console import Console
from mlevents.local.mailbox import PORT, Mail, Mailbox
from mlevents.local.options import FOLDER
from mlevents.local.signals import run_until_signal

cli = command_line()


@cli.command(epilog=examples("mlevents mailbox"))
def mailbox(app: AppFolder = PROJECT) -> int:
    """Run a mail server on localhost:1025 that keeps every mail, for `func start`.

    With the settings of local.settings.json.example, the app sends its mails
    there. The server writes each mail to a file in .mlevents/mails, in the app's
    folder, and delivers none.
    Exit code: 0 after Ctrl-C; 1 if the port or the folder cannot be used.
    """
    console = Console(sys.stdout, remember=0)
    try:
        return asyncio.run(run_until_signal(_serve(app / FOLDER / "mails", console), console))
    except (OSError, PortTaken) as error:
        console.problem(str(error))
        return 1


async def _serve(folder: Path, console: Console) -> int:
    def on_mail(mail: Mail) -> None:
        console.event("mail", mail.line)

    box = Mailbox(folder, on_mail, remember=0)
    await box.start(PORT)
    console.print(f"Mails to localhost:{PORT} are written to {folder}, and not delivered. Ctrl-C stops it.")
    try:
        await asyncio.Event().wait()  # until it is cancelled
    finally:
        await box.stop()
    return 0
