"""Search the record for the events of a pattern: by the index, then by reading the events of a time, up to a limit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from dispatch.evidence.pattern import Pattern
from dispatch.inbox.history.entry import Entry
from dispatch.inbox.history.records import StoredEvent, stored_events
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import UNDATED, time_of
from dispatch.inbox.tables import MAX_ROWS
from schemas import EventError
from schemas.context import Context

# An event's index entry says when it was recorded, by the clock of one instance; its time is of the service's clock.
_SKEW = timedelta(minutes=5)
_MOST_NEW = 20_000  # rows of a day that no sweep has indexed: what a million events a day leave in 20 minutes
_MOST_FOUND = 10_000  # entries of a month
_MOST_LATE = 10  # events after a deadline that are compared
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sought:
    """The events of a pattern in one workspace; with the key `same`, those with one value of it."""

    pattern: Pattern
    topic: str
    workspace: Mapping[str, Any] | None
    value: Any = None
    besides: tuple[str, str] | None = None  # the day and the key of an event that does not count

    def matches(self, stored: StoredEvent) -> bool:
        """Is it one of them? An event that cannot be read is none."""
        if (stored.day, stored.key) == self.besides:
            return False
        try:
            event = stored.record.event
        except EventError:
            return False
        same_topic = event.topic.casefold() == self.topic.casefold()
        return same_topic and self.pattern.matches(Context(event, self.workspace), self.value)


class Span(NamedTuple):
    """A span of events' times, including both ends."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the record has of the events sought, around a span of time."""

    found: StoredEvent | None = None  # one in the span
    before: StoredEvent | None = None  # the last one before it, if there is none in it
    after: StoredEvent | None = None  # the first one after it, if there is none in it
    complete: bool = True  # were all events of the span compared, beside those of the index?


def evidence(sought: Sought, inbox: Inbox, span: Span, now: datetime, reads: int) -> Evidence:
    """Look for an event whose time is in a span. Raises StorageError.

    The index is asked first: it has each event that was received while the rule was in force. Then the events of the
    span are read, newest first, in at most `reads` requests of 1,000 rows, for those that came before the rule.
    """
    before, later, (since, until) = None, list[Entry](), span
    for entry, in_order in _entries(sought, inbox, since, now):
        if entry.day == UNDATED:
            continue
        time = time_of(entry.day, entry.key)
        if time > until:
            later.append(entry)
        elif time >= since:
            if found := _read(entry, sought, inbox):
                return Evidence(found)
        elif before is None:
            before = _read(entry, sought, inbox)
        if in_order and before and entry.at < since - _SKEW:
            break
    found, complete = _scan(sought, inbox, span, reads)
    if found:
        return Evidence(found)
    return Evidence(None, before, _first(later, sought, inbox), complete)


def _entries(sought: Sought, inbox: Inbox, since: datetime, now: datetime) -> Iterator[tuple[Entry, bool]]:
    """What the index has of them: what no sweep has indexed, then, in the order of its recording, month by month."""
    name = sought.pattern.name(sought.topic, sought.value)
    for day in _days(since, now + _SKEW):
        yield from ((entry, False) for entry in inbox.index.find_new(name, day, _MOST_NEW))
    for month in inbox.index.months():
        yield from ((entry, True) for entry in inbox.index.find(name, month, _MOST_FOUND))


def _first(entries: list[Entry], sought: Sought, inbox: Inbox) -> StoredEvent | None:
    in_order = sorted({(entry.day, time_of(entry.day, entry.key), entry.key): entry for entry in entries}.items())
    read = (_read(entry, sought, inbox) for _, entry in in_order[:_MOST_LATE])
    return next((event for event in read if event), None)


def _read(entry: Entry, sought: Sought, inbox: Inbox) -> StoredEvent | None:
    """The event of an entry; None if it is gone, or another event has the name."""
    stored = inbox.history.event(entry.day, entry.key)
    return stored if stored and sought.matches(stored) else None


def _scan(sought: Sought, inbox: Inbox, span: Span, reads: int) -> tuple[StoredEvent | None, bool]:
    """The newest of them in a span, and whether all events of the span were read, or those up to it."""
    since, until = span
    for day in _days(since, until):
        first, last = _first_key(day, until), "x"
        while reads > 0:
            rows = inbox.table.read(day, first, last, MAX_ROWS)
            reads -= 1
            for stored in stored_events(day, [row for row in rows if "|" not in row.key]):
                if stored.time < since:
                    break
                if stored.time <= until and sought.matches(stored):
                    return stored, True
            oldest = rows[-1].key if rows else ""
            if len(rows) < MAX_ROWS or time_of(day, oldest) < since:
                break
            first = oldest + "!"
        else:
            return None, False
    return None, True


def _days(since: datetime, until: datetime) -> Iterator[str]:
    """The partitions of a span, newest first."""
    day = until.astimezone(UTC).date()
    while day >= since.astimezone(UTC).date():
        yield day.isoformat()
        day -= _DAY


def _first_key(day: str, until: datetime) -> str:
    """The lowest key of the events of a day until a moment: keys count down to midnight."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    left = max(midnight + _DAY - until, timedelta()) // timedelta(milliseconds=1)
    return f"{max(left - 1, 0):08d}"
