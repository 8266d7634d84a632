"""Which of two events about one object is the later: Event Grid delivers them in no order.

Where events carry a `sequencer`, it decides, compared as Event Grid compares it: as text (learn.microsoft.com, "Azure
Blob Storage as an Event Grid source"), here padded to one length, since its length is not promised. Azure ML's own
events carry none. Of a run, the status decides before the time: it goes one way, and ends (azure-sdk-for-js,
arm-machinelearning, JobStatus: "NotResponding is the only state exempt from strict transition orders").
"""

from datetime import UTC, datetime
from typing import NamedTuple, Self

from schemas import Event, RunCompleted, RunStatusChanged

_EARLY = ("notstarted", "starting", "provisioning", "preparing", "queued")
_LATE = ("finalizing", "cancelrequested")
_TERMINAL = ("completed", "failed", "canceled")
_RUNNING = len(_EARLY)  # also for Paused, NotResponding, and what is not known here
_RANKS = {
    **{status: rank for rank, status in enumerate(_EARLY)},
    **{status: _RUNNING + 1 + rank for rank, status in enumerate(_LATE)},
    **dict.fromkeys(_TERMINAL, _RUNNING + 1 + len(_LATE)),
}
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """Where an event stands among those about its object. Texts, so that a guard's note can keep it."""

    sequencer: str
    rank: str
    time: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """The place of an event."""
        time = (event.event_time or _BEGINNING).astimezone(UTC) if _has_utc(event) else _BEGINNING
        return cls(event.sequencer or "", f"{_rank(event):02d}", time.isoformat(timespec="microseconds"))

    def is_after(self, other: "Place") -> bool:
        """Is this the later one? Of two that stand at the same place, neither is."""
        if self.sequencer and other.sequencer:
            length = max(len(self.sequencer), len(other.sequencer))
            return self.sequencer.rjust(length, "0") > other.sequencer.rjust(length, "0")
        return self[1:] > other[1:]


def object_of(event: Event) -> tuple[str, str, str]:
    """The workspace, kind and name of what an event is about: the same for all events about it."""
    kind = "run" if isinstance(event, RunCompleted | RunStatusChanged) else type(event).__name__
    return event.topic.casefold(), kind, event.object


def _has_utc(event: Event) -> bool:
    return event.event_time is not None and not event.event_time.utcoffset()


def _rank(event: Event) -> int:
    match event:
        case RunCompleted():
            return _RANKS["completed"]
        case RunStatusChanged():
            return _RANKS.get(event.data.run_status.casefold(), _RUNNING)
        case _:
            return 0
