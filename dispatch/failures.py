"""Count the failed actions of a rule, so that people get one alert at once, and then one an hour about all others.

The first failure of a rule gets an alert of its own. For an hour, each further one gets a marker, which is written in
the transaction of its end. The sweep counts markers in the rule's shared state, ``failed|<rule>``: one write adds a
batch to the tally and names the markers of that batch, which are deleted afterwards. A sweep that finds markers of the
last batch deletes them before it counts others, and it counts only markers that it could rewrite, since a read may be
stale. So each failure is counted once, whatever dies in between.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Self

from dispatch.app import App
from dispatch.inbox.keys import ActionId
from dispatch.inbox.tables import MAX_OPERATIONS, Row

SPAN = timedelta(hours=1)  # from one alert about a rule's failures to the next
OTHER_REASONS = "other reasons"

_BATCHES = 20  # of one rule and day that one sweep counts
_FULL = 8_000  # characters of a tally; a property holds 32 Ki, and the state has this as JSON within JSON


@dataclass(frozen=True, slots=True)
class Tally:
    """Failed actions of a rule that the next alert reports. The number is exact; long lists are cut."""

    count: int = 0
    first: str = ""  # when the first of them failed; ISO times in UTC
    last: str = ""
    reasons: Mapping[str, int] = field(default_factory=dict)
    events: tuple[Mapping[str, str], ...] = ()  # day, event, object and workspace

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the text that `str` writes; an empty one is an empty tally."""
        return cls(**json.loads(text or "{}"))

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def including(self, day: str, marker: Row) -> "Tally":
        """The tally with one more failed action."""
        values = {name: str(value) for name, value in marker.values.items()}
        at, full = values["at"], len(str(self)) > _FULL
        reason = OTHER_REASONS if full and values["reason"] not in self.reasons else values["reason"]
        event = {"day": day, **{name: values[name] for name in ("event", "object", "workspace")}}
        return Tally(
            self.count + 1,
            min(self.first or at, at),
            max(self.last, at),
            {**self.reasons, reason: self.reasons.get(reason, 0) + 1},
            self.events if full else (*self.events, event),
        )


def state_of(rule: str) -> str:
    """The name of the shared state of a rule's failures."""
    return f"failed|{rule}"


def is_over(value: Mapping[str, str], now: datetime) -> bool:
    """Is it an hour ago that an alert about the rule was sent, or was none sent?"""
    return "alerted" not in value or now - datetime.fromisoformat(value["alerted"]) >= SPAN


def takes_alert(id: ActionId, app: App) -> bool:
    """Does the failure of this action get an alert of its own? Raises StorageError.

    The action to which an alert has been given gets it again: its worker may have died, or somebody has replayed it.
    """
    now, by = app.now(), str(id)

    def take(value: dict[str, str]) -> dict[str, str]:
        if is_over(value, now):
            return {**value, "alerted": now.isoformat(), "by": by}
        return value

    return app.inbox.shared.change(state_of(id.rule), take, now).get("by") == by


def count(day: str, rule: str, app: App, in_time: Callable[[], bool] = lambda: True) -> None:
    """Add the markers of a rule and a day to its tally, and delete them. Raises StorageError.

    What it has no time for is left to the next sweep.

    The markers are read and rewritten after the shared state was read: if another sweep counts them meanwhile, one of
    the writes conflicts.
    """
    batch: list[Row] = []

    def add(value: dict[str, str]) -> dict[str, str]:
        counted = {*json.loads(value.get("counted", "[]"))}
        found = app.inbox.backlog.failures(day, rule)
        leftover = [row for row in found if _short(row) in counted]
        batch[:] = leftover or found[:MAX_OPERATIONS]
        if leftover or not found:
            return value
        if not app.inbox.backlog.has_failures(day, batch):
            batch.clear()
            return value
        tally = Tally.read(value.get("tally", ""))
        for row in batch:
            tally = tally.including(day, row)
        return {**value, "tally": str(tally), "counted": json.dumps([_short(row) for row in batch])}

    for _ in range(_BATCHES):
        if not in_time():
            return
        app.inbox.shared.change(state_of(rule), add, app.now())
        if not batch:
            return
        app.inbox.backlog.delete_failures(day, batch)


def _short(marker: Row) -> str:
    """A marker's key without the rule: 45 characters, so that those of a batch fit a property."""
    _, event, _, version = marker.key.split("|")
    return f"{event}|{version}"
