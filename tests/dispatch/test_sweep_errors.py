"""The sweep continues whatever storage refuses, and ends in time however much there is to do."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatch.app import App
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.history.entry import Entry
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.tables import Row
from dispatch.sweep import GRACE, MAX_ERRORS, sweep
from mlevents.testing.storage import Clock
from schemas import RunStatusChanged
from schemas.alert import Alert
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, World, alerting_world, alerts, rule, rules


def overdue(folder: Path, *ids: str) -> World:
    """A world with overdue actions, whose messages are lost."""
    world = World(rules(rule("ring")), folder)
    world.receive(*(RunStatusChanged.example(id=id) for id in ids))
    world.queue.messages.clear()
    world.clock.time += GRACE + timedelta(seconds=1)
    return world


@dataclass
class Refusing:
    """A table that fails some calls."""

    world: World
    refuses: Callable[[int], bool]
    calls: int = 0

    def _may_fail(self) -> None:
        self.calls += 1
        if self.refuses(self.calls):
            raise Unavailable("busy")

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        self._may_fail()
        return self.world.table.read(partition, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        self._may_fail()
        return self.world.table.commit(partition, *rows, delete=delete)

    @property
    def app(self) -> App:
        """The app over this table."""
        return App(self.world.loaded, Inbox(self, LEASE), self.world.queue, self.world.clock, self.world.sleep)


def test_an_error_in_one_action_does_not_stop_the_others(tmp_path: Path) -> None:
    """The error is raised at the end; the next sweep does what has failed."""
    world = overdue(tmp_path, *"abcdefgh")
    with pytest.raises(Unavailable):
        sweep(Refusing(world, lambda call: call in (12, 15)).app)
    assert len(world.queue.messages) == 6
    sweep(world.app)
    world.run()
    assert len(world.calls) == 8


def test_the_sweep_ends_after_a_few_errors_of_storage(tmp_path: Path) -> None:
    """It gives up after a few errors: each may have taken seconds."""
    table = Refusing(overdue(tmp_path, *"abcdefghijklmnop"), lambda call: call > 9)
    with pytest.raises(Unavailable):
        sweep(table.app)
    assert table.calls == 9 + MAX_ERRORS + 1


class Slow:
    """A clock that advances by some seconds with each reading."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def __call__(self) -> datetime:
        self.clock.forward(seconds=self.seconds)
        return self.clock.time


def test_the_sweep_ends_before_its_function_times_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The host would kill the whole process. The next sweeps finish the rest, which the log counts."""
    world = overdue(tmp_path, *"abcdefghijklmnop")
    app = App(world.loaded, world.app.inbox, world.queue, Slow(world.clock, 8))
    began = world.clock.time
    with caplog.at_level(logging.INFO):
        sweep(app)
    assert world.clock.time - began < LEASE - timedelta(minutes=1)
    done = len(world.queue.messages)
    assert 0 < done < 16
    assert f"left={16 - done}" in caplog.text
    for _ in range(3):
        world.run()
        world.clock.forward(minutes=5)
        sweep(app)
    world.run()
    assert len(world.calls) == 16


def test_deferred_matches_cost_no_request_while_their_file_is_refused(tmp_path: Path) -> None:
    """However many events were received meanwhile."""
    world = World(rules(rule("ring")), tmp_path)
    world.write(rules(rule("notify", when="[nonsense]")), "other.yaml")
    world.receive(*(RunStatusChanged.example(id=str(n)) for n in range(20)))
    world.run()
    sweep(world.app)  # the first of a day purges
    storage = CountedCalls(world.table, world.queue)
    sweep(App(world.loaded, Inbox(storage, LEASE), storage, world.clock, world.sleep))
    assert len(storage.calls) < 10
    world.write(rules(rule("notify")), "other.yaml")
    sweep(world.app)
    world.run()
    assert len(world.calls) == 40


@dataclass
class SlowTable:
    """A table whose calls take two seconds each."""

    world: World

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        self.world.clock.forward(seconds=2)
        return self.world.table.read(partition, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        self.world.clock.forward(seconds=2)
        return self.world.table.commit(partition, *rows, delete=delete)

    @property
    def app(self) -> App:
        """The app over this table."""
        return App(self.world.loaded, Inbox(self, LEASE), self.world.queue, self.world.clock, self.world.sleep)


DAYS = "2026-11-22", "2026-11-20"


def test_overdue_actions_of_all_days_come_before_rows_to_index(tmp_path: Path) -> None:
    """Each day has more new rows than one sweep can index."""
    world = overdue(tmp_path, "e")
    world.receive(RunStatusChanged.example(id="other", eventTime=f"{DAYS[1]}T09:00:00Z"))
    world.queue.messages.clear()
    world.clock.forward(minutes=30)
    for day in DAYS:
        for n in range(3_000):
            world.table.commit(day, Entry(day, f"{n:08}", world.clock.time, type="t").marker())
    sweep(SlowTable(world).app)
    assert len(world.queue.messages) == 2
    assert 0 < sum(count["type|t"] for count in world.app.inbox.index.counts("", "~").values()) < 6_000


def test_overdue_actions_leave_some_time_for_rows_to_index_and_failures(tmp_path: Path) -> None:
    """However many there are: otherwise nothing would be indexed, and no failure reported, while there are many."""
    world = alerting_world(tmp_path, rule("ring", "give-up"))
    world.receive(*(RunStatusChanged.example(id=f"failed {n}") for n in range(2)))
    world.run()
    world.receive(*(RunStatusChanged.example(id=f"e{n}") for n in range(200)))
    world.queue.messages.clear()
    world.clock.forward(hours=2)
    sweep(SlowTable(world).app)
    assert 0 < len(world.queue.messages) < 200
    assert world.app.inbox.index.counts("", "~")[DAYS[0]]["type|RunStatusChanged"] > 0
    world.run()
    assert [event.data.summary for event, _ in alerts(world) if isinstance(event, Alert)] == [
        "1 more action of rule ring failed"
    ]
