"""``mlevents mailbox``: a mail server for those who run the app with `func start`, which starts none."""

import asyncio
import sys
from pathlib import Path

from emulator.ports import PortTaken
from mlevents.console import Console
from mlevents.local.asked import until_asked
from mlevents.local.mailbox import PORT, Mail, Mailbox
from mlevents.local.running import FOLDER


def mailbox(app: Path) -> int:
    """Keep every mail that comes, until Ctrl-C: 0; or 1 if that cannot be, the reason being printed.

    It listens where local.settings.json.example sends mail.
    """
    console = Console(sys.stdout, remember=0)
    try:
        return asyncio.run(until_asked(_take(app / FOLDER / "mails", console), console))
    except (OSError, PortTaken) as error:
        console.problem(str(error))
        return 1


async def _take(folder: Path, console: Console) -> int:
    def tell(mail: Mail) -> None:
        console.event("mail", mail.line)

    box = Mailbox(folder, tell, remember=0)
    await box.start(PORT)
    console.say(f"Mails to localhost:{PORT} are kept in {folder}, and go nowhere else. Ctrl-C ends it.")
    try:
        await asyncio.Event().wait()  # for ever: it is cancelled
    finally:
        await box.stop()
    return 0
