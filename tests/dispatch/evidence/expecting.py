"""A world whose rule expects a nightly run, for the tests of `expect`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dispatch.evidence.deadlines import decide_deadlines
from dispatch.sweep import sweep
from schemas import RunCompleted
from tests.kit.world import World, entry, rules

ATHENS = "timezone: Europe/Athens"
EXPECTED = f'event: RunCompleted, when: data.experimentName StringIn nightly-train, by: "06:30", {ATHENS}'


def expecting(expect: str = EXPECTED, name: str = "nightly", **keys: Any) -> str:
    """A rule of a rules file that expects an event in churn-prod, with the scripted handler."""
    given = {"do": "SCRIPTED", "with": "{ world: WORLD }"}
    return entry({"name": name, "expect": f"{{ {expect} }}", "in": "churn-prod", **keys, **given})


def world_of(folder: Path, *texts: str, at: str = "2026-11-22T09:00") -> World:
    """A world with these rules whose first watch was at a time."""
    world = World(rules(*(texts or (expecting(),))), folder)
    assert not world.loaded.errors
    set_clock(world, at)
    look(world)
    return world


def set_clock(world: World, at: str) -> None:
    """Set the clock to a time in UTC."""
    world.clock.time = datetime.fromisoformat(at).replace(tzinfo=UTC)


def look(world: World, at: str = "") -> list[str]:
    """Run the watch once, and the actions that follow; returns the headlines of the events of the new calls."""
    if at:
        set_clock(world, at)
    before = len(world.calls)
    decide_deadlines(world.app, lambda: True)
    world.run()
    return [call.event.headline for call in world.calls[before:]]


def complete(world: World, at: str, recorded: str = "", **fields: Any) -> None:
    """Receive the completion of a nightly run at a time; by default it is recorded ten seconds later."""
    time = datetime.fromisoformat(at).replace(tzinfo=UTC)
    if recorded:
        set_clock(world, recorded)
    else:
        world.clock.time = time + timedelta(seconds=10)
    given = {"experiment_name": "nightly-train", "run_id": f"run-{time:%d%H%M}", **fields}
    world.receive(RunCompleted.example(id=f"{time:%Y%m%d%H%M%S}", event_time=time.isoformat(), **given))


def index(world: World) -> None:
    """Run the sweep, which indexes what is recorded."""
    sweep(world.app)
