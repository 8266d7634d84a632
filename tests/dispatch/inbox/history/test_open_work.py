"""The open actions that the sweep notes."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.history.open_work import NAME, OpenAction, OpenWork
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord
from dispatch.sweep import sweep
from schemas import RunStatusChanged
from tests.kit.storage import NOW
from tests.kit.world import World, rule, rules


def action(n: int, note: str = "") -> OpenAction:
    record = ActionRecord("ring", "log", "", NOW - timedelta(minutes=n), NOW, note=note, failures=n, failing_since=NOW)
    return OpenAction.of(ActionId("2026-11-22", f"e{n}", "ring"), record)


def stored(work: OpenWork) -> OpenWork:
    """The work after it has been written as shared state and read again."""
    return OpenWork.of(json.loads(json.dumps(work.value(NOW))))


def test_sweep_notes_the_actions_that_have_not_ended(tmp_path: Path) -> None:
    world = World(rules(rule("ring"), rule("wait", "wait 3600"), rule("retry", "retry the server is down")), tmp_path)
    world.receive(RunStatusChanged.example())
    world.step(3)
    sweep(world.app)
    work = OpenWork.of(world.app.inbox.shared.all(NAME)[NAME])
    assert (work.at, work.count) == (world.clock(), 2)
    found = {each.id.rule: (each.status, each.failures, each.failing, each.note) for each in work.oldest}
    assert found == {"wait": ("waiting", 0, False, "call 1"), "retry": ("waiting", 1, True, "the server is down")}
    assert {each.due for each in work.oldest} == {world.actions["wait"].due, world.actions["retry"].due}


def test_next_sweep_forgets_those_that_have_ended(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.receive(RunStatusChanged.example())
    sweep(world.app)
    assert OpenWork.of(world.app.inbox.shared.all(NAME)[NAME]).count == 1
    world.run()
    sweep(world.app)
    assert OpenWork.of(world.app.inbox.shared.all(NAME)[NAME]).oldest == []


def test_oldest_actions_are_kept_and_all_are_counted() -> None:
    work = OpenWork()
    for n in range(100):
        work.add(action(n))
    found = stored(work)
    assert (found.at, found.count) == (NOW, 100)
    assert [each.id.event for each in found.oldest] == [f"e{n}" for n in range(99, 69, -1)]
    assert found.oldest == work.oldest


@pytest.mark.parametrize("note", ["x" * 5_000, '"\\' * 500, "𝄞" * 500])
def test_work_fits_a_property_of_a_row(note: str) -> None:
    """Azure Tables limits a text to 32 Ki characters."""
    work = OpenWork()
    for n in range(50):
        work.add(action(n, note))
    assert len(json.dumps(work.value(NOW))) < 25_000
    assert stored(work).oldest == work.oldest[: len(stored(work).oldest)]
    assert len(stored(work).oldest) >= 5


def test_value_of_an_earlier_version_has_only_the_time() -> None:
    assert OpenWork.of({"at": NOW.isoformat()}) == OpenWork(NOW)
    assert OpenWork.of({}) == OpenWork()
