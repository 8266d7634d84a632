"""Event Grid, as its documentation describes it, in virtual time.

learn.microsoft.com, "Event Grid message delivery and retry": at least once, in no order; an answer is awaited for 30 s;
what failed is delivered again after 10 s, 30 s, 1 min, 5 min, 10 min, 30 min, 1 h, 3 h, 6 h, then every 12 h, a little
early or late; an event lives 24 h, which is looked at when it is due again; then it is dead-lettered, five minutes
later, as a JSON array in a blob. While an endpoint fails over and over, new events for it are held back, too.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.simulation.agenda import Agenda

WAITS = (10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600)  # seconds after each attempt
LATER = 43_200  # after all further ones
ANSWER = 30  # how long an answer is awaited
TO_LIVE = 86_400
MOST_ATTEMPTS = 30
DEAD_AFTER = 300
PATIENCE = 10  # failures in a row before new events are held back
HELD = 10  # how long: the probation of an endpoint that is busy or does not answer

HOUR = 3_600.0


class Endpoint(Protocol):
    """What is subscribed."""

    def deliver(self, raw: str, answer: Callable[[bool], None]) -> None:
        """Take an event, and answer, or not: has it been taken?"""


@dataclass
class Sent:
    """An event on its way."""

    raw: str
    published: float
    attempts: int = 0
    taken: bool = False
    dead: bool = False


@dataclass
class EventGrid:
    """One event subscription. `duplicates` is the share of events that are delivered again though they were taken."""

    agenda: Agenda
    endpoint: Endpoint
    chance: random.Random
    duplicates: float = 0.3
    figures: Counter[str] = field(default_factory=Counter)
    events: list[Sent] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)  # the blobs
    under_way: int = 0

    _failures: int = 0  # in a row

    def publish(self, raw: str) -> Sent:
        """An event happened. Most are delivered in a second, some in minutes: after those that happened later."""
        event = Sent(raw, self.agenda.seconds)
        self.events.append(event)
        late = self.chance.expovariate(1 / 300) if self.chance.random() < 0.05 else self.chance.expovariate(1)
        self._attempt(event, late)
        return event

    def _attempt(self, event: Sent, wait: float) -> None:
        self.under_way += 1
        self.agenda.after(wait, lambda: self._deliver(event))

    def _deliver(self, event: Sent) -> None:
        self.under_way -= 1
        first = event.attempts == 0
        if not event.taken and self.agenda.seconds - event.published >= TO_LIVE:
            self._give_up(event, "TimeToLiveExceeded")
        elif first and self._failures >= PATIENCE and self.chance.random() < 0.9:
            self._attempt(event, HELD * self.chance.uniform(1, 30))
        else:
            event.attempts += 1
            self.figures["deliveries"] += 1
            answer = Answer(self, event)
            self.agenda.after(ANSWER, lambda: answer(False))
            self.endpoint.deliver(event.raw, answer)

    def answered(self, event: Sent, taken: bool) -> None:
        """The endpoint answered in time, or it is too late."""
        self._failures = 0 if taken else self._failures + 1
        if taken:
            again = self.chance.random() < self.duplicates
            event.taken = True
            if again:
                self.figures["duplicates"] += 1
                self._attempt(event, self.chance.choice((1.0, 60.0, HOUR)) * self.chance.random())
            return
        self.figures["failed deliveries"] += 1
        if event.taken:
            return  # a duplicate was not
        if event.attempts >= MOST_ATTEMPTS:
            self._give_up(event, "MaxDeliveryAttemptsExceeded")
            return
        wait = WAITS[event.attempts - 1] if event.attempts <= len(WAITS) else LATER
        self._attempt(event, wait * self.chance.uniform(0.95, 1.1))

    def _give_up(self, event: Sent, reason: str) -> None:
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
        self.under_way += 1
        self.agenda.after(DEAD_AFTER, lambda: self._bury(blob))

    def _bury(self, blob: str) -> None:
        self.under_way -= 1
        self.dead_letters.append(blob)


class Answer:
    """To one delivery: only the first counts."""

    def __init__(self, grid: EventGrid, event: Sent) -> None:
        self._grid, self._event, self._given = grid, event, False

    def __call__(self, taken: bool) -> None:
        if not self._given:
            self._given = True
            self._grid.answered(self._event, taken)
