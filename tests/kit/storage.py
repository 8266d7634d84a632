"""A count of the calls to storage, and a seed for random delays. mlevents.testing.storage has the doubles."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from dispatch.inbox.tables import Queue, Row, SpanTable


@dataclass
class CountedCalls:
    """Storage that lists its calls by name: the cost of a step on any machine."""

    table: SpanTable
    queue: Queue
    calls: list[str] = field(default_factory=list)

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        self.calls.append("read")
        return self.table.read(partition, first, last, limit)

    def read_span(self, partitions: tuple[str, str], first: str, last: str, limit: int) -> list[tuple[str, Row]]:
        self.calls.append("read")
        return self.table.read_span(partitions, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        self.calls.append("commit")
        return self.table.commit(partition, *rows, delete=delete)

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        self.calls.append("send")
        self.queue.send(message, after)


@contextmanager
def seeded(seed: int | str) -> Iterator[None]:
    """Seed the global random generator, and restore its state afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
