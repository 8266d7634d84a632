"""Act only on the latest event about an object."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatch.guards.base import GuardContext
from dispatch.guards.event_order import Position, object_of
from dispatch.inbox.shared_state import hashed
from handlers.base import Skipped


@dataclass(frozen=True, slots=True)
class LatestOnly:
    """Of the events about one object, act on the latest only: what comes late is superseded.

    Beside another guard it is asked twice: it `only_looks` before the other one, so that what is superseded takes
    nobody's place, and takes its note after it, so that nothing is superseded by what the other one has skipped.
    """

    only_looks: bool = False

    def __call__(self, context: GuardContext) -> Skipped | None:
        """Skipped if this rule has let a later event about the object pass."""
        if context.claim.record.checked_back:
            return None
        event, place = context.claim.event, Position.of(context.claim.event)

        def later(seen: dict[str, str]) -> dict[str, str]:
            if self.only_looks or (seen and _place(seen).is_after(place)):
                return seen
            return {**place._asdict(), "event": event.id}

        name = f"latest|{context.claim.id.rule}|{hashed(*object_of(event))}"
        latest = context.inbox.shared.change(name, later, context.now)
        if not latest or not _place(latest).is_after(place):
            return None
        return Skipped(f"superseded by event {latest['event']} of {latest['time']}")


def _place(note: Mapping[str, str]) -> Position:
    return Position(note["sequencer"], note["rank"], note["time"])
