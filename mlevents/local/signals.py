"""Runs a command until a signal ends it, such as that of Ctrl-C, or until the `make` that started it has ended."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

from mlevents.console import Console

_PARENT_CHECK = 1.0  # seconds between two looks at the parent process


async def run_until_signal(work: Coroutine[Any, Any, int], console: Console) -> int:
    """Run `work` until SIGINT, SIGTERM or SIGHUP, then cancel it and wait for its cleanup: 0; else its own result.

    The end of the `make` that started this process counts as a signal: one that is killed sends none.
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
    orphaned = asyncio.create_task(_lost_make())
    await asyncio.wait([working, waiting, orphaned], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    orphaned.cancel()
    if working.done():
        return working.result()
    console.print("stopping", "faint")
    working.cancel()
    await asyncio.wait([working])
    return 0 if working.cancelled() else working.result()


async def _lost_make() -> None:
    """Return when the parent process has ended, if it is `make`, which sets MAKELEVEL; otherwise never.

    Other parents, such as a shell, may end before what they have started.
    """
    parent = os.getppid()
    while "MAKELEVEL" not in os.environ or os.getppid() == parent:
        await asyncio.sleep(_PARENT_CHECK)
