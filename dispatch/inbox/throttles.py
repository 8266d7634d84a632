"""The services that throttle the app, and the end of each throttle, shared by all workers.

The same read gets the pauses of rules (dispatch/inbox/pauses.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch.inbox.shared_state import SharedState, hashed
from handlers.errors import MAX_RETRY_AFTER

MAX_AGE = timedelta(seconds=10)  # of the last read, so that the number of reads does not grow with that of actions
_MIN, _MAX = timedelta(minutes=1), timedelta(hours=1)  # of a throttle for which the service named no time


@dataclass(slots=True)
class Throttles:
    """The services that are throttled now; all workers see a throttle ten seconds after it began, at the latest."""

    shared: SharedState
    _read_at: datetime | None = None
    _values: Mapping[str, dict[str, str]] | None = None

    def until(self, destination: str, now: datetime) -> datetime | None:
        """When the throttle of a destination ends, None if there is none. Reads at most every ten seconds."""
        value = self.values(now).get(_name(destination))
        end = datetime.fromisoformat(value["until"]) if value else None
        return end if end and end > now else None

    def values(self, now: datetime) -> Mapping[str, dict[str, str]]:
        """The throttles and the pauses of rules, by the names of their rows. Reads at most every ten seconds."""
        if self._values is None or self._read_at is None or not timedelta() <= now - self._read_at < MAX_AGE:
            self._values = self.shared.all("pause")
            self._read_at = now
        return self._values

    def begin(self, destination: str, retry_after: timedelta | None, now: datetime) -> datetime:
        """Throttle a destination for the time that the service named; returns the end of the throttle.

        Without such a time, or with zero, it lasts a minute, and each consecutive one twice as long as the last, up to
        an hour.
        """

        def extended(before: dict[str, str]) -> dict[str, str]:
            last = datetime.fromisoformat(before["until"]) if before else None
            length = timedelta(seconds=float(before["seconds"])) if before else timedelta()
            if last is None or now >= last:  # else this throttle has just begun for other actions, too
                consecutive = last is not None and now - last < length
                length = min(length * 2, _MAX) if consecutive else _MIN
            wanted = min(retry_after, MAX_RETRY_AFTER) if retry_after and retry_after > timedelta() else length
            end = max(now + wanted, last or now)
            if end == last:
                return before
            return {"until": end.isoformat(), "seconds": str(length.total_seconds())}

        value = self.shared.change(_name(destination), extended, now)
        end = datetime.fromisoformat(value["until"])
        self._values = {**(self._values or {}), _name(destination): value}
        return end


def _name(destination: str) -> str:
    return f"pause|{hashed(destination)}"
