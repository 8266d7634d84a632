"""`latest_only`, with the real inbox and rules over storage in memory."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.inbox.messages import Message
from mlevents.testing.storage import NOW
from schemas import ModelDeployed, ModelRegistered, RunCompleted, parse_event
from tests.dispatch.guards.kit import acted_on, model_event, outcomes, run_event
from tests.kit.faults import CrashAt
from tests.kit.world import World, rule, rules

LATEST = rules(rule("ring", on="[RunStatusChanged, RunCompleted, ModelRegistered, ModelDeployed]", latest_only="true"))


def test_an_earlier_event_that_arrives_late_is_skipped(tmp_path: Path) -> None:
    """The reason names the later event."""
    world = World(LATEST, tmp_path)
    world.receive(model_event("new", 9))
    world.run()
    world.receive(model_event("old", 1))
    world.run()
    assert acted_on(world) == ["new"]
    assert outcomes(world)["old"] == "skipped: superseded by event new of 2026-11-22T09:00:09.000000+00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "i" * 33_000},
        {"id": "ü" * 6_000},
        {"id": "\U0001f600" * 6_000},
        {"sequencer": "\U0001f600" * 2_000, "id": "\U0001f600" * 900},
        {"sequencer": "9" * 40_000},
    ],
    ids=["long", "not ASCII", "emoji", "both", "sequencer"],
)
def test_a_long_id_or_sequencer_fits_the_shared_state(changes: dict[str, str], tmp_path: Path) -> None:
    """A later event is still recognised, and an earlier one is skipped."""
    world = World(LATEST, tmp_path)
    for n in (5, 9, 7):
        wire = model_event(f"e{n}", n).wire() | changes
        if "sequencer" in changes:
            wire["sequencer"] = f"{changes['sequencer'][1:]}{n}"
        world.receive(parse_event(wire))
        world.run()
    ends = sorted(record.status for _, record in world.history().actions)
    assert ends == ["skipped", "succeeded", "succeeded"]


def test_events_that_arrive_in_order_are_all_acted_on(tmp_path: Path) -> None:
    world = World(LATEST, tmp_path)
    for n in range(3):
        world.receive(model_event(f"e{n}", n))
        world.run()
    assert acted_on(world) == ["e0", "e1", "e2"]


def test_events_about_other_objects_are_not_compared(tmp_path: Path) -> None:
    """Another model, another workspace, an endpoint of the same name."""
    world = World(LATEST, tmp_path)
    elsewhere = ModelRegistered.example().topic.replace("churn-prod", "churn-dev")
    elsewhere = elsewhere.replace("rg-ml-prod", "rg-ml-dev").replace("2222", "1111")
    world.receive(model_event("new", 9))
    world.run()
    deployed = ModelDeployed.example(id="endpoint", service_name="churn", event_time=NOW.isoformat())
    world.receive(model_event("other", 1, model_name="other"), model_event("dev", 1, topic=elsewhere), deployed)
    world.run()
    assert sorted(acted_on(world)) == ["dev", "endpoint", "new", "other"]


def test_versions_of_a_model_count_as_one_object(tmp_path: Path) -> None:
    world = World(LATEST, tmp_path)
    world.receive(model_event("v2", 9, model_version="2"))
    world.run()
    world.receive(model_event("v1", 1, model_version="1"))
    world.run()
    assert acted_on(world) == ["v2"]


def test_the_status_of_a_run_decides_before_the_time(tmp_path: Path) -> None:
    """A run that has ended does not run again, whatever the clocks say."""
    world = World(LATEST, tmp_path)
    for event in (run_event("failed", "Failed", 1), run_event("running", "Running", 9)):
        world.receive(event)
        world.run()
    world.receive(RunCompleted.example(id="other-run", run_id="r2"))
    world.run()
    assert acted_on(world) == ["failed", "other-run"]


def test_an_action_that_crashes_after_the_guard_passes_again(tmp_path: Path) -> None:
    """It finds its own event recorded."""
    world = World(LATEST, tmp_path, CrashAt((4, "after")))  # read, claim, read the shared state, write it
    world.receive(model_event("e1", 1))
    world.run()
    assert acted_on(world) == ["e1"]
    assert world.actions["ring"].crashes == 1


def test_an_action_that_has_started_is_not_skipped_for_a_later_event(tmp_path: Path) -> None:
    """A roll-out that waits is not abandoned halfway. A retry that has done nothing yet is."""
    world = World(rules(rule("ring", "wait 3600", "succeed", on="ModelRegistered", latest_only="true")), tmp_path)
    world.receive(model_event("first", 1))
    act(world.queue.messages.pop()[1], world.app)
    first = world.actions["ring"]
    world.queue.send(_message(world), timedelta(hours=1))
    world.receive(model_event("second", 9))
    world.run()
    assert first.checked_back
    assert outcomes(world)["first"] == "succeeded: done"


def _message(world: World) -> str:
    [(id, record)] = world.history().actions
    return str(Message(id, record.message_version))
