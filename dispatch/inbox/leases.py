"""Lease an action to one worker at a time, and settle it: record the outcome of a call of its handler.

A lease is a conditional update of the action's row, which only one worker wins. It lasts longer than a function may
run, so that a worker whose lease has expired has died.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from dispatch.inbox.actions import MAX_ACTIONS, NewAction, is_missing, opened, read_action
from dispatch.inbox.backlog import deferred_marker, failed_marker
from dispatch.inbox.errors import Conflict, Refused
from dispatch.inbox.history.entry import end_entry
from dispatch.inbox.history.sent import Sent, sent_key
from dispatch.inbox.keys import NAMESPACE, ActionId
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ENDED, ActionRecord, EventRecord, Status, written_result
from dispatch.inbox.tables import Row, Table, read_row
from dispatch.log import log_event
from handlers.base import Action, Result
from handlers.lineage import MOST_DEPTH, lineage_of
from schemas import Event

MAX_CRASHES = 5

_RIVAL_DELAY = timedelta(seconds=5)  # after a conflict: the other worker has written its row by then
_VERSION_DELAY = timedelta(minutes=5)  # for a row of another version of the app, whose instances will handle it
_CLOCK_SKEW = timedelta(minutes=2)  # between workers, at most; less than the shortest wait for a missing rule


@dataclass(frozen=True, slots=True)
class Lease:
    """An action that no other worker may run until the lease expires, at `record.due`."""

    id: ActionId
    record: ActionRecord
    etag: str
    siblings: Mapping[str, Row]  # the event's other actions, by rule
    about: Mapping[str, str] = field(default_factory=dict)  # the event's id, object and workspace, for people


@dataclass(frozen=True, slots=True)
class Claim(Lease):
    """A leased action with its event."""

    event: Event = field(kw_only=True)

    @property
    def action(self) -> Action:
        """The action as its handler receives it."""
        record = self.record
        return Action(
            rule=self.id.rule,
            key=uuid5(NAMESPACE, json.dumps([*self.id, record.replay_number])),
            started=record.started,
            failures=record.failures,
            replay_number=record.replay_number,
            interrupted=record.crashes > 0,
            state=record.state,
            result=record.follows,
            event=self.event.id,
            depth=min(came_from.depth + 1, MOST_DEPTH) if (came_from := lineage_of(self.event)) else 1,
        )


@dataclass(frozen=True, slots=True)
class NotYet:
    """The action is leased to another worker or is not due: send the message again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Dropped:
    """The message needs no further handling, for the given reason."""

    reason: str
    failure: Row | None = None  # the marker of the action's failure, if it has just failed because it can never run
    about: Mapping[str, str] = field(default_factory=dict)  # see `Lease`


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a call of an action. The action is called again when it is `due`; without `due` it has ended."""

    status: Status
    note: str
    details: dict[str, str] = field(default_factory=dict)
    due: datetime | None = None
    changes: dict[str, Any] = field(default_factory=dict)  # of the record: state, failures, failing_since
    failure: Row | None = None  # the marker of a failed action that no alert reports yet
    sent: Mapping[str, str] = field(default_factory=dict)  # what the call has sent, for people


class LeaseLost(Exception):  # noqa: N818 - a fact about the lease, not a defect
    """Raised to a worker that settles an action which another worker has claimed or ended; nothing was written."""


class Leases:
    """The leases of one table's actions. Methods raise StorageError."""

    def __init__(self, table: Table, length: timedelta) -> None:
        self._table = table
        self.length = length

    def claim(self, message: Message, now: datetime) -> Claim | NotYet | Dropped:
        """Lease the action that a message names.

        An expired lease counts as a crash, after which the action backs off instead. The action or another one that the
        worker was running may have caused the crash; random delays separate them.
        """
        id = message.id
        rows = {row.key: row for row in self._table.read(id.day, id.event, f"{id.event}~")}
        row = rows.get(id.row)
        if row is None:
            return Dropped("there is no such action")
        record = ActionRecord.read(row)
        if record is None:
            return NotYet(now + _VERSION_DELAY)
        about = _about(rows.get(id.event))
        if dropped := _dropped(message, record):
            return replace(dropped, about=about)
        if record.due > now:
            return NotYet(record.due)
        crashes = record.crashes + (record.status == "running")
        if record.crashes < crashes < MAX_CRASHES:
            return self._back_off(id, row, replace(record, crashes=crashes), now)
        calls = {"attempts": record.attempts + 1, "crashes": crashes, "requeued": 0}
        leased = record.then(now, status="running", note="", due=now + self.length, **calls)
        try:
            [etag] = self._table.commit(id.day, Row(row.key, leased.values(), row.etag))
        except Conflict:
            return NotYet(now + _RIVAL_DELAY)
        except Refused as error:
            return self._fail(
                Lease(id, record, row.etag, {}, about), f"storage cannot hold the action: {error.reason}", now
            )
        siblings = {key.partition("|")[2]: row for key, row in rows.items() if "|" in key and key != id.row}
        try:
            event = EventRecord.of(rows[id.event]).event
        except (LookupError, ValueError) as error:
            reason = f"the event as it is stored cannot be read: {error}"
            return self._fail(Lease(id, leased, etag, siblings, about), reason, now)
        return Claim(id, leased, etag, siblings, about, event=event)

    def _fail(self, lease: Lease, reason: str, now: datetime) -> Dropped:
        """End an action that can never run: otherwise its message would be delivered again for ever."""
        id, version, about = lease.id, lease.record.message_version, lease.about
        names = {"rule": id.rule, "handler": lease.record.handler, "status": "failed", "note": reason, **about}
        log_event("action.settled", logging.ERROR, **names, attempt=lease.record.attempts)
        failure = failed_marker(id, version, at=now.isoformat(), reason=reason, **about)
        self.settle(lease, Settlement("failed", reason, failure=failure), (), now)
        return Dropped(reason, failure, about)

    def _back_off(self, id: ActionId, row: Row, record: ActionRecord, now: datetime) -> NotYet:
        """Delay by up to half a minute after the first crash, up to half an hour after the fourth.

        The delay is derived from the action and the crash, so that two workers that read the same row choose the same.
        """
        fraction = uuid5(NAMESPACE, json.dumps([*id, record.crashes])).int / 2**128
        due = now + timedelta(seconds=30) * 4 ** (record.crashes - 1) * fraction
        waiting = record.then(now, status="waiting", note="its worker died", due=due)
        try:
            self._table.commit(id.day, Row(row.key, waiting.values(), row.etag))
        except Conflict:
            return NotYet(now + _RIVAL_DELAY)
        return NotYet(due)

    def settle(
        self,
        lease: Lease,
        settlement: Settlement,
        follow_ups: Iterable[NewAction],
        now: datetime,
        deferred_files: Sequence[str] = (),
    ) -> list[Message]:
        """Record the outcome of a call and, in one transaction, the actions that follow; returns the messages to send.

        A rule that follows several actions acts once per event and replay: the first end that it follows creates its
        action, or opens it again if it ended in an earlier replay. `deferred_files` are the rules files that cannot be
        matched with this end yet. Calling it again with the same arguments, when its success is unknown, changes
        nothing. Raises LeaseLost.
        """
        id = lease.id
        wanted = [replace(action, replay_number=lease.record.replay_number) for action in follow_ups]
        known = _EventRows(lease.siblings, frozenset({id.open_marker}))
        due, details = settlement.due or now, settlement.details
        after = lease.record.then(
            now, status=settlement.status, note=settlement.note, details=details, due=due, **settlement.changes
        )
        version, sent = after.message_version, []
        if settlement.sent and len(wanted) < MAX_ACTIONS:  # more do not fit the transaction
            sent = [Sent(now, settlement.sent).row(id, version)]
            after = replace(after, sent=version)
        replaced = (sent_key(id, lease.record.sent),) if sent and lease.record.sent else ()
        if settlement.due:
            after = after.with_new_message()
        while True:
            new = [known.opened(id._replace(rule=a.rule), a, now) for a in wanted if known.lacks(a)]
            rows = [row for its_rows, _ in new for row in its_rows]
            markers = [known.marker(lease, after, deferred_files, now)] if deferred_files else []
            markers += [settlement.failure] if settlement.failure else []
            if after.ended:
                markers.append(end_entry(id.day, id.event, after, now).marker(after.message_version))
            delete = (id.open_marker,) if after.ended and id.open_marker in known.open_markers else ()
            try:
                own = Row(id.row, after.values(), lease.etag)
                self._table.commit(id.day, own, *rows, *markers, *sent, delete=(*delete, *replaced))
                break
            except Conflict:
                current = self._read_again(lease, after)
                if current is None:
                    break
                if current == known:
                    raise
                known = current
        if settlement.due:
            return [Message(id, after.message_version, settlement.due - now)]
        return [message for _, message in new]

    def _read_again(self, lease: Lease, after: ActionRecord) -> "_EventRows | None":
        """The rows with which a settlement conflicts; None if it is written already. Raises LeaseLost."""
        id = lease.id
        rows = {row.key.partition("|")[2]: row for row in self._table.read(id.day, f"{id.event}|", f"{id.event}|~")}
        own = rows.pop(id.rule, None)
        if own is not None and after.values().items() <= own.values.items():
            return None
        if own is None or own.etag != lease.etag:
            raise LeaseLost(f"{id.rule}: another worker has claimed or ended it")
        open = self._table.read(id.day, f"!open|{id.event}|", f"!open|{id.event}|~")
        marker = read_row(self._table, id.day, f"!undecided|{id.row}|{lease.record.replay_number}")
        return _EventRows(rows, frozenset(row.key for row in open), marker)

    def rearm(self, message: Message, now: datetime, note: str = "put back from the poison queue") -> Message | Dropped:
        """A new message for an action whose message the host has given up; Dropped if the action needs none."""
        id = message.id
        row, record = read_action(self._table, id)
        if row is None:
            return Dropped("there is no such action")
        if record is None:
            return message._replace(after=_VERSION_DELAY)
        if dropped := _dropped(message, record):
            return dropped
        due = max(record.due, now + timedelta(minutes=1))
        if record.status == "running":  # a live worker may hold the lease, so its row must not change
            return message._replace(after=due - now)
        again = record.then(now, note=note, due=due).with_new_message()
        try:
            self._table.commit(id.day, Row(id.row, again.values(), row.etag))
        except Conflict:
            return message._replace(after=_RIVAL_DELAY)
        return Message(id, again.message_version, due - now)

    def has_lost_lock(self, id: ActionId, since: datetime) -> bool | None:
        """Has the action lost a lock taken at `since`: has it ended, or lost its rule later, before it checked back?

        None if there is no record of it: it ended long ago, or has just been created and is not visible yet.
        """
        row, record = read_action(self._table, id)
        if row is None or record is None:
            return row.values.get("status") in ENDED if row else None
        missing = record.rule_missing_since
        return record.ended or (missing is not None and not record.checked_back and since < missing + _CLOCK_SKEW)

    def had_no_effect(self, id: ActionId, since: datetime) -> bool:
        """Has the action ended since then, for the first time, without success and before its handler checked back?"""
        _, record = read_action(self._table, id)
        if record is None or record.checked_back or sum(entry.status in ENDED for entry in record.timeline) > 1:
            return False
        return record.ended and record.status != "succeeded" and record.due >= since


