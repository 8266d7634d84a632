"""The sweep finishes what other functions have left unfinished."""

import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.app import TWO_VERSIONS
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.tables import Row
from dispatch.rules import load
from dispatch.rules.rule import Rule, Rules
from dispatch.sweep import GRACE, MAX_DAYS, match_deferred, sweep
from mlevents.testing.runs import WorkerDied
from schemas import RunStatusChanged
from schemas.context import Context
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, SETTINGS, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")


def started(folder: Path, *texts: str) -> World:
    world = World(rules(*texts), folder)
    world.receive(EVENT)
    return world


def test_an_overdue_action_gets_a_new_message(tmp_path: Path) -> None:
    """Once it is overdue for longer than the delivery of a message may take."""
    world = started(tmp_path, rule("ring"))
    world.queue.messages.clear()
    world.clock.time += GRACE
    sweep(world.app)
    assert world.queue.messages == []
    world.clock.forward(seconds=1)
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert "queued again by the sweep" in [moment.note for moment in world.actions["ring"].timeline]


def test_a_message_that_arrives_after_its_replacement_is_dropped(tmp_path: Path) -> None:
    """In either order of the two messages, because its version is the old one."""
    world = started(tmp_path, rule("ring"))
    [(_, late)] = world.queue.messages
    world.clock.forward(minutes=11)
    sweep(world.app)
    act(late, world.app)
    assert world.calls == []
    world.run()
    assert len(world.calls) == 1


def test_an_action_that_is_not_overdue_gets_no_message(tmp_path: Path) -> None:
    """An action that has ended gets none either."""
    world = started(tmp_path, rule("ring", "wait 86400", "succeed"), rule("done"))
    for _ in range(2):
        act(world.queue.messages.pop(0)[1], world.app)
    before = world.history()
    world.clock.forward(hours=23)
    sweep(world.app)
    assert world.history() == before
    assert len(world.queue.messages) == 1


def test_the_action_of_a_dead_worker_is_requeued_and_counts_a_crash(tmp_path: Path) -> None:
    """Its lease has expired, and its message is lost."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    world.app.inbox.leases.claim(Message.parse(message), world.clock())
    world.clock.time += LEASE + GRACE
    sweep(world.app)
    assert world.queue.messages == []
    world.clock.forward(seconds=1)
    sweep(world.app)
    world.run()
    assert (world.ends(), world.actions["ring"].crashes) == ({"ring": "succeeded"}, 1)


def test_an_event_received_while_a_file_was_refused_is_matched_once_it_is_valid(tmp_path: Path) -> None:
    """Only against the rules of that file: the others have acted."""
    world = World(rules(rule("ring")), tmp_path)
    world.write(rules(rule("notify", when="[nonsense]")), "other.yaml")
    world.receive(EVENT)
    world.run()
    sweep(world.app)
    assert world.ends() == {"ring": "succeeded"}
    world.write(rules(rule("notify"), rule("not-this", on="RunCompleted")), "other.yaml")
    sweep(world.app)
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded", "notify": "succeeded"}
    assert [call.action.rule for call in world.calls] == ["ring", "notify"]
    assert list(world.app.inbox.backlog.deferred_matches("2026-11-22")) == []


def test_an_event_received_while_workspaces_yaml_was_refused_is_matched_against_all_rules(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path, workspaces="workspaces: [1")
    world.receive(EVENT)
    assert world.ends() == {}
    world.workspaces = World.workspaces
    world.write(rules(rule("ring")))
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}


def test_refused_files_are_matched_one_by_one_as_they_become_valid(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    for file in ("a.yaml", "b.yaml"):
        world.write(rules(rule(file[0], when="[nonsense]")), file)
    world.receive(EVENT)
    world.run()
    world.write(rules(rule("b")), "b.yaml")
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded", "b": "succeeded"}
    assert {pending.files for pending in world.app.inbox.backlog.deferred_matches("2026-11-22")} == {("rules/a.yaml",)}
    world.write(rules(rule("a", on="RunCompleted")), "a.yaml")
    sweep(world.app)
    assert list(world.app.inbox.backlog.deferred_matches("2026-11-22")) == []


def test_if_a_refused_file_is_missing_all_files_are_matched_after_an_hour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its rules may be in another file. Within the hour another version of the app may still have the file."""
    world = World(rules(rule("ring")), tmp_path)
    world.write(rules(rule("notify", when="[nonsense]")), "old.yaml")
    world.receive(EVENT)
    world.run()
    (tmp_path / "rules" / "old.yaml").unlink()
    world.write(rules(rule("notify"), rule("not-this", on="RunCompleted")), "new.yaml")
    sweep(world.app)
    assert world.ends() == {"ring": "succeeded"}
    world.clock.time += TWO_VERSIONS
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded", "notify": "succeeded"}
    assert [call.action.rule for call in world.calls] == ["ring", "notify"]
    assert "rules.gone files=rules/old.yaml event=e1" in caplog.text
    assert list(world.app.inbox.backlog.deferred_matches("2026-11-22")) == []


