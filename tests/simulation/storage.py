"""Storage as a worker reaches it: it takes a moment, in which others act; it fails now and then, sometimes for long.

A call may fail without having been applied; or it was applied, and the answer is lost.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from dispatch.inbox.errors import Unavailable
from dispatch.inbox.tables import Row, Table
from tests.simulation.agenda import Agenda
from tests.simulation.queues import Queue

R = TypeVar("R")


@dataclass
class Weather:
    """How storage is just now."""

    agenda: Agenda
    chance: random.Random
    latency: float = 0.01  # seconds, on average
    failing: float = 0.0005  # the share of calls that fail; as many lose their answers
    tables_away: bool = False
    queues_away: bool = False
    failed: int = 0

    def reach_table(self, call: Callable[[], R]) -> R:
        """Make a call to the table, in a task."""
        self._travel(away=self.tables_away)
        result = call()
        self._travel(away=self.tables_away)
        return result

    def reach_queue(self, call: Callable[[], R]) -> R:
        """Make a call to a queue, in a task."""
        self._travel(away=self.queues_away)
        result = call()
        self._travel(away=self.queues_away)
        return result

    def _travel(self, *, away: bool) -> None:
        """One way. Raises Unavailable when a request or an answer is lost."""
        self.agenda.sleep(self.chance.expovariate(2 / self.latency))
        if away:
            self.agenda.sleep(self.chance.choice((0.0, 1.0, 8.0)))  # refused, told so by a proxy, not answered
            self.failed += 1
            raise Unavailable("storage: Service Unavailable", 503)
        if self.chance.random() < self.failing:
            self.failed += 1
            raise Unavailable("storage: lost")


@dataclass
class Reach:
    """A table and a queue, as `dispatch.inbox.tables` knows them, through the weather."""

    weather: Weather
    table: Table
    queue: Queue
    recorded: Callable[[str], None] = field(default=lambda partition: None)  # told when a commit was applied

    def read(self, partition: str, first: str, last: str) -> list[Row]:
        return self.weather.reach_table(lambda: self.table.read(partition, first, last))

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        def apply() -> list[str]:
            etags = self.table.commit(partition, *rows, delete=delete)
            self.recorded(partition)
            return etags

        return self.weather.reach_table(apply)

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        self.weather.reach_queue(lambda: self.queue.put(message, min(after.total_seconds(), 6 * 86_400)))
