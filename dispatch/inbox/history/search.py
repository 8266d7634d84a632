"""Search the record: a page of events, newest first, that satisfy a filter.

A page costs at most three queries of 1,000 rows, however long the history is: it may have fewer events than it could,
or none, and a cursor to go on from. To find an event by a name, use the index.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dispatch.inbox.history.records import StoredEvent, stored_events
from dispatch.inbox.keys import DAYS, UNDATED, time_of
from dispatch.inbox.tables import MAX_ROWS, Row, SpanTable

PAGE = 50  # events

_END = "x"  # the keys of events are lower than this one


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events to find. Texts are compared without regard to case; empty ones, and None, find all."""

    workspace: str = ""
    type: str = ""
    object: str = ""
    rule: str = ""  # an event has an action of this rule
    status: str = ""  # an event has an action (of `rule`) with this status, or "unmatched" for one without actions
    text: str = ""  # is part of the payload, or of the note of an action
    since: datetime | None = None
    until: datetime | None = None

    def includes(self, event: StoredEvent) -> bool:
        """Does the event satisfy it?"""
        record = event.record
        same = (self.workspace, record.workspace), (self.type, record.event_type), (self.object, record.object)
        if any(wanted and wanted.casefold() != found.casefold() for wanted, found in same):
            return False
        if (self.since and event.time < self.since) or (self.until and event.time >= self.until):
            return False
        return self._includes_actions(event) and self._includes_text(event)

    def _includes_actions(self, event: StoredEvent) -> bool:
        if self.status == "unmatched":
            return not event.actions
        if not self.rule and not self.status:
            return True
        return any(
            self.rule.casefold() in ("", rule.casefold()) and self.status in ("", row.values.get("status"))
            for rule, row in event.actions.items()
        )

    def _includes_text(self, event: StoredEvent) -> bool:
        text = self.text.casefold()
        if not text or text in event.record.raw.casefold():
            return True
        return any(text in str(row.values.get("note", "")).casefold() for row in event.actions.values())

    def days(self, listed: Sequence[str]) -> list[str]:
        """Those of the days that may have such events, newest first; the events without a day come last."""
        first = f"{self.since:%Y-%m-%d}" if self.since else ""
        last = f"{self.until:%Y-%m-%d}" if self.until else "~"
        dated = [day for day in listed if day != UNDATED and first <= day <= last]
        return [*sorted(dated, reverse=True), *(day for day in listed if day == UNDATED)]


class Cursor(NamedTuple):
    """Where a page ends: the next one begins with the keys of this day that are greater than `key`."""

    day: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.day}/{self.key}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read the text that `str` writes. Raises ValueError for any other."""
        day, slash, key = text.partition("/")
        has_key = not key or re.fullmatch("[0-9]{8}-[0-9a-f]{32}", key)
        if not slash or not (day == UNDATED or _is_day(day)) or not has_key:
            raise ValueError(f"{text!r} is not the cursor of a page")
        return cls(day, key)


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, newest first. `cursor` is None if there are no others."""

    events: tuple[StoredEvent, ...]
    cursor: Cursor | None = None
    searched_to: datetime | None = None  # events from this time on were compared with the filter


@dataclass(slots=True)
class Search:
    """Makes pages of the events that satisfy a filter."""

    table: SpanTable
    filter: Filter = field(default_factory=Filter)
    size: int = PAGE

    def page(self, after: Cursor | None = None) -> Page:
        """The page after a cursor, or the first one. Raises StorageError.

        Reads the list of days, then the first day, then as many of the days before it as fit one response.
        """
        sizes = {row.key: row.values.get("rows") for row in self.table.read(DAYS, "", "~", MAX_ROWS)}
        days = self.filter.days([*sizes])
        if after:
            days = days[days.index(after.day) :] if after.day in days else [day for day in days if day < after.day]
        if not days:
            return Page(())
        key = after.key if after and after.day == days[0] else ""
        first = self.table.read(days[0], f"{key}~" if key else self._first(days[0]), _END, MAX_ROWS)
        found, cursor = self._choose([], days[0], first, key)
        if cursor or not days[1:]:
            return _page(found, cursor)
        span = _fitting(days[1:], sizes)
        rows = self.table.read_span((span[-1], span[0]), "0", _END, MAX_ROWS)
        if len(rows) == MAX_ROWS and span[1:]:  # a day has grown; what was read is the wrong end of the span
            return _page(found, Cursor(span[0]))
        for day in span:
            found, cursor = self._choose(found, day, [row for partition, row in rows if partition == day], "")
            if cursor:
                return _page(found, cursor)
        rest = days[1 + len(span) :]
        return _page(found, Cursor(rest[0]) if rest else None)

    def _choose(
        self, found: list[StoredEvent], day: str, rows: list[Row], key: str
    ) -> tuple[list[StoredEvent], Cursor | None]:
        """Add the events of a day to those found, and return where the page ends, if it ends in this day."""
        complete = rows if len(rows) < MAX_ROWS else _without_last_event(rows)
        for event in stored_events(day, complete):
            if self.filter.includes(event):
                found = [*found, event]
                if len(found) == self.size:
                    return found, Cursor(day, event.key)
        if len(rows) < MAX_ROWS:
            return found, None
        return found, Cursor(day, complete[-1].key.partition("|")[0] if complete else key)

    def _first(self, day: str) -> str:
        """The lowest key to read: keys count down to midnight, so that an `until` skips the later events of its day."""
        until = self.filter.until
        if until is None or day != f"{until:%Y-%m-%d}":
            return "0"
        midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
        return f"{(timedelta(days=1) - (until - midnight)) // timedelta(milliseconds=1):08d}"


def _fitting(days: Sequence[str], sizes: Mapping[str, object]) -> list[str]:
    """The first of these days, and those that fit a response with it, by the sizes that the sweep has noted."""
    span, total = [days[0]], int(str(sizes[days[0]] or MAX_ROWS))
    for day in days[1:]:
        total += int(str(sizes[day] or MAX_ROWS))
        if total > MAX_ROWS * 4 // 5 or day == UNDATED:
            break
        span.append(day)
    return span


def _page(found: list[StoredEvent], cursor: Cursor | None) -> Page:
    return Page(tuple(found), cursor, _time(cursor) if cursor else None)


def _without_last_event(rows: list[Row]) -> list[Row]:
    """The rows without those of the last event, which may have others that did not fit the response."""
    last = rows[-1].key.partition("|")[0]
    return [row for row in rows if row.key.partition("|")[0] != last]


def _time(cursor: Cursor) -> datetime | None:
    if cursor.day == UNDATED:
        return None
    if cursor.key:
        return time_of(cursor.day, cursor.key)
    return datetime.fromisoformat(cursor.day).replace(tzinfo=UTC) + timedelta(days=1)


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True