def test_a_renamed_file_that_is_still_invalid_is_matched_once_it_is_valid(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.write(rules(rule("notify", when="[nonsense]")), "old.yaml")
    world.receive(EVENT)
    world.run()
    (tmp_path / "rules" / "old.yaml").rename(tmp_path / "rules" / "new.yaml")
    world.write(rules(rule("ring")))
    world.clock.time += TWO_VERSIONS
    sweep(world.app)
    world.write(rules(rule("notify")), "new.yaml")
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded", "notify": "succeeded"}


@pytest.mark.parametrize("gone", ["the folder", "workspaces.yaml"])
def test_an_event_received_while_there_were_no_rules_is_matched_against_all_rules(tmp_path: Path, gone: str) -> None:
    """A deployment without its rules folder does not know the names of the files."""
    world = World(rules(rule("ring")), tmp_path)
    world.loaded = load(tmp_path / ("nowhere" if gone == "the folder" else "rules"), SETTINGS)
    if gone == "workspaces.yaml":
        (tmp_path / "rules" / "workspaces.yaml").unlink()
        world.loaded = load(tmp_path / "rules", SETTINGS)
    world.receive(EVENT)
    sweep(world.app)
    assert world.ends() == {}
    world.write(rules(rule("ring")))
    world.write(rules(rule("notify")), "new.yaml")
    for _ in range(13):  # the workspaces.yaml of the missing folder has another name
        world.clock.forward(minutes=5)
        sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded", "notify": "succeeded"}


def test_a_defect_in_one_match_does_not_stop_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event stays unmatched, and the sweep raises the error to the host."""
    world = World(rules(rule("ring")), tmp_path, workspaces="workspaces: [1")
    world.receive(*(EVENT.model_copy(update={"id": id}) for id in "abcdefgh"))
    world.workspaces = World.workspaces
    world.write(rules(rule("ring")))
    matching = type(world.loaded).matching

    def broken(self: Rules, context: Context) -> list[Rule]:
        if context.event.id == "c":
            raise RecursionError("c")
        return matching(self, context)

    monkeypatch.setattr(type(world.loaded), "matching", broken)
    with pytest.raises(RecursionError):
        sweep(world.app)
    world.run()
    assert sorted(call.event.id for call in world.calls) == [*"abdefgh"]
    assert [pending.event.id for pending in world.app.inbox.backlog.deferred_matches("2026-11-22")] == ["c"]


def test_a_message_that_could_not_be_sent_does_not_delay_the_next_one(tmp_path: Path) -> None:
    """The row records a message only after it was sent."""
    world = started(tmp_path, rule("ring"))
    world.queue.messages.clear()
    app = replace(world.app, queue=Closed())
    for _ in range(24):
        world.clock.forward(minutes=5, seconds=1)
        with suppress(Unavailable):
            sweep(app)
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}


class Closed:
    """A queue that cannot be reached."""

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        raise Unavailable("no route")


def test_a_marker_of_a_newer_version_does_not_stop_the_sweep(tmp_path: Path) -> None:
    world = started(tmp_path, rule("ring"))
    world.queue.messages.clear()
    world.table.commit("2026-11-22", Row("!undecided|0-new", {"schema": 2}))
    world.clock.forward(minutes=11)
    with pytest.raises(KeyError):
        sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}


def test_the_sweep_sends_fewer_messages_to_a_long_queue(tmp_path: Path) -> None:
    """The time to the next message doubles with each consecutive one; a call of the action resets it."""
    world = started(tmp_path, rule("ring", "wait 1", "succeed"))
    for _ in range(24):  # two hours
        world.clock.forward(minutes=5, seconds=1)
        sweep(world.app)
    assert len(world.queue.messages) == 1 + 3  # after 10, 20 and 40 minutes more, and the next one after 80
    world.queue.messages[:-1] = []
    act(world.queue.messages.pop()[1], world.app)
    world.queue.messages.clear()
    world.clock.forward(minutes=11)
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}


def test_an_end_is_matched_against_a_refused_file_once_it_is_valid(tmp_path: Path) -> None:
    world = started(tmp_path, rule("ring", "give-up broken"))
    world.write(rules(rule("notify", after="{ rules: ring, outcome: failed }", when="[nonsense]")), "other.yaml")
    world.run()
    world.write(rules(rule("notify", after="{ rules: ring, outcome: failed }")), "other.yaml")
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "failed", "notify": "succeeded"}
    [_, (_, action)] = world.calls
    assert action.result is not None
    assert (action.result.rule, action.result.status, action.result.summary) == ("ring", "failed", "broken")


def test_two_concurrent_sweeps_create_an_action_once(tmp_path: Path) -> None:
    """The second sweep finds the rows of the first."""
    world = World(rules(rule("ring")), tmp_path, workspaces="workspaces: [1")
    world.receive(EVENT)
    world.workspaces = World.workspaces
    world.write(rules(rule("ring")))
    [pending] = world.app.inbox.backlog.deferred_matches("2026-11-22")
    sweep(world.app)
    assert match_deferred(pending, world.app) == 0
    world.run()
    assert len(world.calls) == 1


def test_the_cost_of_a_sweep_does_not_grow_with_the_history(tmp_path: Path) -> None:
    """A day on which everything has ended costs one read, beside those of the days, windows, the watch, and states."""
    world = World(rules(rule("ring")), tmp_path)
    world.receive(*(EVENT.model_copy(update={"id": str(n)}) for n in range(50)))
    world.run()
    storage = CountedCalls(world.table, world.queue)
    app = type(world.app)(world.loaded, Inbox(storage, LEASE), storage, world.clock)
    world.clock.forward(days=1)
    sweep(app)  # the first of a day purges
    storage.calls.clear()
    world.clock.forward(minutes=5)
    sweep(app)
    assert storage.calls == [*["read"] * 7, "commit"]  # the last two note the time of the sweep


def test_the_log_counts_what_the_sweep_has_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = started(tmp_path, rule("ring"))
    world.clock.forward(minutes=11)
    with caplog.at_level(logging.INFO):
        sweep(world.app)
    assert "sweep.done requeued=1 decided=0 purged=0 refused=0" in caplog.text


def test_an_unreadable_event_does_not_stop_the_sweep(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""
    world = World(rules(rule("ring")), tmp_path, workspaces="workspaces: [1")
    world.receive(EVENT, EVENT.model_copy(update={"id": "e2"}))
    [first, _] = [row for row in world.table.read("2026-11-22", "0", "~") if "|" not in row.key]
    world.table.commit("2026-11-22", replace(first, values={**first.values, "raw": "{}"}))
    world.workspaces = World.workspaces
    world.write(rules(rule("ring")))
    sweep(world.app)
    world.run()
    assert len(world.calls) == 1
    assert "event.unreadable" in caplog.text


class TestManyDays:
    """Events can have any time, so that their days can be many."""

    def calls(self, folder: Path, days: int) -> int:
        """The requests of one sweep over a table with so many days."""
        world = World(rules(rule("ring")), folder)
        for n in range(days):
            day = f"{world.clock.time - timedelta(days=n):%Y-%m-%d}"
            world.table.commit("days", Row(day, {"touched": world.clock.time.isoformat()}))
        storage = CountedCalls(world.table, world.queue)
        world.app.inbox.shared.change("purged", lambda _: {"day": f"{world.clock.time:%Y-%m-%d}"}, world.clock.time)
        sweep(replace(world.app, inbox=Inbox(storage, LEASE)))
        return len(storage.calls)

    def test_the_cost_of_a_sweep_does_not_grow_with_them(self, tmp_path: Path) -> None:
        few, many, most = (self.calls(tmp_path, days) for days in (150, 1_500, 6_000))
        assert few == many == most < MAX_DAYS + 10

    def test_every_day_is_visited_in_turn(self, tmp_path: Path) -> None:
        """Today's actions need not wait for the others, and a sweep that dies does not block the next one."""
        world = World(rules(rule("ring")), tmp_path)
        assert EVENT.event_time
        for n in range(350):
            time = EVENT.event_time - timedelta(days=7 * n)
            world.receive(EVENT.model_copy(update={"id": f"e{n}", "event_time": time}))
        world.queue.messages.clear()
        world.clock.time += GRACE + timedelta(seconds=1)
        sent: list[set[str]] = []
        for n in range(5):
            with suppress(WorkerDied):
                sweep(world.app if n != 1 else replace(world.app, queue=Dying()))
            sent.append({json.loads(text)["day"] for _, text in world.queue.messages})
            world.queue.messages.clear()
        assert all(len(days) <= MAX_DAYS for days in sent)
        assert "2026-11-22" in sent[0]
        assert len(set().union(*sent)) > 350 - MAX_DAYS
        for _ in range(5):
            world.clock.forward(hours=1)
            sweep(world.app)
            world.run()
        assert {record.status for _, record in all_actions(world)} == {"succeeded"}


def all_actions(world: World) -> list[tuple[ActionId, ActionRecord]]:
    return [found for day in world.app.inbox.history.days() for found in world.history(day).actions]


class Dying:
    """A queue whose worker dies."""

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        raise WorkerDied
