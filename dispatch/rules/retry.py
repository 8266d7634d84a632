"""A rule's ``retry:``: the delay before an action is retried, and when to stop."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handlers.base import RetryLater
from handlers.duration import Duration
from handlers.errors import MAX_RETRY_AFTER

_SPREAD = timedelta(seconds=2)  # at least; a queue delays a message by whole seconds
_THROTTLED = timedelta(seconds=60)  # the pause after a 429 without Retry-After: each request counts against the limit


class Retry(BaseModel):
    """Exponential backoff with jitter. The time is limited, not the number of attempts, because outages last hours."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    max_elapsed: Duration = Field(
        timedelta(hours=24), alias="for", description="How long a failing action is retried.", examples=["24h"]
    )
    first_delay: Duration = Field(timedelta(seconds=10), description="The first delay, which then doubles.")
    max_delay: Duration = Field(timedelta(hours=1), description="The longest delay.")

    @model_validator(mode="after")
    def _delays_in_order(self) -> "Retry":
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
        """The delay after a number of consecutive failures, the first of them `failing_for` ago; None: do not retry.

        `error.max_elapsed` may limit the retries of its own kind of error; `denied_for` is how long consecutive errors
        have been of that kind. Jitter covers the upper half of the delay, so that actions that failed together are
        spread. A service may ask for a longer delay than ours, not for a shorter one.
        """
        if failing_for >= self.max_elapsed or (error.max_elapsed is not None and denied_for >= error.max_elapsed):
            return None
        backoff = min(self.first_delay * (1 << min(failures - 1, 30)), self.max_delay)
        return max(backoff * (0.5 + jitter() / 2), _requested(error))

    def pause(self, error: RetryLater, jitter: Callable[[], float] = random.random) -> timedelta:
        """The pause for a service that throttles: as long as it requests, or else a minute; `spread`."""
        return spread(_requested(error) or _THROTTLED, jitter)


def spread(pause: timedelta, jitter: Callable[[], float]) -> timedelta:
    """The pause, longer by up to a tenth, so that actions that wait for the same service do not all run at once."""
    return pause + max(pause / 10, _SPREAD) * jitter()


def _requested(error: RetryLater) -> timedelta:
    return min(max(error.after or timedelta(), timedelta()), MAX_RETRY_AFTER)
