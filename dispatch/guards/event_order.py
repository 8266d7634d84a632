"""Compare the order of two events about one object: Event Grid delivers them in no order.

If both events carry a `sequencer`, it decides. It is compared as text, as Event Grid's documentation requires
(learn.microsoft.com, "Azure Blob Storage as an Event Grid source"), padded to one length, because its length is not
guaranteed. Otherwise the event type's `rank` decides, then the time. Events of Azure ML have no sequencer; the rank of
a run's event is that of the run's status.
"""

from datetime import UTC, datetime
from typing import NamedTuple, Self

from schemas import Event

# Characters. A longer sequencer is ignored: a property of a row holds 32 K characters, and JSON writes up to 12 for one
# of a text (learn.microsoft.com, "Understanding the Table service data model"). Those of Event Grid have 64.
_LONGEST_SEQUENCER = 2_000
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """The position of an event among the events about its object, as texts: `latest_only` stores it."""

    sequencer: str
    rank: str
    time: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """The position of an event."""
        time = (event.event_time or _BEGINNING).astimezone(UTC) if _has_utc(event) else _BEGINNING
        sequencer = event.sequencer or ""
        known = sequencer if len(sequencer) <= _LONGEST_SEQUENCER else ""
        return cls(known, f"{event.rank:02d}", time.isoformat(timespec="microseconds"))

    def is_after(self, other: "Position") -> bool:
        """Is this position later than the other? Of two equal positions, neither is."""
        if self.sequencer and other.sequencer:
            length = max(len(self.sequencer), len(other.sequencer))
            return self.sequencer.rjust(length, "0") > other.sequencer.rjust(length, "0")
        return self[1:] > other[1:]


def object_of(event: Event) -> tuple[str, str, str]:
    """The resource, the kind and the name of an event's object: equal for all events about it."""
    return event.topic.casefold(), event.object_kind, event.object


def _has_utc(event: Event) -> bool:
    return event.event_time is not None and not event.event_time.utcoffset()
