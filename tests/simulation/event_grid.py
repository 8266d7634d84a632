"""Event Grid, as its documentation describes it, in virtual time.

learn.microsoft.com, "Event Grid message delivery and retry": delivery at least once, in no order. Event Grid waits 30 s
for a response. It retries after 10 s, 30 s, 1 min, 5 min, 10 min, 30 min, 1 h, 3 h, 6 h, then every 12 h, with a small
random variation. An event lives 24 h, which is checked when a delivery is due; then it is dead-lettered, after five
minutes, as a JSON array in a blob. After repeated failures of an endpoint, its new events are delayed, too.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.simulation.scheduler import Scheduler

RETRY_DELAYS = (10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600)  # seconds after each attempt
FURTHER_DELAY = 43_200  # seconds after all further attempts
RESPONSE_TIMEOUT = 30
TIME_TO_LIVE = 86_400
MAX_ATTEMPTS = 30
DEAD_LETTER_DELAY = 300
FAILURES_BEFORE_DELAY = 10  # consecutive failures, after which new events are delayed
DELIVERY_DELAY = 10  # seconds by which they are delayed at least, if the endpoint is busy or does not respond

HOUR = 3_600.0


class Endpoint(Protocol):
    """The endpoint of an event subscription."""

    def deliver(self, raw: str, respond: Callable[[bool], None]) -> None:
        """Receive an event, and call `respond` with whether it was accepted, or do not."""


@dataclass
class PublishedEvent:
    """An event and its deliveries."""

    raw: str
    published: float
    attempts: int = 0
    accepted: bool = False
    dead: bool = False


@dataclass
class EventGrid:
    """One event subscription. `duplicates` is the share of accepted events that are delivered again."""

    scheduler: Scheduler
    endpoint: Endpoint
    rng: random.Random
    duplicates: float = 0.3
    figures: Counter[str] = field(default_factory=Counter)
    events: list[PublishedEvent] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)  # the texts of the blobs
    pending: int = 0  # scheduled deliveries and dead letters

    _failures: int = 0  # consecutive

    def publish(self, raw: str) -> PublishedEvent:
        """Publish an event. Most are delivered within a second or so, some after minutes and thus out of order."""
        event = PublishedEvent(raw, self.scheduler.seconds)
        self.events.append(event)
        late = self.rng.expovariate(1 / 300) if self.rng.random() < 0.05 else self.rng.expovariate(1)
        self._schedule(event, late)
        return event

    def _schedule(self, event: PublishedEvent, delay: float) -> None:
        self.pending += 1
        self.scheduler.after(delay, lambda: self._deliver(event))

    def _deliver(self, event: PublishedEvent) -> None:
        self.pending -= 1
        first = event.attempts == 0
        if not event.accepted and self.scheduler.seconds - event.published >= TIME_TO_LIVE:
            self._give_up(event, "TimeToLiveExceeded")
        elif first and self._failures >= FAILURES_BEFORE_DELAY and self.rng.random() < 0.9:
            self._schedule(event, DELIVERY_DELAY * self.rng.uniform(1, 30))
        else:
            event.attempts += 1
            self.figures["deliveries"] += 1
            response = Response(self, event)
            self.scheduler.after(RESPONSE_TIMEOUT, lambda: response(False))
            self.endpoint.deliver(event.raw, response)

    def responded(self, event: PublishedEvent, accepted: bool) -> None:
        """Handle the response to a delivery, or its timeout as not accepted."""
        self._failures = 0 if accepted else self._failures + 1
        if accepted:
            again = self.rng.random() < self.duplicates
            event.accepted = True
            if again:
                self.figures["duplicates"] += 1
                self._schedule(event, self.rng.choice((1.0, 60.0, HOUR)) * self.rng.random())
            return
        self.figures["failed deliveries"] += 1
        if event.accepted:
            return  # only a duplicate has failed
        if event.attempts >= MAX_ATTEMPTS:
            self._give_up(event, "MaxDeliveryAttemptsExceeded")
            return
        delay = RETRY_DELAYS[event.attempts - 1] if event.attempts <= len(RETRY_DELAYS) else FURTHER_DELAY
        self._schedule(event, delay * self.rng.uniform(0.95, 1.1))

    def _give_up(self, event: PublishedEvent, reason: str) -> None:
        event.dead = True
        self.figures["dead letters"] += 1
        members: dict[str, Any] = {
            "deadLetterReason": reason,
            "deliveryAttempts": event.attempts,
            "lastDeliveryOutcome": "TimedOut",
        }
        try:
            blob = json.dumps([{**json.loads(event.raw), **members}])
        except ValueError:
            blob = event.raw
        self.pending += 1
        self.scheduler.after(DEAD_LETTER_DELAY, lambda: self._write_dead_letter(blob))

    def _write_dead_letter(self, blob: str) -> None:
        self.pending -= 1
        self.dead_letters.append(blob)


class Response:
    """The response to one delivery: further calls are ignored."""

    def __init__(self, event_grid: EventGrid, event: PublishedEvent) -> None:
        self._event_grid, self._event, self._sent = event_grid, event, False

    def __call__(self, accepted: bool) -> None:
        if not self._sent:
            self._sent = True
            self._event_grid.responded(self._event, accepted)
