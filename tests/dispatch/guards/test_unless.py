"""`unless`, with the real inbox and rules over storage in memory."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.guards.standings import standings_now
from dispatch.rules.explain import explain
from mlevents.testing.storage import NOW
from schemas import Event, ModelRegistered, RunCompleted
from tests.dispatch.evidence.expecting import EXPECTED, complete, expecting, look, world_of
from tests.dispatch.guards.kit import acted_on, outcomes, run_event
from tests.kit.world import World, rule, rules

RETRIED = "{ event: RunCompleted, same: data.experimentName }"


def completed(id: str, seconds: float, **changes: object) -> RunCompleted:
    time = (NOW + timedelta(seconds=seconds)).isoformat()
    return RunCompleted.example(id=id, run_id=id, event_time=time, **changes)


def delayed(folder: Path, unless: str = RETRIED) -> World:
    return World(rules(rule("ring", still_after="1h", unless=unless)), folder)


def run_late(world: World, *events: Event) -> dict[str, str]:
    """Receive events, then run the action of the first one when its time has come."""
    world.receive(*events)
    world.run()
    return outcomes(world)


@pytest.fixture(autouse=True)
def _no_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch.guards.lasting.still_after.run_status", lambda event: event.data.run_status)


def test_event_with_the_same_value_keeps_the_rule_from_acting(tmp_path: Path) -> None:
    """A run of the same experiment completed after the failure."""
    ends = run_late(delayed(tmp_path), run_event("e1", "Failed", 1), completed("later", 600))
    assert ends["e1"] == "skipped: RunCompleted of later is on record, of 2026-11-22 09:10:00 UTC"


@pytest.mark.parametrize(
    "other",
    [
        completed("earlier", 0.5),
        completed("elsewhere", 600, experiment_name="another"),
        completed("dev", 600, topic=ModelRegistered.example().topic.replace("prod", "dev").replace("2", "1")),
        completed("nameless", 600, experiment_name=None),
        run_event("running", "Running", 600, run="r2"),
    ],
    ids=lambda event: event.id,
)
def test_other_events_do_not_keep_it(tmp_path: Path, other: Event) -> None:
    """Earlier ones, of another experiment, of another workspace, and of another type."""
    world = delayed(tmp_path)
    run_late(world, run_event("e1", "Failed", 1), other)
    assert "e1" in acted_on(world)


def test_within_includes_earlier_events_but_not_the_event_itself(tmp_path: Path) -> None:
    unless = "{ event: RunStatusChanged, when: data.runStatus StringIn Failed, same: data.experimentName, within: 1h }"
    world = World(rules(rule("ring", unless=unless)), tmp_path)
    world.receive(run_event("e1", "Failed", 0, run="r1"))
    world.run()
    world.receive(run_event("e2", "Failed", 1_800, run="r2"))
    world.run()
    world.clock.forward(hours=3)
    world.receive(run_event("e3", "Failed", 10_000, run="r3"))
    world.run()
    assert acted_on(world) == ["e1", "e3"]


def test_event_recorded_before_the_rule_counts(tmp_path: Path) -> None:
    world = World(rules(rule("other")), tmp_path)
    world.receive(completed("before", 0))
    world.write(rules(rule("ring", unless="{ event: RunCompleted, within: 1h }")))
    world.receive(run_event("e1", "Failed", 60))
    world.run()
    assert outcomes(world)["e1"].startswith("skipped: RunCompleted of before")


def test_event_without_the_key_is_not_compared(tmp_path: Path) -> None:
    world = delayed(tmp_path, "{ event: RunCompleted, same: data.runTags.job }")
    run_late(world, run_event("e1", "Failed", 1), completed("later", 600))
    assert acted_on(world) == ["e1"]


def test_missing_event_is_no_news_beside_another_one(tmp_path: Path) -> None:
    """The nightly run did not complete, but somebody has canceled it in that night."""
    canceled = "{ event: RunStatusChanged, when: data.runStatus StringIn Canceled }"
    world = world_of(tmp_path, expecting(EXPECTED, unless=canceled))
    world.receive(run_event("e1", "Canceled", 16 * 3_600))
    assert look(world, "2026-11-23T04:35") == []
    assert look(world, "2026-11-24T04:35") != []
    complete(world, "2026-11-24T05:00")


def test_explain_names_the_event(tmp_path: Path) -> None:
    world = World(rules(rule("ring", unless="{ event: RunCompleted, same: data.experimentName }")), tmp_path)
    context = world.loaded.context(run_event("e1", "Failed", 1))
    [ring] = world.loaded.by_name.values()

    def standing() -> str:
        [found] = standings_now(ring, context, [], world.app)
        return f"{found.guard}: {found.text} {found.stops}"

    assert [verdict.matches for verdict in explain(world.loaded, context)] == [True]
    assert standing() == "unless: no such event is on record False"
    world.receive(completed("later", 60))
    world.clock.forward(minutes=5)
    assert standing() == "unless: RunCompleted of later is on record, of 2026-11-22 09:01:00 UTC True"
    lacking = World(rules(rule("ring", unless="{ event: RunCompleted, same: data.runTags.job }")), tmp_path)
    [ring] = lacking.loaded.by_name.values()
    assert standing() == "unless: not compared: the event has no data.runTags.job False"
