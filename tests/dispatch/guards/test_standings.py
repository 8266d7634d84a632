"""How guards stand for an event, without a change to anything."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.guards.base import Situation, Standing
from dispatch.guards.standings import standings
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId, event_key
from dispatch.inbox.pauses import Pause
from dispatch.inbox.tables import Row
from handlers.base import RetryLater
from mlevents.testing.storage import NOW
from schemas import Event
from tests.dispatch.guards.kit import run_event
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, Scripted, World, rule, rules


class Locked(Scripted):
    """A scripted handler with a lock and a destination; `where: nowhere` raises an error."""

    where: str = "chat.example.com"

    def lock(self, event: Event) -> str | None:
        if self.where == "nowhere":
            raise LookupError(self.where)
        if self.where == "unset":
            raise RetryLater("CHAT_URL is not set")
        return f"lock of {self.where}" if self.where != "free" else None

    def destination(self, event: Event) -> str | None:
        return self.where


def locked(*script: str, where: str = "chat.example.com") -> str:
    text = rule("ring", *script).replace("SCRIPTED", "tests.dispatch.guards.test_standings:Locked")
    return text.replace("with: {", f"with: {{ where: {where},")


def situation(world: World, name: str, event: Event) -> Situation:
    context = world.loaded.context(event)
    id = ActionId(*event_key(event), name)
    return Situation(name, context, context.event_for_handler(), world.app.inbox, world.clock(), id)


def found(world: World, name: str, event: Event) -> list[Standing]:
    """How the guards stand; the table is as before, and each guard has read it once at most."""
    before = {day: world.table.read(day, "", "~") for day in ("notes", "2026-11-22")}
    counted = CountedCalls(world.table, world.queue)
    at = situation(world, name, event)._replace(inbox=Inbox(counted, LEASE))
    the_rule = world.loaded.by_name[name]
    result = standings(the_rule, at)
    assert len(counted.calls) <= len(the_rule.guards) + 1  # the pause and the throttle are one read
    assert {day: world.table.read(day, "", "~") for day in before} == before
    return result


def test_rule_without_guards_has_nothing_to_say(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    assert found(world, "ring", run_event("e1", "Failed", 0)) == []


def test_paused_rule(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.app.inbox.pauses.begin(Pause("ring", "alice", NOW, NOW + timedelta(hours=2)))
    [pause] = found(world, "ring", run_event("e1", "Failed", 0))
    assert (pause.guard, pause.stops) == ("pause", True)
    assert pause.text.startswith("paused by alice since ")
    assert pause.text.endswith(" UTC: `mlevents resume ring`")


def test_dry_run(tmp_path: Path) -> None:
    world = World(rules(rule("ring", dry_run="true")), tmp_path)
    [dry_run] = found(world, "ring", run_event("e1", "Failed", 0))
    assert (dry_run.guard, dry_run.stops) == ("dry_run", True)
    assert dry_run.text.startswith("nothing is done; it would ")


def test_latest_only(tmp_path: Path) -> None:
    """Which later event supersedes the event."""
    world = World(rules(rule("ring", latest_only="true")), tmp_path)
    early, late = run_event("e1", "Running", 0), run_event("e2", "Failed", 60)
    assert found(world, "ring", early) == [Standing("latest_only", "the rule has not acted on r1 yet", False)]
    world.receive(late)
    world.run()
    [superseded] = found(world, "ring", early)
    assert superseded.stops
    assert superseded.text.startswith("superseded: the rule has acted on the later event e2 of ")
    [latest] = found(world, "ring", late)
    assert (latest.stops, latest.text.partition(";")[0]) == (False, "no later event supersedes it")


def test_at_most(tmp_path: Path) -> None:
    """Which events have taken the slots, and when the next one is free."""
    world = World(rules(rule("ring", at_most="{ count: 1, every: 1h, by: object }")), tmp_path)
    first, second = run_event("e1", "Failed", 0), run_event("e2", "Failed", 60)
    assert found(world, "ring", first) == [Standing("at_most", "0 of 1 in 1h taken for object 'r1'", False)]
    world.receive(first)
    world.run()
    [full] = found(world, "ring", second)
    day, key = event_key(first)
    free = f"{NOW + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC"
    assert full.text == f"1 of 1 in 1h taken for object 'r1': on {key} of {day}; the next is free at {free}"
    assert full.stops
    assert not found(world, "ring", first)[0].stops  # it has the slot
    world.clock.forward(hours=2)
    assert not found(world, "ring", second)[0].stops


def test_at_most_does_not_limit_an_event_without_its_key(tmp_path: Path) -> None:
    world = World(rules(rule("ring", at_most="{ count: 1, every: 1h, by: data.runTags.team }")), tmp_path)
    event = run_event("e1", "Failed", 0)
    bare = event.model_copy(update={"data": event.data.model_copy(update={"run_tags": {}})})
    assert found(world, "ring", bare) == [Standing("at_most", "not limited: the event has no data.runTags.team", False)]


def test_lock_and_throttle(tmp_path: Path) -> None:
    """Which action has the lock, and until when the service is throttled."""
    world = World(rules(locked("throttle 600")), tmp_path)
    first, second = run_event("e1", "Failed", 0), run_event("e2", "Failed", 60, run="r2")
    free = Standing("lock", "the lock lock of chat.example.com is free", False)
    assert found(world, "ring", first) == [free]
    world.receive(first)
    world.step()
    day, key = event_key(first)
    lock, throttle = found(world, "ring", second)
    assert lock.text.startswith(f"the lock lock of chat.example.com was last taken by ring on {key} of {day} at ")
    assert lock.text.endswith("; 0 wait")
    assert not lock.stops
    assert (throttle.guard, throttle.stops) == ("throttle", True)
    assert throttle.text.startswith("chat.example.com is throttled until ")
    assert found(world, "ring", first)[0].text.startswith("this action took the lock ")
    world.receive(second)
    world.step()
    third = run_event("e3", "Failed", 60, run="r3")
    assert found(world, "ring", third)[0].text.endswith("; 1 wait")
    assert found(world, "ring", third)[0].stops


def test_event_without_a_lock_has_no_standing_of_one(tmp_path: Path) -> None:
    world = World(rules(locked(where="free")), tmp_path)
    assert found(world, "ring", run_event("e1", "Failed", 0)) == []


def test_error_of_a_handler_is_shown(tmp_path: Path) -> None:
    world = World(rules(locked(where="nowhere")), tmp_path)
    [lock] = found(world, "ring", run_event("e1", "Failed", 0))
    assert lock == Standing("lock", "unknown, because the handler raises LookupError: nowhere", False)


def test_setting_that_this_process_lacks_is_named(tmp_path: Path) -> None:
    world = World(rules(locked(where="unset")), tmp_path)
    [lock] = found(world, "ring", run_event("e1", "Failed", 0))
    assert lock == Standing("lock", "unknown here: CHAT_URL is not set", False)


def test_error_of_storage_is_raised(tmp_path: Path) -> None:
    class Broken(CountedCalls):
        def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
            raise Unavailable("storage does not answer")

    world = World(rules(rule("ring")), tmp_path)
    at = situation(world, "ring", run_event("e1", "Failed", 0))._replace(
        inbox=Inbox(Broken(world.table, world.queue), LEASE)
    )
    with pytest.raises(Unavailable):
        standings(world.loaded.by_name["ring"], at)
