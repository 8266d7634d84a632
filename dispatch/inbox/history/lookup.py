"""Look up events by a name: of a run, a model, an endpoint, a job that an action started, or Event Grid's id."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch.inbox.history.entry import Entry
from dispatch.inbox.history.index import Index
from dispatch.inbox.history.records import History, StoredEvent


@dataclass(frozen=True, slots=True)
class Lookup:
    """Finds the events of one table by name. Methods raise StorageError."""

    index: Index
    history: History

    def entries(self, name: str, days: Sequence[str]) -> Iterator[Entry]:
        """What is recorded under a name, newest first, each event, end or rejection once.

        First come those of the given days that no sweep has indexed, with one query for each day; then those of each
        month, with one query for each month, when they are asked for.
        """
        seen = set()
        for batch in self._batches(name, days):
            for entry in batch:
                identity = entry.day, entry.key, entry.rule, entry.at
                if identity not in seen:
                    seen.add(identity)
                    yield entry

    def events(self, name: str, days: Sequence[str]) -> Iterator[StoredEvent]:
        """The events that are recorded under a name, newest first (see `entries`); each costs a query."""
        seen = set()
        for entry in self.entries(name, days):
            if entry.kind or (entry.day, entry.key) in seen:
                continue
            seen.add((entry.day, entry.key))
            if event := self.history.event(entry.day, entry.key):  # a purge may have deleted it
                yield event

    def _batches(self, name: str, days: Sequence[str]) -> Iterator[list[Entry]]:
        for day in days:
            yield self.index.find_new(name, day)
        for month in self.index.months():
            yield self.index.find(name, month)


def recent_days(now: datetime) -> list[str]:
    """Today and yesterday: the days of nearly all events that are not indexed yet."""
    return [f"{now:%Y-%m-%d}", f"{now - timedelta(days=1):%Y-%m-%d}"]
