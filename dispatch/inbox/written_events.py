"""What the inbox holds of events, for those who look back: replay, and whoever asks what became of an event."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dispatch.inbox.rows import EventRecord, Rejected
from dispatch.inbox.tables import Row, Table
from dispatch.log import log_event

UNDATED = "undated"  # the partition of events that have no time to go by


@dataclass(frozen=True, slots=True)
class WrittenEvent:
    """An event as it is written down, with its actions as they were when it was read."""

    day: str
    key: str
    record: EventRecord
    row: Row
    actions: Mapping[str, Row]  # by rule

    @property
    def time(self) -> datetime:
        """When it happened, to the millisecond; of an event without a time to go by, when it was received."""
        if self.day == UNDATED:
            return self.record.received
        left = timedelta(milliseconds=int(self.key[:8]) + 1)  # of the day; see inbox.event_key
        return datetime.fromisoformat(self.day).replace(tzinfo=UTC) + timedelta(days=1) - left


class Events:
    """The events of one table. Reads only; methods raise what storage raises. What cannot be read is told, and left."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, day: str, key: str) -> WrittenEvent | None:
        """One event, with one read."""
        found = _events(day, self._table.read(day, key, f"{key}~"))
        return next((event for event in found if event.key == key), None)

    def has(self, day: str, key: str) -> bool:
        """Is there such an event, whether it can be read or not?"""
        return bool(self._table.read(day, key, f"{key}!"))

    def of_day(self, day: str) -> Iterator[WrittenEvent]:
        """All events of a day, newest first. Reads the whole partition."""
        return _events(day, self._table.read(day, "0", "x"))

    def unmatched(self, day: str) -> Iterator[WrittenEvent]:
        """Those of a day that matched no rule when they came, and of which no rules file is left to be asked.

        Also those that have actions since, of an earlier replay; not those that got theirs from the sweep.
        """
        asked_later = {row.key for row in self._table.read(day, "!undecided|", "!undecided|~")}
        for event in self.of_day(day):
            by_the_sweep = event.record.undecided and event.actions
            if not (event.record.actions or by_the_sweep or f"!undecided|{event.key}" in asked_later):
                yield event

    def rejected(self, day: str) -> Iterator[Rejected]:
        """What was rejected on a day."""
        for row in self._table.read(day, "x|", "x|~"):
            try:
                yield Rejected.of(row)
            except (LookupError, TypeError, ValueError) as error:
                _tell(day, row, error)


def _events(day: str, rows: list[Row]) -> Iterator[WrittenEvent]:
    """Rows as events; an event's actions come right behind it."""
    actions: dict[str, dict[str, Row]] = {}
    for row in rows:
        key, _, rule = row.key.partition("|")
        if rule:
            actions.setdefault(key, {})[rule] = row
    for row in rows:
        if "|" not in row.key:
            try:
                yield WrittenEvent(day, row.key, EventRecord.of(row), row, actions.get(row.key, {}))
            except (LookupError, TypeError, ValueError) as error:
                _tell(day, row, error)


def _tell(day: str, row: Row, error: Exception) -> None:
    log_event("event.unreadable", logging.WARNING, day=day, row=row.key, reason=f"{type(error).__name__}: {error}")
