"""The open actions that the sweep notes."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.history.open_work import NAME, Current, OpenAction, OpenWork
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.shared_state import SharedState
from dispatch.inbox.tables import MAX_ROWS, Row
from dispatch.sweep import sweep
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.storage import CountedCalls
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
    assert (work.at, work.counts.total()) == (world.clock(), 2)
    found = {each.id.rule: (each.status, each.failures, each.failing, each.note) for each in work.oldest}
    assert found == {"wait": ("waiting", 0, False, "call 1"), "retry": ("waiting", 1, True, "the server is down")}
    assert {each.due for each in work.oldest} == {world.actions["wait"].due, world.actions["retry"].due}


def test_next_sweep_forgets_those_that_have_ended(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.receive(RunStatusChanged.example())
    sweep(world.app)
    assert OpenWork.of(world.app.inbox.shared.all(NAME)[NAME]).counts.total() == 1
    world.run()
    sweep(world.app)
    assert OpenWork.of(world.app.inbox.shared.all(NAME)[NAME]).oldest == []


def test_oldest_actions_are_kept_and_all_are_counted() -> None:
    work = OpenWork()
    for n in range(100):
        work.add(action(n))
    found = stored(work)
    assert (found.at, found.counts.total()) == (NOW, 100)
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


def test_current_work_is_todays_as_it_is_and_that_of_other_days_as_the_sweep_saw_it(tmp_path: Path) -> None:
    """It costs two queries, however many days there are. An action counts once, though the sweep saw it, too."""
    world = World(rules(rule("wait", "wait 3600")), tmp_path)
    for n in range(40):
        time = (NOW - timedelta(days=n, minutes=1)).isoformat()
        world.receive(RunStatusChanged.example(id=f"e{n}", event_time=time))
    sweep(world.app)
    world.receive(RunStatusChanged.example(id="new", event_time=NOW.isoformat()))
    counted = CountedCalls(world.table, world.queue)
    current = Current.read(counted, SharedState(counted), NOW)
    assert counted.calls == ["read", "read"]
    assert (current.open, current.swept, current.deferred) == (41, NOW, 0)
    assert [event.record.id for event in current.events] == ["new", "e0"]
    listed = [action.id.event for action in current.actions]
    assert {event.key for event in current.events} <= {*listed}
    assert len(listed) == len({*listed}) == 32  # those of today and the 30 oldest of others


def test_number_of_today_is_the_sweeps_while_its_rows_do_not_fit_a_response(tmp_path: Path) -> None:
    world = World(rules(rule("wait", "wait 3600")), tmp_path)
    world.receive(RunStatusChanged.example(event_time=NOW.isoformat()))
    sweep(world.app)
    for n in range(MAX_ROWS):
        world.table.commit(f"{NOW:%Y-%m-%d}", Row(f"!new|{n:04d}", {}))
    assert Current.read(world.table, world.app.inbox.shared, NOW).open == 1


def test_sweep_notes_how_many_matches_wait_for_a_file(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.write("rules: [{}]", "bad.yaml")
    world.receive(RunStatusChanged.example())
    sweep(world.app)
    assert Current.read(world.table, world.app.inbox.shared, NOW).deferred == 1


def test_sentences_about_what_is_unseen_are_kept_and_bounded() -> None:
    few = OpenWork(unseen=["the watch cannot list models", "x" * 1_000])
    [first, second] = OpenWork.of(few.value(NOW)).unseen
    assert (first, len(second)) == ("the watch cannot list models", 200)
    many = OpenWork.of(OpenWork(unseen=[f"{n} events" for n in range(50)]).value(NOW)).unseen
    assert (len(many), many[-1]) == (9, "and 42 more: see `mlevents status`")
