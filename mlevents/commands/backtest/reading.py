"""Read the events on record in a span of time, by pages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from dispatch.inbox.history.records import StoredEvent, stored_events
from dispatch.inbox.history.search import Filter
from dispatch.inbox.keys import DAYS, UNDATED
from dispatch.inbox.tables import MAX_ROWS, Row, Table

_END = "x"  # the keys of events are lower than this one
_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """The events that happened at ``since <= time < until``."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"

    def keys(self, day: str) -> tuple[str, str]:
        """The range of keys of the span's events in a day, whose keys count down to midnight."""
        if day == UNDATED:
            return "0", _END
        midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
        first = max(midnight + _DAY - self.until, timedelta()) // _MILLISECOND
        last = min(midnight + _DAY - self.since, _DAY) // _MILLISECOND
        return f"{first:08d}", f"{last + 1:08d}"


def pages(table: Table, span: Span) -> Iterator[list[StoredEvent]]:
    """The events of a span, day by day, about a thousand rows at a time. While one page is used, the next is read.

    Raises StorageError.
    """
    return _ahead(_pages(table, span))


def _pages(table: Table, span: Span) -> Iterator[list[StoredEvent]]:
    filter = Filter(since=span.since, until=span.until)
    for day in filter.days([row.key for row in table.read(DAYS, "", "~")]):
        for rows in _rows(table, day, *span.keys(day)):
            yield [event for event in stored_events(day, rows) if span.since <= event.time < span.until]


def _rows(table: Table, day: str, first: str, last: str) -> Iterator[list[Row]]:
    """The rows of a day, in pages that end with the last row of an event."""
    while len(rows := table.read(day, first, last, MAX_ROWS)) == MAX_ROWS:
        event = rows[-1].key.partition("|")[0]
        complete = [row for row in rows if row.key < event]
        if not complete:  # one event fills the page
            complete = table.read(day, event, f"{event}~")
            event = f"{event}~"
        yield complete
        first = event
    yield rows


def _ahead(source: Iterator[T]) -> Iterator[T]:
    """The same items; each is prepared by a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        end = object()
        following = pool.submit(next, source, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, source, end)
            yield item  # type: ignore[misc]  # it is no `end`
