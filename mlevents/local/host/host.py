"""The host: keeps a worker process alive, calls functions in it, and kills it when a call takes too long.

It follows the real host: functionTimeout ends the whole worker with all calls in it (Azure/azure-functions-host#8720);
the calls of a worker that dies fail at once; another worker replaces it, and later calls wait for that one.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlevents.console import Console
from mlevents.local.host.functions import AppBroken, CallFailed, Function, WorkerDied
from mlevents.local.host.http_values import Response, unpacked
from mlevents.local.host.payloads import Payload
from mlevents.local.host.worker_process import WorkerProcess

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds before a worker is replaced that died without finishing a call
_GRACE = 2.0  # seconds for a worker without calls to end
MOST_DEATHS = 20  # consecutive, without one finished call
# Errors of the app whose sentence says it all: storage is unavailable, or a setting is invalid.
_CLEAR = ("Unavailable: ", "SettingsError: ")
MOST_FAILED_STARTS = 3  # consecutive deaths before the functions were indexed


class Host:
    """Runs the functions of one app. `failed` resolves to the reason when the host gives up on the app."""

    def __init__(self, app_dir: Path, console: Console) -> None:
        loop = asyncio.get_running_loop()
        self.functions: Mapping[str, Function] = {}
        self.failed: asyncio.Future[str] = loop.create_future()
        self.started = time.monotonic()
        self._app_dir, self._console = app_dir, console
        self._ready: asyncio.Future[WorkerProcess] = loop.create_future()
        self._workers: list[WorkerProcess] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._retiring: asyncio.Future[list[None]] | None = None  # ends the workers that `reload` replaced
        self._stopping = asyncio.Event()

    async def prepare(self) -> WorkerProcess:
        """Start a worker process. It loads what does not depend on the settings."""
        worker = await WorkerProcess.spawn(self._app_dir, self._console.log, self._console.output)
        self._workers = [each for each in self._workers if not each.died.done()] + [worker]
        return worker

    async def start(self, environment: Mapping[str, str], timeout: timedelta | None) -> None:
        """Index the app. Raises AppBroken; WorkerDied if the worker ends meanwhile."""
        self._environment, self._timeout = dict(environment), timeout
        worker = self._workers[0] if self._workers else await self.prepare()
        self.functions = await worker.index(self._environment)
        self._ready.set_result(worker)
        self._supervisor = asyncio.create_task(self._supervise(worker))

    async def reload(self, environment: Mapping[str, str], timeout: timedelta | None) -> None:
        """Replace the worker by one that has loaded the app as it is now; calls that run end in the old one.

        Raises AppBroken, and WorkerDied if the new worker ends meanwhile; the old worker then stays.
        """
        worker = await self.prepare()
        try:
            functions = await worker.index(environment)
        except (AppBroken, WorkerDied):
            await worker.stop(0)
            raise
        if self._supervisor is not None:
            self._supervisor.cancel()
        old = [each for each in self._workers if each is not worker]
        self._environment, self._timeout, self.functions = dict(environment), timeout, functions
        if self._ready.done():
            self._ready = asyncio.get_running_loop().create_future()
        self._ready.set_result(worker)
        self._supervisor = asyncio.create_task(self._supervise(worker))
        self._retiring = asyncio.gather(*(self._retire(each) for each in old))

    @staticmethod
    async def _retire(worker: WorkerProcess) -> None:
        """End a worker when its calls have ended, which functionTimeout limits."""
        await worker.idle()
        await worker.stop(_GRACE)

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker that takes calls now; None while there is none."""
        return self._ready.result().pid if self._ready.done() else None

    async def call(self, function: Function, payload: Payload) -> Response:
        """Call a function, and return its response. Prints an error and raises CallFailed."""
        started = time.monotonic()
        try:
            returned = await self._call(function, payload)
        except CallFailed as error:
            stack = error.stack if self._console.verbose or not str(error).startswith(_CLEAR) else ""
            self._console.problem(f"{function.name} failed: {error}", stack)
            raise
        if self._console.verbose:
            self._console.event("called", f"{function.name}  ({(time.monotonic() - started) * 1000:.0f} ms)", "faint")
        return unpacked(returned)

    async def _call(self, function: Function, payload: Payload) -> Any:
        either: set[asyncio.Future[Any]] = {self._ready, self.failed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            raise CallFailed(f"there is no worker: {self.failed.result()}")
        worker = self._ready.result()
        try:
            async with asyncio.timeout(self._timeout.total_seconds() if self._timeout else None):
                return await worker.call(function, payload.data, payload.metadata)
        except TimeoutError:
            worker.kill()
            await asyncio.shield(worker.died)
            raise CallFailed(f"it ran longer than functionTimeout, {self._timeout}; the worker was killed") from None

    async def stop(self, grace: float = _GRACE) -> None:
        """End the worker; kill it if it has not ended after `grace` seconds."""
        self._stopping.set()
        while self._workers:
            await self._workers.pop().stop(grace if self._ready.done() else 0)
        if self._supervisor is not None:
            await self._supervisor
        while self._workers:  # one that `_supervise` was starting
            await self._workers.pop().stop(0)
        if self._retiring is not None:
            await self._retiring
        if not self.failed.done():
            self.failed.set_result("it has been stopped")  # fails the calls that still wait for a worker

    async def _supervise(self, worker: WorkerProcess) -> None:
        """Replace the worker whenever it dies."""
        deaths = 0
        while True:
            how = await asyncio.shield(worker.died)  # `reload` may cancel this task
            if self._stopping.is_set():
                return
            self._ready = asyncio.get_running_loop().create_future()
            deaths = 1 if worker.served else deaths + 1
            self._console.problem(f"the worker process {how}")
            if deaths > MOST_DEATHS:
                self.failed.set_result(f"the worker died {deaths} consecutive times without finishing one call")
                return
            try:
                worker = await self._replacement(deaths)
            except (AppBroken, WorkerDied) as error:
                if not self._stopping.is_set():
                    self.failed.set_result(str(error))
                return
            self._ready.set_result(worker)
            self._console.event("worker", "a new worker process has replaced it", "odd")

    async def _replacement(self, deaths: int) -> WorkerProcess:
        """A new worker that has indexed the app. Raises AppBroken; WorkerDied after MOST_FAILED_STARTS tries."""
        pause = 0.0 if deaths < 2 else min(FIRST_PAUSE * 2 ** (deaths - 2), LONGEST_PAUSE)
        for start in range(1, MOST_FAILED_STARTS + 1):
            if pause:
                self._console.event(
                    "worker", f"died {deaths} times without finishing a call; next in {pause:g} s", "odd"
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            worker = await self.prepare()
            if self._stopping.is_set():
                worker.kill()  # `stop` does not know this worker
            try:
                self.functions = await worker.index(self._environment)
            except WorkerDied as error:
                self._console.problem(f"{error} while it loaded the app")
                if start == MOST_FAILED_STARTS or self._stopping.is_set():
                    raise
            else:
                return worker
        raise AssertionError  # the loop returns or raises
