"""`at_most`, with the real inbox and rules over storage in memory."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.act import act
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.dispatch.guards.kit import acted_on, outcomes, run_event
from tests.kit.world import World, rule, rules


def test_actions_over_the_limit_are_skipped_until_the_span_has_passed(tmp_path: Path) -> None:
    world = World(rules(rule("ring", at_most="{ count: 2, every: 6h }")), tmp_path)
    for n in range(3):
        world.receive(run_event(f"e{n}", "Failed", n))
    world.run()
    assert len(world.calls) == 2
    [skipped] = [text for text in outcomes(world).values() if text.startswith("skipped")]
    assert skipped.startswith("skipped: 2 in 6h already: ")
    world.clock.forward(hours=7)
    world.receive(run_event("later", "Failed", 9))
    world.run()
    assert acted_on(world)[-1] == "later"


def test_each_value_of_the_key_has_its_own_limit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the value is. Events without the key are not limited, which the log says; null is a value."""
    caplog.set_level("INFO")
    world = World(rules(rule("ring", at_most="{ count: 1, every: 1d, by: data.runTags.owner }")), tmp_path)
    tags: list[dict[str, Any]] = [{"owner": "a"}, {"owner": "a"}, {"owner": "/#?\ud800"}, {"owner": 3}, {}, {}]
    tags += [{"owner": None}, {"owner": None}]
    for n, run_tags in enumerate(tags):
        world.receive(RunStatusChanged.example(id=f"e{n}", run_tags=run_tags))
        world.run()
    assert acted_on(world) == ["e0", "e2", "e3", "e4", "e5", "e6"]
    unlimited = [record.getMessage() for record in caplog.records if "at_most.unlimited" in record.getMessage()]
    assert unlimited == [f"at_most.unlimited rule=ring event={id} by=data.runTags.owner" for id in ("e4", "e5")]
    assert "1 in 1d already for data.runTags.owner 'a'" in outcomes(world)["e1"]


def test_a_retry_keeps_its_slot(tmp_path: Path) -> None:
    world = World(rules(rule("ring", "retry", "retry", "succeed", at_most="{ count: 1, every: 1d }")), tmp_path)
    world.receive(run_event("e1", "Failed", 1))
    world.run()
    assert outcomes(world) == {"e1": "succeeded: done"}


def test_a_retry_moves_its_slot_to_the_time_of_the_retry(tmp_path: Path) -> None:
    """No span contains more calls than the limit, however late one of them is retried."""
    world = World(rules(rule("ring", "retry", "succeed", at_most="{ count: 2, every: 10m }")), tmp_path)
    messages: dict[str, str] = {}
    for minutes, event in ((0, "a"), (5, "b"), (9, "a"), (10.5, "c")):
        world.clock.time = NOW + timedelta(minutes=minutes)
        if event not in messages:
            world.receive(run_event(event, "Failed", minutes))
            messages[event] = world.queue.messages.pop()[1]
        act(messages[event], world.app)
        messages[event] = world.queue.messages.pop()[1] if world.queue.messages else ""
    assert acted_on(world) == ["a", "b", "a"]
    assert outcomes(world)["c"].startswith("skipped: 2 in 10m already: ")


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("{ count: 0, every: 1d }", "at_most.count"),
        ("{ count: 1 }", "every"),
        ("{ count: 1, every: soon }", "is not a duration"),
        ("{ count: 1, every: 1d, by: 'a..b' }", "at_most.by"),
        ("3", "at_most"),
    ],
)
def test_an_invalid_limit_is_an_error(tmp_path: Path, limit: str, says: str) -> None:
    [mistake] = World(rules(rule("ring", at_most=limit)), tmp_path).loaded.errors
    assert says in str(mistake)


@pytest.mark.parametrize("script", ["give-up", "skip"])
def test_an_action_that_had_no_effect_frees_its_slot(script: str, tmp_path: Path) -> None:
    """If a component was missing, the next event does not wait a week."""
    world = World(rules(rule("ring", script, at_most="{ count: 1, every: 7d }")), tmp_path)
    world.receive(run_event("e1", "Failed", 1))
    world.run()
    world.write(rules(rule("ring", at_most="{ count: 1, every: 7d }")))
    for n in (2, 3):
        world.receive(run_event(f"e{n}", "Failed", n))
        world.run()
    assert acted_on(world) == ["e1", "e2"]
    assert outcomes(world)["e3"].startswith("skipped: 1 in 7d already: on ")


@pytest.mark.parametrize("script", [("succeed",), ("wait 1", "give-up"), ("retry",), ("wait 86400",)])
def test_an_action_that_has_started_or_may_still_succeed_keeps_its_slot(
    script: tuple[str, ...], tmp_path: Path
) -> None:
    """A run that was started and then failed had an effect, too."""
    world = World(rules(rule("ring", *script, at_most="{ count: 1, every: 7d }")), tmp_path)
    for n in (1, 2):
        world.receive(run_event(f"e{n}", "Failed", n))
        act(world.queue.messages.pop()[1], world.app)
        world.clock.forward(seconds=30)
        if n == 1 and len(script) == 2:
            world.run()
    assert outcomes(world)["e2"].startswith("skipped: 1 in 7d already")


def test_a_slot_that_was_taken_again_is_not_freed_for_an_earlier_failure(tmp_path: Path) -> None:
    """A stale read may still return that failure."""
    world = World(rules(rule("ring", "give-up", at_most="{ count: 1, every: 7d }")), tmp_path)
    world.receive(run_event("e1", "Failed", 1))
    world.run()
    [(id, record)] = world.history().actions
    assert world.app.inbox.leases.had_no_effect(id, record.timeline[0].at)
    assert not world.app.inbox.leases.had_no_effect(id, record.due + timedelta(seconds=1))


@pytest.mark.parametrize("order", [("e1", "e2"), ("e2", "e1")])
def test_at_most_beside_latest_only_acts_on_one_event(order: tuple[str, str], tmp_path: Path) -> None:
    """The earlier event holds the slot and is retried; the later one is skipped, so it supersedes nothing."""
    keys = {"latest_only": "true", "at_most": "{ count: 1, every: 1d }"}
    world = World(rules(rule("ring", "retry", "succeed", **keys)), tmp_path)
    events = {id: run_event(id, "Failed", n) for n, id in enumerate(("e1", "e2"))}
    world.receive(events[order[0]])
    act(world.queue.messages.pop()[1], world.app)
    world.receive(events[order[1]])
    world.run()
    assert acted_on(world) == [order[0]] * 2
    ends = outcomes(world)
    assert ends[order[0]] == "succeeded: done"
    assert ends[order[1]].startswith("skipped: superseded" if order[1] == "e1" else "skipped: 1 in 1d already")


def test_a_superseded_event_takes_no_slot(tmp_path: Path) -> None:
    keys = {"latest_only": "true", "at_most": "{ count: 2, every: 1d }"}
    world = World(rules(rule("ring", **keys)), tmp_path)
    for seconds in (9, 1, 2, 10):
        world.receive(run_event(f"e{seconds}", "Failed", seconds))
        world.run()
    assert acted_on(world) == ["e9", "e10"]
