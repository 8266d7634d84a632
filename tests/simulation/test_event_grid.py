"""The simulated Event Grid keeps to the documented schedule."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.simulation.agenda import Agenda
from tests.simulation.event_grid import HOUR, EventGrid

RAW = json.dumps({"id": "e1", "data": {}})


@dataclass
class Scripted:
    """An endpoint that answers as told; the last word for ever."""

    agenda: Agenda
    answers: tuple[bool | None, ...]  # None: no answer
    at: list[float] = field(default_factory=list)

    def deliver(self, raw: str, answer: Callable[[bool], None]) -> None:
        self.at.append(self.agenda.seconds)
        taken = self.answers[min(len(self.at), len(self.answers)) - 1]
        if taken is not None:
            answer(taken)


def delivered(*answers: bool | None, hours: float = 48, duplicates: float = 0.0) -> tuple[EventGrid, Scripted]:
    """One event, and what Event Grid does about it."""
    agenda = Agenda()
    endpoint = Scripted(agenda, answers)
    grid = EventGrid(agenda, endpoint, random.Random(1), duplicates)
    grid.publish(RAW)
    agenda.run(hours * HOUR)
    return grid, endpoint


def test_what_is_taken_is_delivered_once() -> None:
    """Unless it is delivered again for no reason."""
    grid, endpoint = delivered(True)
    assert (len(endpoint.at), grid.under_way, grid.dead_letters) == (1, 0, [])


def test_duplicates_come_though_the_event_was_taken() -> None:
    """Again and again, as chance has it."""
    _, endpoint = delivered(True, duplicates=0.9)
    assert len(endpoint.at) > 3


def test_what_fails_comes_again_by_the_schedule() -> None:
    """Six attempts in half an hour, as the page says, and eleven in a day."""
    _, endpoint = delivered(False)
    waits = [later - earlier for earlier, later in pairwise(endpoint.at)]
    expected = [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200]
    assert all(0.9 <= wait / wanted <= 1.15 for wait, wanted in zip(waits, expected, strict=True))
    assert sum(at < 1_800 for at in endpoint.at) == 6


def test_who_does_not_answer_in_half_a_minute_has_failed() -> None:
    """Whatever he does with it meanwhile."""
    _, endpoint = delivered(None, True)
    assert len(endpoint.at) == 2
    assert 39 <= endpoint.at[1] - endpoint.at[0] <= 42


def test_after_a_day_it_is_dead_lettered() -> None:
    """When it is due again, and five minutes later in a blob: an array, with why."""
    grid, endpoint = delivered(False)
    [blob] = grid.dead_letters
    [letter] = json.loads(blob)
    assert (letter["id"], letter["deadLetterReason"]) == ("e1", "TimeToLiveExceeded")
    assert letter["deliveryAttempts"] == len(endpoint.at) == 11
    assert grid.under_way == 0


def test_an_endpoint_that_fails_over_and_over_is_spared() -> None:
    """New events for it wait, most of them."""
    agenda = Agenda()
    endpoint = Scripted(agenda, (False,))
    grid = EventGrid(agenda, endpoint, random.Random(1), 0.0)
    for _ in range(100):
        grid.publish(RAW)
    agenda.run(8)
    assert 10 <= len(endpoint.at) < 40
    agenda.run(12 * HOUR)
    assert all(event.attempts for event in grid.events)


@pytest.mark.parametrize("late", [False, True])
def test_only_the_first_answer_counts(late: bool) -> None:
    """One that comes after half a minute changes nothing."""
    agenda = Agenda()
    answers: list[Callable[[bool], None]] = []

    class Slow:
        def deliver(self, raw: str, answer: Callable[[bool], None]) -> None:
            answers.append(answer)
            if len(answers) > 1:
                answer(True)

    grid = EventGrid(agenda, Slow(), random.Random(1), 0.0)
    event = grid.publish(RAW)
    agenda.run(900 if late else 20)
    answers[0](True)
    assert event.taken
    assert len(answers) == (2 if late else 1)
