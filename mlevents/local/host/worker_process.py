"""The worker process as the host sees it: started, calling functions, and killed."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from mlevents import PROJECT
from mlevents.local.host import wire
from mlevents.local.host.functions import AppBroken, CallFailed, Data, Function, WorkerDied
from mlevents.local.output import lines

# sys.path as Core Tools leaves it: the app's folder comes after the installed packages (worker.py of
# Azure/azure-functions-python-worker), so that a module of the app with a package's name is shadowed here, too.
_START = (
    "import sys; sys.path += sys.argv[1:3]; "
    "from mlevents.local.host.worker import main; main(sys.argv[1], int(sys.argv[3]))"
)

_ENDING = 2.0  # seconds for a process to end, and for its last lines to arrive


class WorkerProcess:
    """A running worker process. `died` resolves when it has ended, to the way it did: "was killed by SIGKILL"."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        link: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        on_log: Callable[[dict[str, Any]], None],
        on_output: Callable[[str], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.pid = process.pid
        self.served = 0  # calls that ended, failed ones too
        self.died: asyncio.Future[str] = loop.create_future()
        self._indexed: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._calls: dict[str, asyncio.Future[Any]] = {}
        self._process, (self._reader, self._writer) = process, link
        self._on_log, self._on_output = on_log, on_output
        self._watch = asyncio.create_task(self._live())

    @classmethod
    async def spawn(
        cls, app_dir: Path, on_log: Callable[[dict[str, Any]], None], on_output: Callable[[str], None]
    ) -> Self:
        """Start the process, which loads the runtime and waits for `index`."""
        ours, theirs = socket.socketpair()
        link = await asyncio.open_connection(sock=ours)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _START, str(app_dir), str(PROJECT), str(theirs.fileno())),
                cwd=app_dir,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the host, which then stops the worker in order
            )
        except BaseException:
            link[1].close()
            raise
        finally:
            theirs.close()
        return cls(process, link, on_log, on_output)

    async def _live(self) -> None:
        reading = asyncio.create_task(self._read())
        printing = asyncio.create_task(self._print())
        ending = asyncio.create_task(self._process.wait())
        await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([ending], timeout=_ENDING)
        self.kill()  # its own children may outlive it, and keep its pipes open
        code = await ending
        await asyncio.wait([reading, printing], timeout=_ENDING)
        for task in (reading, printing):
            task.cancel()
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        self._end(f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}")

    async def _read(self) -> None:
        while (message := await wire.read_async(self._reader)) is not None:
            match message:
                case {"log": record}:
                    self._on_log(record)
                case {"done": id, "error": error, "returned": returned}:
                    self._settle(id, error, returned)
                case answer if not self._indexed.done():
                    self._indexed.set_result(answer)

    async def _print(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, see `spawn`
        async for line in lines(self._process.stdout):
            self._on_output(line)

    def _settle(self, id: str, error: Mapping[str, str] | None, returned: Any) -> None:
        self.served += 1
        if (call := self._calls.pop(id, None)) is None or call.done():
            return
        if error is None:
            call.set_result(returned)
        else:
            call.set_exception(CallFailed(error["message"], error["stack"]))

    def _end(self, how: str) -> None:
        self.died.set_result(how)
        if not self._indexed.done():
            self._indexed.set_exception(WorkerDied(f"the worker process {how}"))
            self._indexed.exception()  # marks it as retrieved: `index` may not have been called
        for call in self._calls.values():
            if not call.done():
                call.set_exception(WorkerDied(f"the worker process {how}"))

    async def index(self, environment: Mapping[str, str]) -> dict[str, Function]:
        """Set the worker's environment, and have it find the functions. Raises AppBroken, WorkerDied."""
        self._writer.write(wire.pack({"environment": dict(environment)}))
        answer = await asyncio.shield(self._indexed)
        if broken := answer.get("broken"):
            raise AppBroken(f"the functions cannot be indexed: {broken['message']}", broken["stack"])
        return {found["name"]: Function.of(found) for found in answer["functions"]}

    async def call(self, function: Function, data: Data, metadata: Mapping[str, Data]) -> Any:
        """Call a function, and return its response, packed (`http_values`).

        Raises CallFailed; WorkerDied if the process ends meanwhile.
        """
        if self.died.done():
            raise WorkerDied(f"the worker process {self.died.result()}")
        id = str(uuid4())
        self._calls[id] = asyncio.get_running_loop().create_future()
        parameter = function.trigger["name"]
        call = {"id": id, "function": function.id, "parameter": parameter, "data": data, "metadata": dict(metadata)}
        self._writer.write(wire.pack({"call": call}))
        return await self._calls[id]

    async def idle(self) -> None:
        """Wait until no call runs, or the process has ended."""
        while not self.died.done() and (running := [call for call in self._calls.values() if not call.done()]):
            await asyncio.wait([*running, self.died], return_when=asyncio.FIRST_COMPLETED)

    def kill(self) -> None:
        """End the process and its children at once."""
        if self.died.done():
            return  # another process may have its id by now
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, grace: float) -> None:
        """Ask the process to end; kill it after `grace` seconds."""
        if not self.died.done():
            self._writer.write(wire.pack({"stop": True}))
        done, _ = await asyncio.wait([self.died], timeout=grace)
        if not done:
            self.kill()
        await asyncio.shield(self.died)
        await self._watch
