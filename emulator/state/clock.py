"""The stand-in's time: the machine's, moved forward on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class Clock:
    """Called, it is the time."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._at: datetime | None = None

    def __call__(self) -> datetime:
        """Now."""
        return self._at or datetime.now(UTC) + self._ahead

    def forward(self, span: timedelta) -> None:
        """Be so much later from now on."""
        self._ahead += span

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Meanwhile it is then: what was due a while ago happens at its own time."""
        before, self._at = self._at, moment
        try:
            yield
        finally:
            self._at = before

    def text(self) -> str:
        """As the service writes times."""
        return self().isoformat().replace("+00:00", "Z")
