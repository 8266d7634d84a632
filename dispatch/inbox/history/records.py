"""The inbox's record of events, for replays and for people."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from dispatch.inbox.keys import DAYS, UNDATED, ActionId, key_at, time_of
from dispatch.inbox.rows import ActionRecord, EventRecord, Rejected
from dispatch.inbox.tables import Row, Table
from dispatch.log import log_event
from handlers.base import Result


class DayHistory(NamedTuple):
    """The records of one partition."""

    events: dict[str, EventRecord]  # by key, newest first
    actions: list[tuple[ActionId, ActionRecord]]
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and its actions at the time of the read."""

    day: str
    key: str
    record: EventRecord
    row: Row
    actions: Mapping[str, Row]  # by rule

    @property
    def time(self) -> datetime:
        """When the event happened, to the millisecond; for an ``undated`` one, when it was received."""
        return self.record.received if self.day == UNDATED else time_of(self.day, self.key)


class History:
    """Reads the history of one table. Methods raise StorageError, and skip unreadable rows, most of which they log."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def days(self) -> list[str]:
        """The partitions that have rows, oldest day first."""
        return [row.key for row in self._table.read(DAYS, "", "~")]

    def day(self, day: str) -> DayHistory:
        """All records of a day. Reads the whole partition; skips rows of other versions of the app."""
        events: dict[str, EventRecord] = {}
        actions: list[tuple[ActionId, ActionRecord]] = []
        rejected: list[Rejected] = []
        for row in self._table.read(day, "0", "y"):
            event, _, rule = row.key.partition("|")
            with suppress(LookupError, TypeError, ValueError):
                if event == "x":
                    rejected.append(Rejected.of(row))
                elif not rule:
                    events[event] = EventRecord.of(row)
                elif (record := ActionRecord.read(row)) is not None:
                    actions.append((ActionId(day, event, rule), record))
        return DayHistory(events, actions, rejected)

    def event(self, day: str, key: str) -> StoredEvent | None:
        """One event, with one read."""
        found = stored_events(day, self._table.read(day, key, f"{key}~"))
        return next((event for event in found if event.key == key), None)

    def by_key(self, key: str, days: Sequence[str] = ()) -> StoredEvent | None:
        """The event with a key, on one of these days, or on any, newest first. Reads one event of each day."""
        if not re.fullmatch("[0-9]{8}-[0-9a-f]{32}", key):
            return None
        each = (self.event(day, key) for day in days or reversed(self.days()))
        return next((event for event in each if event), None)

    def has(self, day: str, key: str) -> bool:
        """Is the event recorded, even if its record cannot be read?"""
        return bool(self._table.read(day, key, f"{key}!"))

    def events(self, day: str) -> Iterator[StoredEvent]:
        """The events of a day, newest first. Reads the whole partition."""
        return stored_events(day, self._table.read(day, "0", "x"))

    def between(self, first: datetime, last: datetime) -> Iterator[StoredEvent]:
        """The events from one time to another, both in UTC; each day costs a query."""
        for number in range((last.date() - first.date()).days + 1):
            day = f"{first.date() + timedelta(days=number)}"
            begin = key_at(last) if day == f"{last.date()}" else "0"
            end = f"{key_at(first)}~" if number == 0 else "x"
            yield from stored_events(day, self._table.read(day, begin, end))

    def unmatched(self, day: str) -> Iterator[StoredEvent]:
        """The events of a day that matched no rule when they were received, and whose match is not deferred.

        They include events whose actions a replay created later, but none whose actions a deferred match created.
        """
        deferred = {row.key for row in self._table.read(day, "!undecided|", "!undecided|~")}
        for event in self.events(day):
            matched_later = event.record.deferred_files and event.actions
            if not (event.record.actions or matched_later or f"!undecided|{event.key}" in deferred):
                yield event

    def rejected(self, day: str) -> Iterator[Rejected]:
        """The events that were rejected on a day."""
        for row in self._table.read(day, "x|", "x|~"):
            try:
                yield Rejected.of(row)
            except (LookupError, TypeError, ValueError) as error:
                _log_unreadable(day, row, error)


def stored_events(day: str, rows: list[Row]) -> Iterator[StoredEvent]:
    """The events in the rows of a day, with their actions, in the order of the rows."""
    actions: dict[str, dict[str, Row]] = {}
    for row in rows:
        key, _, rule = row.key.partition("|")
        if rule:
            actions.setdefault(key, {})[rule] = row
    for row in rows:
        if "|" not in row.key:
            try:
                yield StoredEvent(day, row.key, EventRecord.of(row), row, actions.get(row.key, {}))
            except (LookupError, TypeError, ValueError) as error:
                _log_unreadable(day, row, error)


def actions_of(event: StoredEvent) -> dict[str, ActionRecord]:
    """The actions of an event by rule, those that follow another one after it; without those of newer versions."""
    records = {rule: record for rule, row in event.actions.items() if (record := ActionRecord.read(row))}
    in_order: dict[str, ActionRecord] = {}

    def add(followed: str) -> None:
        for rule, record in sorted(records.items()):
            if (record.follows.rule if record.follows else "") == followed and rule not in in_order:
                in_order[rule] = record
                add(rule)

    add("")
    return in_order | records


def ends_of(event: StoredEvent) -> list[Result]:
    """How the actions of an event ended, as the rules that follow them see it."""
    records = actions_of(event).items()
    return [Result(rule, each.status, each.note, each.details) for rule, each in records if each.ended]


def _log_unreadable(day: str, row: Row, error: Exception) -> None:
    log_event("event.unreadable", logging.WARNING, day=day, row=row.key, reason=f"{type(error).__name__}: {error}")
