"""A destination that has throttled one action holds all actions that need it."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.shared_state import SharedState
from dispatch.inbox.throttles import Throttles
from handlers.errors import MAX_RETRY_AFTER
from mlevents.testing.storage import NOW, Clock, MemoryQueue, MemoryTable
from schemas import Event, RunStatusChanged
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, Scripted, World, rule, rules

MINUTE = timedelta(minutes=1)


class Posting(Scripted):
    """A scripted handler that calls one service for all rules; `where: nowhere` raises an error."""

    where: str = "chat.example.com"

    def destination(self, event: Event) -> str | None:
        if self.where == "nowhere":
            raise LookupError(self.where)
        return self.where


def posting(text: str) -> str:
    return text.replace("SCRIPTED", "tests.dispatch.guards.test_throttle:Posting")


def test_other_actions_with_the_same_destination_are_held(tmp_path: Path) -> None:
    """Their handlers are not called; a handler with another destination is."""
    texts = posting(rule("a", "throttle 600", "succeed") + rule("b")), rule("elsewhere")
    world = World(rules(*texts), tmp_path)
    world.receive(RunStatusChanged.example())
    for _ in range(3):
        act(world.queue.messages.pop(0)[1], world.app)
    assert [call.action.rule for call in world.calls] == ["a", "elsewhere"]
    held = world.actions["b"]
    assert (held.status, held.failures, held.crashes) == ("waiting", 0, 0)
    assert held.note == "throttled until 09:10:00 UTC"
    assert timedelta(minutes=10) <= held.due - world.clock() <= timedelta(minutes=15)
    world.run()
    assert set(world.ends().values()) == {"succeeded"}


def test_a_short_retry_after_delays_all_actions_by_a_few_seconds_only(tmp_path: Path) -> None:
    """Azure Resource Manager often requests a few seconds; a minute would delay every action of the workspace."""
    world = World(rules(posting(rule("a", "throttle 3", "succeed") + rule("b"))), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.ends() == {"a": "succeeded", "b": "succeeded"}
    assert any("throttled until" in moment.note for moment in world.actions["b"].timeline)
    assert world.clock() - NOW < timedelta(seconds=8)


def test_an_action_that_has_started_is_held_and_keeps_its_state(tmp_path: Path) -> None:
    world = World(rules(posting(rule("long", "wait 60", "succeed") + rule("b", "throttle 600", "succeed"))), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.ends() == {"long": "succeeded", "b": "succeeded"}
    [_, second] = [call.action for call in world.calls if call.action.rule == "long"]
    assert second.state == {"call": 1}
    assert any("throttled until" in moment.note for moment in world.actions["long"].timeline)


def test_a_hold_does_not_count_against_the_retry_time(tmp_path: Path) -> None:
    """The clock of a failing action stops meanwhile."""
    texts = rule("a", "retry", "retry", "succeed", retry="{ for: 1h }"), rule("b", *["throttle 7200"] * 3, "succeed")
    world = World(rules(*map(posting, texts)), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.ends() == {"a": "succeeded", "b": "succeeded"}


def test_a_handler_without_a_destination_throttles_its_own_rule_only(tmp_path: Path) -> None:
    """The next event of the rule waits; the action of another rule does not."""
    world = World(rules(rule("a", "throttle 600", "succeed"), rule("b")), tmp_path)
    world.receive(RunStatusChanged.example(id="e1"), RunStatusChanged.example(id="e2"))
    for _ in range(4):
        act(world.queue.messages.pop(0)[1], world.app)
    assert sorted(call.action.rule for call in world.calls) == ["a", "b", "b"]
    world.run()
    assert {record.status for _, record in world.history().actions} == {"succeeded"}


def test_an_error_in_the_destination_method_is_a_failure_of_the_action(tmp_path: Path) -> None:
    text = posting(rule("a", retry="{ for: 1m }")).replace("script:", "where: nowhere, script:")
    world = World(rules(text), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.calls == []
    assert world.actions["a"].status == "failed"
    assert "LookupError" in world.actions["a"].note


def test_a_throttle_that_cannot_be_stored_counts_neither_as_failure_nor_as_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred throttled actions may write the same shared state at once: this one waits on its own."""
    world = World(rules(rule("ring", "throttle 60", "throttle 60", "throttle 60", "succeed")), tmp_path)

    def contested(*_: object) -> None:
        raise Unavailable("changed meanwhile")

    monkeypatch.setattr(Throttles, "begin", contested)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert (world.actions["ring"].crashes, len(world.calls)) == (0, 4)


