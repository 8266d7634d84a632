"""Wait while somebody has paused the rule."""

from dataclasses import dataclass
from datetime import timedelta

from dispatch.guards.base import Attempt, Hold, Situation, Standing

_LONGEST = timedelta(minutes=5)  # until the guard is called again; `mlevents resume` calls the actions at once


@dataclass(frozen=True, slots=True)
class Paused:
    """Hold the actions of a paused rule that have not started."""

    def __call__(self, attempt: Attempt) -> Hold | None:
        """Hold the action until the pause ends, or for a while."""
        if attempt.claim.record.checked_back:
            return None
        pause = attempt.inbox.pauses.of(attempt.claim.id.rule, attempt.now)
        if pause is None:
            return None
        return Hold(min(pause.until - attempt.now, _LONGEST) if pause.until else _LONGEST, str(pause))

    def standing(self, at: Situation) -> Standing | None:
        """Who has paused the rule, and until when."""
        pause = at.inbox.pauses.of(at.rule, at.now)
        return Standing("pause", f"{pause}: `mlevents resume {pause.rule or '--all'}`", True) if pause else None
