"""What actions have sent is kept in the transaction that settles them, replaced, masked, bounded, and deleted."""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.inbox.actions import MAX_ACTIONS
from dispatch.inbox.history.sent import MOST, Sent, read_sent, sent_key
from dispatch.inbox.keys import ActionId
from dispatch.inbox.tables import Row
from dispatch.replay.replay import ReplayOptions, replay
from dispatch.secrets import Secrets
from dispatch.sweep import sweep
from handlers.base import Action, CheckBack, Outcome, Succeeded
from mlevents.testing.storage import NOW
from schemas import Event, RunStatusChanged
from tests.kit.storage import CountedCalls
from tests.kit.world import Scripted, World, rule, rules

DAY = "2026-11-22"


class Sending(Scripted):
    """Sends a mail at the first call of an action."""

    def run(self, event: Event, action: Action) -> Outcome:
        outcome = super().run(event, action)
        sent = {"subject": f"{event.object} {action.replay_number}", "html": "<p>"}
        return (
            outcome if action.state or not isinstance(outcome, Succeeded | CheckBack) else replace(outcome, sent=sent)
        )


def sending(name: str, *script: str, **keys: str) -> str:
    return rule(name, *script, **keys).replace("SCRIPTED", "tests.dispatch.inbox.history.test_sent:Sending")


def world_of(folder: Path, *texts: str) -> World:
    world = World(rules(*texts), folder)
    world.receive(RunStatusChanged.example(id="e1", runId="one"))
    return world


def kept(world: World, rule: str = "mail") -> Sent | None:
    [(id, _)] = [each for each in world.history().actions if each[0].rule == rule]
    return read_sent(world.table, id)


def keys(world: World) -> list[str]:
    return [row.key for row in world.table.read(DAY, "y", "~")]


@pytest.mark.parametrize("script", [("succeed",), ("wait", "succeed")])
def test_what_was_sent_is_kept_with_the_action(tmp_path: Path, script: tuple[str, ...]) -> None:
    """It is that of the call that has sent it, though a later one ends the action."""
    world = world_of(tmp_path, sending("mail", *script), rule("other"))
    world.run()
    assert kept(world) == Sent(NOW, {"subject": "one 0", "html": "<p>"})
    assert kept(world, "other") is None
    assert world.actions["mail"].sent == 1
    assert world.actions["other"].sent == 0


def test_replay_replaces_it(tmp_path: Path) -> None:
    world = world_of(tmp_path, sending("mail"))
    world.run()
    [event] = world.app.inbox.history.events(DAY)
    replay(event, world.app, ReplayOptions(rule="mail"))
    assert kept(world) == Sent(NOW, {"subject": "one 0", "html": "<p>"})
    world.run()
    found = kept(world)
    assert found
    assert found.texts["subject"] == "one 1"
    assert len(keys(world)) == 1


def test_it_costs_no_request(tmp_path: Path) -> None:
    calls = []
    for text in (rule("mail"), sending("mail")):
        world = World(rules(text), tmp_path)
        world.receive(RunStatusChanged.example(id="e1"))
        counted = CountedCalls(world.table, world.queue)
        world.table = counted  # type: ignore[assignment]
        world.run()
        calls.append(counted.calls)
    assert calls[0] == calls[1]
    assert calls[0].count("commit") == 2


def test_it_is_read_with_no_list_and_no_claim(tmp_path: Path) -> None:
    world = world_of(tmp_path, sending("mail"))
    world.run()
    [key] = keys(world)
    [event] = world.history().events
    for first, last in (("0", "x"), (event, f"{event}~"), ("!", '"')):
        assert key not in [row.key for row in world.table.read(DAY, first, last)]


def test_secrets_are_masked(tmp_path: Path) -> None:
    world = world_of(tmp_path, sending("mail"))
    app = replace(world.app, secrets=Secrets(("one 0",)))
    world.queue.drain(lambda message: act(message, app))
    found = kept(world)
    assert found
    assert found.texts["subject"] == "***"


def test_texts_that_do_not_fit_are_left_out_longest_first() -> None:
    noise = random.Random(1).randbytes(MOST).hex()
    row = Sent(NOW, {"subject": "one", "text": noise[: MOST // 2], "html": noise * 2}).row(ActionId(DAY, "e", "r"), 3)
    assert row.key == sent_key(ActionId(DAY, "e", "r"), 3) == "y|e|r|3"
    found = Sent.of(row)
    assert found.left_out == ("html",)
    assert found.texts == {"subject": "one", "text": noise[: MOST // 2]}


def test_large_text_is_kept_in_several_properties(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(60_000).hex()
    world = World("rules: []", tmp_path)
    id = ActionId(DAY, "e", "r")
    world.table.commit(DAY, Sent(NOW, {"html": noise}).row(id, 1))
    assert read_sent(world.table, id) == Sent(NOW, {"html": noise})


@pytest.mark.parametrize("values", [{}, {"at": "x", "raw": "{}"}, {"at": NOW.isoformat(), "raw": "[]"}])
def test_row_of_another_version_is_ignored(tmp_path: Path, values: dict[str, str]) -> None:
    world = World("rules: []", tmp_path)
    id = ActionId(DAY, "e", "r")
    world.table.commit(DAY, Row(sent_key(id, 1), values))
    assert read_sent(world.table, id) is None


def test_transaction_that_is_full_keeps_nothing(tmp_path: Path) -> None:
    followers = (rule(f"r{n}", after="{ rules: mail }") for n in range(MAX_ACTIONS))
    world = world_of(tmp_path, sending("mail"), *followers)
    world.run()
    assert world.ends()["r47"] == "succeeded"
    assert kept(world) is None


def test_transaction_with_the_most_rows_keeps_it(tmp_path: Path) -> None:
    """The replay also deletes the row of the first mail."""
    followers = (rule(f"r{n}", after="{ rules: mail }") for n in range(MAX_ACTIONS - 1))
    world = world_of(tmp_path, sending("mail"), *followers)
    world.run()
    [event] = world.app.inbox.history.events(DAY)
    replay(event, world.app, ReplayOptions(rule="mail"))
    world.run()
    found = kept(world)
    assert found
    assert found.texts["subject"] == "one 1"


def test_it_is_deleted_with_its_event(tmp_path: Path) -> None:
    """That of an event that is kept stays."""
    world = world_of(tmp_path, sending("mail"))
    world.run()
    world.clock.time += timedelta(days=60)
    world.receive(RunStatusChanged.example(id="e2", runId="two"))
    world.run()
    assert len(keys(world)) == 2
    world.clock.time += timedelta(days=31)
    sweep(world.app)
    [(_, action)] = world.history().actions
    assert len(keys(world)) == 1
    world.clock.time += timedelta(days=91)
    sweep(world.app)
    assert keys(world) == []
    assert action.sent


def test_what_an_earlier_version_left_is_deleted_with_the_day(tmp_path: Path) -> None:
    """It deletes an event without this row, and forgets it in a replay."""
    world = world_of(tmp_path, rule("mail"))
    world.run()
    world.table.commit(DAY, Row("y|gone|mail|1", {"at": "x"}))
    for _ in range(2):
        world.clock.time += timedelta(days=92)
        sweep(world.app)
    assert keys(world) == []
