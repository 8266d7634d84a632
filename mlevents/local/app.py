"""`LocalApp`: the function app running on one machine, for tests and demos::

    with LocalApp(Path("."), settings={"EMAIL_FROM": "me@example.com"}) as local:
        requests.post(local.url_of("azureml_event"), ...)
        local.wait(lambda: local.mails)

Ports are free ones, and nothing is kept but the mails.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dispatch.settings import CONNECTION
from emulator.background import Background
from mlevents.console import Console
from mlevents.local.mailbox import Mail
from mlevents.local.running import Options, Running

if TYPE_CHECKING:
    from emulator import Azure


class LocalApp:
    """A function app that runs while in its ``with``: for tests and demos. Takes what `Options` takes."""

    def __init__(self, app_dir: Path, *, console: Console | None = None, **options: Any) -> None:
        self._options = Options(app_dir=app_dir, **options)
        self.console = console or Console()
        self._background = Background()

    def __enter__(self) -> Self:
        self._background.__enter__()
        try:
            self._running = self._background.run(self._begin())
        except BaseException:
            self._background.__exit__(None, None, None)
            raise
        return self

    async def _begin(self) -> Running:
        return await Running(self._options, self.console).__aenter__()

    def __exit__(self, *details: Any) -> None:
        try:
            self._background.run(self._running.__aexit__(None, None, None))
        finally:
            self._background.__exit__(None, None, None)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._running.port}"

    def url_of(self, function: str) -> str:
        """Where Event Grid delivers to a function."""
        return f"{self.url}/runtime/webhooks/eventgrid?functionName={function}"

    @property
    def connection_string(self) -> str:
        """Of the storage that the app uses."""
        return self._running.environment[CONNECTION]

    @property
    def environment(self) -> Mapping[str, str]:
        """What the worker has been given."""
        return self._running.environment

    @property
    def mails(self) -> list[Mail]:
        """What has arrived in the mailbox."""
        return list(self._running.mailbox.mails) if self._running.mailbox else []

    @property
    def azure(self) -> "Azure":
        """The stand-in for Azure. Raises LookupError if there is none: see `Options.azure`."""
        if self._running.azure is None:
            raise LookupError("there is no stand-in for Azure: none was asked for, or MLEVENTS_ARM_ENDPOINT is set")
        return self._running.azure

    @property
    def lines(self) -> list[str]:
        """What has been printed."""
        return list(self.console.lines)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The app's named log records: ``{"name": "action.settled", "rule": ...}``."""
        return list(self.console.records)

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker; None while there is none."""
        return self._running.host.worker_pid

    def invoke(self, function: str, text: str = "") -> None:
        """Call a function by hand and wait for its end. Raises CallFailed."""
        self._background.run(self._running.call(function, text))

    def wait(self, condition: Callable[[], Any], seconds: float = 30.0, *, pause: float = 0.02) -> Any:
        """Look until `condition` is true, and return what it gave. Raises TimeoutError, with what was printed.

        `pause`: seconds between two looks.
        """
        until = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > until:
                raise TimeoutError("\n".join(["it did not come true; printed were:", *self.lines]))
            time.sleep(pause)
        return found
