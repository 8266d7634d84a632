"""Erasing: nothing of a person is left in the record, redeliveries do not act again, and a crash is made good."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dispatch.erasure.erase import Erased, erase
from dispatch.erasure.find import find
from dispatch.erasure.needle import Needle, texts_of
from dispatch.inbox.history.facts import facts_key
from dispatch.inbox.history.index import MONTHS
from dispatch.inbox.history.sent import Sent
from dispatch.inbox.keys import ActionId, event_key
from dispatch.inbox.pauses import Pause
from dispatch.inbox.rows import ActionRecord, EventRecord
from dispatch.inbox.shared_state import PARTITION
from dispatch.inbox.tables import Row
from dispatch.replay.replay import ReplayOptions, replay
from dispatch.sweep import sweep
from dispatch.watch.memory import packed
from dispatch.watch.reconcile import missing_days
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import NOW
from schemas import EventError, RunStatusChanged
from tests.kit.faults import CrashAt, CrashPoint
from tests.kit.world import World, rule, rules

NAME = "alice@example.com"
ALICE = Needle(NAME)
ABOUT = RunStatusChanged.example(id="e1", run_id="alices_run", run_tags={"owner": NAME})
OTHER = RunStatusChanged.example(id="e2", run_id="other_run", run_tags={})
DAY = "2026-11-22"


def world_of(folder: Path, crash: CrashAt | None = None) -> World:
    """An event about Alice; another one, about which she got a mail; a rejected event with her name; a pause by her."""
    world = World(rules(rule("ring", "succeed mailed alice@example.com"), rule("done", "give-up no")), folder)
    if crash:
        world.crash = crash
        crash.armed = False
    world.receive(ABOUT, OTHER)
    foreign = ABOUT.model_copy(update={"id": "e3", "topic": ABOUT.topic.replace("churn-prod", "unknown")})
    world.receive(foreign)
    world.run()
    for event in (ABOUT, OTHER):
        day, key = event_key(event)
        id = ActionId(day, key, "ring")
        [row] = world.table.read(day, id.row, id.row + "!")
        record = replace(ActionRecord.of(row), sent=1)
        mail = Sent(NOW, {"to": NAME, "text": "your run"}).row(id, 1)
        world.table.commit(day, Row(row.key, record.values(), row.etag), mail)
    day, key = event_key(ABOUT)
    world.table.commit(day, Row(facts_key(key, "run"), {"schema": 1, "raw": '{"owner": "bob"}'}))
    world.app.inbox.pauses.begin(Pause("ring", NAME, world.clock()))
    if crash:
        crash.armed = True
    return world


def rows(world: World) -> list[tuple[str, Row]]:
    """Every row of the table with its partition."""
    inbox = world.app.inbox
    partitions = [*inbox.history.days(), *(f"{MONTHS}|{month}" for month in inbox.index.months()), PARTITION]
    return [(name, row) for name in partitions for row in world.table.read(name, "", "~")]


def left(world: World, *names: str) -> list[str]:
    return [row.key for _, row in rows(world) if any(name in text for text in texts_of(row) for name in names)]


def erased(world: World, needle: Needle = ALICE) -> Erased:
    return erase(find(needle, world.app), needle, world.app, "admin")


@pytest.mark.parametrize("indexed", [True, False])
def test_nothing_of_the_person_is_left(indexed: bool, tmp_path: Path) -> None:
    world = world_of(tmp_path)
    if indexed:
        sweep(world.app)
    assert left(world, NAME)
    done = erased(world)
    assert (done.events, done.actions, done.sent, done.rejected, done.refused) == (1, 3, 3, 1, {})
    assert left(world, NAME, "alices_run", "bob") == []
    assert find(ALICE, world.app).is_empty
    sweep(world.app)
    assert left(world, NAME, "alices_run") == []
    counts = world.app.inbox.index.counts("", "~")[DAY]
    assert counts["type|RunStatusChanged"] == 2  # erased events still count


def test_redelivery_does_not_act_again(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    erased(world)
    calls = len(world.calls)
    world.receive(ABOUT, OTHER)
    world.run()
    assert len(world.calls) == calls
    assert left(world, "alices_run") == []


def test_when_and_by_whom_is_recorded(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    erased(world)
    day, key = event_key(ABOUT)
    stored = world.app.inbox.history.event(day, key)
    assert stored
    assert (stored.record.event_type, stored.record.workspace, stored.record.id) == (
        "RunStatusChanged",
        "churn-prod",
        "",
    )
    with pytest.raises(EventError, match=r"its content was erased 2026-11-22 09:\d\d:\d\d UTC by admin"):
        _ = stored.record.event
    record = ActionRecord.of(stored.actions["ring"])
    assert (record.status, record.note, record.details, record.sent) == ("succeeded", "erased by admin", {}, 0)
    assert [entry.status for entry in record.timeline][-2:] == ["succeeded", "succeeded"]
    assert replay(stored, world.app, ReplayOptions()).steps[0].status == "refused"
    assert EventRecord.of(stored.row) == stored.record


def test_other_events_keep_what_is_not_about_the_person(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    erased(world)
    day, key = event_key(OTHER)
    stored = world.app.inbox.history.event(day, key)
    assert stored
    assert stored.record.event == OTHER
    assert ActionRecord.of(stored.actions["done"]).note == "no"


def test_shared_state_keeps_its_meaning(tmp_path: Path) -> None:
    """A rule that she has paused stays paused."""
    world = world_of(tmp_path)
    erased(world)
    [pause] = world.app.inbox.pauses.all(world.clock())
    assert (pause.rule, pause.by, pause.until) == ("ring", "[erased]", None)


def test_event_with_open_actions_is_refused(tmp_path: Path) -> None:
    world = World(rules(rule("ring", "wait 600")), tmp_path)
    world.receive(ABOUT)
    world.step()
    sweep(world.app)
    done = erased(world)
    assert list(done.refused.values()) == ["it has open actions: ring"]
    day, key = event_key(ABOUT)
    stored = world.app.inbox.history.event(day, key)
    assert stored
    assert stored.record.event == ABOUT
    assert world.app.inbox.index.find("alices_run", "2026-11")


def test_event_that_waits_for_a_rules_file_is_refused(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.write("rules: [{ name: x }]", "bad.yaml")
    world.receive(ABOUT)
    world.run()
    assert list(erased(world).refused.values()) == ["it has open actions: a refused rules file"]


def test_own_name_of_who_erases_is_not_written(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    erase(find(ALICE, world.app), ALICE, world.app, NAME)
    assert left(world, NAME) == []


def test_event_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    """A replay opens its actions between the search and the erasure."""
    world = world_of(tmp_path)
    found = find(ALICE, world.app)
    day, key = event_key(ABOUT)
    stored = world.app.inbox.history.event(day, key)
    assert stored
    replay(stored, world.app, ReplayOptions())
    assert set(erase(found, ALICE, world.app, "admin").refused.values()) == {"another worker changes it"}
    world.run()
    assert erased(world).refused == {}
    assert left(world, NAME) == []


def test_rows_of_newer_versions_are_refused(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    day, key = event_key(ABOUT)
    for name in (key, f"{key}|ring"):
        [row] = world.table.read(day, name, name + "!")
        world.table.commit(day, Row(name, {**row.values, "schema": 99, "received": "?"}, row.etag))
        assert set(erased(world).refused.values()) == {"a newer version of the app wrote a part of it"}
    [rejected] = world.table.read("2026-11-22", "x|", "x|~")
    world.table.commit("2026-11-22", Row(rejected.key, {"raw": NAME}, rejected.etag))
    assert len(erased(world).refused) == 2


def points() -> list[CrashPoint]:
    with TemporaryDirectory() as folder:
        world = world_of(Path(folder), CrashAt())
        sweep(world.app)
        erase(find(ALICE, world.crashing_app), ALICE, world.crashing_app, "admin")
        calls = world.crash.calls
    assert calls > 10
    return [(call, when) for call in range(1, calls + 1) for when in ("before", "after")]


@pytest.mark.slow
@pytest.mark.no_cover  # other tests cover the same lines
@pytest.mark.parametrize("indexed", [True, False])
def test_erasure_after_a_crash_is_completed_by_the_next_one(indexed: bool, tmp_path: Path) -> None:
    for point in points():
        world = world_of(tmp_path, CrashAt(point))
        if indexed:
            sweep(world.app)
        with suppress(WorkerDied):
            app = world.crashing_app
            erase(find(ALICE, app), ALICE, app, "admin")
        erased(world)
        assert left(world, NAME, "alices_run", "bob") == [], point
        calls = len(world.calls)
        world.receive(ABOUT, OTHER)
        world.run()
        assert len(world.calls) == calls, point


def test_conflicts_in_the_index_and_in_shared_state_are_left_to_the_next_time(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    sweep(world.app)
    found = find(ALICE, world.app)
    world.app.inbox.pauses.end("ring", "bob", world.clock())
    partition, row = found.index[0]
    world.table.commit(partition, delete=(row.key,))
    done = erase(found, ALICE, world.app, "admin")
    assert (done.names, done.shared) == (0, 0)
    erased(world)
    assert find(ALICE, world.app).is_empty


def test_marker_that_a_sweep_indexes_meanwhile_is_found_later(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    found = find(ALICE, world.app)
    sweep(world.app)
    erase(found, ALICE, world.app, "admin")
    erased(world)
    assert left(world, NAME) == []


@pytest.mark.parametrize("others", [[], [OTHER]])
def test_events_that_never_came_are_erased(tmp_path: Path, others: list[RunStatusChanged]) -> None:
    """They are compressed, as is what the watch remembers of models, which is counted: a look would bring it back."""
    app = World(rules(rule("ring")), tmp_path).app
    events = [event.wire() for event in (ABOUT, *others)]
    about = {"day": DAY, "workspace": "churn-prod", "count": str(len(events)), "events": packed({"events": events})}
    model = {"at": NOW.isoformat(), "known": packed({"7": ["", False, "", {"owner": NAME}, 0]})}
    app.inbox.shared.change(f"missing|{DAY}|x|000", lambda _: about, app.now())
    app.inbox.shared.change("watched|models|x", lambda _: model, app.now())
    found = find(ALICE, app)
    assert (len(found.shared), found.watched) == (1, 1)
    assert erase(found, ALICE, app, "an operator").shared == 1
    left = find(ALICE, app)
    assert (left.is_empty, left.watched) == (True, 1)
    assert [value["count"] for value in missing_days(app.inbox.shared)] == ["1"] * len(others)
    assert app.inbox.shared.all("watched|") == {"watched|models|x": model}
