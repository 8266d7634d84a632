"""Stale reads: a table that answers reads with the rows of some commits ago.

Reads of Azure Tables are strongly consistent at the primary endpoint; a secondary endpoint or a cache would return
old rows like this. Each read returns rows of one point in time, because a secondary applies writes in their order.
"""

import random
from collections import defaultdict

from dispatch.inbox.tables import Row, Table
from mlevents.testing.storage import MemoryTable, key_of


class VersionedTable(MemoryTable):
    """A table in memory that keeps each version of its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0
        self._history: defaultdict[tuple[str, str], list[tuple[int, Row | None]]] = defaultdict(list)
        self._ever: defaultdict[str, set[str]] = defaultdict(set)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        etags = super().commit(partition, *rows, delete=delete)
        self.commits += 1
        for key in (*(row.key for row in rows), *map(key_of, delete)):
            [*now] = super().read(partition, key, key + "\0")
            self._history[partition, key].append((self.commits, now[0] if now else None))
            self._ever[partition].add(key)
        return etags

    def as_of(self, commit: int, partition: str, first: str, last: str) -> list[Row]:
        """The rows that `read` would have returned after that many commits."""
        keys = sorted(key for key in self._ever[partition] if first <= key < last)
        then = ([row for n, row in self._history[partition, key] if n <= commit] for key in keys)
        return [rows[-1] for rows in then if rows and rows[-1]]


class StaleReads:
    """A table half of whose reads are up to `most` commits old. Writes are not delayed."""

    def __init__(self, table: VersionedTable, rng: random.Random, most: int) -> None:
        self._table: Table = table
        self._as_of, self._rng, self._most = table, rng, most
        self.stale = 0

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        age = self._rng.randint(0, self._most) if self._rng.random() < 0.5 else 0
        rows = self._as_of.as_of(self._as_of.commits - age, partition, first, last)[:limit]
        self.stale += rows != self._table.read(partition, first, last, limit)
        return rows

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        return self._table.commit(partition, *rows, delete=delete)
