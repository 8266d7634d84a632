"""The emulator's clock: the machine's, moved forward by tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class Clock:
    """Returns the time when called."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._at: datetime | None = None

    def __call__(self) -> datetime:
        """The current time, in UTC."""
        return self._at or datetime.now(UTC) + self._ahead

    def forward(self, span: timedelta) -> None:
        """Move the time forward from now on."""
        self._ahead += span

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Stop the clock at a moment within the ``with`` block, for work that was due then."""
        before, self._at = self._at, moment
        try:
            yield
        finally:
            self._at = before

    def text(self) -> str:
        """The current time as the service writes it."""
        return self().isoformat().replace("+00:00", "Z")
