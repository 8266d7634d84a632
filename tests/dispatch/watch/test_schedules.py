"""Schedules whose job did not start."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from dispatch.watch.schedules import GRACE, MOST_PAGES
from tests.dispatch.watch.watching import WORKSPACE, Watching

Make = Callable[..., Watching]
NIGHTLY = {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "UTC"}
START = datetime(2026, 11, 22, 2, 50, tzinfo=UTC)
DUE = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def with_schedule(made: Watching, **trigger: Any) -> Watching:
    made.world.clock.time = START - timedelta(days=1)
    action = {"actionType": "CreateJob", "jobDefinition": {"experimentName": "churn-training"}}
    about = {"isEnabled": True, "displayName": "Nightly", "tags": {"team": "churn"}, "action": action}
    made.azure.put(f"{WORKSPACE}/schedules/nightly", {**about, "trigger": {**NIGHTLY, **trigger}})
    made.world.clock.time = START
    made.look(after=timedelta())
    return made


def start_job(made: Watching, name: str) -> None:
    made.azure.put(f"{WORKSPACE}/jobs/{name}", {"displayName": name})


def until(made: Watching, end: datetime) -> list[dict[str, Any]]:
    """What is raised by looks every five minutes."""
    events: list[dict[str, Any]] = []
    while made.world.clock.time < end:
        events += made.look()
    return events


def test_job_that_did_not_start_is_raised_after_a_grace(watching: Make) -> None:
    found = with_schedule(watching("JobMissed"))
    assert until(found, DUE + GRACE - timedelta(minutes=5)) == []
    [event] = until(found, DUE + GRACE + timedelta(minutes=10))
    assert event["eventTime"] == event["data"]["dueTime"] == "2026-11-22T03:00:00Z"
    assert event["data"] == {
        "scheduleName": "nightly",
        "displayName": "Nightly",
        "dueTime": "2026-11-22T03:00:00Z",
        "trigger": "cron 0 3 * * * (UTC)",
        "action": "CreateJob",
        "experimentName": "churn-training",
        "scheduleTags": {"team": "churn"},
    }
    assert until(found, DUE + timedelta(hours=2)) == []


def test_job_that_has_started_is_not_raised(watching: Make) -> None:
    found = with_schedule(watching("JobMissed"))
    until(found, DUE)
    start_job(found, "nightly-20261122T030000Z")
    start_job(found, "another")
    assert until(found, DUE + timedelta(hours=1)) == []


def test_jobs_are_listed_only_when_a_schedule_was_due(watching: Make) -> None:
    found = with_schedule(watching("JobMissed"))
    until(found, DUE + GRACE - timedelta(minutes=5))
    assert not any(path.endswith("/jobs") for path in found.azure.calls)
    until(found, DUE + timedelta(hours=3))
    assert [path for path in found.azure.calls if path.endswith("/jobs")] == [f"{WORKSPACE}/jobs"]


def test_schedule_that_was_changed_or_disabled_is_not_expected(watching: Make) -> None:
    found = with_schedule(watching("JobMissed"))
    until(found, DUE + timedelta(minutes=2))
    found.azure.put(f"{WORKSPACE}/schedules/nightly", {"isEnabled": True})  # after it was due
    found.azure.put(f"{WORKSPACE}/schedules/other", {"isEnabled": False, "trigger": NIGHTLY})
    assert until(found, DUE + timedelta(hours=1)) == []


def test_outage_of_the_app_is_made_up_for(watching: Make) -> None:
    found = with_schedule(watching("JobMissed"))
    assert len(found.look(after=timedelta(days=3))) == 3
    assert found.look() == []


def test_after_a_week_without_a_look_the_past_is_not_raised(watching: Make) -> None:
    found = with_schedule(watching("JobMissed"))
    assert found.look(after=timedelta(days=8)) == []


def test_trigger_that_is_not_understood_is_logged(watching: Make, caplog: Any) -> None:
    found = with_schedule(watching("JobMissed"), timeZone="Middle-earth Standard Time")
    assert until(found, DUE + timedelta(hours=1)) == []
    assert "schedule nightly is not watched: the time zone Middle-earth Standard Time is not understood" in caplog.text


def test_more_jobs_than_can_be_searched_are_reported_and_nothing_is_raised(watching: Make) -> None:
    """A job that was not found may be on a page that was not read."""
    found = with_schedule(watching("JobMissed", page=2))
    until(found, DUE)
    for number in range(2 * MOST_PAGES + 1):
        start_job(found, f"job-{number}")
    assert until(found, DUE + timedelta(hours=1)) == []
    [alert] = found.world.app.inbox.history.day("undated").events.values()
    assert "there are too many jobs to search them all" in alert.raw
    assert "Look in the studio which schedules have started no job since 2026-11-22 02:55 UTC." in alert.raw
    found.azure.page = 100
    assert len(until(found, DUE + timedelta(days=1, hours=1))) == 1  # that of the next day


def test_job_is_found_in_any_order_of_the_list(watching: Make) -> None:
    """A page of jobs that are all older ends the search only where the newest come first."""
    found = with_schedule(watching("JobMissed", page=2))
    for number in range(9):
        found.world.clock.time = START - timedelta(days=9 - number)
        start_job(found, f"old-{number}")
    found.world.clock.time = START
    until(found, DUE)
    start_job(found, "nightly-20261122T030000Z")
    assert until(found, DUE + timedelta(hours=1)) == []
