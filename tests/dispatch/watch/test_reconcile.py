"""Events that never came: found by lists, counted, and taken in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.health import unseen_by_watch
from dispatch.watch.memory import unpacked
from dispatch.watch.reconcile import PAUSE, missing_days, reconcile, take_in
from schemas import ModelRegistered, RunCompleted, RunStatusChanged
from tests.dispatch.watch.azure import refusal
from tests.dispatch.watch.test_looks import alerts
from tests.dispatch.watch.watching import WORKSPACE, Watching

Make = Callable[..., Watching]
YESTERDAY = datetime(2026, 11, 21, 10, tzinfo=UTC)
NIGHT = datetime(2026, 11, 22, 2, 5, tzinfo=UTC)
DAY = "2026-11-21"


def run(made: Watching, name: str, status: str = "Completed", **more: Any) -> None:
    about = {"status": status, "experimentName": "churn", "jobType": "Pipeline", "tags": {"team": "churn"}, **more}
    made.azure.put(f"{WORKSPACE}/jobs/{name}", about)


def with_runs(made: Watching, *names: str) -> Watching:
    made.world.clock.time = YESTERDAY
    for name in names:
        run(made, name)
    return made


def at_night(made: Watching) -> list[str]:
    """The subjects of the missing events."""
    made.world.clock.time = max(made.world.clock.time, NIGHT)
    reconcile(made.world.app, lambda: True)
    return sorted(
        wire["subject"]
        for value in missing_days(made.world.app.inbox.shared)
        for wire in unpacked(value["events"])["events"]
    )


def test_run_without_an_event_is_missing(watching: Make) -> None:
    found = with_runs(watching("RunCompleted"), "brave_kiwi", "calm_owl")
    event = RunCompleted.example(topic=WORKSPACE, runId="calm_owl", eventTime=YESTERDAY.isoformat())
    found.world.receive(event)
    run(found, "still_running", "Running")
    assert at_night(found) == ["runs/brave_kiwi"]
    assert alerts(found) == [f"missing events: churn-prod {DAY}"]
    assert unseen_by_watch(found.world.app.inbox.shared, NIGHT) == [
        f"1 events of churn-prod on {DAY} never came: `mlevents watch --take-in {DAY}`"
    ]
    calls = len(found.azure.calls)
    assert at_night(found) == ["runs/brave_kiwi"]
    assert len(found.azure.calls) == calls  # once a day


def test_run_counts_only_for_the_types_and_conditions_of_rules(watching: Make) -> None:
    """An event that a filter leaves out because no rule needs it is not missing."""
    found = watching("RunCompleted")
    rules = found.world.rules.replace("on: [RunCompleted]", 'on: [RunCompleted], when: "data.runTags.team StringIn x"')
    found.world.write(rules)
    with_runs(found, "brave_kiwi")
    assert at_night(found) == []


def test_status_of_a_run_is_compared(watching: Make) -> None:
    found = watching("RunStatusChanged")
    found.world.clock.time = YESTERDAY
    run(found, "brave_kiwi", "Failed")
    run(found, "calm_owl", "Failed")
    for name, status in (("brave_kiwi", "Running"), ("calm_owl", "Failed")):
        time = YESTERDAY.isoformat()
        found.world.receive(
            RunStatusChanged.example(id=name, topic=WORKSPACE, runId=name, runStatus=status, eventTime=time)
        )
    assert at_night(found) == ["runs/brave_kiwi"]


def test_model_without_an_event_is_missing(watching: Make) -> None:
    found = watching("ModelRegistered")
    found.world.clock.time = YESTERDAY - timedelta(days=1)
    found.azure.model(WORKSPACE, "churn", "6")
    found.world.clock.time = YESTERDAY
    found.azure.model(WORKSPACE, "churn", "7")
    found.azure.model(WORKSPACE, "churn", "8")
    time = YESTERDAY.isoformat()
    found.world.receive(ModelRegistered.example(topic=WORKSPACE, modelName="churn", modelVersion="8", eventTime=time))
    assert at_night(found) == ["models/churn:7"]


def test_missing_events_are_taken_in_once(watching: Make) -> None:
    found = with_runs(watching("RunCompleted"), "brave_kiwi")
    at_night(found)
    for _ in range(2):
        assert take_in(found.world.app, DAY) == 1
    inbox = found.world.app.inbox
    [event] = inbox.history.day(DAY).events.values()
    assert (event.event_type, event.object) == ("RunCompleted", "brave_kiwi")
    assert '"foundBy": "reconciliation"' in event.raw
    assert unseen_by_watch(inbox.shared, NIGHT) == []


def test_nothing_is_asked_before_the_night_or_without_a_rule(watching: Make) -> None:
    found = with_runs(watching("RunCompleted"), "brave_kiwi")
    found.world.clock.time = NIGHT - timedelta(minutes=10)
    reconcile(found.world.app, lambda: True)
    assert found.azure.calls == []
    other = watching("ModelTagged")
    at_night(other)
    assert other.azure.calls == []


@pytest.mark.parametrize("status", [403, 429, 500])
def test_error_is_made_up_for_later(watching: Make, status: int) -> None:
    found = with_runs(watching("RunCompleted"), "brave_kiwi")
    found.azure.fault = lambda number, path: refusal(status)
    assert at_night(found) == []
    assert at_night(found) == []
    assert len(found.azure.calls) == 1
    found.azure.fault = lambda number, path: None
    found.world.clock.time += PAUSE
    assert at_night(found) == ["runs/brave_kiwi"]


def test_pages_end_with_the_day(watching: Make) -> None:
    """The emulated service lists the newest jobs last here, so all pages are read."""
    found = watching("RunCompleted", page=3)
    found.world.clock.time = YESTERDAY
    for number in range(10):
        run(found, f"run-{number}")
    assert len(at_night(found)) == 10


def test_share_of_the_time_that_is_over_ends_it(watching: Make) -> None:
    found = with_runs(watching("RunCompleted"), "brave_kiwi")
    found.world.clock.time = NIGHT
    reconcile(found.world.app, lambda: False)
    assert found.azure.calls == []
