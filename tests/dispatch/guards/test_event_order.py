"""The order of two events about one object."""

import pytest

from dispatch.guards.event_order import Position
from schemas import Event, ModelRegistered, parse_event
from tests.dispatch.guards.kit import model_event, run_event


def sequenced(seconds: float, sequencer: str) -> Event:
    return parse_event({**model_event("a", seconds).wire(), "sequencer": sequencer})


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (run_event("a", "Queued", 9), run_event("b", "Running", 1)),
        (run_event("a", "Running", 1), run_event("b", "NotResponding", 2)),
        (run_event("a", "NotResponding", 1), run_event("b", "Running", 2)),
        (run_event("a", "CancelRequested", 9), run_event("b", "canceled", 1)),
        (run_event("a", "SomethingNew", 1), run_event("b", "Finalizing", 0)),
        (run_event("a", "Failed", 1), run_event("b", "Completed", 2)),
        (model_event("a", 0), model_event("b", 0.000001)),
        (sequenced(9, "9"), sequenced(1, "10")),
        (sequenced(9, "00AB"), sequenced(1, "00AC")),
        (ModelRegistered.example(event_time=None), model_event("b", 1)),
        (ModelRegistered.example(event_time="0001-01-01T00:00:00+02:00"), model_event("b", 1)),
    ],
)
def test_exactly_one_of_two_events_is_later(earlier: Event, later: Event) -> None:
    assert Position.of(later).is_after(Position.of(earlier))
    assert not Position.of(earlier).is_after(Position.of(later))


def test_a_sequencer_too_long_to_store_is_ignored() -> None:
    """The time decides. The longest one that is stored still decides."""
    assert Position.of(sequenced(2, "8" * 2_001)).is_after(Position.of(sequenced(1, "9" * 2_001)))
    assert Position.of(sequenced(1, "9" * 2_000)).is_after(Position.of(sequenced(2, "8" * 2_000)))


def test_a_sequencer_decides_only_if_both_events_have_one() -> None:
    """Otherwise the time decides."""
    with_one, without = sequenced(1, "99"), model_event("b", 2)
    assert Position.of(without).is_after(Position.of(with_one))
