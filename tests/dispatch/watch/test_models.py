"""Changed tags, archived and restored model versions, and models of registries."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas import ModelRegistered
from tests.dispatch.watch.watching import REGISTRY, WORKSPACE, Watching

Make = Callable[..., Watching]
TAGGED = ("ModelTagged", "ModelArchived", "ModelRestored")


def brief(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Type and subject of each event."""
    return [(event["eventType"].removeprefix("Mlevents."), event["subject"]) for event in events]


def test_changed_tag_is_raised_with_old_and_new_value(watching: Make) -> None:
    found = watching(*TAGGED)
    found.azure.model(WORKSPACE, "churn", "7", tags={"stage": "staging", "team": "churn", "old": "yes"})
    assert found.look() == []
    found.world.clock.forward(seconds=10)
    changed = found.world.clock.time
    found.azure.model(WORKSPACE, "churn", "7", tags={"stage": "production", "team": "churn"})
    [event] = found.look()
    assert event["topic"] == WORKSPACE
    assert event["eventTime"] == changed.isoformat().replace("+00:00", "Z")
    assert event["data"] == {
        "modelName": "churn",
        "modelVersion": "7",
        "modelTags": {"stage": "production", "team": "churn"},
        "modelProperties": {},
        "changedTags": {"stage": "production"},
        "removedTags": {"old": "yes"},
        "previousTags": {"stage": "staging", "team": "churn", "old": "yes"},
    }
    assert found.look() == []


def test_first_look_raises_nothing(watching: Make) -> None:
    found = watching(*TAGGED, "RegistryModelRegistered")
    for number in range(5):
        found.azure.model(WORKSPACE, "churn", str(number), isArchived=bool(number % 2), tags={"stage": "production"})
        found.azure.model(REGISTRY, "churn", str(number))
    assert found.look() == []
    assert found.look() == []


def test_archived_and_restored_versions_are_raised(watching: Make) -> None:
    found = watching(*TAGGED)
    found.azure.model(WORKSPACE, "churn", "7")
    found.look()
    found.azure.model(WORKSPACE, "churn", "7", isArchived=True)
    assert brief(found.look()) == [("ModelArchived", "models/churn:7")]
    found.azure.model(WORKSPACE, "churn", "7", isArchived=False)
    assert brief(found.look()) == [("ModelRestored", "models/churn:7")]


def test_stage_of_a_model_is_a_change(watching: Make) -> None:
    found = watching("ModelTagged")
    found.azure.model(WORKSPACE, "churn", "7", stage="Development")
    found.look()
    found.azure.model(WORKSPACE, "churn", "7", stage="Production")
    [event] = found.look()
    assert (event["data"]["previousStage"], event["data"]["stage"]) == ("Development", "Production")


def test_other_changes_raise_nothing(watching: Make) -> None:
    found = watching(*TAGGED)
    found.azure.model(WORKSPACE, "churn", "7", tags={"a": "b"})
    found.look()
    found.azure.model(WORKSPACE, "churn", "7", description="new")
    assert found.look() == []


def test_new_version_is_compared_with_the_event_of_its_registration(watching: Make) -> None:
    """A job registers a model and tags it a minute later; Azure ML writes other names of tags in the event."""
    found = watching(*TAGGED)
    found.look()
    for version, tags in (("1", {"BuildId": "5"}), ("2", {"BuildId": "5", "stage": "production"})):
        registered = ModelRegistered.example(
            id=version, topic=WORKSPACE, modelName="churn", modelVersion=version, modelTags={"buildId": "5"}
        )
        found.world.receive(registered)
        found.azure.model(WORKSPACE, "churn", version, tags=tags)
    found.azure.model(WORKSPACE, "churn", "3", tags={"stage": "production"})  # its registration is not on record
    [event] = found.look()
    assert event["subject"] == "models/churn:2"
    assert event["data"]["changedTags"] == {"stage": "production"}
    assert event["data"]["previousTags"] == {"BuildId": "5"}
    assert found.look() == []


def test_new_models_of_a_registry_are_raised(watching: Make) -> None:
    found = watching("RegistryModelRegistered")
    found.azure.model(REGISTRY, "churn", "1")
    found.look()
    found.azure.model(REGISTRY, "churn", "2", tags={"stage": "production"})
    found.azure.model(REGISTRY, "fraud", "1")
    events = found.look()
    assert sorted(brief(events)) == [
        ("RegistryModelRegistered", "models/churn:2"),
        ("RegistryModelRegistered", "models/fraud:1"),
    ]
    assert {event["topic"] for event in events} == {REGISTRY}
    assert found.look() == []


