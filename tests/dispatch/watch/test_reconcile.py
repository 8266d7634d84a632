"""Events that never came: found by lists, counted, and taken in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.erasure.erase import erase
from dispatch.erasure.find import find
from dispatch.erasure.needle import Needle
from dispatch.health import unseen_by_watch
from dispatch.watch.looks import LONGEST_PAUSE
from dispatch.watch.memory import unpacked
from dispatch.watch.reconcile import missing_days, reconcile, take_in
from schemas import ModelRegistered, RunCompleted, RunStatusChanged
from tests.dispatch.watch.azure import refusal
from tests.dispatch.watch.test_looks import alerts
from tests.dispatch.watch.watching import EVERY, WORKSPACE, Watching

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
    values = made.world.app.inbox.shared.all("missing|").values()
    return sorted(wire["subject"] for value in values for wire in unpacked(value["events"])["events"])


def test_run_without_an_event_is_missing(watching: Make) -> None:
    found = with_runs(watching("RunCompleted"), "brave_kiwi", "calm_owl")
    event = RunCompleted.example(topic=WORKSPACE, runId="calm_owl", eventTime=YESTERDAY.isoformat())
    found.world.receive(event)
    run(found, "still_running", "Running")
    assert at_night(found) == ["runs/brave_kiwi"]
    assert alerts(found) == [f"missing events: churn-prod {DAY}"]
    assert unseen_by_watch(found.world.app.inbox.shared, NIGHT) == [
        f"1 event of churn-prod on {DAY} never came: `mlevents watch --take-in {DAY}`"
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
    found.world.clock.time += LONGEST_PAUSE
    assert at_night(found) == ["runs/brave_kiwi"]


def nights(made: Watching, count: int) -> None:
    """Let the watch run for some nights."""
    for night in range(count):
        for _ in range(20):
            made.world.clock.time = max(made.world.clock.time, NIGHT + timedelta(days=night)) + EVERY
            reconcile(made.world.app, lambda: True)


def test_missing_permission_is_one_alert_that_names_the_role_and_is_shown(watching: Make) -> None:
    """Not one each day, because no rule asks for the comparison."""
    found = with_runs(watching("RunCompleted", "ModelRegistered"), "brave_kiwi")
    found.azure.fault = lambda number, path: refusal(403)
    nights(found, 3)
    assert alerts(found) == ["cannot watch: churn-prod reconciliation 2026-11-22"]
    [event] = found.world.app.inbox.history.day("undated").events.values()
    assert f"the role Reader (acdd72a7-3385-48ef-bd42-f606fba81ae7) on {WORKSPACE}" in event.raw
    assert "So events that never come are not noticed. Rules: watched." in event.raw
    [line] = unseen_by_watch(found.world.app.inbox.shared, found.world.clock.time)
    assert line.startswith("the watch cannot compare runs and models with the record of churn-prod, since 2026-11-22")
    assert line.endswith("the app's identity needs the role Reader")
    found.azure.fault = lambda number, path: None
    nights(found, 4)
    assert unseen_by_watch(found.world.app.inbox.shared, found.world.clock.time) == []
    found.azure.fault = lambda number, path: refusal(403)
    nights(found, 6)
    assert len(alerts(found)) == 2  # it was permitted meanwhile


def test_models_are_compared_although_runs_cannot_be_listed(watching: Make) -> None:
    found = watching("RunCompleted", "ModelRegistered")
    found.world.clock.time = YESTERDAY
    found.azure.model(WORKSPACE, "churn", "7")
    found.azure.fault = lambda number, path: refusal(403) if "/jobs" in path else None
    assert at_night(found) == ["models/churn:7"]
    assert alerts(found)[0].startswith("cannot watch: churn-prod reconciliation")
    assert f"missing events: churn-prod {DAY} so far" in alerts(found)


@pytest.mark.parametrize(
    "key", ["expect: { event: RunCompleted, by: '06:30' }", "on: ModelDeployed, unless: { event: RunCompleted }"]
)
def test_event_that_a_rule_expects_or_does_not_act_beside_counts(watching: Make, key: str) -> None:
    found = watching("RunCompleted")
    found.world.write(found.world.rules.replace("on: [RunCompleted]", key))
    with_runs(found, "brave_kiwi")
    assert at_night(found) == ["runs/brave_kiwi"]


def test_event_that_was_erased_is_not_missing(watching: Make) -> None:
    """Its row has no name any more, only its type, its workspace and its time."""
    found = with_runs(watching("RunCompleted"), "alice_kiwi")
    found.world.clock.time += timedelta(hours=1)
    run(found, "calm_owl")
    time = YESTERDAY + timedelta(seconds=40)
    app = found.world.app
    found.world.receive(RunCompleted.example(topic=WORKSPACE, runId="alice_kiwi", eventTime=time.isoformat()))
    found.world.run()
    needle = Needle("alice_kiwi")
    assert erase(find(needle, app), needle, app, "an operator").events == 1
    assert at_night(found) == ["runs/calm_owl"]


def test_many_missing_events_are_kept_and_taken_in(watching: Make) -> None:
    found = with_runs(watching("RunCompleted"), *(f"run_{number * 7919:x}" for number in range(120)))
    assert len(at_night(found)) == 120
    assert len(found.world.app.inbox.shared.all("missing|")) == 3
    [value] = missing_days(found.world.app.inbox.shared)
    assert value["count"] == "120"
    assert take_in(found.world.app, DAY) == 120


def test_comparison_continues_where_its_time_was_over(watching: Make) -> None:
    found = with_runs(watching("RunCompleted", page=10), *(f"run-{number}" for number in range(30)))
    found.world.clock.time = NIGHT
    for _ in range(20):
        times = iter([True] * 7)
        reconcile(found.world.app, lambda times=times: next(times, False))  # type: ignore[misc]
    assert len(at_night(found)) == 30
    assert len(found.azure.calls) < 40


@pytest.mark.parametrize("newest_first", [True, False])
def test_order_of_the_list_does_not_matter(watching: Make, newest_first: bool) -> None:
    found = watching("RunCompleted", page=50)
    found.world.clock.time = YESTERDAY - timedelta(days=20)
    for number in range(900):
        found.world.clock.time += timedelta(minutes=30)
        run(found, f"old-{number}", "Canceled")
    with_runs(found, "brave_kiwi")
    if newest_first:
        found.azure.resources = dict(reversed(found.azure.resources.items()))
    assert at_night(found) == ["runs/brave_kiwi"]
    assert len(found.azure.calls) == (7 if newest_first else 19)


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
