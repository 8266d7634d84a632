"""What an action keeps between calls, also as an earlier release saved it."""

from datetime import timedelta
from typing import Any

import pytest

from handlers.base import Action, CheckBack, Outcome, Succeeded
from handlers.launch.plan import Plan
from handlers.launch.state import LaunchState, upgraded
from handlers.launch.steps import start_and_follow
from mlevents.testing.storage import NOW
from tests.handlers.launch.test_start import InMemory

SAVED: dict[str, Any] = {  # by release 0.1
    "step": "search",
    "since": NOW.isoformat(),
    "known": {"of": "memory"},
    "others": ["of-another-event"],
    "blind": NOW.isoformat(),
    "denied": None,
    "tries": 2,
    "trouble": "the connection broke",
    "looks": 1,
    "run": "",
    "started": None,
    "canceling": False,
    "details": {},
}


def call(target: InMemory, after: timedelta = timedelta(), **saved: Any) -> Outcome:
    """Call the handler with a state of release 0.1."""
    return start_and_follow(Plan(Action(now=NOW + after, state=SAVED | saved), target, wait=bool(saved.get("run"))))


def test_state_of_release_0_1_is_read() -> None:
    state = LaunchState.model_validate(upgraded(SAVED, NOW))
    assert state == LaunchState(
        step="search",
        prepared_at=NOW,
        prepared={"of": "memory"},
        preexisting=["of-another-event"],
        listing_failed_since=NOW,
        attempts=2,
        last_error="the connection broke",
        missing_since=NOW,
    )


@pytest.mark.parametrize("state", [{}, LaunchState(attempts=1, missing_since=NOW).model_dump(mode="json")])
def test_current_state_is_unchanged(state: dict[str, Any]) -> None:
    assert upgraded(state, NOW) == state


def test_a_search_that_release_0_1_began_finds_its_run() -> None:
    target = InMemory(runs=["run-1"])
    outcome = call(target)
    assert isinstance(outcome, Succeeded)
    assert outcome.details["run"] == "run-1"


def test_a_search_that_release_0_1_began_waits_again_before_it_concludes() -> None:
    outcome = call(InMemory(), timedelta(hours=1))
    assert isinstance(outcome, CheckBack)
    assert outcome.after == timedelta(minutes=2)


def test_a_run_that_release_0_1_did_not_find_counts_as_missing_since_now() -> None:
    """It had counted 40 reads: the next would have been the last."""
    outcome = call(InMemory(), step="follow", run="run-1", started=NOW.isoformat(), looks=40)
    assert isinstance(outcome, CheckBack)
    assert (outcome.note, outcome.state["missing_since"]) == (
        "run-1 was not found",
        NOW.isoformat().replace("+00:00", "Z"),
    )


def test_an_outage_does_not_count_as_reads_that_miss_a_run() -> None:
    """The app reads twice, is down for an hour, and reads again."""
    state = LaunchState()
    minutes = [0, 4, 64, 68]
    missing = [state.missing_for(False, NOW + timedelta(minutes=each)) for each in minutes]
    assert missing == [
        timedelta(),
        timedelta(minutes=4),
        timedelta(minutes=4, seconds=5),
        timedelta(minutes=8, seconds=5),
    ]
    assert state.missing_for(True, NOW + timedelta(hours=3)) == timedelta()
    assert state.missing_for(False, NOW + timedelta(hours=3, minutes=1)) == timedelta()
