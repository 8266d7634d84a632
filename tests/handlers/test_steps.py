"""Handlers that take many calls: a step a call, a state between them."""

from datetime import timedelta
from functools import partial

import pytest

from handlers.base import CheckBack, GiveUp, Outcome, RetryLater, Skipped, Succeeded
from handlers.steps import Step, StepState, take_step


class Counting(StepState):
    polls: int = 0
    made: tuple[str, ...] = ()


def make(state: Counting) -> None:
    state.made += ("it",)


def wait(state: Counting) -> timedelta | None:
    state.polls += 1
    return timedelta(minutes=1) if state.polls < 3 else None


def tell(state: Counting) -> Succeeded:
    return Succeeded(f"made {state.made} after {state.polls} polls")


def carry_out(*steps: Step[Counting]) -> tuple[Outcome, list[tuple[str, timedelta]]]:
    """Call until it ends, as the dispatcher would; and what each call said."""
    saved: dict[str, object] = {}
    said = []
    while isinstance(outcome := take_step(steps, saved, Counting), CheckBack):
        saved = dict(outcome.state)
        said.append((outcome.note, outcome.after))
    return outcome, said


def test_steps_follow_each_other_one_a_call() -> None:
    outcome, said = carry_out(make, wait, tell)
    assert outcome == Succeeded("made ('it',) after 3 polls")
    now, later = timedelta(), timedelta(minutes=1)
    assert said == [("make: done", now), ("wait: not yet", later), ("wait: not yet", later), ("wait: done", now)]


def test_the_last_step_ends_it() -> None:
    assert carry_out(make) == (Succeeded("make: done"), [])


def test_a_step_can_end_it_early() -> None:
    def nothing_to_do(state: Counting) -> Skipped:
        return Skipped("a newer version is there")

    assert carry_out(nothing_to_do, make) == (Skipped("a newer version is there"), [])


def test_a_step_can_go_elsewhere() -> None:
    """Rolling back is a step like any other."""

    def check(state: Counting) -> None:
        state.step = "roll_back"

    def finish(state: Counting) -> Succeeded:
        raise AssertionError

    def roll_back(state: Counting) -> Skipped:
        return Skipped("rolled back")

    outcome, said = carry_out(check, finish, roll_back)
    assert outcome == Skipped("rolled back")
    assert [note for note, _ in said] == ["check: done"]


def test_a_step_that_waits_in_its_own_words_keeps_its_state() -> None:
    """What it put into the CheckBack is not what is kept."""

    def busy(state: Counting) -> CheckBack | None:
        state.polls += 1
        return CheckBack(timedelta(minutes=2), {"not": "kept"}, "traffic at 10 %") if state.polls < 2 else None

    outcome, said = carry_out(busy, tell)
    assert outcome == Succeeded("made () after 2 polls")
    assert said == [("traffic at 10 %", timedelta(minutes=2)), ("busy: done", timedelta())]


def test_what_a_step_raises_is_raised() -> None:
    def fails(state: Counting) -> None:
        raise RetryLater("the service is busy")

    with pytest.raises(RetryLater, match="the service is busy"):
        take_step([fails], {}, Counting)


def test_a_repeated_step_starts_from_the_state_that_was_saved() -> None:
    """A crash lost what it had written."""
    saved = {"step": "make", "made": ["before"]}
    first, again = (take_step([make, wait], saved, Counting) for _ in range(2))
    assert first == again
    assert isinstance(first, CheckBack)
    assert first.state["made"] == ["before", "it"]
    assert saved == {"step": "make", "made": ["before"]}


def test_a_state_of_an_older_version_gets_defaults_and_loses_what_is_unknown() -> None:
    outcome = take_step([make, wait], {"step": "make", "gone": True}, Counting)
    assert isinstance(outcome, CheckBack)
    assert outcome.state == {"step": "wait", "polls": 0, "made": ["it"]}


def test_a_step_that_is_gone_is_given_up() -> None:
    with pytest.raises(GiveUp, match="no step 'bake' any more, only make, wait; replay the event"):
        take_step([make, wait], {"step": "bake"}, Counting)


def test_a_state_that_does_not_fit_is_given_up() -> None:
    with pytest.raises(GiveUp, match="the saved state does not fit Counting"):
        take_step([make, wait], {"step": "make", "polls": "many"}, Counting)


@pytest.mark.parametrize("steps", [[], [make, make], [partial(make), partial(wait)]], ids=["none", "same", "nameless"])
def test_steps_that_cannot_be_told_apart_are_given_up(steps: list[Step[Counting]]) -> None:
    """A state names its step: two of one name would be one."""
    with pytest.raises(GiveUp, match="each a function with a name of its own"):
        take_step(steps, {}, Counting)
