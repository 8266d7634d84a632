"""Storage over a network: calls take time, in which other workers run; some fail, and outages last.

A call may fail without having been applied, or it was applied and the response is lost.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from dispatch.inbox.errors import Unavailable
from dispatch.inbox.tables import Row, Table
from tests.simulation.queues import Queue
from tests.simulation.scheduler import Scheduler

R = TypeVar("R")


@dataclass
class Network:
    """The network between workers and storage, and its faults."""

    scheduler: Scheduler
    rng: random.Random
    latency: float = 0.01  # seconds, on average
    failing: float = 0.0005  # the share of requests that are lost; the same share of responses is
    tables_down: bool = False
    queues_down: bool = False
    failed: int = 0  # calls

    def call_table(self, call: Callable[[], R]) -> R:
        """Make a call to the table, within a task."""
        self._send(down=self.tables_down)
        result = call()
        self._send(down=self.tables_down)
        return result

    def call_queue(self, call: Callable[[], R]) -> R:
        """Make a call to a queue, within a task."""
        self._send(down=self.queues_down)
        result = call()
        self._send(down=self.queues_down)
        return result

    def _send(self, *, down: bool) -> None:
        """Send a request or a response. Raises Unavailable if it is lost."""
        self.scheduler.sleep(self.rng.expovariate(2 / self.latency))
        if down:
            self.scheduler.sleep(self.rng.choice((0.0, 1.0, 8.0)))  # refused; a proxy's 503; a timeout
            self.failed += 1
            raise Unavailable("storage: Service Unavailable", 503)
        if self.rng.random() < self.failing:
            self.failed += 1
            raise Unavailable("storage: lost")


@dataclass
class RemoteStorage:
    """A `dispatch.inbox.tables.Table` and `Queue`, over the network."""

    network: Network
    table: Table
    queue: Queue
    committed: Callable[[str], None] = field(default=lambda partition: None)  # called when a commit was applied

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        return self.network.call_table(lambda: self.table.read(partition, first, last, limit))

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        def apply() -> list[str]:
            etags = self.table.commit(partition, *rows, delete=delete)
            self.committed(partition)
            return etags

        return self.network.call_table(apply)

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        self.network.call_queue(lambda: self.queue.put(message, min(after.total_seconds(), 6 * 86_400)))
