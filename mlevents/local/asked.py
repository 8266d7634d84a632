"""Running until somebody asks for the end: Ctrl-C, a closed terminal, `kill`."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

from mlevents.console import Console


async def until_asked(work: Coroutine[Any, Any, int], console: Console) -> int:
    """Do the work until SIGINT, SIGTERM or SIGHUP, then cancel it, which lets it clean up: 0; else what it returns.

    Asked twice, the process ends at once, with exit code 130. Raises what the work raises, while it cleans up, too.
    """
    asked = asyncio.Event()

    def ask() -> None:
        if asked.is_set():
            os._exit(130)  # the processes that this one started notice it
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    working, stopping = asyncio.create_task(work), asyncio.create_task(asked.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    console.say("stopping", "faint")
    working.cancel()
    await asyncio.wait([working])
    return 0 if working.cancelled() else working.result()