def test_a_throttle_that_ends_no_earlier_is_not_written_again() -> None:
    """However many actions are throttled."""
    storage = CountedCalls(MemoryTable(), MemoryQueue(Clock()))
    throttles = Throttles(SharedState(storage))
    until = throttles.begin("mail", timedelta(minutes=5), NOW)
    assert throttles.begin("mail", timedelta(minutes=3), NOW + MINUTE) == until
    assert storage.calls.count("commit") == 1


def test_an_action_fails_after_a_week_of_throttling(tmp_path: Path) -> None:
    """Otherwise a service that never recovers would go unnoticed."""
    world = World(rules(rule("a", "throttle 86400")), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.actions["a"].status == "failed"
    assert world.actions["a"].note.startswith("gave up: the service has throttled the action for ")
    assert timedelta(days=7) <= world.clock() - NOW < timedelta(days=9)


@pytest.mark.parametrize("word", ["wait 60", "retry"])
def test_any_other_outcome_restarts_the_week(word: str, tmp_path: Path) -> None:
    world = World(rules(rule("a", *["throttle 86400"] * 5, word, *["throttle 86400"] * 5, "succeed")), tmp_path)
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.ends() == {"a": "succeeded"}


def test_consecutive_throttles_without_a_retry_after_double() -> None:
    """Up to an hour. A Retry-After sets the length; long after the last throttle, doubling starts again."""
    throttles, now, lengths = Throttles(SharedState(MemoryTable())), NOW, []
    for _ in range(9):
        end = throttles.begin("chat", None, now)
        lengths.append((end - now) // MINUTE)
        now = end + MINUTE / 2
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert throttles.begin("chat", 7 * MINUTE, now) == now + 7 * MINUTE
    now += timedelta(hours=3)
    assert throttles.begin("chat", None, now) == now + MINUTE


def test_eight_workers_throttled_at_once_set_one_throttle() -> None:
    """It lasts as long as the longest Retry-After of them."""
    throttles = Throttles(SharedState(MemoryTable()))
    assert {throttles.begin("chat", None, NOW) for _ in range(8)} == {NOW + MINUTE}
    assert throttles.begin("chat", 5 * MINUTE, NOW) == NOW + 5 * MINUTE
    assert throttles.begin("chat", None, NOW) == NOW + 5 * MINUTE


@pytest.mark.parametrize(
    ("requested", "given"),
    [(timedelta(), MINUTE), (timedelta(seconds=3), timedelta(seconds=3)), (timedelta(days=900), MAX_RETRY_AFTER)],
)
def test_a_throttle_lasts_as_long_as_the_service_requests_up_to_a_day(requested: timedelta, given: timedelta) -> None:
    assert Throttles(SharedState(MemoryTable())).begin("chat", requested, NOW) == NOW + given


def test_other_workers_see_a_throttle_within_ten_seconds_with_one_read() -> None:
    """However many actions they run, they read the table at most every ten seconds."""
    table = MemoryTable()
    counting = CountedCalls(table, None)  # type: ignore[arg-type]  # no queue is used
    mine, other = Throttles(SharedState(counting)), Throttles(SharedState(table))
    for _ in range(100):
        assert mine.until("chat", NOW) is None
    other.begin("chat", None, NOW)
    assert mine.until("chat", NOW + timedelta(seconds=9)) is None
    assert mine.until("chat", NOW + timedelta(seconds=10)) == NOW + MINUTE
    assert mine.until("mail", NOW + timedelta(seconds=10)) is None
    assert mine.until("chat", NOW + MINUTE) is None
    assert counting.calls == ["read"] * 3


def test_a_throttle_outlives_the_worker_that_set_it(tmp_path: Path) -> None:
    """The table stores it."""
    world = World(rules(posting(rule("a", "throttle 600", "succeed") + rule("b"))), tmp_path)
    world.receive(RunStatusChanged.example())
    act(world.queue.messages.pop(0)[1], world.app)
    fresh = Inbox(world.table, LEASE).throttles
    assert fresh.until("chat.example.com", world.clock()) == world.clock() + timedelta(minutes=10)
