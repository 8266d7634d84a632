"""An event loop in a thread of its own, for those who are not asynchronous themselves."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """A running loop, while in its ``with``."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        # A daemon: whoever presses Ctrl-C a second time need not wait for it.
        self._thread = Thread(target=self._loop.run_forever, name="mlevents-local", daemon=True)
        self._thread.start()
        return self

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Have the loop do it, and wait for the result. Raises what it raises; TimeoutError after `timeout` seconds.

        When the time is up, and at Ctrl-C, the work is cancelled, and waited for while it cleans up.
        """
        tasks: set[asyncio.Task[Any] | None] = set()

        async def watched() -> T:
            tasks.add(asyncio.current_task())
            return await work

        future = asyncio.run_coroutine_threadsafe(watched(), self._loop)
        try:
            return future.result(timeout)
        finally:
            if future.cancel():  # else it has ended
                asyncio.run_coroutine_threadsafe(_ended(tasks), self._loop).result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _ended(tasks: set[asyncio.Task[Any] | None]) -> None:
    if begun := {task for task in tasks if task}:
        await asyncio.wait(begun)
