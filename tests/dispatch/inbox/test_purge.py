"""The purge deletes old history, and nothing that is open."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.app import App
from dispatch.inbox import purge as purging
from dispatch.inbox.history.entry import Entry
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.rows import EventRecord
from dispatch.inbox.tables import Row, Table
from dispatch.receive import receive
from dispatch.sweep import sweep
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import Clock
from schemas import Event, ModelRegistered, RunStatusChanged
from tests.kit.faults import CrashAt
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, Scripted, World, rule, rules


class Alone(Scripted):
    """A scripted handler whose actions share one lock."""

    def lock(self, event: Event) -> str:
        return "the only one"


EVENT = RunStatusChanged.example(id="e1")
DAY = "2026-11-22"


def world_with(folder: Path, *texts: str) -> World:
    return World(rules(*texts), folder)


def keeping(world: World, days: float = 90) -> App:
    return replace(world.app, retention=timedelta(days=days))


def rows(world: World, *partitions: str) -> list[str]:
    """The keys of all rows but those of the index, and the time of the last sweep."""
    read = (
        row.key for partition in partitions or ("days", DAY, "undated") for row in world.table.read(partition, "", "~")
    )
    return [key for key in read if not key.startswith(("!new|", "!counts")) and key != "sweep"]


def numbered(count: int) -> list[Event]:
    return [EVENT.model_copy(update={"id": str(n)}) for n in range(count)]


def test_history_older_than_the_retention_is_deleted_with_its_day(tmp_path: Path) -> None:
    """Events, actions, rejections, and the day's row in the index."""
    world = world_with(tmp_path, rule("ring"), rule("next", after="{ rules: ring }"))
    world.receive(*numbered(60))
    receive("not an event", world.app)
    world.run()
    assert len(rows(world)) == 60 * 3 + 2
    world.clock.forward(days=90)
    sweep(world.app)
    assert len(rows(world)) == 60 * 3 + 2
    world.clock.forward(days=1)
    sweep(world.app)
    assert rows(world) == []


def test_open_action_keeps_its_event_and_all_actions(tmp_path: Path) -> None:
    """However old it is."""
    world = world_with(tmp_path, rule("long", "wait 31000000", "succeed"), rule("ring"))
    world.receive(EVENT)
    for _ in range(2):
        act(world.queue.messages.pop(0)[1], world.app)
    before = rows(world)
    world.clock.forward(days=200)
    sweep(world.app)
    assert rows(world) == before
    world.run()
    assert world.ends() == {"long": "succeeded", "ring": "succeeded"}


def test_retention_counts_from_the_end_of_an_action(tmp_path: Path) -> None:
    world = world_with(tmp_path, rule("long", "wait 8000000", "succeed"))
    world.receive(EVENT)
    world.run()
    for _ in range(89):
        world.clock.forward(days=1)
        sweep(world.app)
    assert len(rows(world, DAY)) == 2
    world.clock.forward(days=2)
    sweep(world.app)
    assert rows(world) == []


def test_retention_counts_from_the_receipt_of_an_event(tmp_path: Path) -> None:
    """Of a dead letter of last year, and of an event of the year 1, which has no day."""
    world = world_with(tmp_path, rule("ring"))
    old = [EVENT.model_copy(update={"event_time": world.clock() - timedelta(days=days)}) for days in (400, 40)]
    ancient = {**EVENT.wire(), "eventTime": "0001-01-01T00:00:00Z"}
    world.receive(*old)
    receive(json.dumps(ancient), world.app)
    world.run()
    partitions = [row.key for row in world.table.read("days", "", "~")]
    assert len(partitions) == 3
    world.clock.forward(days=89)
    sweep(world.app)
    assert [len(rows(world, partition)) for partition in partitions] == [2, 2, 2]
    world.clock.forward(days=2)
    sweep(world.app)
    assert rows(world, "days", *partitions) == []


