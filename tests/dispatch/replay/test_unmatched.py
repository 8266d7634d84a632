"""Events that matched no rule when they came are matched against today's."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatch.act import act
from dispatch.inbox.keys import event_key
from dispatch.replay.replay import Replayed, replay_unmatched
from dispatch.sweep import sweep
from schemas import ModelRegistered, RunStatusChanged, parse_event
from tests.kit.storage import NOW
from tests.kit.world import World, rule, rules

NOBODY = rules(rule("other", on="RunCompleted"))
RING = rules(rule("ring"), rule("tell", after="{ rules: ring }"))
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)


def at(id: str, time: datetime) -> ModelRegistered:
    return ModelRegistered.example(id=id, event_time=time.isoformat())


def unmatched(world: World, since: datetime = MIDNIGHT, hours: int = 24, *, dry_run: bool = False) -> list[Replayed]:
    return list(replay_unmatched(world.app, since, since + timedelta(hours=hours), dry_run=dry_run))


def made(done: list[Replayed]) -> dict[str, list[str]]:
    return {one.event.record.id: [f"{step.rule} {step.status}" for step in one.steps] for one in done}


def world_of(folder: Path, *events: RunStatusChanged | ModelRegistered) -> World:
    world = World(NOBODY, folder)
    world.receive(*events)
    return world


def test_they_get_the_actions_that_they_lead_to_today(tmp_path: Path) -> None:
    """With what follows those; those that still match nothing have no steps."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"), at("m1", NOW))
    world.write(RING)
    assert made(unmatched(world)) == {"e1": ["ring created"], "m1": []}
    world.run()
    assert [call.action.rule for call in world.calls] == ["ring", "tell"]
    assert world.ends() == {"ring": "succeeded", "tell": "succeeded"}


def test_twice_adds_nothing(tmp_path: Path) -> None:
    """Before the actions have ended, and after."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    unmatched(world)
    assert made(unmatched(world)) == {"e1": ["ring requeued"]}
    world.run()
    assert made(unmatched(world)) == {"e1": ["ring unchanged"]}
    world.run()
    assert len(world.calls) == 2


def test_what_failed_since_is_not_replayed(tmp_path: Path) -> None:
    """That is what replaying the event is for."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(rules(rule("ring", "give-up")))
    unmatched(world)
    world.run()
    assert made(unmatched(world)) == {"e1": ["ring unchanged"]}
    world.run()
    assert len(world.calls) == 1


def test_a_rule_that_is_newer_still_is_added(tmp_path: Path) -> None:
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    unmatched(world)
    world.run()
    world.write(rules(rule("ring"), rule("newer")))
    assert made(unmatched(world)) == {"e1": ["newer created", "ring unchanged"]}


def test_a_dry_run_does_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    before = world.table.read("2026-11-22", "", "~")
    assert made(unmatched(world, dry_run=True)) == {"e1": ["ring created"]}
    assert world.table.read("2026-11-22", "", "~") == before
    assert world.queue.messages == []


def test_what_matched_a_rule_then_is_left(tmp_path: Path) -> None:
    """Also if it would match another today."""
    world = World(rules(rule("then")), tmp_path)
    world.receive(RunStatusChanged.example(id="e1"))
    world.write(RING)
    assert unmatched(world) == []


def test_what_a_refused_file_is_left_to_be_asked_about_is_left_to_the_sweep(tmp_path: Path) -> None:
    """When that has found that it matches nothing, it is as any other; one that has actions is not: who knows why."""
    world = world_of(tmp_path)
    world.write(rules(rule("later", when="[nonsense]")), "other.yaml")
    world.receive(RunStatusChanged.example(id="e1"), at("m1", NOW))
    world.write(rules(rule("ring", on="[RunStatusChanged, ModelRegistered]")))
    assert unmatched(world) == []
    world.write(rules(rule("later", on="ModelRegistered")), "other.yaml")
    sweep(world.app)
    assert made(unmatched(world)) == {"e1": ["ring created"]}
    assert unmatched(world) == []


def test_their_own_time_counts(tmp_path: Path) -> None:
    """From the first moment of the span to the last before its end, over days."""
    times = {
        "before": MIDNIGHT - timedelta(milliseconds=1),
        "first": MIDNIGHT,
        "next day": MIDNIGHT + timedelta(hours=25),
        "last": MIDNIGHT + timedelta(hours=26) - timedelta(milliseconds=1),
        "end": MIDNIGHT + timedelta(hours=26),
    }
    world = world_of(tmp_path, *(at(id, time) for id, time in times.items()))
    world.write(rules(rule("ring", on="ModelRegistered")))
    assert set(made(unmatched(world, hours=26))) == {"first", "next day", "last"}
    assert set(made(unmatched(world, MIDNIGHT - timedelta(days=3), hours=10 * 24))) == {*times}


def test_the_time_of_a_written_event_is_the_event_s(tmp_path: Path) -> None:
    """To the millisecond: it is told by its key."""
    time = datetime(2026, 11, 22, 13, 14, 15, 678_900, tzinfo=UTC)
    world = world_of(tmp_path, at("m1", time))
    [event] = world.app.inbox.history.events("2026-11-22")
    assert event.time == time.replace(microsecond=678_000)
    assert (event.day, event.key) == event_key(at("m1", time))


def test_of_those_without_a_time_it_counts_when_they_came(tmp_path: Path) -> None:
    world = World(NOBODY, tmp_path)
    event = {**RunStatusChanged.example(id="e1").wire()}
    del event["eventTime"]
    assert parse_event(event).event_time is None
    world.clock.time = MIDNIGHT + timedelta(hours=5)
    world.receive(parse_event(event))
    world.write(RING)
    assert unmatched(world, MIDNIGHT, hours=5) == []
    assert made(unmatched(world, MIDNIGHT + timedelta(hours=5), hours=1)) == {"e1": ["ring created"]}
    world.run()
    assert [call.action.rule for call in world.calls] == ["ring", "tell"]


def test_one_that_is_being_worked_on_is_given_another_message(tmp_path: Path) -> None:
    """The replay before it died before it sent one."""
    world = world_of(tmp_path, RunStatusChanged.example(id="e1"))
    world.write(RING)
    unmatched(world)
    world.queue.messages.clear()
    unmatched(world)
    [(_, message)] = world.queue.messages
    world.clock.forward(minutes=2)
    act(message, world.app)
    assert [call.action.rule for call in world.calls] == ["ring"]
