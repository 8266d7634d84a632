"""An action from its queue message to its outcome, with the real inbox and rules over storage in memory."""

import json
import logging
from asyncio import CancelledError
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act, carry_out, rearm
from dispatch.inbox.errors import Conflict
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.leases import NotYet
from dispatch.inbox.messages import Message
from dispatch.inbox.tables import Row
from handlers.base import Action, Outcome
from mlevents.testing.runs import WorkerDied
from schemas import Event, RunStatusChanged
from schemas.context import Context
from tests.dispatch.test_settle import Faulty
from tests.kit.world import LEASE, Scripted, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")


def started(folder: Path, *texts: str) -> World:
    """A world that has received the event and has not acted on it."""
    world = World(rules(*texts), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    return world


def test_a_success_is_recorded_with_its_summary_and_details(tmp_path: Path) -> None:
    """Its timeline has an entry for each change of its status."""
    world = started(tmp_path, rule("ring", "succeed it rang"))
    world.run()
    ring = world.actions["ring"]
    assert (ring.status, ring.note, ring.details) == ("succeeded", "it rang", {"calls": "1"})
    assert [moment.status for moment in ring.timeline] == ["pending", "running", "succeeded"]
    assert world.app.inbox.backlog.open_actions("2026-11-22") == []


def test_the_handler_receives_its_rule_and_the_workspace_of_the_event(tmp_path: Path) -> None:
    """The name and the position of the rule; the view of the event has the labels of its workspace."""
    world = started(tmp_path, rule("ring"))
    world.run()
    [(event, action)] = world.calls
    assert action.rule == "ring"
    assert action.source == "rules/team.yaml:2"
    assert event.wire() == EVENT.wire()
    assert event.view()["workspace"]["labels"] == {"env": "prod", "team": "churn"}


def test_the_handler_receives_the_time_and_can_match_its_rule_again(tmp_path: Path) -> None:
    """The time is the app's; the rule can be matched with any event, such as this one with its tags as they are now."""
    world = started(tmp_path, rule("ring", "wait 60", "succeed", when="[data.runStatus StringIn Failed]"))
    world.run()
    first, second = (call.action for call in world.calls)
    assert second.now - first.now == timedelta(minutes=1)
    assert first.now == first.started
    assert first.matches(EVENT)
    other = EVENT.model_copy(update={"data": EVENT.data.model_copy(update={"run_status": "Completed"})})
    assert not first.matches(other)


def test_a_skipped_action_records_its_reason(tmp_path: Path) -> None:
    world = started(tmp_path, rule("ring", "skip not today"))
    world.run()
    assert (world.actions["ring"].status, world.actions["ring"].note) == ("skipped", "not today")


def test_a_handler_that_checks_back_is_called_again_with_its_state(tmp_path: Path) -> None:
    """No worker waits meanwhile, and the key stays the same."""
    world = started(tmp_path, rule("ring", "wait 3600", "wait 60", "succeed"))
    start = world.clock()
    world.run()
    assert [call.action.state for call in world.calls] == [{}, {"call": 1}, {"call": 2}]
    assert len({call.action.key for call in world.calls}) == 1
    assert world.clock() - start == timedelta(seconds=3660)


def test_an_unexpected_exception_is_retried_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log has its traceback, because it may be a defect."""
    world = started(tmp_path, rule("ring", "break", "succeed"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].timeline[2].note == "LookupError: no such thing"
    assert "Traceback" in caplog.text
    assert "in _outcome" in caplog.text


EXITS = {"exit": SystemExit, "close": GeneratorExit, "cancel": CancelledError}


class Exiting(Scripted):
    """Tries to end the worker, in `run` or, after a call that was throttled, in `destination`."""

    def run(self, event: Event, action: Action) -> Outcome:
        if error := EXITS.get(self.script[0]):
            raise error("3")
        return super().run(event, action)

    def destination(self, event: Event) -> str | None:
        if self.calls[self.world]:
            raise SystemExit("3")
        return None


@pytest.mark.parametrize("word", ["exit", "close", "cancel", "throttle 60"])
def test_a_handler_that_exits_fails_its_action(word: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise the worker would end, with everything that runs beside the action."""
    world = started(tmp_path, rule("ring", word).replace("SCRIPTED", "tests.dispatch.test_act:Exiting"))
    world.run()
    ring, name = world.actions["ring"], EXITS.get(word, SystemExit).__name__
    assert (ring.status, ring.crashes, ring.note) == ("failed", 0, f"the rule's handler raised {name}: 3")
    assert f"{name}: 3" in caplog.text


def test_only_the_failed_action_of_an_event_is_retried(tmp_path: Path) -> None:
    """The action of the other rule does not run again."""
    world = started(tmp_path, rule("good"), rule("bad", "retry", "succeed"))
    world.run()
    assert [call.action.rule for call in world.calls].count("good") == 1
    assert world.ends() == {"good": "succeeded", "bad": "succeeded"}


def test_a_message_for_a_leased_action_is_sent_again_for_the_end_of_the_lease(tmp_path: Path) -> None:
    """The handler is not called."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    world.app.inbox.leases.claim(Message.parse(message), world.clock())
    act(message, world.app)
    assert world.calls == []
    assert world.queue.messages[-1] == (world.clock() + LEASE, message)


def test_duplicate_messages_are_dropped(tmp_path: Path) -> None:
    """With ten copies of each message the handler is called as often as with one."""
    world = started(tmp_path, rule("ring", "wait 3600", "wait 3600", "succeed"))
    world.queue.messages *= 10
    world.run()
    assert len(world.calls) == 3
    assert world.ends() == {"ring": "succeeded"}


def test_a_message_that_arrives_early_is_sent_again(tmp_path: Path) -> None:
    """A queue delays by at most six days here; the row says when the action is due."""
    world = started(tmp_path, rule("ring", f"wait {20 * 86_400}", "succeed"))
    start = world.clock()
    world.queue.send = _cut(world)  # type: ignore[method-assign]  # the service limits delays
    world.run()
    assert world.clock() - start == timedelta(days=20)
    assert len(world.calls) == 2


def _cut(world: World):  # type: ignore[no-untyped-def]  # the type of a bound method
    send = type(world.queue).send
    return lambda message, after=timedelta(): send(world.queue, message, min(after, timedelta(days=6)))


def test_an_expired_lease_is_taken_over_and_counts_as_a_crash(tmp_path: Path) -> None:
    """The key stays the same, so that the handler can recognise an effect of its earlier call."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    claim = world.app.inbox.leases.claim(Message.parse(message), world.clock())
    world.clock.forward(minutes=7)
    world.run()
    assert world.actions["ring"].crashes == 1
    assert world.calls[0].action.key == claim.action.key  # type: ignore[union-attr]  # there is no other worker


def die(world: World, message: str) -> None:
    """A worker claims the action as soon as it can, and dies."""
    while isinstance(claim := world.app.inbox.leases.claim(Message.parse(message), world.clock()), NotYet):
        world.clock.time = max(claim.until, world.clock.time)
    world.clock.time = claim.record.due  # type: ignore[union-attr]  # it has not ended


def test_actions_that_died_with_one_worker_are_retried_at_different_times(tmp_path: Path) -> None:
    """One of them may have killed the worker. The spread grows with each crash, so that the others run without it."""
    world = started(tmp_path, *(rule(f"rule-{n}") for n in range(12)))
    messages = [message for _, message in world.queue.messages]
    for crashes, spread in enumerate((30, 120, 480, 1920), start=1):
        for message in messages:
            world.app.inbox.leases.claim(Message.parse(message), world.clock())
        world.clock.time += LEASE
        pauses = [world.app.inbox.leases.claim(Message.parse(message), world.clock()) for message in messages]
        seconds = [(pause.until - world.clock()).total_seconds() for pause in pauses if isinstance(pause, NotYet)]
        assert len(seconds) == 12
        assert max(seconds) <= spread < 3 * (max(seconds) - min(seconds))
        assert {record.crashes for record in world.actions.values()} == {crashes}
        world.clock.forward(seconds=spread)
    world.run()
    assert set(world.ends().values()) == {"succeeded"}


def test_an_action_fails_at_its_fifth_crash(tmp_path: Path) -> None:
    """The rules that follow a failure run."""
    world = started(tmp_path, rule("ring"), rule("notify", after="{ rules: ring, outcome: failed }"))
    [(_, message)] = world.queue.messages
    for _ in range(5):
        die(world, message)
    world.run()
    assert [call.action.rule for call in world.calls] == ["notify"]
    assert world.actions["ring"].note == "the worker died 5 times while it ran this action"


def test_only_consecutive_crashes_count(tmp_path: Path) -> None:
    """A call that ends, even with a failure, shows that the action does not kill its worker."""
    world = started(tmp_path, rule("ring", "retry"))
    for _ in range(4):
        for _ in range(2):
            die(world, world.queue.messages[-1][1])
        world.step(2)
        assert (world.actions["ring"].status, world.actions["ring"].crashes) == ("waiting", 0)
    assert len(world.calls) == 4


def test_an_action_that_kills_its_worker_before_the_handler_is_called_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the fifth crash the event is not copied for the handler."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    for _ in range(5):
        die(world, message)

    def deadly(context: Context) -> Event:
        raise WorkerDied

    monkeypatch.setattr(Context, "event_for_handler", deadly)
    world.step()
    assert world.ends() == {"ring": "failed"}


def test_a_worker_whose_lease_was_taken_over_writes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The record keeps the outcome of the other worker."""
    world = started(tmp_path, rule("ring", "succeed first", "succeed second"))
    [(_, message)] = world.queue.messages
    slow = world.app.inbox.leases.claim(Message.parse(message), world.clock())
    world.clock.forward(minutes=7)
    world.run()
    with caplog.at_level(logging.WARNING):
        carry_out(slow, world.app)  # type: ignore[arg-type]  # it is a claim: there is no other worker
    [line] = [record.getMessage() for record in caplog.records if "action.overtaken" in record.getMessage()]
    assert f"rule=ring event={EVENT.id} object={EVENT.object} workspace=churn-prod attempt=1 " in line
    assert world.actions["ring"].note == "first"


def test_an_action_whose_rule_is_missing_waits_for_it(tmp_path: Path) -> None:
    """Its file may be refused, or an older instance of the app may have claimed the action."""
    world = started(tmp_path, rule("ring"))
    world.write(rules(rule("other")))
    act(world.queue.messages.pop()[1], world.app)
    assert world.actions["ring"].status == "waiting"
    assert world.queue.messages[0][0] == world.clock() + timedelta(minutes=5)
    world.clock.forward(days=30)
    act(world.queue.messages.pop()[1], world.app)
    assert world.queue.messages[0][0] == world.clock() + timedelta(hours=1)
    world.write(rules(rule("ring")))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].failures == 0


def test_an_action_runs_with_the_current_rule(tmp_path: Path) -> None:
    """Its row has the settings at its creation until it runs, and then those with which it ran."""
    world = started(tmp_path, rule("ring", "succeed old"))
    before = world.actions["ring"].settings
    world.write(rules(rule("ring", "succeed new")))
    world.run()
    assert world.actions["ring"].note == "new"
    assert before != world.actions["ring"].settings == world.loaded.by_name["ring"].settings_hash


def test_an_action_that_has_started_fails_if_its_rule_gets_another_handler(tmp_path: Path) -> None:
    """The new handler cannot read the state of the old one."""
    world = started(tmp_path, rule("ring", "wait"))
    act(world.queue.messages.pop(0)[1], world.app)
    world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n")
    world.run()
    assert world.actions["ring"].status == "failed"
    assert "replay it" in world.actions["ring"].note


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"day": "d"}', '{"day": 1, "event": "e", "rule": "r", "ticket": 1}', "a/b/c"]
)
def test_a_message_of_another_app_is_dropped_and_logged(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the host would deliver it for ever."""
    world = started(tmp_path, rule("ring"))
    act(text, world.app)
    rearm(text, world.app)
    assert caplog.text.count("action.unreadable") == 2


@pytest.mark.parametrize("day", ["notes", "days", "2026", "2026-11-22-x"])
def test_a_message_with_an_invalid_day_is_dropped(tmp_path: Path, day: str, caplog: pytest.LogCaptureFixture) -> None:
    """Rows of other partitions would look like actions of another version, and the host would deliver it for ever."""
    world = started(tmp_path, rule("ring"))
    world.table.commit(day, Row("lock|0123456789", {"note": "{}"}))
    before = len(world.queue.messages)
    act(json.dumps({"schema": 1, "day": day, "event": "lock", "rule": "0123456789", "ticket": 1}), world.app)
    assert "action.unreadable" in caplog.text
    assert len(world.queue.messages) == before


def test_a_message_for_a_deleted_action_is_dropped(tmp_path: Path) -> None:
    """A purge may have deleted its rows."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    gone = json.dumps(json.loads(message) | {"rule": "gone"})
    act(gone, world.app)
    rearm(gone, world.app)
    assert [text for _, text in world.queue.messages] == [message]


def test_a_row_of_a_newer_version_is_left_to_that_version(tmp_path: Path) -> None:
    """Two versions of the app share the queue while one replaces the other."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    [row] = world.table.read("2026-11-22", "0", "~")[1:]
    world.table.commit("2026-11-22", replace(row, values={**row.values, "schema": 2}))
    world.queue.messages.clear()
    act(message, world.app)
    assert world.calls == []
    assert world.queue.messages == [(world.clock() + timedelta(minutes=5), message)]


def test_a_poison_message_of_an_unfinished_action_is_replaced(tmp_path: Path) -> None:
    """The new message has a new version, so that the old one is dropped; no action ends, and no rule is needed."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    rearm(message, world.app)
    rearm(message, world.app)
    assert [json.loads(text)["ticket"] for _, text in world.queue.messages] == [2]
    world.run()
    assert len(world.calls) == 1
    rearm(message, world.app)
    assert world.queue.messages == []


def test_a_poison_message_of_a_running_action_is_sent_for_the_end_of_its_lease(tmp_path: Path) -> None:
    """The worker may still be alive."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    claim = world.app.inbox.leases.claim(Message.parse(message), world.clock())
    rearm(message, world.app)
    assert world.queue.messages == [(world.clock() + LEASE, message)]
    carry_out(claim, world.app)  # type: ignore[arg-type]  # it is a claim: there is no other worker
    assert world.ends() == {"ring": "succeeded"}


def test_a_poison_message_is_sent_again_soon_if_its_row_changes_meanwhile(tmp_path: Path) -> None:
    """Another worker is just changing the action."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    rearm(message, replace(world.app, inbox=Inbox(Faulty(world.table, lambda _: True, [Conflict("busy")]), LEASE)))
    assert world.queue.messages == [(world.clock() + timedelta(seconds=5), message)]
    world.run()
    assert world.ends() == {"ring": "succeeded"}
