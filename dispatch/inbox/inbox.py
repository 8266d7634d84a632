"""The durable record of events and actions: what was received, what is under way, what came of it.

One table. A partition is the day of an event's time (``undated`` where there is none to go by); its rows begin with

    !open|<event>|<rule>     an action that has not ended: how the sweep finds unfinished work without reading history
    !undecided|<event>       an event that some refused rules file has not been asked about;
    !undecided|<event>|<rule>|<generation>  the end of an action, likewise
    <event>                  an event; its key begins so that the newest comes first
    <event>|<rule>           an action
    x|<hash>                 something rejected, in the partition of the day on which it came

and the partition ``days`` has one row per partition, which is how the partitions are found; ``notes`` is described in
dispatch/inbox/notes.py.
An event, its actions and their markers are written in one transaction, and so are an action's end and what follows it.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid5

from dispatch.inbox.actions import MOST_ACTIONS, NewAction, _opening, _undecided, is_older
from dispatch.inbox.backlog import Markers, Pending
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history import History
from dispatch.inbox.keys import KEYS, ActionId, event_key
from dispatch.inbox.leases import MOST_CRASHES, Claim, Lease, LeaseLost, NotYet, Over, Settlement
from dispatch.inbox.messages import Message
from dispatch.inbox.notes import Notes, Pauses
from dispatch.inbox.purge import Purge, recent
from dispatch.inbox.rows import (
    ENDED,
    LONG_AGO,
    ActionRecord,
    EventRecord,
    Rejected,
    read_result,
    written_result,
)
from dispatch.inbox.tables import Row, Table
from dispatch.inbox.written_events import Events, WrittenEvent
from dispatch.log import log_event
from handlers.base import Result
from schemas import Event

_SOON = timedelta(seconds=5)  # when someone else was quicker: they know by then
_MOST_DOUBLINGS = 5
_SKEW = timedelta(minutes=2)  # by which clocks may differ: less than the shortest wait for a rule that is gone
_LATER = timedelta(minutes=5)  # when a row was written by another version of the app: its instances will take it


class Inbox:
    """Keys, leases and the order of writes. Methods raise what storage raises; nothing that an event contains."""

    def __init__(self, table: Table, lease: timedelta) -> None:
        self._table = table
        self.lease = lease
        self._days: set[str] = set()
        self.events = Events(table)
        self.notes = Notes(table)
        self.pauses = Pauses(self.notes)

    def add(
        self, event: Event, record: EventRecord, actions: Sequence[NewAction], now: datetime
    ) -> tuple[bool, list[Message]]:
        """Write an event down with its actions, at once or not at all: (is it new, the messages to send).

        A known event changes nothing; its messages are those of actions that nobody has begun, because the worker that
        wrote them may have died before it sent theirs. Raises Refused.
        """
        day, key = event_key(event)
        ids = [ActionId(day, key, action.rule) for action in actions]
        rows = [Row(key, record.values())]
        for id, action in zip(ids, actions, strict=True):
            rows += _opening(id, action, now)[0]
        if record.undecided:
            rows.append(_undecided(key, record.undecided, now))
        self._list_day(day, now)
        try:
            self._table.commit(day, *rows)
        except Conflict:
            there = self._table.read(day, f"{key}|", f"{key}|~")
            begun = {row.key for row in there if row.values.get("status") != "pending"}
            known = [ActionId(day, key, row.key.partition("|")[2]) for row in there if row.key not in begun]
            return False, [Message(id, 1) for id in known]
        return True, [Message(id, 1) for id in ids]

    def reject(self, rejected: Rejected) -> bool:
        """Write down what was not taken, under a key that no event has; False if this day has it already."""
        day = f"{rejected.received:%Y-%m-%d}"
        key = f"x|{sha256(rejected.raw.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        self._list_day(day, rejected.received)
        try:
            self._table.commit(day, Row(key, rejected.values()))
        except Conflict:
            return False
        return True

    def claim(self, message: Message, now: datetime) -> Claim | NotYet | Over:
        """Take the action that a message names.

        A lease that has run out counts as a crash, and the action waits a while before it is taken anew: its worker may
        have died of it, or of one of those that it had at the same time, which then come apart.
        """
        id = message.id
        rows = {row.key: row for row in self._table.read(id.day, id.event, f"{id.event}~")}
        row = rows.get(id.row)
        if row is None:
            return Over("there is no such action")
        record = ActionRecord.read(row)
        if record is None:
            return NotYet(now + _LATER)
        if record.ended or message.ticket < record.ticket:
            return Over("it has ended" if record.ended else "another message has taken its place")
        if record.due > now:
            return NotYet(record.due)
        crashes = record.crashes + (record.status == "running")
        if record.crashes < crashes < MOST_CRASHES:
            return self._set_aside(id, row, replace(record, crashes=crashes), now)
        ours = record.then(now, status="running", note="", due=now + self.lease, crashes=crashes, requeued=0)
        try:
            [etag] = self._table.commit(id.day, Row(row.key, ours.values(), row.etag))
        except Conflict:
            return NotYet(now + _SOON)
        siblings = {key.partition("|")[2]: row for key, row in rows.items() if "|" in key and key != id.row}
        lease = Lease(id, ours, etag, siblings)
        try:
            event = EventRecord.of(rows[id.event]).event
        except (LookupError, ValueError) as error:
            why = f"the event as it is stored cannot be read: {error}"
            log_event("action.settled", logging.ERROR, rule=id.rule, handler=ours.handler, status="failed", note=why)
            self.settle(lease, Settlement("failed", why), (), now)
            return Over(why, failed=True)
        return Claim(id, ours, etag, lease.siblings, event)

    def _set_aside(self, id: ActionId, row: Row, record: ActionRecord, now: datetime) -> NotYet:
        """Half a minute at the most after the first crash, half an hour after the fourth; the same if asked twice."""
        part = uuid5(KEYS, json.dumps([*id, record.crashes])).int / 2**128
        due = now + timedelta(seconds=30) * 4 ** (record.crashes - 1) * part
        waiting = record.then(now, status="waiting", note="its worker died", due=due)
        try:
            self._table.commit(id.day, Row(row.key, waiting.values(), row.etag))
        except Conflict:
            return NotYet(now + _SOON)
        return NotYet(due)

    def settle(
        self,
        claim: Lease,
        how: Settlement,
        follow_ups: Iterable[NewAction],
        now: datetime,
        undecided: Sequence[str] = (),
    ) -> list[Message]:
        """Write down how it went, and in the same transaction the actions that follow; returns the messages to send.

        An action that follows is made once per event and replay of it, for the first that asks: one that has ended, and
        is of an earlier generation, is opened again. `undecided` are the rules files that could not be asked what
        follows. May be called again, with the same words, when it is not known what came of it. Raises LeaseLost.
        """
        id, wanted = claim.id, [replace(action, generation=claim.record.generation) for action in follow_ups]
        around = _Around(claim.siblings, frozenset({id.marker}))
        after = claim.record.then(
            now, status=how.status, note=how.note, details=how.details, due=how.due or now, **how.changes
        )
        if how.due:
            after = after.renewed()
        while True:
            opened = [around.opening(id._replace(rule=a.rule), a, now) for a in wanted if around.lacks(a)]
            rows = [row for its_rows, _ in opened for row in its_rows]
            asked_later = [around.undecided(claim, after, undecided, now)] if undecided else []
            delete = (id.marker,) if after.ended and id.marker in around.open else ()
            try:
                self._table.commit(id.day, Row(id.row, after.values(), claim.etag), *rows, *asked_later, delete=delete)
                break
            except Conflict:
                there = self._as_it_is(claim, after)
                if there is None:
                    break
                if there == around:
                    raise
                around = there
        if how.due:
            return [Message(id, after.ticket, how.due - now)]
        return [message for _, message in opened]

    def _as_it_is(self, claim: Lease, after: ActionRecord) -> "_Around | None":
        """What a settlement meets, read anew; None if it is written already. Raises LeaseLost."""
        id = claim.id
        rows = {row.key.partition("|")[2]: row for row in self._table.read(id.day, f"{id.event}|", f"{id.event}|~")}
        own = rows.pop(id.rule, None)
        if own is not None and after.values().items() <= own.values.items():
            return None
        if own is None or own.etag != claim.etag:
            raise LeaseLost(f"{id.rule}: another worker has it, or has ended it")
        open = self._table.read(id.day, f"!open|{id.event}|", f"!open|{id.event}|~")
        asked = self._row(id.day, f"!undecided|{id.row}|{claim.record.generation}")
        return _Around(rows, frozenset(row.key for row in open), asked)

    def replay(self, event: WrittenEvent, actions: Sequence[NewAction], now: datetime) -> list[Message]:
        """Make actions, and open ended ones again, in one transaction of up to 48; returns the messages to send.

        Writing the event's row, as it is, keeps others away that would replay or delete it. Raises Conflict if the
        event, or one of these actions, is no longer as it was when it was read.
        """
        row, messages = event.row, []
        self._list_day(event.day, now)
        for at in range(0, len(actions), MOST_ACTIONS):
            some = actions[at : at + MOST_ACTIONS]
            ids = [ActionId(event.day, event.key, action.rule) for action in some]
            opened = [
                _opening(id, action, now, event.actions.get(id.rule), "replayed")
                for id, action in zip(ids, some, strict=True)
            ]
            etag, *_ = self._table.commit(event.day, row, *(r for its_rows, _ in opened for r in its_rows))
            row = replace(row, etag=etag)
            messages += [message for _, message in opened]
        return messages

    def rearm(self, message: Message, now: datetime, note: str = "put back from the poison queue") -> Message | Over:
        """A fresh message for an action whose message was given up by the host; Over if it needs none."""
        id = message.id
        row, record = self._action(id)
        if row is None:
            return Over("there is no such action")
        if record is None:
            return message._replace(after=_LATER)
        if record.ended or message.ticket < record.ticket:
            return Over("it has ended" if record.ended else "another message has taken its place")
        due = max(record.due, now + timedelta(minutes=1))
        if record.status == "running":
            return message._replace(after=due - now)  # its worker may be alive: the row is not ours to change
        again = record.then(now, note=note, due=due).renewed()
        try:
            self._table.commit(id.day, Row(id.row, again.values(), row.etag))
        except Conflict:
            return message._replace(after=_SOON)
        return Message(id, again.ticket, due - now)

    def is_over(self, id: ActionId, since: datetime) -> bool | None:
        """Has the action ended; or lost its rule, before it had begun and after `since`, when it last did something?

        None if there is no record of it: then it has long ended, or has just been made.
        """
        row, record = self._action(id)
        if row is None or record is None:
            return row.values.get("status") in ENDED if row else None
        orphaned = record.orphaned_since
        return record.ended or (orphaned is not None and not record.begun and since < orphaned + _SKEW)

    def came_to_nothing(self, id: ActionId, since: datetime) -> bool:
        """Has the action ended since then without success, before its handler had begun, and never before?"""
        _, record = self._action(id)
        if record is None or record.begun or sum(moment.status in ENDED for moment in record.timeline) > 1:
            return False
        return record.ended and record.status != "succeeded" and record.due >= since

    def open(self, day: str) -> list[ActionId]:
        """The actions of a day that have not ended: what the sweep looks at, however long the history."""
        return self.markers(day).open

    def markers(self, day: str) -> Markers:
        """What is left to do of a day: one range query, however long the history."""
        rows = self._table.read(day, "!", '"')
        opened = [ActionId(day, *row.key.split("|", 2)[1:]) for row in rows if row.key.startswith("!open|")]
        return Markers(opened, [row for row in rows if row.key.startswith("!undecided|")])

    def overdue(self, opened: Iterable[ActionId], grace: timedelta, now: datetime) -> Iterator[Message]:
        """Fresh messages for those actions that should have been called that long ago, and were not.

        Each in a row has twice the grace of the one before: a queue that is only long does not get longer by this.
        Only when it is asked for the next is it written down of one that it was sent. If it is then known to somebody
        that it was not needed, it is one too many, and dies out.
        """
        for id in opened:
            row, record = self._action(id)
            if row is None or record is None or record.ended:
                continue
            if record.due + grace * 2 ** min(record.requeued, _MOST_DOUBLINGS) >= now:
                continue
            again = record.then(now, note="queued again by the sweep", due=now, requeued=record.requeued + 1).renewed()
            yield Message(id, again.ticket)
            with suppress(Conflict):  # somebody has it, after all
                self._table.commit(id.day, Row(id.row, again.values(), row.etag))

    def undecided(self, day: str, marked: Iterable[Row] | None = None) -> Iterator[Pending]:
        """A day's events and ends of actions that must be matched again."""
        for marker in self.markers(day).undecided if marked is None else marked:
            _, key, *end = marker.key.split("|")
            rows = {row.key: row for row in self._table.read(day, key, f"{key}~")}
            try:
                event, result = EventRecord.of(rows[key]).event, None
                if end:
                    result = _end(marker, ActionRecord.of(rows[f"{key}|{end[0]}"]))
                    if result is None:
                        continue
            except (LookupError, TypeError, ValueError) as error:
                log_event("event.unreadable", logging.ERROR, row=marker.key, reason=f"{type(error).__name__}: {error}")
                continue
            siblings = {name.partition("|")[2]: row for name, row in rows.items() if "|" in name}
            files = tuple(json.loads(str(marker.values["files"])))
            since = datetime.fromisoformat(str(marker.values.get("since", LONG_AGO)))
            yield Pending(day, key, event, result, files, siblings, marker, since, int(end[1]) if end else 0)

    def decide(
        self, pending: Pending, actions: Sequence[NewAction], left: Sequence[str], now: datetime
    ) -> list[Message]:
        """Write down the actions that were missing, and in the same transaction which files are left to ask."""
        opened = [
            _opening(
                ActionId(pending.day, pending.key, action.rule),
                replace(action, generation=pending.generation),
                now,
                pending.siblings.get(action.rule),
            )
            for action in actions
        ]
        rows = [row for its_rows, _ in opened for row in its_rows]
        marker = replace(pending.marker, values={**pending.marker.values, "files": json.dumps(list(left))})
        try:
            if left:
                self._table.commit(pending.day, marker, *rows)
            else:
                self._table.commit(pending.day, *rows, delete=(marker,))
        except Conflict:
            return []  # another sweep was quicker, or an end made one of them: the next sweep looks again
        return [message for _, message in opened]

    def days(self) -> list[str]:
        """The partitions that have rows, oldest day first."""
        return [row.key for row in self._table.read("days", "", "~")]

    def history(self, day: str) -> History:
        """All that is recorded of a day and can be read, newest event first. Reads the whole partition."""
        events: dict[str, EventRecord] = {}
        actions: list[tuple[ActionId, ActionRecord]] = []
        rejected: list[Rejected] = []
        for row in self._table.read(day, "0", "~"):
            event, _, rule = row.key.partition("|")
            with suppress(LookupError, TypeError, ValueError):  # another version's
                if event == "x":
                    rejected.append(Rejected.of(row))
                elif not rule:
                    events[event] = EventRecord.of(row)
                elif (record := ActionRecord.read(row)) is not None:
                    actions.append((ActionId(day, event, rule), record))
        return History(events, actions, rejected)

    def _action(self, id: ActionId) -> tuple[Row | None, ActionRecord | None]:
        """An action's row, if there is one; and its record, if another version of the app did not write it."""
        row = self._row(id.day, id.row)
        return row, ActionRecord.read(row) if row else None

    def _row(self, partition: str, key: str) -> Row | None:
        """One row; no key goes on with a character before "!"."""
        return next(iter(self._table.read(partition, key, key + "!")), None)

    def purge(self, before: datetime, now: datetime, in_time: Callable[[], bool] = lambda: True) -> Purge:
        """Delete what has ended and is older than `before`; see dispatch.inbox.purge."""
        purge = Purge(self._table, before, now, in_time)
        purge.run()
        return purge

    def _list_day(self, day: str, now: datetime) -> None:
        """Before a row of a day, its row in the index: for the days of now once per process, so that it costs nothing.

        Of another day the row is touched, each time: a purge deletes none that was touched lately.
        """
        current = recent(day, now)
        if current and day in self._days:
            return
        there = None if current else self._row("days", day)
        with suppress(Conflict):  # it is listed, or somebody else has touched it
            self._table.commit("days", Row(day, {"touched": now.isoformat()}, there.etag if there else ""))
        if current:
            self._days.add(day)


