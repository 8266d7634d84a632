"""Unfinished work: open actions, and matches that were deferred because a rules file was refused."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from dispatch.inbox.actions import NewAction, is_missing, opened, read_action
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history.entry import COPIED, COUNTS
from dispatch.inbox.history.entry import FIRST as NEW
from dispatch.inbox.keys import LONG_AGO, ActionId
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord, EventRecord, clean, read_result
from dispatch.inbox.tables import MAX_OPERATIONS, MAX_ROWS, Queue, Row, Table
from dispatch.log import log_event
from handlers.base import Result
from schemas import Event

FAILED = "!failed|"  # begins the keys of markers of failed actions

_FAILED_TEXT = 200  # characters of each text in the marker of a failed action
_AFTER_MARKERS = '"'  # the character after the one with which the keys of all markers begin
_MAX_DOUBLINGS = 5  # of the grace of an action that is requeued again and again


@dataclass(frozen=True, slots=True)
class DeferredMatch:
    """An event, or with `result` the end of an action, to be matched against the rules of some files."""

    day: str
    key: str  # the event's
    event: Event
    result: Result | None
    files: tuple[str, ...]
    siblings: Mapping[str, Row]  # the event's actions, by rule
    marker: Row
    since: datetime  # when the match was deferred
    replay_number: int = 0  # of the action that has ended

    def lacks(self, rule: str) -> bool:
        """Has the rule no action yet for this event or end?"""
        return is_missing(self.siblings.get(rule), self.replay_number)


class Markers(NamedTuple):
    """The unfinished work of a day: its open actions, and the marker rows of its deferred matches and failures."""

    open: list[ActionId]
    deferred: list[Row]
    failed: list[Row]
    has_new: bool  # for the index: markers, or numbers to copy


def deferred_marker(key: str, files: Sequence[str], now: datetime) -> Row:
    """The row that marks an event or the end of an action, by its key, as not yet matched against these files."""
    return Row(f"!undecided|{key}", {"files": json.dumps(list(files)), "since": now.isoformat()})


def failed_marker(id: ActionId, version: int, **values: str) -> Row:
    """The row that marks a failed action until an alert reports it; `values` are texts for the alert.

    `version` is the action's message version. It tells apart the ends of an action that a replay has opened again with
    the same key, and so with the same replay number.
    """
    return Row(f"{FAILED}{id.row}|{version}", {name: clean(text, _FAILED_TEXT) for name, text in values.items()})


def rule_of(failed: Row) -> str:
    """The rule of an action, from the marker of its failure."""
    return failed.key.split("|")[2]


class Backlog:
    """The unfinished work of one table. Methods raise StorageError."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def markers(self, day: str) -> Markers:
        """The unfinished work of a day, however long its history is.

        Makes one query, unless the markers of new rows fill its response: they come first.
        """
        rows = self._table.read(day, "!", _AFTER_MARKERS, MAX_ROWS)
        has_new = len(rows) == MAX_ROWS or any(
            row.key.startswith(NEW) or (row.key == COUNTS and not row.values.get(COPIED, 1)) for row in rows
        )
        if len(rows) == MAX_ROWS:
            rows = [*self._table.read(day, FAILED, f"{FAILED}~"), *self._table.read(day, "!open|", _AFTER_MARKERS)]
        open = [ActionId(day, *row.key.split("|", 2)[1:]) for row in rows if row.key.startswith("!open|")]
        deferred, failed = ([r for r in rows if r.key.startswith(prefix)] for prefix in ("!undecided|", FAILED))
        return Markers(open, deferred, failed, has_new)

    def failures(self, day: str, rule: str) -> list[Row]:
        """The markers of a rule's failed actions of a day that no alert reports yet."""
        return [row for row in self._table.read(day, FAILED, f"{FAILED}~") if rule_of(row) == rule]

    def has_failures(self, day: str, markers: Sequence[Row]) -> bool:
        """Do up to 100 markers of failed actions still exist as they were read? Proved by rewriting them."""
        try:
            self._table.commit(day, *markers)
        except Conflict:
            return False
        return True

    def delete_failures(self, day: str, markers: Sequence[Row]) -> None:
        """Delete markers of failed actions; those that another sweep has deleted as well are left to the next sweep."""
        for start in range(0, len(markers), MAX_OPERATIONS):
            with suppress(Conflict):
                self._table.commit(day, delete=tuple(row.key for row in markers[start : start + MAX_OPERATIONS]))

    def open_actions(self, day: str) -> list[ActionId]:
        """The actions of a day that have not ended."""
        return self.markers(day).open

    def requeue_overdue(
        self, id: ActionId, grace: timedelta, now: datetime, queue: Queue
    ) -> tuple[ActionRecord | None, bool]:
        """Send an action a new message if it was due longer than `grace` ago and has not been called.

        Returns the action as it was read, None if it has ended or cannot be read, and whether a message was sent.

        The grace doubles with each consecutive message, up to 32 times, so that they do not make a long queue longer.
        The message is sent before the row records it: a crash in between, or a worker that claims the action meanwhile,
        leaves an extra message, which is dropped later.
        """
        row, record = read_action(self._table, id)
        if row is None or record is None or record.ended:
            return None, False
        if record.due + grace * 2 ** min(record.requeued, _MAX_DOUBLINGS) >= now:
            return record, False
        again = record.then(now, note="queued again by the sweep", due=now, requeued=record.requeued + 1)
        again = again.with_new_message()
        queue.send(str(Message(id, again.message_version)))
        with suppress(Conflict):  # a worker has claimed it meanwhile
            self._table.commit(id.day, Row(id.row, again.values(), row.etag))
        return record, True

    def wake(self, id: ActionId, now: datetime, queue: Queue) -> bool:
        """Call an action that waits now; False if it has ended, so that another one can be called.

        Its message stays valid, in case this worker dies before it sends another one of the same version.
        """
        row, record = read_action(self._table, id)
        if row is None or record is None or record.ended:
            return False
        if record.status == "waiting" and record.due > now:
            woken = replace(record, due=now)
            with suppress(Conflict):  # a worker has claimed it meanwhile
                self._table.commit(id.day, Row(id.row, woken.values(), row.etag))
                queue.send(str(Message(id, woken.message_version)))
        return True

    def deferred_matches(self, day: str, markers: Iterable[Row] | None = None) -> Iterator[DeferredMatch]:
        """The deferred matches of a day, or of these markers. Logs and skips an event that cannot be read."""
        for marker in self.markers(day).deferred if markers is None else markers:
            _, key, *end = marker.key.split("|")
            rows = {row.key: row for row in self._table.read(day, key, f"{key}~")}
            try:
                event, result = EventRecord.of(rows[key]).event, None
                if end:
                    result = _result(marker, ActionRecord.of(rows[f"{key}|{end[0]}"]))
                    if result is None:
                        continue
            except (LookupError, TypeError, ValueError) as error:
                log_event("event.unreadable", logging.ERROR, row=marker.key, reason=f"{type(error).__name__}: {error}")
                continue
            siblings = {name.partition("|")[2]: row for name, row in rows.items() if "|" in name}
            files = tuple(json.loads(str(marker.values["files"])))
            since = datetime.fromisoformat(str(marker.values.get("since", LONG_AGO)))
            yield DeferredMatch(day, key, event, result, files, siblings, marker, since, int(end[1]) if end else 0)

    def record_match(
        self, match: DeferredMatch, actions: Sequence[NewAction], files_left: Sequence[str], now: datetime
    ) -> list[Message]:
        """Create the actions of a deferred match; returns the messages to send.

        The same transaction records the files that are left to match, or deletes the marker. On a conflict, with
        another sweep or with a worker that created one of the actions, nothing is written: the next sweep tries again.
        """
        new = [
            opened(
                ActionId(match.day, match.key, action.rule),
                replace(action, replay_number=match.replay_number),
                now,
                match.siblings.get(action.rule),
            )
            for action in actions
        ]
        rows = [row for its_rows, _ in new for row in its_rows]
        marker = replace(match.marker, values={**match.marker.values, "files": json.dumps(list(files_left))})
        try:
            if files_left:
                self._table.commit(match.day, marker, *rows)
            else:
                self._table.commit(match.day, *rows, delete=(marker,))
        except Conflict:
            return []
        return [message for _, message in new]


def _result(marker: Row, record: ActionRecord) -> Result | None:
    """The result of the end to which a marker belongs.

    A marker without a result belongs to the action's last end: None if the action was replayed and has not ended again.
    """
    if text := str(marker.values.get("result", "")):
        return read_result(text)
    return Result(record.rule, record.status, record.note, record.details) if record.ended else None
