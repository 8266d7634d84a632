"""What was rejected is taken in, if it would not be rejected again."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.inbox.errors import Refused
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.rows import Rejected
from dispatch.receive import receive
from dispatch.replay.redeliver import redeliver, redeliver_rejected
from schemas import RunStatusChanged
from tests.kit.storage import NOW
from tests.kit.world import WORKSPACES, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
ONLY_DEV = "".join(line for line in WORKSPACES.splitlines(keepends=True) if "churn-prod" not in line)


def mended(folder: Path) -> World:
    """A world whose workspaces.yaml did not have the workspace when its event came."""
    world = World(rules(rule("ring")), folder, workspaces=ONLY_DEV)
    world.receive(EVENT)
    assert world.history().events == {}
    world.workspaces = WORKSPACES
    world.write(rules(rule("ring")))
    return world


def again(world: World, **options: Any) -> list[str]:
    return [f"{one.id} {one.status}" for one in redeliver_rejected(world.app, **options)]


def test_an_event_of_a_workspace_that_is_listed_now_is_taken_in(tmp_path: Path) -> None:
    """As if it came now; that it was rejected stays in the record."""
    world = mended(tmp_path)
    assert again(world) == ["e1 new"]
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.history().rejected) == 1


def test_twice_it_is_known(tmp_path: Path) -> None:
    world = mended(tmp_path)
    again(world)
    world.run()
    assert again(world) == ["e1 duplicate"]
    world.run()
    assert len(world.calls) == 1


def test_a_dry_run_takes_in_nothing(tmp_path: Path) -> None:
    world = mended(tmp_path)
    assert again(world, dry_run=True) == ["e1 new"]
    assert world.history().events == {}
    assert world.queue.messages == []


def test_what_would_be_rejected_again_is_told_and_not_written_down_again(tmp_path: Path) -> None:
    """On whatever day one tries."""
    world = World(rules(rule("ring")), tmp_path, workspaces=ONLY_DEV)
    world.receive(EVENT)
    receive("{", world.app)
    receive(json.dumps({**EVENT.wire(), "eventType": "Odd.Type"}), world.app)
    world.clock.forward(days=3)
    told = {one.id: one.reason for one in redeliver_rejected(world.app)}
    assert told["e1"]
    assert told[""].startswith("event: expected JSON")
    assert {one.status for one in redeliver_rejected(world.app)} == {"rejected"}
    assert world.app.inbox.history.days() == ["2026-11-22"]
    assert len(world.history().rejected) == 3


def test_why_it_is_foreign_is_told(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path, workspaces=ONLY_DEV)
    world.receive(EVENT)
    [one] = redeliver_rejected(world.app)
    assert (one.id, one.event_type, one.object) == ("e1", "RunStatusChanged", EVENT.object)
    assert one.reason == f"{EVENT.topic} is not in workspaces.yaml"


def test_of_what_was_too_large_only_the_beginning_is_there(tmp_path: Path) -> None:
    """That is what is the matter, not that it ends in the middle."""
    world = World(rules(rule("ring")), tmp_path)
    world.app.inbox.reject(Rejected("too large", "storage cannot hold it", '{"id": "e1', NOW))
    [one] = redeliver_rejected(world.app)
    assert (one.status, one.reason) == ("rejected", "it is too large; only its beginning was kept")


def test_a_span_is_of_when_it_came(tmp_path: Path) -> None:
    world = mended(tmp_path)
    assert again(world, since=NOW + timedelta(seconds=1)) == []
    assert again(world, until=NOW) == []
    assert again(world, since=NOW, until=NOW + timedelta(seconds=1)) == ["e1 new"]


def test_they_come_as_they_came(tmp_path: Path) -> None:
    """In the order of time."""
    world = World(rules(rule("ring")), tmp_path, workspaces=ONLY_DEV)
    ids = [f"e{n}" for n in range(9)]
    for id in ids:
        world.receive(EVENT.model_copy(update={"id": id}))
        world.clock.forward(minutes=1)
    assert [one.id for one in redeliver_rejected(world.app)] == ids


def test_while_nobody_knows_whose_it_is_it_is_not_rejected(tmp_path: Path) -> None:
    """It is matched when workspaces.yaml is right, as when it is delivered."""
    world = World(rules(rule("ring")), tmp_path, workspaces="workspaces: [1")
    assert redeliver(json.dumps(EVENT.wire()), world.app).status == "new"
    [event] = world.history().events.values()
    assert event.deferred_files


def test_a_row_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    world = mended(tmp_path)
    [row] = world.table.read("2026-11-22", "x|", "x|~")
    world.table.commit("2026-11-22", type(row)("x|0", {"odd": 1}))
    assert again(world) == ["e1 new"]


@pytest.mark.parametrize("known", [False, True])
def test_one_event_is_taken_in_or_known(tmp_path: Path, known: bool) -> None:
    world = World(rules(rule("ring")), tmp_path)
    if known:
        world.receive(EVENT)
    one = redeliver(json.dumps(EVENT.wire()), world.app)
    assert (one.status, one.id, one.event_type, one.object) == (
        "duplicate" if known else "new",
        *("e1", "RunStatusChanged", EVENT.object),
    )


def test_one_that_is_malformed_is_written_down_as_such(tmp_path: Path) -> None:
    """It is delivered for the first time: a dead letter, say."""
    world = World(rules(rule("ring")), tmp_path)
    one = redeliver(json.dumps({**EVENT.wire(), "data": 5}), world.app)
    assert (one.status, one.id) == ("rejected", "e1")
    assert [rejected.kind for rejected in world.history().rejected] == ["malformed"]


def test_one_that_storage_cannot_hold_is_not_told_as_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is what is there afterwards."""
    world = World(rules(rule("ring")), tmp_path)

    def refuse(*_: object) -> None:
        raise Refused("RequestBodyTooLarge", 413)

    monkeypatch.setattr(Inbox, "add", refuse)
    one = redeliver(json.dumps(EVENT.wire()), world.app)
    assert one.status == "rejected"
    assert [rejected.kind for rejected in world.history().rejected] == ["too large"]
