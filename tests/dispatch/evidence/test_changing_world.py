"""Deadlines while workspaces are removed, clocks go back, and rules are many or have two versions."""

from datetime import timedelta
from pathlib import Path

from schemas import Expected
from tests.dispatch.evidence.expecting import EXPECTED, expecting, look, set_clock, world_of
from tests.kit.world import WORKSPACES, entry, rules

EVERYWHERE = entry({"name": "all", "expect": f"{{ {EXPECTED} }}", "do": "SCRIPTED", "with": "{ world: WORLD }"})


def test_removed_workspace_expects_nothing_and_is_new_when_it_is_back(tmp_path: Path) -> None:
    world = world_of(tmp_path, EVERYWHERE)
    world.workspaces = "\n".join(line for line in WORKSPACES.splitlines() if "churn-dev" not in line)
    world.write(world.rules)
    assert len(look(world, "2026-11-23T04:35")) == 1
    world.workspaces = WORKSPACES
    world.write(world.rules)
    assert look(world, "2026-11-23T06:00") == []
    assert len(look(world, "2026-11-24T04:35")) == 2


def test_labels_choose_the_workspaces(tmp_path: Path) -> None:
    world = world_of(tmp_path, expecting(**{"in": "{ env: [dev, prod], team: churn }"}))
    assert len(look(world, "2026-11-23T04:35")) == 2


def test_clock_that_goes_back_decides_nothing_twice(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    assert len(look(world, "2026-11-23T04:35")) == 1
    assert look(world, "2026-11-22T20:00") == []
    assert look(world, "2026-11-23T04:36") == []
    assert len(look(world, "2026-11-24T04:35")) == 1


def test_two_versions_side_by_side_decide_their_own_deadlines(tmp_path: Path) -> None:
    """Watches of the old and the new version alternate around the deadline of the new one."""
    world = world_of(tmp_path)
    old, new = world.rules, rules(expecting(EXPECTED.replace("06:30", "06:00")))
    raised = []
    for minute in range(20, 90, 5):
        world.write(new if minute % 10 else old)
        at = f"2026-11-23T0{3 + minute // 60}:{minute % 60:02}"
        raised += look(world, at)
    assert [headline[:39] for headline in raised] == ["nightly-train did not complete by 06:00"]


def test_as_many_rules_as_are_allowed_are_decided(tmp_path: Path) -> None:
    """Whatever they ask for: names of any characters are hashed."""
    texts = [EXPECTED.replace("nightly-train", name) for name in ("ünïcode", "a/b", "x%00", "..")]
    world = world_of(tmp_path, *(expecting(texts[n % len(texts)], f"rule-{n}") for n in range(48)))
    set_clock(world, "2026-11-23T04:33")
    look(world)
    world.clock.time += timedelta(minutes=5)
    look(world)
    raised = [call.event for call in world.calls if isinstance(call.event, Expected)]
    assert len({event.data.rule for event in raised}) == len(raised) == 48
