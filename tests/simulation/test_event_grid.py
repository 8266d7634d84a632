"""The simulated Event Grid follows the documented schedule."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.simulation.event_grid import HOUR, EventGrid
from tests.simulation.scheduler import Scheduler

RAW = json.dumps({"id": "e1", "data": {}})


@dataclass
class ScriptedEndpoint:
    """An endpoint with one response per delivery; the last one repeats."""

    scheduler: Scheduler
    responses: tuple[bool | None, ...]  # None: no response
    at: list[float] = field(default_factory=list)

    def deliver(self, raw: str, respond: Callable[[bool], None]) -> None:
        self.at.append(self.scheduler.seconds)
        accepted = self.responses[min(len(self.at), len(self.responses)) - 1]
        if accepted is not None:
            respond(accepted)


def published(
    *responses: bool | None, hours: float = 48, duplicates: float = 0.0
) -> tuple[EventGrid, ScriptedEndpoint]:
    """Publish one event, and run for some hours."""
    scheduler = Scheduler()
    endpoint = ScriptedEndpoint(scheduler, responses)
    event_grid = EventGrid(scheduler, endpoint, random.Random(1), duplicates)
    event_grid.publish(RAW)
    scheduler.run(hours * HOUR)
    return event_grid, endpoint


def test_an_accepted_event_is_delivered_once() -> None:
    event_grid, endpoint = published(True)
    assert (len(endpoint.at), event_grid.pending, event_grid.dead_letters) == (1, 0, [])


def test_an_accepted_event_may_be_delivered_again() -> None:
    """The share of duplicates applies to each delivery, so one event may have several."""
    _, endpoint = published(True, duplicates=0.9)
    assert len(endpoint.at) > 3


def test_a_failed_delivery_is_retried_by_the_documented_schedule() -> None:
    """That is six attempts in half an hour, and eleven in a day."""
    _, endpoint = published(False)
    delays = [later - earlier for earlier, later in pairwise(endpoint.at)]
    documented = [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200]
    assert all(0.9 <= delay / expected <= 1.15 for delay, expected in zip(delays, documented, strict=True))
    assert sum(at < 1_800 for at in endpoint.at) == 6


def test_a_delivery_without_a_response_fails_after_30_seconds() -> None:
    _, endpoint = published(None, True)
    assert len(endpoint.at) == 2
    assert 39 <= endpoint.at[1] - endpoint.at[0] <= 42


def test_an_event_is_dead_lettered_after_a_day() -> None:
    """The blob is a JSON array with the reason. Event Grid writes it five minutes after the last delivery was due."""
    event_grid, endpoint = published(False)
    [blob] = event_grid.dead_letters
    [letter] = json.loads(blob)
    assert (letter["id"], letter["deadLetterReason"]) == ("e1", "TimeToLiveExceeded")
    assert letter["deliveryAttempts"] == len(endpoint.at) == 11
    assert event_grid.pending == 0


def test_new_events_for_a_failing_endpoint_are_delayed() -> None:
    """Most of them, after ten consecutive failures."""
    scheduler = Scheduler()
    endpoint = ScriptedEndpoint(scheduler, (False,))
    event_grid = EventGrid(scheduler, endpoint, random.Random(1), 0.0)
    for _ in range(100):
        event_grid.publish(RAW)
    scheduler.run(8)
    assert 10 <= len(endpoint.at) < 40
    scheduler.run(12 * HOUR)
    assert all(event.attempts for event in event_grid.events)


@pytest.mark.parametrize("late", [False, True])
def test_a_response_after_the_timeout_is_ignored(late: bool) -> None:
    """One before the timeout prevents a retry."""
    scheduler = Scheduler()
    responses: list[Callable[[bool], None]] = []

    class SlowEndpoint:
        def deliver(self, raw: str, respond: Callable[[bool], None]) -> None:
            responses.append(respond)
            if len(responses) > 1:
                respond(True)

    event_grid = EventGrid(scheduler, SlowEndpoint(), random.Random(1), 0.0)
    event = event_grid.publish(RAW)
    scheduler.run(900 if late else 20)
    responses[0](True)
    assert event.accepted
    assert len(responses) == (2 if late else 1)
