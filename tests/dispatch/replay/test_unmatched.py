"""Replay of events that matched no rule when they were received."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatch.act import act
from dispatch.inbox.keys import event_key
from dispatch.replay.replay import Replayed, replay_unmatched
from dispatch.sweep import sweep
from mlevents.testing.storage import NOW
from schemas import ModelRegistered, RunStatusChanged, parse_event
from tests.kit.world import World, rule, rules

NO_MATCH = rules(rule("other", on="RunCompleted"))
RING = rules(rule("ring"), rule("next", after="{ rules: ring }"))
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)


def at(id: str, time: datetime) -> ModelRegistered:
    return ModelRegistered.example(id=id, event_time=time.isoformat())


def unmatched(world: World, since: datetime = MIDNIGHT, hours: int = 24, *, dry_run: bool = False) -> list[Replayed]:
    return list(replay_unmatched(world.app, since, since + timedelta(hours=hours), dry_run=dry_run))


def created(done: list[Replayed]) -> dict[str, list[str]]:
    return {one.event.record.id: [f"{step.rule} {step.status}" for step in one.steps] for one in done}


def world_of(folder: Path, *events: RunStatusChanged | ModelRegistered) -> World:
    world = World(NO_MATCH, folder)
    world.receive(*events)
    return world


def test_unmatched_event_gets_the_actions_of_today_s_rules(tmp_path: Path) -> None:
    """And their follow-ups; an event that still matches no rule has no steps."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"), at("m1", NOW))
    world.write(RING)
    assert created(unmatched(world)) == {"e1": ["ring created"], "m1": []}
    world.run()
    assert [call.action.rule for call in world.calls] == ["ring", "next"]
    assert world.ends() == {"ring": "succeeded", "next": "succeeded"}


def test_replaying_twice_adds_nothing(tmp_path: Path) -> None:
    """Neither before the actions have ended nor after."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    unmatched(world)
    assert created(unmatched(world)) == {"e1": ["ring requeued"]}
    world.run()
    assert created(unmatched(world)) == {"e1": ["ring unchanged"]}
    world.run()
    assert len(world.calls) == 2


def test_action_that_failed_since_is_not_replayed(tmp_path: Path) -> None:
    """A replay of the event itself runs it again."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(rules(rule("ring", "give-up")))
    unmatched(world)
    world.run()
    assert created(unmatched(world)) == {"e1": ["ring unchanged"]}
    world.run()
    assert len(world.calls) == 1


def test_action_of_a_newer_rule_is_added(tmp_path: Path) -> None:
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    unmatched(world)
    world.run()
    world.write(rules(rule("ring"), rule("newer")))
    assert created(unmatched(world)) == {"e1": ["newer created", "ring unchanged"]}


def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    before = world.table.read("2026-11-22", "", "~")
    assert created(unmatched(world, dry_run=True)) == {"e1": ["ring created"]}
    assert world.table.read("2026-11-22", "", "~") == before
    assert world.queue.messages == []


def test_event_that_matched_a_rule_is_not_replayed(tmp_path: Path) -> None:
    """Even if it would match another rule today."""
    world = World(rules(rule("then")), tmp_path)
    world.receive(RunStatusChanged.example(id="e1"))
    world.write(RING)
    assert unmatched(world) == []


def test_deferred_match_is_left_to_the_sweep(tmp_path: Path) -> None:
    """Once the sweep finds no match, the event is unmatched. If the sweep created an action, it is not."""
    world = world_of(tmp_path)
    world.write(rules(rule("later", when="[nonsense]")), "other.yaml")
    world.receive(RunStatusChanged.example(id="e1"), at("m1", NOW))
    world.write(rules(rule("ring", on="[RunStatusChanged, ModelRegistered]")))
    assert unmatched(world) == []
    world.write(rules(rule("later", on="ModelRegistered")), "other.yaml")
    sweep(world.app)
    assert created(unmatched(world)) == {"e1": ["ring created"]}
    assert unmatched(world) == []


def test_span_selects_by_the_time_of_the_event(tmp_path: Path) -> None:
    """Its first moment is included and its end is not."""
    times = {
        "before": MIDNIGHT - timedelta(milliseconds=1),
        "first": MIDNIGHT,
        "next day": MIDNIGHT + timedelta(hours=25),
        "last": MIDNIGHT + timedelta(hours=26) - timedelta(milliseconds=1),
        "end": MIDNIGHT + timedelta(hours=26),
    }
    world = world_of(tmp_path, *(at(id, time) for id, time in times.items()))
    world.write(rules(rule("ring", on="ModelRegistered")))
    assert set(created(unmatched(world, hours=26))) == {"first", "next day", "last"}
    assert set(created(unmatched(world, MIDNIGHT - timedelta(days=3), hours=10 * 24))) == {*times}


def test_time_of_a_stored_event_comes_from_its_key(tmp_path: Path) -> None:
    """To the millisecond."""
    time = datetime(2026, 11, 22, 13, 14, 15, 678_900, tzinfo=UTC)
    world = world_of(tmp_path, at("m1", time))
    [event] = world.app.inbox.history.events("2026-11-22")
    assert event.time == time.replace(microsecond=678_000)
    assert (event.day, event.key) == event_key(at("m1", time))


def test_span_selects_undated_events_by_the_time_of_receipt(tmp_path: Path) -> None:
    world = World(NO_MATCH, tmp_path)
    event = {**RunStatusChanged.example(id="e1").wire()}
    del event["eventTime"]
    assert parse_event(event).event_time is None
    world.clock.time = MIDNIGHT + timedelta(hours=5)
    world.receive(parse_event(event))
    world.write(RING)
    assert unmatched(world, MIDNIGHT, hours=5) == []
    assert created(unmatched(world, MIDNIGHT + timedelta(hours=5), hours=1)) == {"e1": ["ring created"]}
    world.run()
    assert [call.action.rule for call in world.calls] == ["ring", "next"]


def test_open_action_gets_another_message(tmp_path: Path) -> None:
    """The previous replay may have crashed before it sent one."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    unmatched(world)
    world.queue.messages.clear()
    unmatched(world)
    [(_, message)] = world.queue.messages
    world.clock.forward(minutes=2)
    act(message, world.app)
    assert [call.action.rule for call in world.calls] == ["ring"]
