"""`Handler.lock`, with the real inbox and rules over storage in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.act import act
from dispatch.guards import lock as lock_module
from dispatch.guards.base import Attempt
from dispatch.inbox.actions import read_action
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.leases import MAX_CRASHES, Claim
from handlers.base import Action, Outcome
from mlevents.testing.runs import WorkerDied
from schemas import Event, RunStatusChanged
from tests.dispatch.guards.kit import acted_on, model_event, outcomes, run_event
from tests.kit.faults import CrashAt
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, Call, Scripted, World, rule, rules

DAY = "2026-11-22"
DEADLY = "deadly"  # the id of an event that kills every worker


class Replacing(CrashAt):
    """Calls a given function instead of the handler."""

    def __init__(self, instead: Callable[..., Any]) -> None:
        super().__init__()
        self._instead = instead

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        return self._instead


class Exclusive(Scripted):
    """Locks by the type of run."""

    def run(self, event: Event, action: Action) -> Outcome:
        if event.id == DEADLY:
            raise WorkerDied
        return super().run(event, action)

    def lock(self, event: Event) -> str | None:
        return event.data.run_type if isinstance(event, RunStatusChanged) else None


def locked_world(tmp_path: Path, *script: str) -> World:
    text = rules(rule("ring", *script, on="[RunStatusChanged, ModelRegistered]"))
    return World(text.replace("do: SCRIPTED", "do: tests.dispatch.guards.test_lock:Exclusive"), tmp_path)


def test_the_next_action_starts_when_the_holder_has_ended(tmp_path: Path) -> None:
    """Also if the holder waits for hours between its calls."""
    world = locked_world(tmp_path, "wait 7200", "wait 7200", "succeed")
    for n in range(3):
        world.receive(run_event(f"e{n}", "Failed", n))
    world.run(most=5_000)
    order = acted_on(world)
    assert sorted(order) == ["e0"] * 3 + ["e1"] * 3 + ["e2"] * 3
    assert [order[n] for n in (0, 3, 6)] == [order[n] for n in (2, 5, 8)]


def test_actions_with_another_lock_or_none_do_not_wait(tmp_path: Path) -> None:
    world = locked_world(tmp_path, "wait 7200", "succeed")
    world.receive(run_event("e1", "Failed", 1), model_event("m1", 1), model_event("m2", 2))
    for _ in range(3):
        act(world.queue.messages.pop(0)[1], world.app)
    assert acted_on(world) == ["e1", "m1", "m2"]


def test_a_holder_that_crashes_does_not_keep_its_lock_for_ever(tmp_path: Path) -> None:
    """Its fifth crash ends it, and the next action takes the lock over."""
    world = locked_world(tmp_path)
    world.receive(run_event(DEADLY, "Failed", 1))
    with pytest.raises(WorkerDied):
        act(world.queue.messages[0][1], world.app)
    world.receive(run_event("e2", "Failed", 2))
    world.run()
    assert outcomes(world) == {
        DEADLY: f"failed: the worker died {MAX_CRASHES} times while it ran this action",
        "e2": "succeeded: done",
    }
    first, second = sorted((record for _, record in world.history().actions), key=lambda record: record.status)
    assert second.timeline[2].note.startswith("waits for the lock of ")
    assert second.timeline[-1].at >= first.timeline[-1].at
    assert acted_on(world) == ["e2"]


def test_a_holder_whose_rule_is_removed_before_it_starts_loses_its_lock(tmp_path: Path) -> None:
    """The rule may never come back. When it does, its action waits for the lock again."""
    world = locked_world(tmp_path, "retry", "wait 60", "succeed")
    world.receive(run_event("e1", "Failed", 1))
    act(world.queue.messages.pop()[1], world.app)
    text = rules(rule("other", "wait 600", "succeed"))
    world.write(text.replace("do: SCRIPTED", "do: tests.dispatch.guards.test_lock:Exclusive"))
    world.clock.forward(minutes=1)
    act(world.queue.messages.pop()[1], world.app)
    waiting = world.queue.messages.pop()[1]
    world.receive(run_event("e2", "Failed", 2))
    act(world.queue.messages.pop()[1], world.app)
    assert acted_on(world) == ["e1", "e2"]
    world.write(world.rules)
    world.write(text.replace("do: SCRIPTED", "do: tests.dispatch.guards.test_lock:Exclusive"), "other.yaml")
    world.clock.forward(minutes=5)
    act(waiting, world.app)
    [ring] = [record for id, record in world.history().actions if id.rule == "ring"]
    assert ring.note.startswith("waits for the lock of other")
    world.run()
    assert {id.rule: record.status for id, record in world.history().actions} == {
        "ring": "succeeded",
        "other": "succeeded",
    }


def test_a_holder_whose_rule_comes_back_keeps_its_lock_while_it_runs(tmp_path: Path) -> None:
    """Although its row still says since when the rule was missing."""
    world = locked_world(tmp_path, "retry", "succeed")
    world.receive(run_event("e1", "Failed", 1))
    world.step()
    text = rules(rule("other")).replace("do: SCRIPTED", "do: tests.dispatch.guards.test_lock:Exclusive")
    world.write(text)
    world.step()
    world.write(world.rules)
    world.write(text, "other.yaml")
    world.clock.time = min(world.queue.messages)[0]
    [back] = [message for _, message in world.queue.messages]
    world.queue.messages.clear()
    world.receive(run_event("e2", "Failed", 2))
    [other] = [message for _, message in world.queue.messages if '"other"' in message]
    world.queue.messages.clear()

    def while_it_runs(call: Call) -> None:
        Scripted.crashes.pop(world.name)
        Scripted.calls[world.name].append(call)
        act(other, world.app)

    Scripted.crashes[world.name] = Replacing(while_it_runs)
    act(back, world.app)
    assert [call.action.rule for call in world.calls] == ["ring", "ring"]
    [waiting] = [r for id, r in world.history().actions if id.rule == "other"]
    assert waiting.note.startswith("waits for the lock of ring")


def test_a_holder_whose_rule_is_removed_after_it_has_started_keeps_its_lock(tmp_path: Path) -> None:
    """Two actions must not do what it has started. A rule of its name with another handler ends it."""
    world = locked_world(tmp_path, "wait 60", "succeed")
    world.receive(run_event("e1", "Failed", 1))
    act(world.queue.messages.pop()[1], world.app)
    text = rules(rule("other")).replace("do: SCRIPTED", "do: tests.dispatch.guards.test_lock:Exclusive")
    world.write(text)
    world.receive(run_event("e2", "Failed", 2))
    world.step(40)
    assert acted_on(world) == ["e1"]
    world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n", "ring.yaml")
    world.run()
    assert acted_on(world) == ["e1", "e2"]
    ends = {id.rule: record.status for id, record in world.history().actions}
    assert ends == {"ring": "failed", "other": "succeeded"}


class TestWaiting:
    """The action that has waited longest starts as soon as the holder has ended."""

    def test_many_actions_take_little_longer_than_their_work(self, tmp_path: Path) -> None:
        """Each works for two seconds. Without being called they would ask every half a minute, or less often."""
        world = locked_world(tmp_path, "wait 2", "succeed")
        start = world.clock()
        for n in range(25):
            world.receive(run_event(f"e{n:02}", "Failed", n))
        world.run(most=5_000)
        order = acted_on(world)
        assert sorted(order[::2]) == sorted(order[1::2]) == sorted({*order})
        assert len(order) == 50
        assert world.clock() - start < timedelta(minutes=2)

    def test_they_start_in_the_order_in_which_they_came(self, tmp_path: Path) -> None:
        world = locked_world(tmp_path, "wait 20", "succeed")
        for n in range(5):
            world.receive(run_event(f"e{n}", "Failed", n))
            world.step()
        world.run(most=5_000)
        assert [*dict.fromkeys(acted_on(world))] == ["e0", "e1", "e2", "e3", "e4"]

    def test_one_that_has_ended_meanwhile_is_passed_over(self, tmp_path: Path) -> None:
        """Here its rule starts to be a dry run, and it is replayed before its turn."""
        world = locked_world(tmp_path, "wait 20", "succeed")
        for n in range(3):
            world.receive(run_event(f"e{n}", "Failed", n))
            world.step()
        ids = {world.history().events[id.event].id: id for id, _ in world.history().actions}
        row, record = read_action(world.table, ids["e1"])
        assert row
        assert record
        ended = record.then(world.clock(), status="skipped")
        world.table.commit(DAY, type(row)(row.key, ended.values(), row.etag))
        start = world.clock()
        while outcomes(world)["e2"] != "succeeded: done":
            world.step()
        assert world.clock() - start < timedelta(minutes=1)

    def test_more_than_the_state_can_name_still_get_their_turn(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock_module, "_MOST_WAITING", 2)
        world = locked_world(tmp_path, "wait 2", "succeed")
        for n in range(6):
            world.receive(run_event(f"e{n}", "Failed", n))
        world.run(most=5_000)
        assert {*outcomes(world).values()} == {"succeeded: done"}

    def test_an_end_costs_one_read_if_nobody_waits(self, tmp_path: Path) -> None:
        world = locked_world(tmp_path)
        world.receive(run_event("e0", "Failed", 0))
        storage = CountedCalls(world.table, world.queue)
        act(world.queue.messages.pop()[1], replace(world.app, inbox=Inbox(storage, LEASE)))
        assert storage.calls == ["read", "commit", "read", "read", "commit", "commit", "read"]

    @pytest.mark.parametrize("error", [Unavailable("away"), LookupError("a defect of a handler's lock")])
    def test_an_end_stays_recorded_if_the_next_one_cannot_be_found(
        self, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The next one asks again by itself."""

        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(lock_module.Lock, "waiting", fail)
        world = locked_world(tmp_path, "wait 20", "succeed")
        for n in range(2):
            world.receive(run_event(f"e{n}", "Failed", n))
        world.run()
        assert {*outcomes(world).values()} == {"succeeded: done"}
        assert str(error) in caplog.text

    def test_an_action_that_ends_without_its_lock_calls_those_behind_it(self, tmp_path: Path) -> None:
        """It may have been skipped as superseded: then it cannot pass the lock on as a holder does."""
        world = locked_world(tmp_path, "wait 7200", "succeed")
        for n in range(3):
            world.receive(run_event(f"e{n}", "Failed", n))
            world.step()
        ids = {world.history().events[id.event].id: id for id, _ in world.history().actions}
        app = world.app
        [guard] = world.loaded.by_name["ring"].guards
        assert isinstance(guard, lock_module.Lock)
        waiting = {}
        for id in ids.values():
            row, record = read_action(world.table, id)
            assert row
            assert record
            event = world.history().events[id.event].event
            claim = Claim(id, record, row.etag, {}, event=event)
            attempt = Attempt(claim, app.rules.context(event), event, app.inbox, world.clock())
            waiting[event.id] = [world.history().events[other.event].id for other in guard.waiting(attempt)]
        assert waiting == {"e0": ["e1", "e2"], "e1": ["e2"], "e2": []}
        assert guard.waiting(attempt._replace(event=model_event("m", 1))) == []
