"""Wait while a service asks for a pause."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dispatch.guards.base import GuardContext, Hold
from dispatch.inbox.leases import Claim
from handlers.base import Handler


@dataclass(frozen=True, slots=True)
class Throttle:
    """Leave a service alone that has asked for it, whichever action it told: each try would count against its limit."""

    handler: Handler[Any]
    jitter: Callable[[], float] = random.random

    def __call__(self, context: GuardContext) -> Hold | None:
        """Hold until its pause is over, and a little longer: what waited together does not come back together."""
        until = context.inbox.throttles.until(destination(self.handler, context.claim), context.now)
        if until is None:
            return None
        return Hold(
            (until - context.now) * (1 + self.jitter() / 2), f"the service wants a pause until {until:%H:%M:%S} UTC"
        )


def destination(handler: Handler[Any], claim: Claim) -> str:
    """What is busy when the handler is told so: what it names, else only what this rule does."""
    return handler.destination(claim.event) or f"rule {claim.id.rule}"
