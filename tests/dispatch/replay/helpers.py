"""Replay the one event of a test, and inspect the result."""

from pathlib import Path

from dispatch.inbox.history.records import StoredEvent
from dispatch.replay.replay import Replayed, ReplayOptions, find, replay
from schemas import RunStatusChanged
from tests.kit.world import World, rules

EVENT = RunStatusChanged.example(id="e1")
DAY = "2026-11-22"
FAILED = "{ rules: ring, outcome: failed }"


def ran(folder: Path, *texts: str) -> World:
    """A world that has received the event and run all of its actions."""
    world = World(rules(*texts), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    world.run()
    return world


def stored(world: World) -> StoredEvent:
    [event] = find("e1", world.app)
    return event


def again(world: World, options: ReplayOptions = ReplayOptions(), *, dry_run: bool = False) -> dict[str, str]:  # noqa: B008 - frozen
    """Replay the event; the status of each step by rule."""
    done = replay(stored(world), world.app, options, dry_run=dry_run)
    return {step.rule: step.status for step in done.steps}


def reasons(done: Replayed) -> dict[str, str]:
    return {step.rule: step.reason for step in done.steps}


def notes(world: World, name: str) -> list[str]:
    return [entry.note for entry in world.actions[name].timeline]


def called(world: World) -> list[str]:
    return [call.action.rule for call in world.calls]
