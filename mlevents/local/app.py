"""`LocalApp`: the function app running on one machine, for tests and demos::

    with LocalApp(Path("."), settings={"EMAIL_FROM": "me@example.com"}) as local:
        requests.post(local.url_of("azureml_event"), ...)
        local.wait(lambda: local.mails)

It uses free ports, and keeps nothing but the mails.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dispatch.settings import CONNECTION
from emulator.background import Background
from mlevents.console import Console
from mlevents.local.mailbox import Mail
from mlevents.local.options import Options
from mlevents.local.running import Running

if TYPE_CHECKING:
    from emulator import Azure


class LocalApp:
    """A function app that runs within its ``with`` block. Takes the same arguments as `Options`."""

    def __init__(self, app_dir: Path, *, console: Console | None = None, **options: Any) -> None:
        self._options = Options(app_dir=app_dir, **options)
        self.console = console or Console()
        self._background = Background()

    def __enter__(self) -> Self:
        self._background.__enter__()
        try:
            self._running = self._background.run(self._start())
        except BaseException:
            self._background.__exit__(None, None, None)
            raise
        return self

    async def _start(self) -> Running:
        return await Running(self._options, self.console).__aenter__()

    def __exit__(self, *details: Any) -> None:
        try:
            self._background.run(self._running.__aexit__(None, None, None))
        finally:
            self._background.__exit__(None, None, None)

    @property
    def url(self) -> str:
        """The app's base URL."""
        return f"http://127.0.0.1:{self._running.port}"

    def url_of(self, function: str) -> str:
        """The URL at which Event Grid delivers to a function."""
        return f"{self.url}/runtime/webhooks/eventgrid?functionName={function}"

    @property
    def connection_string(self) -> str:
        """The connection string of the app's storage."""
        return self._running.environment[CONNECTION]

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the worker."""
        return self._running.environment

    @property
    def mails(self) -> list[Mail]:
        """The mails that have arrived."""
        mailbox = self._running.services.mailbox
        return list(mailbox.mails) if mailbox else []

    @property
    def azure(self) -> "Azure":
        """The emulated Azure. Raises LookupError if there is none: see `Options.azure`."""
        if self._running.services.azure is None:
            raise LookupError("Azure is not emulated: the option `azure` is off, or MLEVENTS_ARM_ENDPOINT is set")
        return self._running.services.azure

    @property
    def lines(self) -> list[str]:
        """The printed lines."""
        return list(self.console.lines)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The app's named log records: ``{"name": "action.settled", "rule": ...}``."""
        return list(self.console.records)

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker; None while none runs."""
        return self._running.host.worker_pid

    def invoke(self, function: str, text: str = "") -> None:
        """Call a function directly and wait for its end. Raises CallFailed."""
        self._background.run(self._running.call(function, text))

    def wait(self, condition: Callable[[], Any], seconds: float = 30.0, *, pause: float = 0.02) -> Any:
        """Evaluate `condition` every `pause` seconds until its value is true, and return that value.

        Raises TimeoutError, with the printed lines, after `seconds`.
        """
        until = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > until:
                raise TimeoutError("\n".join(["the condition did not become true; the app printed:", *self.lines]))
            time.sleep(pause)
        return found
