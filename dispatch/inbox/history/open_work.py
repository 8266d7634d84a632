"""`OpenWork`: the actions that had not ended when the last sweep saw them, in the shared state ``sweep``.

To read each open action would cost two queries a day of the history and one an action. The sweep reads them anyway, so
it notes the oldest ones and the number of each day. `Current` reads those of today beside it, with two queries in all.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from dispatch.inbox.history.entry import FIRST
from dispatch.inbox.history.records import StoredEvent, actions_of, stored_events
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.shared_state import SharedState
from dispatch.inbox.tables import MAX_ROWS, Row, Table
from handlers.base import shorten

NAME = "sweep"  # of the shared state

_MOST = 30  # actions that are noted
_SIZE = 18_000  # characters of them as JSON in ASCII; a property holds 32 Ki, and their quotes are escaped there
_NOTE = 120  # characters
_SENTENCES, _SENTENCE = 8, 200  # sentences that are noted, and characters of one


@dataclass(frozen=True, slots=True)
class OpenAction:
    """An action that has not ended."""

    id: ActionId
    status: str  # pending, running or waiting
    started: datetime
    due: datetime
    failures: int = 0
    failing: bool = False  # have its last attempts failed, or does a service throttle it?
    note: str = ""

    @classmethod
    def of(cls, id: ActionId, record: ActionRecord) -> Self:
        """The action as its record has it."""
        failing = bool(record.failing_since or record.throttled_since)
        note = shorten(record.note, _NOTE)
        return cls(id, record.status, record.started, record.due, record.failures, failing, note)

    def written(self) -> list[object]:
        """The action as JSON; `read` reads it."""
        times = self.started.isoformat(), self.due.isoformat()
        return [*self.id, self.status, *times, self.failures, int(self.failing), self.note]

    @classmethod
    def read(cls, value: list[object]) -> Self:
        """Read what `written` returns. Raises TypeError or ValueError for anything else."""
        day, event, rule, status, started, due, failures, failing, note = map(str, value)
        times = datetime.fromisoformat(started), datetime.fromisoformat(due)
        return cls(ActionId(day, event, rule), status, *times, int(failures), failing == "1", note)


@dataclass(slots=True)
class OpenWork:
    """The open actions that a sweep has seen. `at` is when it ended; None if none has."""

    at: datetime | None = None
    counts: Counter[str] = field(default_factory=Counter)  # by day
    oldest: list[OpenAction] = field(default_factory=list)  # some of them
    deferred: int = 0  # matches that wait for a refused file
    unseen: Sequence[str] = ()  # what the watch cannot see, and what never came, in sentences

    def add(self, action: OpenAction) -> None:
        """Count an action, and keep it if it is one of the oldest."""
        self.counts[action.id.day] += 1
        self.oldest = sorted([*self.oldest, action], key=lambda each: (each.started, each.id))[:_MOST]

    def value(self, at: datetime) -> dict[str, str]:
        """The value of the shared state."""
        kept, size = [], 0
        for action in self.oldest:
            size += len(json.dumps(json.dumps(action.written())))
            if size > _SIZE:
                break
            kept.append(action.written())
        numbers = {"open": str(self.counts.total()), "days": json.dumps(self.counts), "deferred": str(self.deferred)}
        unseen = {"unseen": json.dumps(_bounded(self.unseen))} if self.unseen else {}
        return {"at": at.isoformat(), **numbers, "oldest": json.dumps(kept), **unseen}

    @classmethod
    def of(cls, value: Mapping[str, str]) -> Self:
        """Read the value of the shared state. A version of the app that notes no actions wrote only the time."""
        oldest = [OpenAction.read(each) for each in json.loads(value.get("oldest", "[]"))]
        at, total = value.get("at"), int(value.get("open", "0"))
        counts = Counter(json.loads(value["days"]) if "days" in value else {"": total})
        deferred, unseen = int(value.get("deferred", "0")), tuple(json.loads(value.get("unseen", "[]")))
        return cls(datetime.fromisoformat(at) if at else None, counts, oldest, deferred, unseen)


def _bounded(sentences: Sequence[str]) -> list[str]:
    """The first sentences, and how many there are more."""
    found, more = [shorten(each, _SENTENCE) for each in sentences[:_SENTENCES]], len(sentences) - _SENTENCES
    return [*found, f"and {more} more: see `mlevents status`"] if more > 0 else found


@dataclass(frozen=True, slots=True)
class Current:
    """What waits and what is new: today's first rows as they are, and earlier days as the last sweep saw them."""

    rows: Sequence[Row]  # today's, up to 1,000: what no sweep has indexed, open work, and the latest events
    events: Sequence[StoredEvent]  # the latest ones of today, in `rows`
    actions: Sequence[OpenAction]  # open ones, the failing ones first
    open: int  # the number of open actions; more than are listed
    deferred: int
    swept: datetime | None
    unseen: Sequence[str] = ()  # what the watch cannot see, as the last sweep has it

    @classmethod
    def read(cls, table: Table, shared: SharedState, now: datetime) -> Self:
        """Read them with two queries. Raises StorageError.

        Markers sort before events, so the first rows have both.
        """
        today = f"{now:%Y-%m-%d}"
        rows = table.read(today, FIRST, "x", MAX_ROWS)
        work = OpenWork.of(shared.all(NAME).get(NAME, {}))
        events = [*stored_events(today, [row for row in rows if row.key[0] != "!"])]
        seen = work.counts.pop(today, 0)
        open = sum(row.key.startswith("!open|") for row in rows)
        if len(rows) == MAX_ROWS:  # there may be more
            open = max(open, seen)
        open += work.counts.total()
        return cls(rows, events, _open_actions(work, events), open, work.deferred, work.at, work.unseen)


def _open_actions(work: OpenWork, events: Sequence[StoredEvent]) -> list[OpenAction]:
    """The open actions of these events as they are now, and those of others as the last sweep saw them."""
    read = {(event.day, event.key) for event in events}
    found = [action for action in work.oldest if (action.id.day, action.id.event) not in read]
    for event in events:
        for rule, record in actions_of(event).items():
            if not record.ended:
                found.append(OpenAction.of(ActionId(event.day, event.key, rule), record))
    return sorted(found, key=lambda action: (not action.failing, action.started, action.id))