@dataclass(frozen=True, slots=True)
class _EventRows:
    """The rows of an event on which a settlement depends, as they were last read."""

    siblings: Mapping[str, Row]  # the other actions, by rule
    open_markers: frozenset[str]  # keys
    deferred: Row | None = None  # the marker of this end, if it exists

    def lacks(self, action: NewAction) -> bool:
        return is_missing(self.siblings.get(action.rule), action.replay_number)

    def opened(self, id: ActionId, action: NewAction, now: datetime) -> tuple[list[Row], Message]:
        rows, message = opened(id, action, now, self.siblings.get(id.rule))
        return [row for row in rows if row.key not in self.open_markers], message

    def marker(self, lease: Lease, after: ActionRecord, files: Sequence[str], now: datetime) -> Row:
        """The marker of an end. It has the result, because the action may be replayed before all files are matched."""
        known: list[str] = json.loads(str(self.deferred.values["files"])) if self.deferred else []
        marker = deferred_marker(f"{lease.id.row}|{lease.record.replay_number}", sorted({*known, *files}), now)
        result = written_result(Result(after.rule, after.status, after.note, after.details))
        etag = self.deferred.etag if self.deferred else ""
        return replace(marker, values={**marker.values, "result": result}, etag=etag)


def _about(event: Row | None) -> dict[str, str]:
    """The event's id, object and workspace, from the columns of its row."""
    columns = {"event": "id", "object": "object", "workspace": "workspace"}
    return {name: str(event.values.get(column, "")) if event else "" for name, column in columns.items()}


def _dropped(message: Message, record: ActionRecord) -> Dropped | None:
    """The reason to drop the message; None if it is current."""
    if record.ended:
        return Dropped("it has ended")
    if message.version < record.message_version:
        return Dropped("a newer message has replaced it")
    return None
