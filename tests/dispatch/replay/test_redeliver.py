"""Redelivery of rejected events."""

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
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.world import WORKSPACES, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
ONLY_DEV = "".join(line for line in WORKSPACES.splitlines(keepends=True) if "churn-prod" not in line)


def fixed(folder: Path) -> World:
    """A world whose workspaces.yaml did not list the workspace when its event was received, and does now."""
    world = World(rules(rule("ring")), folder, workspaces=ONLY_DEV)
    world.receive(EVENT)
    assert world.history().events == {}
    world.workspaces = WORKSPACES
    world.write(rules(rule("ring")))
    return world


def again(world: World, **options: Any) -> list[str]:
    return [f"{one.id} {one.status}" for one in redeliver_rejected(world.app, **options)]


def test_rejected_event_is_ingested_once_its_workspace_is_listed(tmp_path: Path) -> None:
    """The rejection stays in the record."""
    world = fixed(tmp_path)
    assert again(world) == ["e1 new"]
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.history().rejected) == 1


def test_redelivering_twice_finds_a_duplicate(tmp_path: Path) -> None:
    world = fixed(tmp_path)
    again(world)
    world.run()
    assert again(world) == ["e1 duplicate"]
    world.run()
    assert len(world.calls) == 1


def test_dry_run_ingests_nothing(tmp_path: Path) -> None:
    world = fixed(tmp_path)
    assert again(world, dry_run=True) == ["e1 new"]
    assert world.history().events == {}
    assert world.queue.messages == []


def test_event_that_would_be_rejected_again_is_reported_and_not_recorded_again(tmp_path: Path) -> None:
    """Not on a later day either."""
    world = World(rules(rule("ring")), tmp_path, workspaces=ONLY_DEV)
    world.receive(EVENT)
    receive("{", world.app)
    receive(json.dumps({**EVENT.wire(), "eventType": "Odd.Type"}), world.app)
    world.clock.forward(days=3)
    reasons = {one.id: one.reason for one in redeliver_rejected(world.app)}
    assert reasons["e1"]
    assert reasons[""].startswith("event: expected JSON")
    assert {one.status for one in redeliver_rejected(world.app)} == {"rejected"}
    assert world.app.inbox.history.days() == ["2026-11-22"]
    assert len(world.history().rejected) == 3


def test_reason_names_the_unlisted_workspace(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path, workspaces=ONLY_DEV)
    world.receive(EVENT)
    [one] = redeliver_rejected(world.app)
    assert (one.id, one.event_type, one.object) == ("e1", "RunStatusChanged", EVENT.object)
    assert one.reason == f"{EVENT.topic} is not in workspaces.yaml"


def test_reason_of_a_too_large_event_is_its_size(tmp_path: Path) -> None:
    """Not that its stored beginning is malformed."""
    world = World(rules(rule("ring")), tmp_path)
    world.app.inbox.reject(Rejected("too large", "storage cannot hold it", '{"id": "e1', NOW))
    [one] = redeliver_rejected(world.app)
    assert (one.status, one.reason) == ("rejected", "it is too large; only its beginning was kept")


def test_span_selects_by_the_time_of_receipt(tmp_path: Path) -> None:
    world = fixed(tmp_path)
    assert again(world, since=NOW + timedelta(seconds=1)) == []
    assert again(world, until=NOW) == []
    assert again(world, since=NOW, until=NOW + timedelta(seconds=1)) == ["e1 new"]


def test_events_are_redelivered_in_the_order_of_receipt(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path, workspaces=ONLY_DEV)
    ids = [f"e{n}" for n in range(9)]
    for id in ids:
        world.receive(EVENT.model_copy(update={"id": id}))
        world.clock.forward(minutes=1)
    assert [one.id for one in redeliver_rejected(world.app)] == ids


def test_event_is_not_rejected_while_workspaces_yaml_is_refused(tmp_path: Path) -> None:
    """It is matched once workspaces.yaml is valid."""
    world = World(rules(rule("ring")), tmp_path, workspaces="workspaces: [1")
    assert redeliver(json.dumps(EVENT.wire()), world.app).status == "new"
    [event] = world.history().events.values()
    assert event.deferred_files


def test_unreadable_row_does_not_stop_the_others(tmp_path: Path) -> None:
    world = fixed(tmp_path)
    [row] = world.table.read("2026-11-22", "x|", "x|~")
    world.table.commit("2026-11-22", type(row)("x|0", {"odd": 1}))
    assert again(world) == ["e1 new"]


@pytest.mark.parametrize("duplicate", [False, True])
def test_status_of_an_event_is_new_or_duplicate(tmp_path: Path, duplicate: bool) -> None:
    world = World(rules(rule("ring")), tmp_path)
    if duplicate:
        world.receive(EVENT)
    one = redeliver(json.dumps(EVENT.wire()), world.app)
    assert (one.status, one.id, one.event_type, one.object) == (
        "duplicate" if duplicate else "new",
        *("e1", "RunStatusChanged", EVENT.object),
    )


def test_malformed_event_is_recorded_as_rejected(tmp_path: Path) -> None:
    """It may be a dead letter, which was never received before."""
    world = World(rules(rule("ring")), tmp_path)
    one = redeliver(json.dumps({**EVENT.wire(), "data": 5}), world.app)
    assert (one.status, one.id) == ("rejected", "e1")
    assert [rejected.kind for rejected in world.history().rejected] == ["malformed"]


def test_event_that_storage_refuses_is_reported_as_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(rules(rule("ring")), tmp_path)

    def refuse(*_: object) -> None:
        raise Refused("RequestBodyTooLarge", 413)

    monkeypatch.setattr(Inbox, "add", refuse)
    one = redeliver(json.dumps(EVENT.wire()), world.app)
    assert one.status == "rejected"
    assert [rejected.kind for rejected in world.history().rejected] == ["too large"]