def test_deleted_version_is_forgotten_only_after_it_was_missing_thrice(watching: Make) -> None:
    """A page may miss a version while others change."""
    found = watching("RegistryModelRegistered")
    found.azure.model(REGISTRY, "churn", "1")
    found.look()
    path = f"{REGISTRY}/models/churn/versions/1"
    body = found.azure.resources[path]
    for _ in range(2):
        found.azure.delete(path)
        assert found.look() == []
    found.azure.resources[path] = body
    assert found.look() == []
    found.azure.delete(path)
    for _ in range(3):
        assert found.look() == []
    found.azure.model(REGISTRY, "churn", "1")
    assert brief(found.look()) == [("RegistryModelRegistered", "models/churn:1")]


def test_list_that_is_older_than_what_is_known_is_ignored(watching: Make) -> None:
    """Replicas of the service differ for a while."""
    found = watching("ModelTagged")
    path = f"{WORKSPACE}/models/churn/versions/7"
    found.azure.model(WORKSPACE, "churn", "7", tags={"stage": "staging"})
    stale = found.azure.resources[path]
    found.look()
    found.azure.model(WORKSPACE, "churn", "7", tags={"stage": "production"})
    fresh = found.azure.resources[path]
    assert len(found.look()) == 1
    found.azure.resources[path] = stale
    assert found.look() == []
    found.azure.resources[path] = fresh
    assert found.look() == []


def test_each_change_is_raised_when_the_service_gives_no_times(watching: Make) -> None:
    found = watching("ModelTagged", has_times=False)
    found.azure.model(WORKSPACE, "churn", "7", tags={"stage": "a"})
    found.look()
    for stage in "babab":
        found.azure.model(WORKSPACE, "churn", "7", tags={"stage": stage})
        [event] = found.look()
        assert "eventTime" not in event


@pytest.mark.parametrize("hours", [-30, 30])
def test_clocks_of_app_and_service_may_differ(watching: Make, hours: int) -> None:
    found = watching("ModelTagged", "RegistryModelRegistered", skew=timedelta(hours=hours))
    found.azure.model(WORKSPACE, "churn", "7", tags={"stage": "a"})
    found.look()
    found.azure.model(WORKSPACE, "churn", "7", tags={"stage": "b"})
    found.azure.model(REGISTRY, "churn", "1")
    assert len(found.look()) == 2
    assert found.look() == []


def test_many_changes_are_raised_in_steps(watching: Make) -> None:
    found = watching("ModelTagged", page=30)
    for number in range(90):
        found.azure.model(WORKSPACE, "churn", str(number), tags={"stage": "a"})
    found.look()
    for number in range(90):
        found.azure.model(WORKSPACE, "churn", str(number), tags={"stage": "b"})
    assert len(found.look()) == 90
    assert found.look() == []


def test_more_models_than_one_look_can_read_are_watched_in_turn(watching: Make) -> None:
    found = watching("RegistryModelRegistered", page=40)
    for number in range(600):
        found.azure.model(REGISTRY, f"model-{number:03}", "1")
    for _ in range(4):
        before = len(found.azure.calls)
        assert found.look() == []
        assert len(found.azure.calls) - before <= 250
    found.azure.model(REGISTRY, "model-599", "2")
    assert sum(len(found.look()) for _ in range(3)) == 1


def test_walk_starts_again_when_its_link_has_expired(watching: Make) -> None:
    found = watching("RegistryModelRegistered", page=40)
    for number in range(300):
        found.azure.model(REGISTRY, f"model-{number:03}", "1")
    found.look()
    found.azure.fault = lambda number, path: {"value": "expired"} if path.endswith("/models") else None
    calls = len(found.azure.calls)
    found.azure.fault = lambda number, path: {"error": {}} if number == calls + 1 else None
    found.look()
    assert found.azure.calls[calls + 1].endswith("/models")
    found.look()
    found.azure.model(REGISTRY, "model-000", "2")
    assert sum(len(found.look()) for _ in range(3)) == 1
