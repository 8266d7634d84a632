"""The host: keeps a worker process alive, calls functions in it, and kills it when a call takes too long.

Rules of the real host that this keeps: functionTimeout ends the whole worker, with all the calls in it
(Azure/azure-functions-host#8720); a worker that dies fails its calls at once and is replaced; calls that come meanwhile
wait for the new one.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlevents.console import Console
from mlevents.local.host.payloads import Payload
from mlevents.local.host.worker_process import AppBroken, CallFailed, Child, Function, WorkerDied

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds before a worker that died again is replaced again
MOST_DEATHS = 20  # in a row, without one call that ended
MOST_FALSE_STARTS = 3  # in a row: deaths before the functions were indexed


class Host:
    """Runs the functions of one app. `failed` resolves, to the reason, when it has given up on it."""

    def __init__(self, app_dir: Path, console: Console) -> None:
        loop = asyncio.get_running_loop()
        self.functions: Mapping[str, Function] = {}
        self.failed: asyncio.Future[str] = loop.create_future()
        self.started = time.monotonic()
        self._app_dir, self._console = app_dir, console
        self._ready: asyncio.Future[Child] = loop.create_future()
        self._children: list[Child] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def prepare(self) -> Child:
        """Start a worker process; it loads what does not depend on settings while these are put together."""
        child = await Child.spawn(self._app_dir, self._console.log, self._console.output)
        self._children = [child]
        return child

    async def start(self, environment: Mapping[str, str], timeout: timedelta | None) -> None:
        """Index the app. Raises AppBroken; WorkerDied if that ends the worker."""
        self._environment, self._timeout = dict(environment), timeout
        child = self._children[0] if self._children else await self.prepare()
        self.functions = await child.index(self._environment)
        self._ready.set_result(child)
        self._supervisor = asyncio.create_task(self._supervise(child))

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker that takes calls now; None while there is none."""
        return self._ready.result().pid if self._ready.done() else None

    async def call(self, function: Function, payload: Payload) -> None:
        """Call a function and wait for its end. Raises CallFailed; what went wrong has been printed."""
        began = time.monotonic()
        try:
            await self._call(function, payload)
        except CallFailed as error:
            self._console.problem(f"{function.name} failed: {error}", error.stack)
            raise
        if self._console.verbose:
            self._console.event("called", f"{function.name}  ({(time.monotonic() - began) * 1000:.0f} ms)", "faint")

    async def _call(self, function: Function, payload: Payload) -> None:
        either: set[asyncio.Future[Any]] = {self._ready, self.failed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            raise CallFailed(f"there is no worker: {self.failed.result()}")
        child = self._ready.result()
        try:
            async with asyncio.timeout(self._timeout.total_seconds() if self._timeout else None):
                await child.call(function, payload.data, payload.metadata)
        except TimeoutError:
            child.kill()
            await asyncio.shield(child.died)
            raise CallFailed(f"it ran longer than functionTimeout, {self._timeout}; the worker was killed") from None

    async def stop(self, grace: float = 2.0) -> None:
        """End the worker: after `grace` seconds, which an idle one does not need, by force."""
        self._stopping.set()
        while self._children:
            await self._children.pop().stop(grace if self._ready.done() else 0)
        if self._supervisor is not None:
            await self._supervisor
        while self._children:  # one that was being started meanwhile
            await self._children.pop().stop(0)
        if not self.failed.done():
            self.failed.set_result("it has been stopped")  # for calls that still wait for a worker

    async def _supervise(self, child: Child) -> None:
        """Replace the worker whenever it dies."""
        deaths = 0
        while True:
            how = await child.died
            if self._stopping.is_set():
                return
            self._ready = asyncio.get_running_loop().create_future()
            deaths = 1 if child.served else deaths + 1
            self._console.problem(f"the worker process {how}")
            if deaths > MOST_DEATHS:
                self.failed.set_result(f"the worker died {deaths} times in a row without finishing one call")
                return
            try:
                child = await self._replacement(deaths)
            except (AppBroken, WorkerDied) as error:
                if not self._stopping.is_set():
                    self.failed.set_result(str(error))
                return
            self._ready.set_result(child)
            self._console.event("worker", "a new worker process has taken over", "odd")

    async def _replacement(self, deaths: int) -> Child:
        """A new worker that has indexed the app. Raises AppBroken, or WorkerDied when it died again and again."""
        pause = 0.0 if deaths < 2 else min(FIRST_PAUSE * 2 ** (deaths - 2), LONGEST_PAUSE)
        for start in range(1, MOST_FALSE_STARTS + 1):
            if pause:
                self._console.event(
                    "worker", f"died {deaths} times without finishing a call; next in {pause:g} s", "odd"
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            child = await self.prepare()
            if self._stopping.is_set():
                child.kill()  # `stop` does not know of it
            try:
                self.functions = await child.index(self._environment)
            except WorkerDied as error:
                self._console.problem(f"{error} while it loaded the app")
                if start == MOST_FALSE_STARTS or self._stopping.is_set():
                    raise
            else:
                return child
        raise AssertionError  # the loop returns or raises
