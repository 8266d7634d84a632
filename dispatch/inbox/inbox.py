"""The durable record of events and their actions: received events, open actions, and outcomes.

It is one table; dispatch/inbox/keys.py lists its rows. An event, its actions and their markers are written in one
transaction, and so are the end of an action and the actions that follow it.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import cast

from dispatch.inbox.actions import MAX_ACTIONS, NewAction, opened
from dispatch.inbox.backlog import Backlog, deferred_marker
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history.entry import Entry, event_entry
from dispatch.inbox.history.index import Index
from dispatch.inbox.history.lookup import Lookup
from dispatch.inbox.history.records import History, StoredEvent
from dispatch.inbox.history.search import PAGE, Filter, Search
from dispatch.inbox.keys import DAYS, ActionId, event_key, is_current
from dispatch.inbox.leases import Leases
from dispatch.inbox.messages import Message
from dispatch.inbox.pauses import Pauses
from dispatch.inbox.purge import Purge
from dispatch.inbox.rows import EventRecord, Rejected
from dispatch.inbox.shared_state import SharedState
from dispatch.inbox.tables import Row, SpanTable, Table, read_row
from dispatch.inbox.throttles import Throttles
from dispatch.inbox.windows import Windows
from schemas import Event


class Inbox:
    """The parts of one table's record, and the methods that add to it. Methods raise StorageError.

    `lease` is the length of time for which a worker claims an action.
    """

    def __init__(self, table: Table, lease: timedelta) -> None:
        self.table = table
        self._listed_days: set[str] = set()
        self.lease = lease
        self.leases = Leases(table, lease)
        self.backlog = Backlog(table)
        self.history = History(table)
        self.index = Index(table)
        self.lookup = Lookup(self.index, self.history)
        self.shared = SharedState(table)
        self.throttles = Throttles(self.shared)
        self.pauses = Pauses(self.shared, self.throttles)
        self.windows = Windows(table)

    def add(
        self,
        event: Event,
        record: EventRecord,
        actions: Sequence[NewAction],
        now: datetime,
        sightings: Sequence[str] = (),
    ) -> tuple[bool, list[Message]]:
        """Record an event and its actions in one transaction; returns whether it is new, and the messages to send.

        A duplicate changes nothing. Its messages are those of the actions that are still pending, because the worker
        that recorded them may have died before it sent theirs. `sightings` are names by which the index finds the event
        for the rules that ask for it. Raises Refused if storage cannot hold the event.
        """
        day, key = event_key(event)
        ids = [ActionId(day, key, action.rule) for action in actions]
        rows = [Row(key, record.values()), event_entry(day, key, event, record, sightings).marker()]
        for id, action in zip(ids, actions, strict=True):
            rows += opened(id, action, now)[0]
        if record.deferred_files:
            rows.append(deferred_marker(key, record.deferred_files, now))
        self._list_day(day, now)
        try:
            self.table.commit(day, *rows)
        except Conflict:
            existing = self.table.read(day, f"{key}|", f"{key}|~")
            pending = [row for row in existing if row.values.get("status") == "pending"]
            return False, [Message(ActionId(day, key, row.key.partition("|")[2]), 1) for row in pending]
        return True, [Message(id, 1) for id in ids]

    def reject(self, rejected: Rejected, id: str = "", type: str = "", names: Iterable[str] = ()) -> bool:
        """Record an event as rejected; False if it was already rejected on the same day.

        `id` and `type` are the event's, as far as they could be read. It is found by its id and by `names`.
        """
        day = f"{rejected.received:%Y-%m-%d}"
        key = f"x|{sha256(rejected.raw.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        self._list_day(day, rejected.received)
        entry = Entry(day, key, rejected.received, (id, *names), id, type, kind=rejected.kind)
        try:
            self.table.commit(day, Row(key, rejected.values()), entry.marker())
        except Conflict:
            return False
        return True

    def replay(
        self, event: StoredEvent, actions: Sequence[NewAction], now: datetime, note: str = "replayed"
    ) -> list[Message]:
        """Create actions, and open ended ones again, up to 48 in one transaction; returns the messages to send.

        Each transaction rewrites the event's row, unchanged, so that another replay or a purge of the event conflicts
        with it. Raises Conflict if the event or one of these actions has changed since it was read.
        """
        event_row, messages = event.row, []
        self._list_day(event.day, now)
        for start in range(0, len(actions), MAX_ACTIONS):
            new = [
                opened(ActionId(event.day, event.key, a.rule), a, now, event.actions.get(a.rule), note)
                for a in actions[start : start + MAX_ACTIONS]
            ]
            etag, *_ = self.table.commit(event.day, event_row, *(row for its_rows, _ in new for row in its_rows))
            event_row = replace(event_row, etag=etag)
            messages += [message for _, message in new]
        return messages

    def search(self, filter: Filter, size: int = PAGE) -> Search:
        """A search of the record by page. Its table must be a `SpanTable`, as `AzureTable` is."""
        return Search(cast(SpanTable, self.table), filter, size)

    def purge(
        self, before: datetime, now: datetime, in_time: Callable[[], bool] = lambda: True, after: str | None = None
    ) -> Purge:
        """Delete what has ended and is older than `before`; see dispatch.inbox.purge."""
        purge = Purge(self.table, before, now, in_time, after)
        purge.run()
        return purge

    def _list_day(self, day: str, now: datetime) -> None:
        """Write the row in ``days`` of a partition, before rows are added to the partition.

        Writes the row of a current day once per process, so that it costs an event nothing, and the row of any other
        day each time, to update when it was touched: a purge does not delete the row of a day that was touched
        recently.
        """
        current = is_current(day, now)
        if current and day in self._listed_days:
            return
        existing = None if current else read_row(self.table, DAYS, day)
        with suppress(Conflict):  # another process has listed or touched it
            values = {**(existing.values if existing else {}), "touched": now.isoformat()}
            self.table.commit(DAYS, Row(day, values, existing.etag if existing else ""))
        if current:
            self._listed_days.add(day)
