"""What cannot be seen is reported, and looked at again; what no rule asks for is not looked at."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dispatch.health import unseen_by_watch
from dispatch.watch.looks import look_at_all
from tests.dispatch.watch.azure import refusal, timeout
from tests.dispatch.watch.watching import REGISTRY, WORKSPACE, Watching
from tests.kit.world import World, rule, rules

Make = Callable[..., Watching]


def unseen(found: Watching) -> list[dict[str, str]]:
    return [value for value in found.world.app.inbox.shared.all("watch|").values() if "reason" in value]


def alerts(found: Watching) -> list[str]:
    inbox = found.world.app.inbox
    events = [event for day in inbox.history.days() for event in inbox.history.day(day).events.values()]
    return [event.id for event in events if event.event_type == "Alert"]


def test_without_a_rule_on_events_of_the_watch_nothing_is_asked(watching: Make) -> None:
    found = watching("RunCompleted", "ModelRegistered", "DriftDetected")
    assert found.look() == []
    assert found.azure.calls == []
    assert found.world.app.inbox.shared.all("watch") == {}


def test_only_what_rules_ask_for_is_asked(watching: Make) -> None:
    found = watching("JobMissed")
    found.look()
    found.look()
    assert set(found.azure.calls) == {f"{WORKSPACE}/schedules"}


def test_registry_is_asked_only_for_its_own_types(watching: Make) -> None:
    found = watching("RegistryModelRegistered")
    found.look()
    assert set(found.azure.calls) == {f"{REGISTRY}/models"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_missing_permission_is_an_alert_that_names_the_role(watching: Make, status: int, caplog: Any) -> None:
    """Resource Manager answers 404 for a workspace that does not exist, and to some who may not see it."""
    found = watching("DeploymentFailed")
    if status == 404:
        found.azure.delete(WORKSPACE)
    else:
        found.azure.fault = lambda number, path: refusal(status)
    with caplog.at_level(logging.WARNING, "mlevents"):
        for _ in range(30):
            found.look()
    [id] = alerts(found)
    assert id == "cannot watch: churn-prod deployments 2026-11-22"
    [event] = [
        event
        for day in found.world.app.inbox.history.days()
        for event in found.world.app.inbox.history.day(day).events.values()
    ]
    assert f"the role Reader (acdd72a7-3385-48ef-bd42-f606fba81ae7) on {WORKSPACE}" in event.raw
    assert "DeploymentFailed is not raised. Rules: watched." in event.raw
    [value] = unseen(found)
    assert (value["workspace"], value["what"]) == ("churn-prod", "list online endpoints and deployments")
    assert "watch.unseen workspace=churn-prod" in caplog.text
    [problem] = unseen_by_watch(found.world.app.inbox.shared, found.world.clock.time)
    assert problem.startswith("the watch cannot list online endpoints and deployments of churn-prod, since 2026-11-22")
    assert unseen_by_watch(found.world.app.inbox.shared, found.world.clock.time + timedelta(days=2)) == []
    found.look(after=timedelta(days=1))
    assert len(alerts(found)) == 2


def test_what_can_be_seen_again_is_reported_no_more(watching: Make) -> None:
    found = watching("DeploymentFailed")
    found.azure.fault = lambda number, path: refusal(403)
    found.look()
    assert len(unseen(found)) == 1
    found.azure.fault = lambda number, path: None
    found.look()
    assert unseen(found) == []


@pytest.mark.parametrize(
    "answer",
    [refusal(429), refusal(500), refusal(503), timeout(), {"value": "x"}, {}, [], {"value": [], "nextLink": 7}],
)
def test_other_failures_back_off_and_are_an_alert_after_an_hour(watching: Make, answer: Any) -> None:
    found = watching("DeploymentFailed")
    found.azure.fault = lambda number, path: answer
    for _ in range(12):
        found.look()
    assert len(found.azure.calls) < 6
    assert alerts(found) == []
    found.look(after=timedelta(hours=1))
    assert alerts(found) == [f"cannot watch: churn-prod deployments {found.world.clock.time:%Y-%m-%d}"]


def test_pause_that_the_service_asks_for_is_kept(watching: Make) -> None:
    found = watching("DeploymentFailed")
    found.azure.fault = lambda number, path: refusal(429, **{"Retry-After": "1700"})
    for _ in range(6):
        found.look()
    assert len(found.azure.calls) == 1
    found.look()
    assert len(found.azure.calls) == 2


def test_failure_in_one_workspace_does_not_stop_the_others(watching: Make) -> None:
    found = watching("DeploymentFailed", "RegistryModelRegistered")
    found.look()
    found.azure.fault = lambda number, path: refusal(403) if WORKSPACE in path else None
    found.azure.model(REGISTRY, "churn", "1")
    assert len(found.look()) == 1


def test_defect_is_logged_with_its_traceback(watching: Make, caplog: Any) -> None:
    found = watching("DeploymentFailed")
    found.azure.fault = lambda number, path: LookupError("no such thing")
    found.look()
    assert "Traceback" in caplog.text
    assert len(unseen(found)) == 1


def test_look_ends_when_its_time_is_over(watching: Make) -> None:
    found = watching("ModelTagged", "JobMissed", "DeploymentFailed")
    assert look_at_all(found.world.app, lambda: False) == 0
    assert found.azure.calls == []
    times = iter([True, True, True] + [False] * 50)
    look_at_all(found.world.app, lambda: next(times))
    assert len(found.azure.calls) <= 3
    assert unseen(found) == []


def test_more_requests_than_allowed_are_reported(watching: Make) -> None:
    found = watching("DeploymentFailed")
    for number in range(260):
        found.azure.put(f"{WORKSPACE}/onlineEndpoints/e{number}", {"provisioningState": "Succeeded"})
    found.look()
    [value] = unseen(found)
    assert value["reason"] == "it takes more than 250 requests"


def test_refused_workspaces_are_not_watched(watching: Make) -> None:
    found = watching("DeploymentFailed")
    found.world.workspaces = "workspaces: 5"
    found.world.write(found.world.rules)
    assert found.look() == []
    assert found.azure.calls == []


def test_world_without_watched_types(tmp_path: Any) -> None:
    world = World(rules(rule("ring")), tmp_path)
    assert look_at_all(world.app, lambda: True) == 0
