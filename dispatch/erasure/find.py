"""Find what the record keeps about a person. Reads the whole table, day by day; changes nothing.

An event whose own row has the name is found as a whole, with its actions and what these have sent. If only an action of
it, or something sent, has the name, these alone are found: an event about a run is not about those who got a mail.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dispatch.app import App
from dispatch.erasure.needle import Needle
from dispatch.erasure.remembered import MISSING, remembers
from dispatch.inbox.history.entry import COUNTS
from dispatch.inbox.history.entry import FIRST as NEW
from dispatch.inbox.history.index import MONTHS
from dispatch.inbox.history.sent import PREFIX as SENT
from dispatch.inbox.rows import ENDED
from dispatch.inbox.shared_state import PARTITION
from dispatch.inbox.tables import Row

_OPEN, _DEFERRED = "!open|", "!undecided|"


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event, or a rejected one, with the rows of its day that belong to it, by key."""

    day: str
    key: str  # "x|<hash>" for a rejected event
    rows: dict[str, Row]
    matched: frozenset[str] = frozenset()  # the keys of the rows that have the name

    @property
    def whole(self) -> bool:
        """Is the event itself about the person, and not only what an action did?"""
        return self.key in self.matched

    @property
    def open(self) -> list[str]:
        """Its rules whose actions have not ended, or that were not matched yet."""
        names = [key.split("|")[2] for key in self.rows if key.startswith(_OPEN)]
        names += ["a refused rules file" for key in self.rows if key.startswith(_DEFERRED)]
        actions = (
            key.partition("|") for key, row in self.rows.items() if row.values.get("status", "") not in ("", *ENDED)
        )
        return list(dict.fromkeys([*names, *(rule for event, _, rule in actions if event == self.key)]))


@dataclass(slots=True)
class Found:
    """What the record keeps."""

    events: list[FoundEvent] = field(default_factory=list)
    index: list[tuple[str, Row]] = field(default_factory=list)  # with the partition
    shared: list[Row] = field(default_factory=list)  # shared state that names it
    watched: int = 0  # places where the watch remembers it as Azure ML has it, which the next look would restore

    @property
    def is_empty(self) -> bool:
        """Is nothing found?"""
        return not (self.events or self.index or self.shared)


def find(needle: Needle, app: App, seen: Callable[[str], None] = lambda _: None) -> Found:
    """Everything in the table that has the name; `seen` is called with each partition. Raises StorageError."""
    table, found = app.inbox.table, Found()
    for day in app.inbox.history.days():
        found.events += _of_day(day, table.read(day, "!", "~"), needle)
        seen(day)
    whole = {(event.day, event.key) for event in found.events if event.whole}
    for month in app.inbox.index.months():
        partition = f"{MONTHS}|{month}"
        for row in table.read(partition, "", "~"):
            if (row.values.get("day"), row.values.get("event")) in whole or needle.is_in_row(row):
                found.index.append((partition, row))
        seen(partition)
    for row in table.read(PARTITION, "", "~"):
        if needle.is_in_row(row) or (row.key.startswith(MISSING) and remembers(row, needle)):
            found.shared.append(row)
        else:
            found.watched += remembers(row, needle)
    return found


def _of_day(day: str, rows: list[Row], needle: Needle) -> Iterator[FoundEvent]:
    groups: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row.key != COUNTS:
            groups.setdefault(event_of(row.key), {})[row.key] = row
    for key, group in groups.items():
        matched = frozenset(row.key for row in group.values() if needle.is_in_row(row))
        if matched:
            yield FoundEvent(day, key, group, matched)


def event_of(key: str) -> str:
    """The key of the event, or of the rejected event, to which a row of a day belongs."""
    rest = key.removeprefix(NEW) if key.startswith(NEW) else key
    if rest.startswith("x|"):
        return rest
    if key.startswith(("!", SENT)):
        return key.split("|")[1]
    return key.partition("|")[0]
