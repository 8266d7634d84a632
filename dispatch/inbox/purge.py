"""Delete history that is older than the app's retention. Open actions and deferred matches are never deleted.

An event is deleted with all its actions or not at all. Its age counts from when it was received and from when its
actions last changed, not from its own time: a dead letter of last month that was redelivered today stays as long as any
other event of today.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch.inbox.actions import read_action
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history.entry import COUNTS
from dispatch.inbox.history.entry import FIRST as NEW
from dispatch.inbox.history.index import MONTHS, TOTALS
from dispatch.inbox.history.sent import PREFIX as SENT
from dispatch.inbox.keys import DAYS
from dispatch.inbox.rows import ENDED, ActionRecord, EventRecord, Rejected
from dispatch.inbox.shared_state import PARTITION, value_of
from dispatch.inbox.tables import MAX_OPERATIONS, Row, Table
from dispatch.inbox.tables import MAX_ROWS as MAX_ROWS_READ
from dispatch.inbox.windows import Member, Window, Windows

MAX_ROWS = 20_000  # deleted by one purge
MAX_READS = 2_000  # by one purge: a day takes 89, and 87 more if its actions have sent something

_MIN_DAY_AGE = timedelta(days=1)  # a day whose row in `days` was touched since then may be about to get rows


@dataclass(slots=True)
class Purge:
    """One purge of a table; `deleted` counts rows."""

    table: Table
    before: datetime  # history that is older is deleted
    now: datetime
    in_time: Callable[[], bool] = lambda: True  # is there time left? A sweep must end within functionTimeout
    after: str | None = None  # the last day that is purged; None: nothing is, and an empty text: the shared state is
    deleted: int = 0
    reads: int = 0
    done: bool = True  # False: some days are left for the next purge, which continues `after` the last one

    def run(self) -> None:
        """Purge shared state, the index, old days and days in the future, until a limit is reached."""
        kept = f"{self.before:%Y-%m-%d}", f"{self.now + timedelta(days=2):%Y-%m-%d}"
        days = [row for row in self._read(DAYS, "", "~") if not kept[0] < row.key <= kept[1]]
        if self.after is None:
            self._shared_state()
            if not (self._windows() and self._index()):
                return
            self.after = ""
        for day in days:
            if day.key > self.after:
                if not (self._may_continue() and self._day(day)):
                    return
                self.after = day.key

    def _read(self, partition: str, first: str, last: str) -> list[Row]:
        self.reads += 1
        return self.table.read(partition, first, last)

    def _may_continue(self) -> bool:
        self.done = self.done and self.deleted < MAX_ROWS and self.reads < MAX_READS and self.in_time()
        return self.done

    def _day(self, listed: Row) -> bool:
        """Purge a day. False if a limit was reached before its end."""
        day = listed.key
        markers = self._read(day, "!", '"')
        unfinished = {row.key.split("|")[1] for row in markers if not row.key.startswith((COUNTS, NEW))}
        left, new = bool(unfinished), _not_indexed(markers)
        for first, last in _ranges():
            rows = self._read(day, first, last)
            groups, sent = _groups(rows), self._sent(day, first, last, rows)
            old = [
                [*new.pop(event, ()), *each[:-1], *sent.pop(event, ()), each[-1]]
                for each in groups
                if self._is_old(each, unfinished) and (event := _event_of(each[0]))
            ]
            left |= self._delete(day, old) < sum(map(len, old)) or len(old) < len(groups)
            if not self._may_continue():
                return False
        touched = str(listed.values.get("touched", ""))
        if not (left or new) and (not touched or datetime.fromisoformat(touched) < self.now - _MIN_DAY_AGE):
            orphans = self._read(day, SENT, SENT + "~")  # of a crash, or of an earlier version of the app
            counts = [row for row in markers if row.key == COUNTS]
            self._delete(day, [[row] for row in (*counts, *orphans)])
            self._delete(TOTALS, [[row] for row in self._read(TOTALS, day, day + "!")])
            self._delete(DAYS, [[listed]])
        return True

    def _sent(self, day: str, first: str, last: str, rows: Iterable[Row]) -> dict[str, list[Row]]:
        """The rows with what the actions in a range of events have sent, and their facts, by event."""
        found: dict[str, list[Row]] = {}
        if any(row.values.get("sent") or row.values.get("facts") for row in rows):
            for row in self._read(day, SENT + first, SENT + last):
                found.setdefault(row.key.split("|")[1], []).append(row)
        return found

    def _index(self) -> bool:
        """Delete the index of the months that ended before the retention. False if a limit was reached before its end.

        The next purge continues with the index then: a month may have more rows than a purge deletes in a day.
        """
        for month in self._read(MONTHS, "", f"{self.before:%Y-%m}"):
            partition = f"{MONTHS}|{month.key}"
            while rows := self.table.read(partition, "", "~", MAX_ROWS_READ):
                if not self._may_continue():
                    return False
                if not self._delete(partition, [[row] for row in rows]):
                    break  # another purge deletes them
            else:
                self._delete(MONTHS, [[month]])
        return True

    def _windows(self) -> bool:
        """Delete old windows with their members. False if a limit was reached before the end.

        A closed window stays as long as its leader has not ended, and loses its row last. Old members of an open one do
        not count any more: a window that ends has none.
        """
        windows = Windows(self.table)
        for rule in windows.rules():
            for window in windows.closed(rule):
                if window.closed is None or window.closed >= self.before or self._is_led(window):
                    continue
                if not self._members(windows, window, windows.members(window)):
                    return False
                if not windows.members(window, 1):
                    windows.delete(window)
            for window in windows.open(rule):
                old = [] if window.ends else [each for each in windows.members(window) if each.at < self.before]
                if not self._members(windows, window, old):
                    return False
        return True

    def _members(self, windows: Windows, window: Window, members: Sequence[Member]) -> bool:
        windows.drop(window, members)
        self.reads += 2
        self.deleted += 2 * len(members)
        return self._may_continue()

    def _is_led(self, window: Window) -> bool:
        """Is there a leader that has not ended?"""
        self.reads += 1
        _, record = read_action(self.table, window.leader) if window.leader else (None, None)
        return record is not None and not record.ended

    def _is_old(self, group: list[Row], unfinished: set[str]) -> bool:
        """May an event and its actions, or a rejected event, be deleted? Rows that cannot be read may not."""
        event = group[0].key.partition("|")[0]
        try:
            if event == "x":
                return Rejected.of(group[0]).received < self.before
            records = [ActionRecord.of(row) for row in group if "|" in row.key]
            received = [EventRecord.of(row).received for row in group if "|" not in row.key]
        except (LookupError, TypeError, ValueError):
            return False
        ended = all(record.ended and record.due < self.before for record in records)
        return event not in unfinished and ended and all(at < self.before for at in received)

    def _shared_state(self) -> None:
        stale = [row for row in self._read(PARTITION, "", "~") if self._is_stale(row)]
        self._delete(PARTITION, [[row] for row in stale if not (row.key.startswith("lock|") and self._is_held(row))])

    def _is_stale(self, row: Row) -> bool:
        try:
            changed, keep = (datetime.fromisoformat(str(row.values[name])) for name in ("changed", "keep"))
        except (LookupError, ValueError):  # of an earlier version of the app; it gets its times when it next changes
            return False
        return changed < self.before and keep < self.now

    def _is_held(self, lock: Row) -> bool:
        holder = value_of(lock)
        key = f"{holder['event']}|{holder['rule']}"
        return any(row.values.get("status") not in ENDED for row in self._read(holder["day"], key, key + "!"))

    def _delete(self, partition: str, groups: list[list[Row]]) -> int:
        """Delete rows that have not changed since they were read; returns how many.

        An event's row is deleted after those of its actions, so that the next purge finds what a crash leaves.
        """
        deleted = self.deleted
        for batch in _batches(groups):
            try:
                self.table.commit(partition, delete=tuple(batch))
            except Conflict:
                continue  # a replay has changed one of them; the next purge tries the others again
            self.deleted += len(batch)
        return self.deleted - deleted


def _event_of(row: Row) -> str:
    """The key of the row's event, or of a rejected event."""
    event = row.key.partition("|")[0]
    return row.key if event == "x" else event


