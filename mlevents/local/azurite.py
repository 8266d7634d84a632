"""Azurite, Microsoft's storage emulator, as a child process that ends with its parent."""

import asyncio
import re
import shutil
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from emulator.state.storage_account import ACCOUNT, KEY
from mlevents import PROJECT
from mlevents.local.output import lines

DEFAULT_PORTS = (10000, 10001, 10002)  # blob, queue, table: those of UseDevelopmentStorage=true

_SCRIPT = PROJECT / "node_modules/azurite/dist/src/azurite.js"
_EXIT_WITH_PARENT = Path(__file__).with_name("exit_with_parent.js")
_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (https?://\S+)")


class AzuriteError(Exception):
    """Azurite cannot start; the message has the reason and a hint."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The PEM files of a certificate and its key. With them, Azurite serves HTTPS only, and accepts Entra ID tokens.

    It checks a token's form, audience and lifetime, not its signature.
    """

    cert: Path
    key: Path


class Azurite:
    """A running Azurite. `died` resolves to its last lines when it has ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.blob_url = self.queue_url = self.table_url = ""
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._process = process
        self._last: deque[str] = deque(maxlen=5)
        self._listening = asyncio.Event()
        self._watch = asyncio.create_task(self._live())

    @classmethod
    async def start(
        cls,
        folder: Path | None = None,
        ports: tuple[int, int, int] = (0, 0, 0),
        certificate: Certificate | None = None,
    ) -> Self:
        """Start Azurite and wait until it answers. Its data is in `folder`, or in memory; port 0 is any free one.

        Raises AzuriteError.
        """
        azurite = await cls.spawn(folder, ports, certificate)
        await azurite.ready()
        return azurite

    @classmethod
    async def spawn(
        cls, folder: Path | None, ports: tuple[int, int, int], certificate: Certificate | None = None
    ) -> Self:
        """Start Azurite without waiting: its URLs are empty until `ready` returns. Raises AzuriteError."""
        if (node := shutil.which("node")) is None:
            raise AzuriteError("Azurite needs Node.js, and there is no `node` on the PATH: install Node.js 20 or newer")
        if not _SCRIPT.is_file():
            raise AzuriteError(f"Azurite is not installed: run `make start`, or `npm ci`, in {PROJECT}")
        where = ["--location", str(folder)] if folder else ["--inMemoryPersistence"]
        blob, queue, table = map(str, ports)
        tls = ["--cert", str(certificate.cert), "--key", str(certificate.key)] if certificate else []
        process = await asyncio.create_subprocess_exec(
            *(node, "--require", str(_EXIT_WITH_PARENT), str(_SCRIPT), "--silent", "--disableTelemetry"),
            "--skipApiVersionCheck",  # the newest SDKs send a version that Azurite does not know
            *(*where, "--blobPort", blob, "--queuePort", queue, "--tablePort", table),
            *(("--oauth", "basic", *tls) if tls else ()),
            stdin=asyncio.subprocess.PIPE,  # never written to: Azurite ends when this process closes it
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the host, which then stops Azurite in order
        )
        return cls(process)

    async def ready(self) -> None:
        """Wait until Azurite answers. If it does not, stop it and raise AzuriteError."""
        listening = asyncio.create_task(self._listening.wait())
        try:
            either: set[asyncio.Future[Any]] = {listening, self.died}
            await asyncio.wait(either, timeout=60, return_when=asyncio.FIRST_COMPLETED)
            if not self._listening.is_set():
                reason = self.died.result() if self.died.done() else "it did not answer within 60 seconds"
                raise AzuriteError(f"Azurite did not start: {reason}")
        except BaseException:
            await self.stop()
            raise
        finally:
            listening.cancel()

    @property
    def connection_string(self) -> str:
        """The connection string for the SDKs and for AzureWebJobsStorage."""
        return (
            f"DefaultEndpointsProtocol={self.queue_url.split(':')[0]};AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.blob_url};QueueEndpoint={self.queue_url};TableEndpoint={self.table_url};"
        )

    async def stop(self) -> None:
        """End Azurite, after it has stored its data."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            await asyncio.wait([self._watch], timeout=10)
        if self._process.returncode is None:
            self._process.kill()
        await self._watch

    async def _live(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, see `start`
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe, see `start`
        async for line in lines(self._process.stdout):
            self._last.append(line)
            if found := _LISTENING.match(line):
                setattr(self, f"{found[1].lower()}_url", f"{found[2]}/{ACCOUNT}")
                if self.blob_url and self.queue_url and self.table_url:
                    self._listening.set()
        await self._process.wait()
        self._process.stdin.close()
        with suppress(ConnectionError):
            await self._process.stdin.wait_closed()
        self.died.set_result(" / ".join(self._last))
