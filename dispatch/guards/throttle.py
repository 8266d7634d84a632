"""Wait while the handler's destination is throttled."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dispatch.guards.base import Attempt, Hold, Situation, Standing
from dispatch.rules.retry import spread
from handlers.base import Handler


@dataclass(frozen=True, slots=True)
class Throttle:
    """Hold all actions with a destination that returned 429 or 503: every request would count against its limit."""

    handler: Handler[Any]
    jitter: Callable[[], float] = random.random

    def __call__(self, attempt: Attempt) -> Hold | None:
        """Hold the action until the throttling ends, and a little longer, so that not all actions run at once."""
        until = attempt.inbox.throttles.until(destination(self.handler, attempt), attempt.now)
        if until is None:
            return None
        return Hold(spread(until - attempt.now, self.jitter), f"throttled until {until:%H:%M:%S} UTC")

    def standing(self, at: Situation) -> Standing | None:
        """Until when the service is throttled."""
        name = self.handler.destination(at.event) or f"rule {at.rule}"
        until = at.inbox.throttles.until(name, at.now)
        return Standing("throttle", f"{name} is throttled until {until:%H:%M:%S} UTC", True) if until else None


def destination(handler: Handler[Any], attempt: Attempt) -> str:
    """Return the name of the service that the handler calls; if the handler gives none, a name for the rule."""
    return handler.destination(attempt.event) or f"rule {attempt.claim.id.rule}"
