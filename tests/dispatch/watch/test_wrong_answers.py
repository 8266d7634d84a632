"""Services that answer wrongly, in part, or without end: what can be seen is raised, and the rest is reported."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.watch.looks import LONGEST_PAUSE
from dispatch.watch.models import MOST_ERRORS
from dispatch.watch.seen import stamp
from tests.dispatch.watch.azure import HOST, refusal
from tests.dispatch.watch.test_looks import alerts, unseen
from tests.dispatch.watch.test_models import brief
from tests.dispatch.watch.watching import WORKSPACE, Watching

Make = Callable[..., Watching]
ENDPOINTS, MODELS = f"{WORKSPACE}/onlineEndpoints", f"{WORKSPACE}/models"
FAILED = {"provisioningState": "Failed"}


def endpoint(made: Watching, name: str, deployment: str = "blue", **state: str) -> None:
    made.azure.put(f"{ENDPOINTS}/{name}", {"provisioningState": "Succeeded"})
    made.azure.put(f"{ENDPOINTS}/{name}/deployments/{deployment}", {"provisioningState": "Succeeded", **state})


@pytest.mark.parametrize("on", ["DeploymentFailed", "ModelTagged"])
@pytest.mark.parametrize("items", [0, 1])
def test_pages_in_a_circle_are_reported(watching: Make, on: str, items: int) -> None:
    found = watching(on)
    value = [{"name": "churn", "properties": {}}] * items
    found.azure.fault = lambda number, path: (
        {"value": value, "nextLink": f"{HOST}{path}?$skip=1"} if path in (ENDPOINTS, MODELS) else None
    )
    found.look()
    [state] = unseen(found)
    assert state["reason"] == "the links from page to page lead in a circle"
    assert len(found.azure.calls) < 10
    for _ in range(4):
        found.look(after=LONGEST_PAUSE)
    assert len(alerts(found)) == 1


@pytest.mark.parametrize("on", ["DeploymentFailed", "ModelTagged"])
def test_empty_pages_without_end_are_reported(watching: Make, on: str) -> None:
    found = watching(on)
    found.azure.fault = lambda number, path: {"value": [], "nextLink": f"{HOST}{path}?$skip={number}"}
    found.look()
    [state] = unseen(found)
    assert state["reason"] == "more than 50 consecutive pages are empty"


def test_some_empty_pages_are_no_end(watching: Make) -> None:
    found = watching("DeploymentFailed")
    endpoint(found, "churn")
    found.look()
    endpoint(found, "churn", **FAILED)
    found.azure.fault = lambda number, path: (
        {"value": [], "nextLink": f"{HOST}{path}?$skip=0&n={number}"} if number % 3 else None
    )
    assert brief(found.look()) == [("DeploymentFailed", "endpoints/churn/deployments/blue")]


def test_endpoint_whose_deployments_cannot_be_listed_does_not_hide_the_others(watching: Make, caplog: Any) -> None:
    found = watching("DeploymentFailed", "EndpointFailed")
    endpoint(found, "a", **FAILED)
    endpoint(found, "b")
    endpoint(found, "c")
    found.look()
    found.azure.fault = lambda number, path: refusal(500) if "/a/" in path else None
    endpoint(found, "b", **FAILED)
    assert brief(found.look()) == [("DeploymentFailed", "endpoints/b/deployments/blue")]
    assert "the deployments of endpoint a cannot be listed" in caplog.text
    for _ in range(5):
        found.look()
    found.azure.fault = lambda number, path: None
    assert found.look() == []  # the failure of a's deployment is not forgotten, and not raised again


def test_endpoints_are_seen_although_no_deployment_can_be(watching: Make) -> None:
    found = watching("DeploymentFailed", "EndpointFailed")
    endpoint(found, "a")
    found.look()
    found.azure.fault = lambda number, path: refusal(403) if path.endswith("/deployments") else None
    found.azure.put(f"{ENDPOINTS}/a", FAILED)
    assert brief(found.look()) == [("EndpointFailed", "endpoints/a")]
    assert len(unseen(found)) == len([id for id in alerts(found) if "deployments" in id]) == 1


def test_model_that_cannot_be_read_does_not_hide_those_after_it(watching: Make, caplog: Any) -> None:
    found = watching("ModelTagged")
    for name in ("a", "b", "c"):
        found.azure.model(WORKSPACE, name, "1", tags={})
    found.look()
    found.azure.fault = lambda number, path: {"value": 7} if "/a/" in path else None
    found.azure.model(WORKSPACE, "c", "1", tags={"stage": "production"})
    assert brief(found.look()) == [("ModelTagged", "models/c:1")]
    assert "model a cannot be read" in caplog.text
    assert unseen(found) == []


def test_models_of_which_none_can_be_read_are_reported(watching: Make) -> None:
    found = watching("ModelTagged")
    for number in range(9):
        found.azure.model(WORKSPACE, f"m{number}", "1", tags={})
    found.look()
    calls = len(found.azure.calls)
    found.azure.fault = lambda number, path: refusal(403) if path.endswith("/versions") else None
    found.look()
    assert len(found.azure.calls) - calls == 1 + MOST_ERRORS
    assert len(unseen(found)) == len([id for id in alerts(found) if "models" in id]) == 1


def test_large_tags_are_raised_in_parts_or_left_out(watching: Make, caplog: Any) -> None:
    """What was seen and the events fit one row of shared state each, whatever the tags are."""
    dice = random.Random(5)

    def tags(count: int, length: int) -> dict[str, str]:
        return {f"t{number}": dice.randbytes(length // 2).hex() for number in range(count)}

    found = watching("ModelTagged")
    for number in range(1, 13):
        found.azure.model(WORKSPACE, "churn", str(number), tags={})
    found.azure.model(WORKSPACE, "large", "1", tags={})
    found.look()
    for number in range(1, 13):
        found.azure.model(WORKSPACE, "churn", str(number), tags=tags(4, 400))
    found.azure.model(WORKSPACE, "large", "1", tags=tags(150, 1_900))
    raised = found.look()
    assert sorted(brief(raised)) == sorted(
        [("ModelTagged", f"models/churn:{number}") for number in range(1, 13)] + [("ModelTagged", "models/large:1")]
    )
    assert "models/large:1: changedTags is left out, because it is too large" in caplog.text
    assert "of model large, only 0 versions are watched: the tags are too large" in caplog.text
    assert found.look() == []


def test_long_reasons_of_many_failures_are_raised_in_parts(watching: Make) -> None:
    dice = random.Random(6)
    found = watching("DeploymentFailed")
    found.look()
    for number in range(25):
        tags = {f"t{number}": dice.randbytes(500).hex()}
        found.azure.put(f"{ENDPOINTS}/e{number}", {"provisioningState": "Succeeded"})
        found.azure.put(f"{ENDPOINTS}/e{number}/deployments/blue", FAILED, tags=tags)
    assert len(found.look()) == 25
    assert found.look() == []


def test_whole_seconds_compare_like_other_times() -> None:
    times = [datetime(2026, 11, 22, 9, tzinfo=UTC) + timedelta(microseconds=number) for number in (0, 1, 500_000)]
    assert [stamp(time) for time in times] == sorted(stamp(time) for time in times)
