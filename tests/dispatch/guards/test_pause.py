"""Actions of a paused rule wait until the pause ends."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.inbox import Inbox
from dispatch.inbox.pauses import EVERY_RULE, Pause
from mlevents.testing.storage import NOW, Clock, MemoryQueue, MemoryTable
from schemas import RunStatusChanged
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
HOUR = timedelta(hours=1)


def paused(folder: Path, name: str, *texts: str, until: timedelta | None = None) -> World:
    """A world whose rules are paused before the event comes."""
    world = World(rules(*texts), folder)
    now = world.clock()
    world.app.inbox.pauses.begin(Pause(name, "alice", now, now + until if until else None))
    world.receive(EVENT)
    return world


def called(world: World) -> list[str]:
    return [call.action.rule for call in world.calls]


def test_paused_action_waits_and_others_run(tmp_path: Path) -> None:
    """The note says who paused the rule, and when. Nothing counts as a failure."""
    world = paused(tmp_path, "ring", rule("ring"), rule("done"))
    world.step(2)
    assert called(world) == ["done"]
    record = world.actions["ring"]
    assert (record.status, record.failures, record.attempts) == ("waiting", 0, 0)
    assert record.note == f"paused by alice since {NOW:%Y-%m-%d %H:%M:%S} UTC"
    assert record.due - world.clock() <= timedelta(minutes=5)


@pytest.mark.parametrize("name", ["ring", EVERY_RULE])
def test_action_runs_when_the_pause_has_been_ended(tmp_path: Path, name: str) -> None:
    world = paused(tmp_path, name, rule("ring"))
    world.step()
    assert called(world) == []
    assert world.app.inbox.pauses.end(name, "bob", world.clock())
    world.run()
    assert world.ends() == {"ring": "succeeded"}


def test_pause_with_a_length_ends_by_itself(tmp_path: Path) -> None:
    world = paused(tmp_path, "ring", rule("ring"), until=2 * HOUR)
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.clock() >= NOW + 2 * HOUR
    assert world.clock() < NOW + 3 * HOUR


def test_started_action_goes_on(tmp_path: Path) -> None:
    """No guard stops a roll-out halfway."""
    world = World(rules(rule("ring", "wait 60", "succeed")), tmp_path)
    world.receive(EVENT)
    world.step()
    world.app.inbox.pauses.begin(Pause("ring", "alice", world.clock()))
    world.run()
    assert called(world) == ["ring", "ring"]
    assert world.ends() == {"ring": "succeeded"}


class TestPauses:
    def test_pause_costs_no_read_of_its_own(self) -> None:
        """It is read with the throttles, at most every ten seconds; so all workers know of it within that time."""
        table = CountedCalls(MemoryTable(), MemoryQueue(Clock()))
        inbox = Inbox(table, LEASE)
        inbox.pauses.begin(Pause("ring", "alice", NOW))
        before = len(table.calls)
        for seconds in range(10):
            assert inbox.pauses.of("ring", NOW + timedelta(seconds=seconds))
            assert inbox.throttles.until("smtp", NOW + timedelta(seconds=seconds)) is None
        assert len(table.calls) - before == 1
        Inbox(table, LEASE).pauses.end("ring", "bob", NOW)
        assert inbox.pauses.of("ring", NOW + timedelta(seconds=10)) is None

    def test_throttles_and_pauses_do_not_mix(self) -> None:
        inbox = Inbox(MemoryTable(), LEASE)
        inbox.throttles.begin("ring", HOUR, NOW)
        assert inbox.pauses.all(NOW) == []
        assert inbox.pauses.of("ring", NOW) is None

    def test_pause_of_all_rules_does_not_keep_alerts_back(self) -> None:
        inbox = Inbox(MemoryTable(), LEASE)
        inbox.pauses.begin(Pause(EVERY_RULE, "alice", NOW))
        assert str(inbox.pauses.of("ring", NOW)).startswith("all rules are paused by alice since ")
        assert inbox.pauses.of("-alerts", NOW) is None

    def test_pause_that_has_ended_is_not_listed(self) -> None:
        """A second pause replaces the first one."""
        inbox = Inbox(MemoryTable(), LEASE)
        inbox.pauses.begin(Pause("b", "alice", NOW, NOW + HOUR))
        inbox.pauses.begin(Pause("a", "alice", NOW, NOW + HOUR))
        inbox.pauses.begin(Pause("a", "bob", NOW, NOW + 2 * HOUR))
        assert [(pause.rule, pause.by) for pause in inbox.pauses.all(NOW)] == [("a", "bob"), ("b", "alice")]
        assert [pause.rule for pause in inbox.pauses.all(NOW + HOUR)] == ["a"]
        assert inbox.pauses.end("b", "bob", NOW + HOUR) is None

    def test_end_is_recorded_with_the_user_and_the_time(self) -> None:
        inbox = Inbox(MemoryTable(), LEASE)
        inbox.pauses.begin(Pause("a", "alice", NOW))
        inbox.pauses.end("a", "bob", NOW + HOUR)
        [value] = inbox.shared.all("paused|").values()
        assert value == {"rule": "a", "resumed_by": "bob", "resumed_at": (NOW + HOUR).isoformat()}