def _not_indexed(markers: Iterable[Row]) -> dict[str, list[Row]]:
    """The markers of rows that no sweep has indexed, by event: they are deleted with it."""
    found: dict[str, list[Row]] = {}
    for marker in markers:
        if marker.key.startswith(NEW):
            rest = Row(marker.key.removeprefix(NEW), {})
            found.setdefault(_event_of(rest), []).append(marker)
    return found


def _ranges() -> Iterator[tuple[str, str]]:
    """Ranges of keys: events by two digits of their time, so that a busy day is read in parts; then rejections."""
    for n in range(87):
        yield f"{n:02d}", f"{n:02d}~"
    yield "x|", "x|~"


def _groups(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each event, its own last; each rejected event alone."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_event_of(row), []).insert(0, row)
    return list(groups.values())


def _batches(groups: list[list[Row]]) -> Iterator[list[Row]]:
    """Transactions of whole groups; a group is split only if it is too large for one transaction."""
    batch: list[Row] = []
    for group in groups:
        if batch and len(batch) + len(group) > MAX_OPERATIONS:
            yield batch
            batch = []
        batch = batch + group
        while len(batch) > MAX_OPERATIONS:
            yield batch[:MAX_OPERATIONS]
            batch = batch[MAX_OPERATIONS:]
    if batch:
        yield batch
