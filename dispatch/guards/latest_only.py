"""`latest_only`: act only on the latest event about an object."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatch.guards.base import Attempt
from dispatch.guards.event_order import Position, object_of
from dispatch.inbox.shared_state import hashed
from handlers.base import Skipped, shorten

_ID_LIMIT = 300  # characters of an event's id, which only the reason of a skipped event shows


@dataclass(frozen=True, slots=True)
class LatestOnly:
    """Skip an event if the rule has already acted on a later event about the same object.

    The guard records the latest event that it lets pass. With ``record=False`` it only compares: `GuardKeys.guards`
    uses that where another guard may still skip the event.
    """

    record: bool = True

    def __call__(self, attempt: Attempt) -> Skipped | None:
        """Skip the action if a later event about its object is recorded."""
        if attempt.claim.record.checked_back:
            return None
        event, position = attempt.claim.event, Position.of(attempt.claim.event)

        def update(latest: dict[str, str]) -> dict[str, str]:
            if not self.record or (latest and _position(latest).is_after(position)):
                return latest
            return {**position._asdict(), "event": shorten(event.id, _ID_LIMIT)}

        name = f"latest|{attempt.claim.id.rule}|{hashed(*object_of(event))}"
        latest = attempt.inbox.shared.change(name, update, attempt.now)
        if not latest or not _position(latest).is_after(position):
            return None
        return Skipped(f"superseded by event {latest['event']} of {latest['time']}")


def _position(latest: Mapping[str, str]) -> Position:
    return Position(latest["sequencer"], latest["rank"], latest["time"])
