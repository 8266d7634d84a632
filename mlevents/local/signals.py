"""Runs a command until a signal ends it: Ctrl-C, a closed terminal, `kill`."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

from mlevents.console import Console


async def run_until_signal(work: Coroutine[Any, Any, int], console: Console) -> int:
    """Run `work` until SIGINT, SIGTERM or SIGHUP, then cancel it and wait for its cleanup: 0; else its own result.

    A second signal ends the process at once, with exit code 130. Raises what the work raises, also in its cleanup.
    """
    signalled = asyncio.Event()

    def on_signal() -> None:
        if signalled.is_set():
            os._exit(130)  # the child processes end when they lose this one
        signalled.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    working, waiting = asyncio.create_task(work), asyncio.create_task(signalled.wait())
    await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        return working.result()
    console.print("stopping", "faint")
    working.cancel()
    await asyncio.wait([working])
    return 0 if working.cancelled() else working.result()
