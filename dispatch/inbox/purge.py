"""History is not kept for ever: what has ended, and is older than the app's retention, is deleted. Live rows never are.

An event goes with all its actions, or stays. What counts is when it was received and when its actions last changed, not
the event's own time: a dead letter of last month that was taken in today stays for as long as any other.
"""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch.inbox.errors import Conflict
from dispatch.inbox.notes import PARTITION
from dispatch.inbox.rows import ENDED, ActionRecord, EventRecord, Rejected
from dispatch.inbox.tables import Row, Table

MOST_ROWS = 20_000  # deleted in one go
DAYS = "days"
UNDATED = "undated"

_HASTE = timedelta(days=1)  # a day whose row in the index was touched since then may be about to get rows
_BATCH = 100  # operations of a transaction


def recent(day: str, now: datetime) -> bool:
    """Is it a day whose row in the index nobody deletes? Else whoever writes into it must touch that row first."""
    return any(day == f"{now + timedelta(days=n):%Y-%m-%d}" for n in (-1, 0, 1))


def markers(rows: Iterable[Row]) -> set[str]:
    """The events to which these markers belong."""
    return {row.key.split("|")[1] for row in rows}


@dataclass(slots=True)
class Purge:
    """One go through a table; `deleted` counts rows."""

    table: Table
    before: datetime  # what was received and has ended before this goes
    now: datetime
    in_time: Callable[[], bool] = lambda: True  # may it go on? A sweep must end in a function's time
    deleted: int = 0
    done: bool = True  # is nothing left to delete? Else the next one goes on

    def run(self) -> None:
        """Days that are over for long, those that never were, and notes; until enough is deleted for one go.

        In any order: a day may cost much each time, and keep all it has.
        """
        lasting = f"{self.before:%Y-%m-%d}", f"{self.now + timedelta(days=2):%Y-%m-%d}"
        days = [row for row in self.table.read(DAYS, "", "~") if not lasting[0] < row.key <= lasting[1]]
        for day in random.sample([*days, None], len(days) + 1):
            if not self._may_go_on():
                return
            if day:
                self._day(day)
            else:
                self._notes()

    def _may_go_on(self) -> bool:
        self.done = self.done and self.deleted < MOST_ROWS and self.in_time()
        return self.done

    def _day(self, listed: Row) -> None:
        day = listed.key
        live = markers(self.table.read(day, "!", '"'))
        left = bool(live)
        for first, last in _ranges():
            rows = self.table.read(day, first, last)
            old = [group for group in _groups(rows) if self._is_over(group, live)]
            left |= self._delete(day, old) < len(rows)
            if not self._may_go_on():
                return
        touched = str(listed.values.get("touched", ""))
        if not left and (not touched or datetime.fromisoformat(touched) < self.now - _HASTE):
            self._delete(DAYS, [[listed]])

    def _is_over(self, group: list[Row], live: set[str]) -> bool:
        """May an event and its actions, or a rejected one, be deleted? What cannot be read stays."""
        event = group[0].key.partition("|")[0]
        try:
            if event == "x":
                return Rejected.of(group[0]).received < self.before
            records = [ActionRecord.of(row) for row in group if "|" in row.key]
            received = [EventRecord.of(row).received for row in group if "|" not in row.key]
        except (LookupError, TypeError, ValueError):
            return False
        ended = all(record.ended and record.due < self.before for record in records)
        return event not in live and ended and all(at < self.before for at in received)

    def _notes(self) -> None:
        stale = [row for row in self.table.read(PARTITION, "", "~") if self._is_stale(row)]
        self._delete(PARTITION, [[row] for row in stale if not (row.key.startswith("lock|") and self._is_held(row))])

    def _is_stale(self, row: Row) -> bool:
        try:
            changed, keep = (datetime.fromisoformat(str(row.values[name])) for name in ("changed", "keep"))
        except (LookupError, ValueError):  # of an earlier version; it gets its times when it changes
            return False
        return changed < self.before and keep < self.now

    def _is_held(self, lock: Row) -> bool:
        holder = json.loads(str(lock.values["note"]))
        key = f"{holder['event']}|{holder['rule']}"
        return any(row.values.get("status") not in ENDED for row in self.table.read(holder["day"], key, key + "!"))

    def _delete(self, partition: str, groups: list[list[Row]]) -> int:
        """Each row only if it is as it was read, and an event after its actions: a crash leaves what is found again.

        Returns how many rows were deleted.
        """
        deleted = self.deleted
        for batch in _batches(groups):
            try:
                self.table.commit(partition, delete=tuple(batch))
            except Conflict:
                continue  # somebody has replayed one of them: the next time, if ever
            self.deleted += len(batch)
        return self.deleted - deleted


def _ranges() -> Iterator[tuple[str, str]]:
    """Events by the first two digits of the time in their keys, so that no busy day is read at once; the rejected."""
    for n in range(87):
        yield f"{n:02d}", f"{n:02d}~"
    yield "x|", "x|~"


def _groups(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each event, its own last; of the rejected, each alone."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        event = row.key.partition("|")[0]
        groups.setdefault(row.key if event == "x" else event, []).insert(0, row)
    return list(groups.values())


def _batches(groups: list[list[Row]]) -> Iterator[list[Row]]:
    """Transactions of whole groups; only a group that is too large for one is spread over several."""
    batch: list[Row] = []
    for group in groups:
        if batch and len(batch) + len(group) > _BATCH:
            yield batch
            batch = []
        batch = batch + group
        while len(batch) > _BATCH:
            yield batch[:_BATCH]
            batch = batch[_BATCH:]
    if batch:
        yield batch
