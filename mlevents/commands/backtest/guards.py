"""`SimulatedGuards`: how often `at_most` and `latest_only` would have skipped a rule's actions.

Events come in the order in which they were received. Each action that passes is taken to have had an effect, at the
time when its event was received; in the app, one that fails or is skipped frees its slot again.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from dispatch.filters.keys import value_of
from dispatch.guards.at_most import AtMost, Limit
from dispatch.guards.event_order import Position, object_of
from dispatch.guards.latest_only import LatestOnly
from schemas.context import Context
from schemas.plain import MISSING


class _Seen(NamedTuple):
    received: datetime
    position: Position
    object: tuple[str, ...]
    by: str | None  # None: the event is not limited


@dataclass
class SimulatedGuards:
    """The guards of one rule that depend on other events, and the events on which it fires."""

    limit: Limit | None
    latest_only: bool
    _seen: list[_Seen] = field(default_factory=list)

    @classmethod
    def of(cls, guards: Iterable[Any]) -> Self | None:
        """Those among a rule's guards; None if there are none."""
        limit = next((guard.limit for guard in guards if isinstance(guard, AtMost)), None)
        latest_only = any(isinstance(guard, LatestOnly) for guard in guards)
        return cls(limit, latest_only) if limit or latest_only else None

    @property
    def names(self) -> str:
        """The guards as a rule names them."""
        return " and ".join(filter(None, ("at_most" if self.limit else "", "latest_only" if self.latest_only else "")))

    def add(self, context: Context, received: datetime) -> None:
        """Take note of an event on which the rule fires."""
        by: str | None = ""
        if self.limit and self.limit.by:
            value = value_of(context, self.limit.by)
            by = None if value is MISSING else str(value)
        event = context.event
        self._seen.append(_Seen(received, Position.of(event), tuple(object_of(event)), by))

    def skipped(self) -> int:
        """The number of actions that they would have skipped."""
        latest: dict[tuple[str, ...], Position] = {}
        slots: defaultdict[str, list[datetime]] = defaultdict(list)
        count = 0
        for each in sorted(self._seen, key=lambda seen: seen.received):
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
