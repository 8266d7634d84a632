"""Doubles of storage: a table and a queue in memory, the limits of Azure Tables, and a clock that tests set.

tests/dispatch/inbox/test_tables.py runs the same tests against these doubles and against Azurite. `AzureLimits` wraps
either, and refuses requests that Azure refuses although Azurite accepts them.
"""

import base64
import json
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import cast

from dispatch.inbox.errors import Conflict, Refused
from dispatch.inbox.tables import STORED, Row, SpanTable, Table, Value

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The clock of the app."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        """The time to which it is set."""
        return self.time

    def forward(self, **span: float) -> None:
        """Move it by these weeks, days, hours, minutes and seconds."""
        self.time += timedelta(**span)


class MemoryTable:
    """A table in memory with etags and transactions. Each partition keeps its keys in order, as Azure's do."""

    def __init__(self) -> None:
        self._partitions: defaultdict[str, dict[str, Row]] = defaultdict(dict)
        self._keys: defaultdict[str, list[str]] = defaultdict(list)
        self._etags: Iterator[int] = count(1)

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        """See `Table.read`."""
        keys, rows = self._keys[partition], self._partitions[partition]
        return [rows[key] for key in keys[bisect_left(keys, first) : bisect_left(keys, last)][:limit]]

    def read_span(self, partitions: tuple[str, str], first: str, last: str, limit: int) -> list[tuple[str, Row]]:
        """See `SpanTable.read_span`."""
        names = sorted(name for name in self._partitions if partitions[0] <= name <= partitions[1])
        return [(name, row) for name in names for row in self.read(name, first, last)][:limit]

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        """See `Table.commit`."""
        stored, keys = self._partitions[partition], self._keys[partition]
        for row in rows:
            etag = stored[row.key].etag if row.key in stored else ""
            if etag != row.etag and not (etag and row.etag == STORED):
                raise Conflict(row.key)
        for row_to_delete in delete:
            etag = "" if isinstance(row_to_delete, str) else row_to_delete.etag
            key = key_of(row_to_delete)
            if key not in stored or etag not in ("", stored[key].etag):
                raise Conflict(f"nothing to delete: {key}")
        written = [Row(row.key, row.values, str(next(self._etags))) for row in rows]
        for row in written:
            if row.key not in stored:
                insort(keys, row.key)
            stored[row.key] = row
        for key in map(key_of, delete):
            del stored[key], keys[bisect_left(keys, key)]
        return [row.etag for row in written]


def key_of(deleted: str | Row) -> str:
    """The key of a row to delete, given as a key or as a row."""
    return deleted if isinstance(deleted, str) else deleted.key


@dataclass
class AzureLimits:
    """A table with the limits of Azure Tables.

    learn.microsoft.com, "Understanding the Table service data model" and "Performing entity group transactions".
    """

    table: Table

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        """See `Table.read`."""
        return self.table.read(partition, first, last, limit)

    def read_span(self, partitions: tuple[str, str], first: str, last: str, limit: int) -> list[tuple[str, Row]]:
        """See `SpanTable.read_span`."""
        return cast(SpanTable, self.table).read_span(partitions, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        """See `Table.commit`."""
        keys = [partition, *(row.key for row in rows), *map(key_of, delete)]
        if len(keys) > 101 or len(set(keys[1:])) < len(keys) - 1:
            raise Refused("InvalidInput: a transaction takes 100 operations, each on a row of its own", 400)
        if any(set(key) & set("/\\#?") or not key.isprintable() or len(key) > 512 for key in keys):
            raise Refused(f"KeyValueInvalid: {keys}", 400)
        for row in rows:
            sizes = {name: _size(value) for name, value in row.values.items()}
            if any(size > 65_536 for size in sizes.values()):
                raise Refused(f"PropertyValueTooLarge: {sizes}", 400)
            if sum(sizes.values()) > 1_000_000 or len(sizes) > 250:
                raise Refused("EntityTooLarge", 400)
        if sum(_sent_size(row) for row in rows) > 4_000_000:
            raise Refused("RequestBodyTooLarge: a transaction's payload has at most 4 MiB", 413)
        return self.table.commit(partition, *rows, delete=delete)


def _size(value: Value) -> int:
    match value:
        case bool():
            raise ValueError("no record has a bool")
        case int():
            if not -(2**31) <= value < 2**31:
                raise ValueError(f"{value} is not an Int32")
            return 4
        case str():
            return len(value.encode("utf-16-le"))  # strict: raises for a lone surrogate
        case bytes():
            return len(value)


def _sent_size(row: Row) -> int:
    """The length of a row as the SDK sends it: JSON in ASCII, with bytes in Base64."""
    texts = {n: base64.b64encode(v).decode() if isinstance(v, bytes) else v for n, v in row.values.items()}
    return len(json.dumps(texts)) + 1_000  # for the headers of the part, the row's keys and the types of its values


@dataclass
class MemoryQueue:
    """A queue in memory, and the host that delivers its messages."""

    clock: Clock
    messages: list[tuple[datetime, str]] = field(default_factory=list)

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """See `Queue.send`."""
        self.messages.append((self.clock.time + after, message))

    def deliver(self, handle: Callable[[str], None], crashes: tuple[type[BaseException], ...] = ()) -> None:
        """Deliver the first message as the Functions host does, at its time: again 10 minutes after a crash."""
        at, message = min(self.messages)
        self.clock.time = max(at, self.clock.time)
        try:
            handle(message)
        except crashes:
            self.messages.append((self.clock.time + timedelta(minutes=10), message))
        self.messages.remove((at, message))

    def drain(
        self, handle: Callable[[str], None], crashes: tuple[type[BaseException], ...] = (), most: int = 1_000
    ) -> None:
        """Deliver messages until there are none. Raises AssertionError after so many deliveries."""
        for _ in range(most):
            if not self.messages:
                return
            self.deliver(handle, crashes)
        raise AssertionError(f"the queue is not empty after {most} deliveries: {self.messages}")
