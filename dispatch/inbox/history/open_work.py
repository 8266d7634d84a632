"""`OpenWork`: the actions that had not ended when the last sweep saw them, in the shared state ``sweep``.

To read each open action for a page would cost two queries a day of the history and one an action. The sweep reads them
anyway, so it notes the oldest ones, and a page shows them for one query.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord
from handlers.base import shorten

NAME = "sweep"  # of the shared state

_MOST = 30  # actions that are noted
_SIZE = 20_000  # characters of them as JSON in ASCII; a property holds 32 Ki, and their quotes are escaped there
_NOTE = 120  # characters


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
    count: int = 0
    oldest: list[OpenAction] = field(default_factory=list)  # some of them

    def add(self, action: OpenAction) -> None:
        """Count an action, and keep it if it is one of the oldest."""
        self.count += 1
        self.oldest = sorted([*self.oldest, action], key=lambda each: (each.started, each.id))[:_MOST]

    def value(self, at: datetime) -> dict[str, str]:
        """The value of the shared state."""
        kept, size = [], 0
        for action in self.oldest:
            size += len(json.dumps(json.dumps(action.written())))
            if size > _SIZE:
                break
            kept.append(action.written())
        return {"at": at.isoformat(), "open": str(self.count), "oldest": json.dumps(kept)}

    @classmethod
    def of(cls, value: Mapping[str, str]) -> Self:
        """Read the value of the shared state. A version of the app that notes no actions wrote only the time."""
        oldest = [OpenAction.read(each) for each in json.loads(value.get("oldest", "[]"))]
        at = value.get("at")
        return cls(datetime.fromisoformat(at) if at else None, int(value.get("open", "0")), oldest)
