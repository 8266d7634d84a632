"""The index of the record: finds events by the names of their objects, and counts them by day.

    !new|<event>                     a received event, until it is indexed
    !new|<event>|<rule>|<version>    the end of an action, likewise
    !new|x|<hash>                    a rejected event, likewise
    !counts                          the numbers of the day

A marker is written in the transaction of what it stands for. The sweep indexes it: it writes a row for each of its
names into a partition of the month, adds it to the numbers of its day, and deletes it in the same transaction as it
writes these numbers, which it copies then. So each marker counts once, whatever crashes, and receiving and acting cost
no further request.

    names|<month>    <hash of a name>|<time left in the month>|<day>|<event>|<rule>
    names            a row for each such month, which a purge deletes with all rows of the month
    counts           the numbers of each day again, to be read together
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from dispatch.inbox.errors import Conflict, Refused
from dispatch.inbox.history.entry import COPIED, COUNTS, FIRST, LAST, Entry, hashed_name
from dispatch.inbox.keys import DAYS
from dispatch.inbox.rows import SCHEMA, packed, unpacked
from dispatch.inbox.tables import MAX_OPERATIONS, Row, Table, read_row

TOTALS = "counts"  # the partition with a copy of the numbers of each day
MONTHS = "names"  # the partition with a row per month
MAX_NUMBERS = 1_000  # of a day; while workspaces.yaml is refused, events may name any number of workspaces

_BATCH = 50  # markers per transaction


class Index:
    """The index of one table. Methods raise StorageError."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._listed_months: set[str] = set()

    def add_new(self, day: str, in_time: Callable[[], bool] = lambda: True) -> int:
        """Index the markers of a day; returns their number. Leaves those of newer versions of the app.

        Copies the numbers of the day afterwards, or if a sweep has counted some and died before it copied them.
        """
        copy, counts = read_row(self._table, TOTALS, day), None
        first, indexed = FIRST, 0
        while in_time():
            markers = self._table.read(day, first, LAST, _BATCH)
            if not markers:
                break
            known = [(row, entry) for row in markers if (entry := _entry(row))]
            self._write_names([entry for _, entry in known])
            if known and not (counts := self._count(day, known)):
                break  # another sweep indexes the same day
            indexed += len(known)
            first = markers[-1].key + "!"
        self._copy(day, counts, copy)
        if indexed:
            self._note_size(day)
        return indexed

    def find(self, name: str, month: str, limit: int = 1_000) -> list[Entry]:
        """What was recorded in a month under a name, newest first. Makes one query."""
        hashed = hashed_name(name)
        rows = self._table.read(f"{MONTHS}|{month}", f"{hashed}|", f"{hashed}|~", limit)
        return [entry for row in rows if (entry := _entry(row))]

    def find_new(self, name: str, day: str, limit: int = 1_000) -> list[Entry]:
        """What was recorded for a day under a name, and is not indexed yet, newest first. Makes one query."""
        folded = hashed_name(name)
        found = (entry for row in self._table.read(day, FIRST, LAST, limit) if (entry := _entry(row)))
        return [entry for entry in found if folded in map(hashed_name, (*entry.names, *entry.sightings))]

    def months(self) -> list[str]:
        """The months that have an index, newest first."""
        return [row.key for row in reversed(self._table.read(MONTHS, "", "~"))]

    def counts(self, first: str, last: str) -> dict[str, Counter[str]]:
        """The numbers of the days ``first <= day < last``, as far as they are indexed. Makes one query."""
        return {row.key: _numbers(row) for row in self._table.read(TOTALS, first, last)}

    def _write_names(self, entries: Sequence[Entry]) -> None:
        by_month: dict[str, dict[str, Row]] = {}
        for entry in entries:
            by_month.setdefault(entry.month, {}).update({row.key: row for row in entry.rows()})
        for month, rows in by_month.items():
            if rows and month not in self._listed_months:
                with suppress(Conflict):
                    self._table.commit(MONTHS, Row(month, {}))
                self._listed_months.add(month)
            for batch in _batches([*rows.values()]):
                self._write(f"{MONTHS}|{month}", batch)

    def _write(self, partition: str, rows: list[Row]) -> None:
        """Write rows that may exist: a sweep that crashed has written some, and an action can end twice at one time.

        Names of the longest length may be too large for one transaction, but not for one row.
        """
        try:
            self._table.commit(partition, *rows)
        except (Conflict, Refused):
            for row in rows:
                with suppress(Conflict):
                    self._table.commit(partition, row)

    def _count(self, day: str, markers: Sequence[tuple[Row, Entry]]) -> Row | None:
        """Add markers to the numbers of their day, and delete them; None if another sweep does the same."""
        row = read_row(self._table, day, COUNTS)
        numbers = _numbers(row) if row else Counter[str]()
        for _, entry in markers:
            full = len(numbers) >= MAX_NUMBERS
            for number, beyond in entry.counted():
                numbers[beyond if full and number not in numbers else number] += 1
        values = {**packed(json.dumps(numbers, separators=(",", ":"))), COPIED: 0}
        return self._replaced(day, Row(COUNTS, values, row.etag if row else ""), [marker for marker, _ in markers])

    def _replaced(self, day: str, row: Row, delete: Sequence[Row] = ()) -> Row | None:
        """The row as it is stored now; None if it has changed since it was read."""
        try:
            [etag] = self._table.commit(day, row, delete=tuple(delete))
        except Conflict:
            return None
        return replace(row, etag=etag)

    def _copy(self, day: str, counts: Row | None, copy: Row | None) -> None:
        """Copy the numbers of a day, unless that is done. `copy` was read before `counts` was written, if it was.

        Only numbers that have just been written are known to be current. If another sweep counts or copies meanwhile,
        or this one dies, the numbers stay marked as not copied, for the next sweep.
        """
        if counts is None:
            counts = read_row(self._table, day, COUNTS)
            if counts is None or counts.values.get(COPIED, 1):
                return
            counts = self._replaced(day, counts)
        if counts:
            values = {name: value for name, value in counts.values.items() if name != COPIED}
            with suppress(Conflict):
                self._table.commit(TOTALS, Row(day, values, copy.etag if copy else ""))
                self._table.commit(day, replace(counts, values={**values, COPIED: 1}))

    def _note_size(self, day: str) -> None:
        """Write into the day's row in ``days`` how many rows of events and actions it has, at least: for searches."""
        counts, listed = read_row(self._table, day, COUNTS), read_row(self._table, DAYS, day)
        if counts and listed:
            size = sum(n for name, n in _numbers(counts).items() if name.startswith(("type|", "rule|")))
            with suppress(Conflict):  # the day is being touched; the next sweep notes it
                self._table.commit(DAYS, Row(day, {**listed.values, "rows": size}, listed.etag))


def _entry(row: Row) -> Entry | None:
    """Read a row; None for a row of a newer version of the app."""
    with suppress(LookupError, TypeError, ValueError):
        if int(str(row.values["schema"])) <= SCHEMA:
            return Entry.of(row)
    return None


def _numbers(row: Row) -> Counter[str]:
    with suppress(LookupError, TypeError, ValueError):
        return Counter({str(name): int(count) for name, count in json.loads(unpacked(row.values)).items()})
    return Counter()


def _batches(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), MAX_OPERATIONS):
        yield rows[start : start + MAX_OPERATIONS]
