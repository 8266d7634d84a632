"""`at_least`: act once a number of events has come within a span of time."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.replay.replay import ReplayOptions, find, replay
from mlevents.testing.storage import NOW
from tests.dispatch.guards.kit import acted_on, outcomes, run_event
from tests.dispatch.guards.test_collect import windows
from tests.kit.world import World, rule, rules


def came(world: World, id: str, minutes: float = 0, run: str = "r1") -> None:
    """Receive an event some minutes after `NOW`, and call its action."""
    world.clock.time = max(world.clock.time, NOW + timedelta(minutes=minutes))
    world.receive(run_event(id, "Failed", minutes * 60, run))
    world.run()


def test_the_action_acts_whose_event_makes_the_count_full(tmp_path: Path) -> None:
    """Once, with the views of all that count; then counting starts again."""
    world = World(rules(rule("ring", at_least="{ count: 3, within: 1h }")), tmp_path)
    for n in range(7):
        came(world, f"e{n}", n)
    assert acted_on(world) == ["e2", "e5"]
    assert windows(world) == [["e0", "e1", "e2"], ["e3", "e4", "e5"]]
    ends = outcomes(world)
    assert [ends[f"e{n}"] for n in (0, 1, 6)] == [f"skipped: {n} of 3 within 1h" for n in (1, 2, 1)]
    assert ends["e2"] == "succeeded: done"


def test_an_event_counts_for_as_long_as_the_span(tmp_path: Path) -> None:
    world = World(rules(rule("ring", at_least="{ count: 3, within: 1h }")), tmp_path)
    for minutes in (0, 30, 61, 80, 200):
        came(world, f"e{minutes}", minutes)
    assert windows(world) == [["e30", "e61", "e80"]]
    assert outcomes(world)["e61"] == "skipped: 2 of 3 within 1h"
    assert outcomes(world)["e200"] == "skipped: 1 of 3 within 1h"


def test_each_value_of_by_is_counted_apart(tmp_path: Path) -> None:
    world = World(rules(rule("ring", at_least="{ count: 2, within: 1h, by: data.runId }")), tmp_path)
    for n, run in enumerate(("a", "b", "a", "b", "a")):
        came(world, f"e{n}", n, run)
    assert windows(world) == [["e0", "e2"], ["e1", "e3"]]
    assert outcomes(world)["e4"] == "skipped: 1 of 2 within 1h for data.runId 'a'"


def test_a_duplicate_counts_once(tmp_path: Path) -> None:
    world = World(rules(rule("ring", at_least="{ count: 2, within: 1h }")), tmp_path)
    for _ in range(2):
        came(world, "e1")
    assert acted_on(world) == []


def test_a_retry_and_a_replay_act_for_the_same_events(tmp_path: Path) -> None:
    """A replay of an event that was only counted counts it again."""
    world = World(rules(rule("ring", "retry", "give-up", at_least="{ count: 2, within: 1h }")), tmp_path)
    for n in range(3):
        came(world, f"e{n}", n)
    assert windows(world) == [["e0", "e1"]] * 2
    [event] = find("e1", world.app)
    replay(event, world.app, ReplayOptions(failed=True))
    world.run()
    assert windows(world)[2:] == [["e0", "e1"]] * 2
    [event] = find("e0", world.app)
    replay(event, world.app, ReplayOptions(rule="ring"))
    world.run()
    assert windows(world)[4] == ["e0", "e2"]


def test_events_that_come_at_once_are_all_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three join before the first of them looks: the first acts for all three, the others name it."""
    world = World(rules(rule("ring", at_least="{ count: 2, within: 1h }")), tmp_path)
    for n in range(3):
        world.receive(run_event(f"e{n}", "Failed", n))
    messages = [message for _, message in world.queue.messages]
    world.queue.messages.clear()
    windows_type = type(world.app.inbox.windows)
    members = windows_type.members
    waiting = messages[1:]

    def members_of(self, window, limit=None):  # type: ignore[no-untyped-def]
        if waiting:
            act(waiting.pop(), world.app)
        return members(self, window, limit)

    monkeypatch.setattr(windows_type, "members", members_of)
    act(messages[0], world.app)
    assert [sorted(each) for each in windows(world)] == [["e0", "e1", "e2"]]
    ends = sorted(outcomes(world).values())
    assert ends[0].startswith("skipped: collected into the action on event ")
    assert ends[2] == "succeeded: done"


def test_members_that_count_no_more_are_deleted(tmp_path: Path) -> None:
    """So the state of a rule with few events does not grow."""
    world = World(rules(rule("ring", at_least="{ count: 3, within: 10m }")), tmp_path)
    for n in range(6):
        came(world, f"e{n}", 30 * n)
    windows_now = world.app.inbox.windows
    [window] = windows_now.open("ring")
    assert [member.view["id"] for member in windows_now.members(window)] == ["e5"]


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("{ count: 1, within: 1h }", "at_least.count"),
        ("{ count: 101, within: 1h }", "at_least.count"),
        ("{ count: 3 }", "at_least needs 'within'"),
        ("{ count: 3, within: 1h, by: 'a..b' }", "at_least.by"),
        ("{ count: 3, within: 1h, by: data }", "at_least.by needs a key with one value"),
        ("3", "at_least"),
    ],
)
def test_an_invalid_threshold_is_an_error(limit: str, says: str, tmp_path: Path) -> None:
    [error] = World(rules(rule("ring", at_least=limit)), tmp_path).loaded.errors
    assert says in str(error)