@dataclass(frozen=True, slots=True)
class _Around:
    """What a settlement meets in its partition, as far as is known."""

    siblings: Mapping[str, Row]
    open: frozenset[str]  # the keys of the markers of open actions
    asked: Row | None = None  # the marker of this end, if it is to be asked about already

    def lacks(self, action: NewAction) -> bool:
        return is_older(self.siblings.get(action.rule), action.generation)

    def opening(self, id: ActionId, action: NewAction, now: datetime) -> tuple[list[Row], Message]:
        rows, message = _opening(id, action, now, self.siblings.get(id.rule))
        return [row for row in rows if row.key not in self.open], message

    def undecided(self, claim: Lease, after: ActionRecord, files: Sequence[str], now: datetime) -> Row:
        """The marker of an end. It keeps how it ended: the action may be replayed before all files are asked."""
        known: list[str] = json.loads(str(self.asked.values["files"])) if self.asked else []
        marker = _undecided(f"{claim.id.row}|{claim.record.generation}", sorted({*known, *files}), now)
        result = written_result(Result(after.rule, after.status, after.note, after.details))
        return replace(marker, values={**marker.values, "result": result}, etag=self.asked.etag if self.asked else "")


def _end(marker: Row, record: ActionRecord) -> Result | None:
    """How the action ended that a marker is about; None if that is not known until it ends again."""
    if text := str(marker.values.get("result", "")):
        return read_result(text)
    return Result(record.rule, record.status, record.note, record.details) if record.ended else None
