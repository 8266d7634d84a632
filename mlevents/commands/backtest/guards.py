"""`SimulatedGuards`: how often the guards that depend on other events would have skipped a rule's actions.

Events come in the order in which they were received. Each action that passes is taken to have had an effect, at the
time when its event was received; in the app, one that fails or is skipped frees its slot again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from dispatch.filters.keys import value_of
from dispatch.guards.at_least import AtLeast, Threshold
from dispatch.guards.at_most import AtMost, Limit
from dispatch.guards.collect import Collect
from dispatch.guards.event_order import Position, object_of
from dispatch.guards.gathering import value_and_name
from dispatch.guards.latest_only import LatestOnly
from schemas.context import Context
from schemas.plain import MISSING


class _Seen(NamedTuple):
    received: datetime
    position: Position
    object: tuple[str, ...]
    by: str | None  # None: the event is not limited
    value: str  # of the key `by` of `collect` or `at_least`


@dataclass
class SimulatedGuards:
    """The guards of one rule that depend on other events, and the events on which it fires."""

    limit: Limit | None
    latest_only: bool
    collect: Collect | None = None
    at_least: Threshold | None = None
    _seen: list[_Seen] = field(default_factory=list)

    @classmethod
    def of(cls, guards: Sequence[Any]) -> Self | None:
        """Those among a rule's guards; None if there are none."""
        limit = next((guard.limit for guard in guards if isinstance(guard, AtMost)), None)
        latest_only = any(isinstance(guard, LatestOnly) for guard in guards)
        collect = next((guard for guard in guards if isinstance(guard, Collect)), None)
        at_least = next((guard.threshold for guard in guards if isinstance(guard, AtLeast)), None)
        found = limit, latest_only, collect, at_least
        return cls(*found) if any(found) else None

    @property
    def names(self) -> str:
        """The guards as a rule names them."""
        names = ("collect", self.collect), ("at_least", self.at_least), ("at_most", self.limit)
        return " and ".join(name for name, guard in (*names, ("latest_only", self.latest_only)) if guard)

    def add(self, context: Context, received: datetime) -> None:
        """Take note of an event on which the rule fires."""
        by: str | None = ""
        if self.limit and self.limit.by:
            value = value_of(context, self.limit.by)
            by = None if value is MISSING else str(value)
        event, gathers = context.event, self.collect or self.at_least
        value = value_and_name(context, "", gathers.by)[0] if gathers else ""
        self._seen.append(_Seen(received, Position.of(event), tuple(object_of(event)), by, value))

    def skipped(self) -> int:
        """The number of actions that they would have skipped."""
        latest: dict[tuple[str, ...], Position] = {}
        slots: defaultdict[str, list[datetime]] = defaultdict(list)
        windows: defaultdict[str, list[datetime]] = defaultdict(list)
        count = 0
        for each in sorted(self._seen, key=lambda seen: seen.received):
            if not self._acts(windows, each):
                count += 1
                continue
            newer = latest.get(each.object)
            if self.latest_only and newer and newer.is_after(each.position):
                count += 1
                continue
            if self.limit and each.by is not None:
                taken = [at for at in slots[each.by] if at > each.received - self.limit.every]
                if len(taken) >= self.limit.count:
                    count += 1
                    continue
                slots[each.by] = [*taken, each.received]
            latest[each.object] = each.position
        return count

    def _acts(self, windows: defaultdict[str, list[datetime]], event: _Seen) -> bool:
        """Does an action act on the event, alone or for a window? `windows` has when the events of open ones came."""
        came, now = windows[event.value], event.received
        if self.collect and self.collect.span:
            opens = not came or now >= came[0] + self.collect.span
            windows[event.value] = [now] if opens else came
            return opens
        if self.at_least:
            counting = [*(at for at in came if at > now - self.at_least.within), now]
            is_full = len(counting) >= self.at_least.count
            windows[event.value] = [] if is_full else counting
            return is_full
        return True
