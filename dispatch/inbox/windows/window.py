"""The rows of windows and of their members as typed records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import SCHEMA, clean, packed, unpacked
from dispatch.inbox.tables import Row, Value
from dispatch.inbox.windows.bounded import bounded

VIEW = 12_000  # characters of a member's view as JSON

_VALUE = 200  # characters of a value of `by`, for people


class Member(NamedTuple):
    """An action in a window. A replay of the action is another member."""

    id: ActionId
    replay_number: int
    at: datetime  # when it joined
    view: Mapping[str, Any]  # of its event: plain data, cut to `VIEW` characters

    @property
    def name(self) -> str:
        """What identifies it in its rule."""
        return f"{self.id.day}|{self.id.event}|{self.replay_number}"

    def rows(self, window: str) -> list[Row]:
        """Its rows in a window."""
        view = packed(json.dumps(bounded(self.view, VIEW), ensure_ascii=False))
        stamp = f"{int(self.at.timestamp() * 1000):013d}"
        values = {"schema": SCHEMA, "at": self.at.isoformat(), **view}
        key = f"e|{window}|{stamp}|{self.name}"
        return [Row(f"m|{self.name}", {"window": window, "member": key}), Row(key, values)]

    @classmethod
    def of(cls, rule: str, row: Row) -> Self:
        """Read a row of a member."""
        *_, day, event, replay = row.key.split("|")
        at = datetime.fromisoformat(str(row.values["at"]))
        return cls(ActionId(day, event, rule), int(replay), at, json.loads(unpacked(row.values)))


@dataclass(frozen=True, slots=True)
class Window:
    """A window of a rule. `leader` acts for all of its events; a window of `at_least` gets one when it is closed."""

    rule: str
    id: str
    value: str  # of `by`, hashed
    by: str  # the same, for people
    opened: datetime
    leader: ActionId | None = None
    ends: datetime | None = None  # None: it has no end in time
    closed: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Can members still join?"""
        return self.closed is None

    def values(self) -> dict[str, Value]:
        """The values of its rows."""
        return {
            "schema": SCHEMA,
            "window": self.id,
            "value": self.value,
            "by": clean(self.by, _VALUE),
            "opened": self.opened.isoformat(),
            "leader": str(self.leader) if self.leader else "",
            "ends": self.ends.isoformat() if self.ends else "",
            "closed": self.closed.isoformat() if self.closed else "",
        }

    @classmethod
    def of(cls, rule: str, row: Row) -> Self:
        """Read one of its rows."""
        v = {name: str(value) for name, value in row.values.items()}
        return cls(
            rule=rule,
            id=v["window"],
            value=v["value"],
            by=v["by"],
            opened=datetime.fromisoformat(v["opened"]),
            leader=ActionId.parse(v["leader"]) if v["leader"] else None,
            ends=datetime.fromisoformat(v["ends"]) if v["ends"] else None,
            closed=datetime.fromisoformat(v["closed"]) if v["closed"] else None,
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """What a member needs to open a window if none is open: for which value of `by`, and for how long."""

    value: str
    by: str = ""
    span: timedelta | None = None  # with a span, the member leads the window, which ends after it