def test_event_with_a_deferred_match_is_kept(tmp_path: Path) -> None:
    world = world_with(tmp_path, rule("ring"))
    world.write(rules(rule("next", when="[nonsense]")), "other.yaml")
    world.receive(EVENT)
    world.run()
    world.clock.forward(days=400)
    sweep(world.app)
    world.write(rules(rule("next")), "other.yaml")
    sweep(world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded", "next": "succeeded"}


def test_unreadable_row_is_kept(tmp_path: Path) -> None:
    """A newer version of the app may have written it."""
    world = world_with(tmp_path, rule("ring"))
    world.receive(EVENT)
    world.run()
    [event] = [row for row in world.table.read(DAY, "0", "x") if "|" not in row.key]
    world.table.commit(DAY, replace(event, values={"schema": 7}))
    world.clock.forward(days=400)
    sweep(world.app)
    assert len(rows(world, DAY)) == 2


def test_purge_runs_once_a_day(tmp_path: Path) -> None:
    world = world_with(tmp_path, rule("ring"))
    world.receive(EVENT)
    world.run()
    world.clock.time = world.clock().replace(hour=1) + timedelta(days=91)
    sweep(keeping(world, 365))
    world.clock.forward(hours=22)
    sweep(world.app)
    assert len(rows(world, DAY)) == 2
    world.clock.forward(hours=2)
    sweep(world.app)
    assert rows(world) == []


def test_purge_deletes_a_limited_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next sweep continues; the index keeps the day until it is empty."""
    monkeypatch.setattr(purging, "MAX_ROWS", 100)
    world = world_with(tmp_path, rule("ring"))
    times = [EVENT.event_time + timedelta(hours=h) for h in range(-8, 8)]  # type: ignore[operator]  # it has a time
    world.receive(*(EVENT.model_copy(update={"id": f"{n} {at}", "event_time": at}) for n in range(10) for at in times))
    world.run()
    world.clock.forward(days=92)
    left: list[int] = []
    while not left or left[-1]:
        sweep(world.app)
        world.clock.forward(minutes=5)
        left.append(len(rows(world)))
    assert len(left) == 4
    assert left == sorted(left, reverse=True)


def test_sweep_with_many_days_to_purge_ends_in_time(tmp_path: Path) -> None:
    """The following sweeps continue until nothing is left."""
    world = world_with(tmp_path, rule("ring"))
    start = EVENT.event_time
    assert start
    world.receive(
        *(EVENT.model_copy(update={"id": f"e{n}", "event_time": start - timedelta(days=n)}) for n in range(200))
    )
    world.run(most=5_000)
    world.clock.forward(days=100)
    app = keeping(world)
    app = replace(app, inbox=Inbox(Slow(world.table, world.clock, 0.2), LEASE))
    sweeps = 0
    while len(app.inbox.history.days()) > 1 and sweeps < 100:
        began, sweeps = world.clock.time, sweeps + 1
        sweep(app)
        assert world.clock.time - began < LEASE - timedelta(minutes=1)
        world.clock.forward(minutes=5)
    assert 5 < sweeps < 100
    assert [key for key in rows(world, DAY) if not key.startswith("x")] == []


def test_days_that_cannot_be_purged_do_not_block_other_days(tmp_path: Path) -> None:
    """Each costs many reads at each purge."""
    world = world_with(tmp_path, rule("ring", when="[id StringBeginsWith live]"))
    start = EVENT.event_time
    assert start
    for n in range(60):
        id = "live" if n >= 20 else "over"  # the oldest days are those that live
        world.receive(EVENT.model_copy(update={"id": f"{id}-{n}", "event_time": start - timedelta(days=n)}))
    world.clock.forward(days=100)
    world.queue.messages.clear()
    app = keeping(world)
    app = replace(app, inbox=Inbox(Slow(world.table, world.clock, 0.1), LEASE))
    after = None
    for _ in range(30):
        purge = app.inbox.purge(world.clock.time - timedelta(days=90), world.clock.time, in_time_of(world), after)
        after = None if purge.done else purge.after
    assert len([day for day in app.inbox.history.days() if day.startswith("2026-1")]) < 60 - 10


def test_purge_makes_a_limited_number_of_reads(tmp_path: Path) -> None:
    """However many days there are; the following sweeps continue, and one pass a day goes over all of them."""
    world = world_with(tmp_path, rule("ring", when="[id StringBeginsWith nothing]"))
    start = EVENT.event_time
    assert start
    for n in range(120):
        world.receive(EVENT.model_copy(update={"id": f"e{n}", "event_time": start - timedelta(days=100 + 30 * n)}))
    reads: list[int] = []
    for _ in range(8):
        storage = CountedCalls(world.table, world.queue)
        sweep(replace(keeping(world), inbox=Inbox(storage, LEASE)))
        reads.append(storage.calls.count("read"))
        world.clock.forward(minutes=5)
    assert max(reads) < purging.MAX_READS + 750  # the first sweep indexes its days, too
    assert reads[-1] < 250 < reads[0]  # the pass of this day has ended
    world.clock.forward(days=91)
    for _ in range(8):
        sweep(keeping(world))
        world.clock.forward(minutes=5)
    assert [day for day in world.app.inbox.history.days() if rows(world, day)] == []


def in_time_of(world: World) -> Callable[[], bool]:
    ends = world.clock.time + timedelta(seconds=90)
    return lambda: world.clock.time < ends


@dataclass
class Slow:
    """A table whose calls take time."""

    inner: Table
    clock: Clock
    seconds: float

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        self.clock.forward(seconds=self.seconds)
        return self.inner.read(partition, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        self.clock.forward(seconds=self.seconds)
        return self.inner.commit(partition, *rows, delete=delete)


class TestSharedState:
    """The guards' shared state is purged, too."""

    def test_latest_event_of_an_inactive_object_is_deleted(self, tmp_path: Path) -> None:
        world = world_with(tmp_path, rule("ring", latest_only="true"))
        world.receive(EVENT)
        world.run()
        world.clock.forward(days=91)
        sweep(world.app)
        assert rows(world, "notes") == ["purged"]

    def test_slots_of_a_limit_that_still_counts_are_kept(self, tmp_path: Path) -> None:
        """A limit of once in half a year outlives the retention."""
        world = world_with(tmp_path, rule("ring", at_most="{ count: 1, every: 180d }"))
        world.receive(EVENT)
        world.run()
        world.clock.forward(days=100)
        sweep(world.app)
        world.receive(EVENT.model_copy(update={"id": "e2", "event_time": world.clock()}))
        world.run()
        assert len(world.calls) == 1
        world.clock.forward(days=100)
        sweep(world.app)
        assert rows(world, "notes") == ["purged"]

    def test_lock_that_is_held_is_kept(self, tmp_path: Path) -> None:
        """A deployment may take longer than the retention."""
        texts = (
            rule(name, "wait 800000", "succeed").replace("SCRIPTED", "tests.dispatch.inbox.test_purge:Alone")
            for name in "ab"
        )
        world = world_with(tmp_path, *texts)
        world.receive(EVENT)
        act(world.queue.messages.pop(0)[1], world.app)
        world.clock.forward(days=5)
        sweep(keeping(world, 2))
        act(world.queue.messages.pop(0)[1], world.app)
        assert len(world.calls) == 1
        world.run(most=20_000)
        assert world.ends() == {"a": "succeeded", "b": "succeeded"}
        world.clock.forward(days=5)
        sweep(keeping(world, 2))
        assert rows(world, "notes") == ["purged"]


@pytest.mark.parametrize("place", range(1, 12))
def test_crash_during_a_purge_does_no_harm(place: int, tmp_path: Path) -> None:
    """The next purge deletes the rest, and nothing else."""
    world = world_with(tmp_path, rule("ring"), rule("long", "wait 31000000", on="ModelRegistered"))
    world.receive(*numbered(3), ModelRegistered.example(id="m1"))
    for _ in range(4):
        act(world.queue.messages.pop(0)[1], world.app)
    world.clock.forward(days=92)
    world.crash = CrashAt((place * 11, "after"))
    with suppress(WorkerDied):
        sweep(world.crashing_app)
    sweep(world.app)
    assert [key.partition("|")[2] for key in rows(world, DAY)] == [rows(world, DAY)[0].partition("|")[2], "", "long"]
    assert rows(world, "days") == [DAY]


def test_replay_during_a_purge_keeps_what_it_opens(tmp_path: Path) -> None:
    """A row is deleted only if it has not changed since it was read."""
    world = world_with(tmp_path, rule("ring"))
    world.receive(EVENT)
    world.run()
    world.clock.forward(days=92)
    [row] = [row for row in world.table.read(DAY, "0", "x") if "|" in row.key]
    read = world.table.read

    def and_changed(partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        found = read(partition, first, last, limit)
        if any(each.key == row.key for each in found):
            world.table.commit(DAY, row)
        return found

    world.table.read = and_changed  # type: ignore[method-assign]  # a scripted race
    sweep(world.app)
    del world.table.read  # the end of the race
    assert len(rows(world, DAY)) == 2
    assert rows(world, "days") == [DAY]


def test_day_that_is_about_to_get_rows_stays_listed(tmp_path: Path) -> None:
    """Nothing would find these rows otherwise."""
    world = world_with(tmp_path, rule("ring"))
    world.receive(EVENT)
    world.run()
    world.clock.forward(days=92)
    late = EVENT.model_copy(update={"id": "late"})
    inbox = world.app.inbox
    inbox._list_day(DAY, world.clock())
    sweep(world.app)
    assert rows(world) == [DAY]
    inbox.add(late, EventRecord("{}", "late", "RunStatusChanged", "churn-prod", "r", world.clock()), (), world.clock())
    world.clock.forward(days=2)
    sweep(world.app)
    assert len(rows(world)) == 2


def test_index_of_a_busy_month_is_purged_by_several_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have more rows than one purge deletes. Days are purged after it."""
    monkeypatch.setattr(purging, "MAX_ROWS", 20)
    monkeypatch.setattr(purging, "MAX_ROWS_READ", 5)
    world = world_with(tmp_path, rule("ring"))
    world.receive(*(EVENT.model_copy(update={"id": f"e{n}"}) for n in range(30)))
    world.run()
    sweep(world.app)
    rows = world.table.read("names|2026-11", "", "~")
    assert len(rows) > 40
    world.clock.forward(days=120)
    app = keeping(world)
    for _ in range(len(rows) // 20 + 1):
        sweep(app)
    assert world.table.read("names|2026-11", "", "~") == []
    assert app.inbox.index.months() == []
    for _ in range(10):
        sweep(app)
    assert app.inbox.history.days() == []


def test_day_with_a_marker_of_an_event_that_is_gone_stays_until_it_is_indexed(tmp_path: Path) -> None:
    """Without its row in ``days`` no sweep would find the marker."""
    world = world_with(tmp_path, rule("ring"))
    world.receive(EVENT)
    world.run()
    world.table.commit(DAY, Entry(DAY, "gone", world.clock.time, type="t").marker())
    world.clock.forward(days=120)
    inbox = world.app.inbox
    inbox.purge(world.clock.time - timedelta(days=90), world.clock.time)
    assert inbox.history.days() == [DAY]
    assert [row.key for row in world.table.read(DAY, "", "~")] == ["!new|gone"]
    inbox.index.add_new(DAY)
    inbox.purge(world.clock.time - timedelta(days=90), world.clock.time)
    assert (inbox.history.days(), world.table.read(DAY, "", "~")) == ([], [])
