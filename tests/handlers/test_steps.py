"""`take_step` takes one step per call and keeps the state between calls."""

from datetime import timedelta
from functools import partial

import pytest

from handlers.base import CheckBack, GiveUp, Outcome, RetryLater, Skipped, Succeeded
from handlers.steps import Step, StepState, take_step


class Counting(StepState):
    polls: int = 0
    created: tuple[str, ...] = ()


def create(state: Counting) -> None:
    state.created += ("it",)


def wait(state: Counting) -> timedelta | None:
    state.polls += 1
    return timedelta(minutes=1) if state.polls < 3 else None


def report(state: Counting) -> Succeeded:
    return Succeeded(f"created {state.created} after {state.polls} polls")


def carry_out(*steps: Step[Counting]) -> tuple[Outcome, list[tuple[str, timedelta]]]:
    """Take steps until the action ends. Returns its outcome, and the note and delay of every CheckBack."""
    saved: dict[str, object] = {}
    waits = []
    while isinstance(outcome := take_step(steps, saved, Counting), CheckBack):
        saved = dict(outcome.state)
        waits.append((outcome.note, outcome.after))
    return outcome, waits


def test_each_call_takes_one_step() -> None:
    outcome, waits = carry_out(create, wait, report)
    assert outcome == Succeeded("created ('it',) after 3 polls")
    now, later = timedelta(), timedelta(minutes=1)
    assert waits == [("create: done", now), ("wait: not yet", later), ("wait: not yet", later), ("wait: done", now)]


def test_action_succeeds_after_the_last_step() -> None:
    assert carry_out(create) == (Succeeded("create: done"), [])


def test_step_can_end_the_action() -> None:
    def nothing_to_do(state: Counting) -> Skipped:
        return Skipped("a newer version is there")

    assert carry_out(nothing_to_do, create) == (Skipped("a newer version is there"), [])


def test_step_can_continue_with_any_other_step() -> None:
    """For example with one that rolls back."""

    def check(state: Counting) -> None:
        state.step = "roll_back"

    def finish(state: Counting) -> Succeeded:
        raise AssertionError

    def roll_back(state: Counting) -> Skipped:
        return Skipped("rolled back")

    outcome, waits = carry_out(check, finish, roll_back)
    assert outcome == Skipped("rolled back")
    assert [note for note, _ in waits] == ["check: done"]


def test_check_back_of_a_step_keeps_the_typed_state() -> None:
    """The state in the CheckBack itself is ignored."""

    def busy(state: Counting) -> CheckBack | None:
        state.polls += 1
        return CheckBack(timedelta(minutes=2), {"not": "kept"}, "traffic at 10 %") if state.polls < 2 else None

    outcome, waits = carry_out(busy, report)
    assert outcome == Succeeded("created () after 2 polls")
    assert waits == [("traffic at 10 %", timedelta(minutes=2)), ("busy: done", timedelta())]


def test_exception_of_a_step_is_raised() -> None:
    def fails(state: Counting) -> None:
        raise RetryLater("the service is busy")

    with pytest.raises(RetryLater, match="the service is busy"):
        take_step([fails], {}, Counting)


def test_repeated_step_starts_from_the_saved_state() -> None:
    """A crash loses what the first attempt wrote."""
    saved = {"step": "create", "created": ["before"]}
    first, again = (take_step([create, wait], saved, Counting) for _ in range(2))
    assert first == again
    assert isinstance(first, CheckBack)
    assert first.state["created"] == ["before", "it"]
    assert saved == {"step": "create", "created": ["before"]}


def test_state_of_another_version_gets_defaults_and_loses_unknown_fields() -> None:
    outcome = take_step([create, wait], {"step": "create", "gone": True}, Counting)
    assert isinstance(outcome, CheckBack)
    assert outcome.state == {"step": "wait", "polls": 0, "created": ["it"]}


def test_state_that_names_an_unknown_step_gives_up() -> None:
    with pytest.raises(GiveUp, match="no step 'bake' any more, only create, wait; replay the event"):
        take_step([create, wait], {"step": "bake"}, Counting)


def test_invalid_state_gives_up() -> None:
    with pytest.raises(GiveUp, match="the saved state does not fit Counting"):
        take_step([create, wait], {"step": "make", "polls": "many"}, Counting)


@pytest.mark.parametrize(
    "steps", [[], [create, create], [partial(create), partial(wait)]], ids=["none", "same", "unnamed"]
)
def test_steps_without_distinct_names_give_up(steps: list[Step[Counting]]) -> None:
    """The state names the step that is due."""
    with pytest.raises(GiveUp, match="each a function with a unique name"):
        take_step(steps, {}, Counting)
