"""An event loop on a separate thread, for synchronous callers."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """A running loop, within a ``with`` block."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        # A daemon, so that a second Ctrl-C ends the process at once.
        self._thread = Thread(target=self._loop.run_forever, name="mlevents-local", daemon=True)
        self._thread.start()
        return self

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine in the loop; its result. Raises its exception, or TimeoutError after `timeout` seconds.

        On a timeout or Ctrl-C, cancels the coroutine and waits until it has cleaned up.
        """
        tasks: set[asyncio.Task[Any] | None] = set()

        async def watched() -> T:
            tasks.add(asyncio.current_task())
            return await work

        future = asyncio.run_coroutine_threadsafe(watched(), self._loop)
        try:
            return future.result(timeout)
        finally:
            if future.cancel():  # it has not ended
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
    if started := {task for task in tasks if task}:
        await asyncio.wait(started)
