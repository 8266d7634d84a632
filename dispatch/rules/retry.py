"""How long to wait before trying again: a rule's ``retry:``."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handlers.base import RetryLater
from handlers.duration import Duration
from handlers.errors import MAX_RETRY_AFTER

_THROTTLED = timedelta(seconds=60)  # the least pause after a 429: a rejected request counts against the limit, too


class Retry(BaseModel):
    """Exponential backoff with jitter, for a limited time rather than a number of attempts: an outage lasts hours."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    patience: Duration = Field(timedelta(hours=24), alias="for")
    first_delay: Duration = timedelta(seconds=10)
    max_delay: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _delays_that_grow(self) -> "Retry":
        if not timedelta(seconds=1) <= self.first_delay <= self.max_delay:
            raise ValueError("first_delay is at least 1s and at most max_delay")
        return self

    def delay(
        self,
        error: RetryLater,
        failures: int,
        failing_for: timedelta,
        denied_for: timedelta = timedelta(),
        jitter: Callable[[], float] = random.random,
    ) -> timedelta | None:
        """How long to wait after this many failures in a row, the first of them `failing_for` ago; None: no longer.

        `denied_for` is how long the errors have been of the kind that has a shorter patience of its own. Full jitter
        over the upper half: actions that failed together do not come back together. A service may ask for a longer
        pause than ours, not for a shorter one.
        """
        if failing_for >= self.patience or (error.patience is not None and denied_for >= error.patience):
            return None
        backoff = min(self.first_delay * (1 << min(failures - 1, 30)), self.max_delay)
        return max(backoff * (0.5 + jitter() / 2), _asked(error))

    def pause(self, error: RetryLater, jitter: Callable[[], float] = random.random) -> timedelta:
        """How long to wait for a service that asks for a pause: as long as it says, at least a minute, and a bit."""
        return max(_asked(error), _THROTTLED) * (1 + jitter() / 2)


def _asked(error: RetryLater) -> timedelta:
    return min(error.after or timedelta(), MAX_RETRY_AFTER)
