"""`latest_only`: act only on the latest event about an object."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatch.guards.base import Attempt, Situation, Standing
from dispatch.guards.event_order import Position, object_of
from dispatch.inbox.shared_state import hashed
from handlers.base import Skipped, shorten
from schemas import Event

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

        latest = attempt.inbox.shared.change(_name(attempt.claim.id.rule, event), update, attempt.now)
        if not latest or not _position(latest).is_after(position):
            return None
        return Skipped(f"superseded by event {latest['event']} of {latest['time']}")

    def standing(self, at: Situation) -> Standing | None:
        """The latest event about the object on which the rule has acted."""
        if not self.record:
            return None  # the other of the two guards says it
        event, name = at.context.event, _name(at.rule, at.context.event)
        latest = at.inbox.shared.all(name).get(name)
        if latest is None:
            return Standing("latest_only", f"the rule has not acted on {event.object} yet", False)
        about = f"event {latest['event']} of {latest['time']}"
        if _position(latest).is_after(Position.of(event)):
            return Standing("latest_only", f"superseded: the rule has acted on the later {about}", True)
        return Standing("latest_only", f"no later event supersedes it; the latest was {about}", False)


def _name(rule: str, event: Event) -> str:
    return f"latest|{rule}|{hashed(*object_of(event))}"


def _position(latest: Mapping[str, str]) -> Position:
    return Position(latest["sequencer"], latest["rank"], latest["time"])
