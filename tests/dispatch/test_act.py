"""An action from its message to its end, with the real inbox and rules over storage in memory."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act, carry_out, rearm
from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.leases import NotYet
from dispatch.inbox.messages import Message
from dispatch.inbox.tables import Row, Table
from schemas import Event, RunStatusChanged
from schemas.context import Context
from tests.kit.faults import WorkerDied
from tests.kit.world import LEASE, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def started(folder: Path, *texts: str) -> World:
    """A world in which the event has come and nothing has been done about it."""
    world = World(rules(*texts), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    return world


def test_a_success_is_recorded_with_its_summary_and_details(folder: Path) -> None:
    """And its timeline tells how it came to be."""
    world = started(folder, rule("ring", "succeed it rang"))
    world.run()
    ring = world.actions["ring"]
    assert (ring.status, ring.note, ring.details) == ("succeeded", "it rang", {"calls": "1"})
    assert [moment.status for moment in ring.timeline] == ["pending", "running", "succeeded"]
    assert world.app.inbox.backlog.open_actions("2026-11-22") == []


def test_the_handler_is_told_who_asks(folder: Path) -> None:
    """The rule, where it stands, and an event that knows its workspace's labels."""
    world = started(folder, rule("ring"))
    world.run()
    [(event, action)] = world.calls
    assert action.rule == "ring"
    assert action.source == "rules/team.yaml:2"
    assert event.wire() == EVENT.wire()
    assert event.view()["workspace"]["labels"] == {"env": "prod", "team": "churn"}


def test_the_handler_is_told_what_time_it_is_and_whether_the_rule_would_still_match(folder: Path) -> None:
    """By the app's clock; and of any event that it asks about, such as this one with tags as they are now."""
    world = started(folder, rule("ring", "wait 60", "succeed", when="[data.runStatus StringIn Failed]"))
    world.run()
    first, second = (call.action for call in world.calls)
    assert second.now - first.now == timedelta(minutes=1)
    assert first.now == first.started
    assert first.matches(EVENT)
    other = EVENT.model_copy(update={"data": EVENT.data.model_copy(update={"run_status": "Completed"})})
    assert not first.matches(other)


def test_what_is_skipped_says_why(folder: Path) -> None:
    world = started(folder, rule("ring", "skip not today"))
    world.run()
    assert (world.actions["ring"].status, world.actions["ring"].note) == ("skipped", "not today")


def test_a_dry_run_tells_and_does_nothing(folder: Path) -> None:
    world = started(folder, rule("ring", dry_run="true"))
    world.run()
    assert world.calls == []
    assert world.actions["ring"].status == "skipped"
    assert world.actions["ring"].note.startswith("dry run: Scripted(")


def test_what_checks_back_is_called_again_with_its_state(folder: Path) -> None:
    """Nobody waits meanwhile, and the key stays the same."""
    world = started(folder, rule("ring", "wait 3600", "wait 60", "succeed"))
    start = world.clock()
    world.run()
    assert [call.action.state for call in world.calls] == [{}, {"call": 1}, {"call": 2}]
    assert len({call.action.key for call in world.calls}) == 1
    assert world.clock() - start == timedelta(seconds=3660)


def test_failures_are_counted_since_the_last_progress(folder: Path) -> None:
    """A CheckBack is progress; the state it kept outlives the failures after it."""
    world = started(folder, rule("ring", "retry", "retry", "wait", "retry", "succeed"))
    world.run()
    assert [call.action.failures for call in world.calls] == [0, 1, 2, 0, 1]
    assert world.calls[-1].action.state == {"call": 3}
    assert world.ends() == {"ring": "succeeded"}


def test_what_keeps_failing_fails_when_its_time_is_over(folder: Path) -> None:
    """After `retry.for`, counted from the first failure, with delays that grow up to `max_delay`."""
    world = started(folder, rule("ring", "retry busy", retry="{ for: 1h, first_delay: 10s, max_delay: 10m }"))
    start = world.clock()
    world.run()
    assert timedelta(hours=1) <= world.clock() - start <= timedelta(hours=1, minutes=10)
    assert world.actions["ring"].status == "failed"
    assert world.actions["ring"].note.startswith(f"gave up after {len(world.calls)} attempts in 1h")
    assert world.actions["ring"].note.endswith(": busy")


def test_what_is_throttled_waits_and_does_not_fail(folder: Path) -> None:
    """However long: a service that asks for pauses is not broken."""
    world = started(folder, rule("ring", *["throttle 86400"] * 3, "succeed", retry="{ for: 1h }"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].failures == 0


def test_what_may_be_a_missing_role_is_tried_for_half_an_hour(folder: Path) -> None:
    world = started(folder, rule("ring", "forbidden"))
    start = world.clock()
    world.run()
    assert world.ends() == {"ring": "failed"}
    assert timedelta(minutes=30) <= world.clock() - start < timedelta(hours=2)


@pytest.mark.parametrize("word", ["give-up", "nothing"])
def test_what_gives_up_fails_at_once(folder: Path, word: str) -> None:
    """So does a handler that forgets to answer."""
    world = started(folder, rule("ring", word))
    world.run()
    assert world.ends() == {"ring": "failed"}
    assert len(world.calls) == 1


def test_an_unexpected_exception_is_tried_again_and_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback, because it may be a defect."""
    world = started(folder, rule("ring", "break", "succeed"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].timeline[2].note == "LookupError: no such thing"
    assert "Traceback" in caplog.text
    assert "in _answer" in caplog.text


def test_only_what_failed_runs_again(folder: Path) -> None:
    """The other rule on the same event is not repeated."""
    world = started(folder, rule("good"), rule("bad", "retry", "succeed"))
    world.run()
    assert [call.action.rule for call in world.calls].count("good") == 1
    assert world.ends() == {"good": "succeeded", "bad": "succeeded"}


@pytest.mark.parametrize(
    ("script", "outcome", "runs"),
    [
        ("give-up", "failed", True),
        ("give-up", "any", True),
        ("give-up", "succeeded", False),
        ("succeed", "succeeded", True),
        ("succeed", "failed", False),
        ("skip", "skipped", True),
        ("skip", "any", True),
    ],
)
def test_a_rule_follows_another_s_end(folder: Path, script: str, outcome: str, runs: bool) -> None:
    """It is an action like any other, and sees the result that it follows."""
    world = started(folder, rule("ring", script), rule("tell", after=f"{{ rules: [ring], outcome: {outcome} }}"))
    world.run()
    assert ("tell" in world.actions) is runs
    if runs:
        [tell] = [call for call in world.calls if call.action.rule == "tell"]
        assert tell.action.result is not None
        assert tell.action.result.status == world.actions["ring"].status
        assert tell.event.view()["result"] == tell.action.result.view()


def test_what_follows_two_ends_runs_once(folder: Path) -> None:
    """An action is one rule on one event: the first end that asks makes it, the second finds it."""
    world = started(folder, rule("a"), rule("b"), rule("tell", after="{ rules: [a, b] }"))
    world.run()
    assert [call.action.rule for call in world.calls].count("tell") == 1
    assert world.ends() == {"a": "succeeded", "b": "succeeded", "tell": "succeeded"}


def test_two_workers_that_end_at_once_make_what_follows_once(folder: Path) -> None:
    """The second learns of the first's follow-up only from the conflict."""
    world = started(folder, rule("a"), rule("b"), rule("tell", after="{ rules: [a, b] }"))
    [a, b] = (Message.parse(message) for _, message in world.queue.messages)
    inbox = world.app.inbox
    claims = [inbox.leases.claim(message, world.clock()) for message in (a, b)]
    for claim in claims:
        carry_out(claim, world.app)  # type: ignore[arg-type]  # both are claims: nobody else is here
    world.run()
    assert world.ends() == {"a": "succeeded", "b": "succeeded", "tell": "succeeded"}


def test_a_chain_of_rules_runs_to_its_end(folder: Path) -> None:
    world = started(
        folder,
        rule("one"),
        rule("two", after="{ rules: one }"),
        rule("three", "give-up", after="{ rules: two }"),
        rule("four", after="{ rules: three, outcome: failed }"),
    )
    world.run()
    assert [call.action.rule for call in world.calls] == ["one", "two", "three", "four"]


def test_a_leased_action_is_left_alone(folder: Path) -> None:
    """A second message for it goes back to the queue until the lease has run out."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    world.app.inbox.leases.claim(Message.parse(message), world.clock())
    act(message, world.app)
    assert world.calls == []
    assert world.queue.messages[-1] == (world.clock() + LEASE, message)


def test_duplicate_messages_die_out(folder: Path) -> None:
    """Ten copies of each message: the handler is called as often as with one."""
    world = started(folder, rule("ring", "wait 3600", "wait 3600", "succeed"))
    world.queue.messages *= 10
    world.run()
    assert len(world.calls) == 3
    assert world.ends() == {"ring": "succeeded"}


def test_an_early_message_is_put_back(folder: Path) -> None:
    """The queue cannot delay by more than six days; the row knows better."""
    world = started(folder, rule("ring", f"wait {20 * 86_400}", "succeed"))
    start = world.clock()
    world.queue.send = _cut(world)  # type: ignore[method-assign]  # as the service cuts delays
    world.run()
    assert world.clock() - start == timedelta(days=20)
    assert len(world.calls) == 2


def _cut(world: World):  # type: ignore[no-untyped-def]  # the type of a bound method
    send = type(world.queue).send
    return lambda message, after=timedelta(): send(world.queue, message, min(after, timedelta(days=6)))


def test_an_expired_lease_is_taken_over_and_counts_as_a_crash(folder: Path) -> None:
    """With the same key, so that the handler can tell."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    claim = world.app.inbox.leases.claim(Message.parse(message), world.clock())
    world.clock.forward(minutes=7)
    world.run()
    assert world.actions["ring"].crashes == 1
    assert world.calls[0].action.key == claim.action.key  # type: ignore[union-attr]  # nobody else is here


def die(world: World, message: str) -> None:
    """A worker takes the action as soon as it may, and is never seen again."""
    while isinstance(claim := world.app.inbox.leases.claim(Message.parse(message), world.clock()), NotYet):
        world.clock.time = max(claim.until, world.clock.time)
    world.clock.time = claim.record.due  # type: ignore[union-attr]  # it has not ended


def test_what_died_with_a_worker_is_not_tried_again_together(folder: Path) -> None:
    """One of them may have killed it: the others get away, the more surely the more often it happens."""
    world = started(folder, *(rule(f"rule-{n}") for n in range(12)))
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


def test_the_fifth_crash_is_the_end(folder: Path) -> None:
    """And what follows a failure follows."""
    world = started(folder, rule("ring"), rule("tell", after="{ rules: ring, outcome: failed }"))
    [(_, message)] = world.queue.messages
    for _ in range(5):
        die(world, message)
    world.run()
    assert [call.action.rule for call in world.calls] == ["tell"]
    assert world.actions["ring"].note == "the worker died 5 times while it ran this action"


def test_crashes_count_in_a_row(folder: Path) -> None:
    """A call that came to its end, if only with a failure, shows that the action does not kill its worker."""
    world = started(folder, rule("ring", "retry"))
    for _ in range(4):
        for _ in range(2):
            die(world, world.queue.messages[-1][1])
        world.step(2)
        assert (world.actions["ring"].status, world.actions["ring"].crashes) == ("waiting", 0)
    assert len(world.calls) == 4


def test_what_kills_a_worker_before_its_handler_is_called_ends_as_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fifth time, less is done with the event."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    for _ in range(5):
        die(world, message)

    def deadly(context: Context) -> Event:
        raise WorkerDied

    monkeypatch.setattr(Context, "event_for_handler", deadly)
    world.step()
    assert world.ends() == {"ring": "failed"}


def test_a_worker_that_comes_back_too_late_writes_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its lease was taken over; the record is the other's."""
    world = started(folder, rule("ring", "succeed first", "succeed second"))
    [(_, message)] = world.queue.messages
    slow = world.app.inbox.leases.claim(Message.parse(message), world.clock())
    world.clock.forward(minutes=7)
    world.run()
    with caplog.at_level(logging.WARNING):
        carry_out(slow, world.app)  # type: ignore[arg-type]  # it is a claim: nobody else was there
    assert "action.overtaken" in caplog.text
    assert world.actions["ring"].note == "first"


def test_an_action_whose_rule_is_gone_waits_for_it(folder: Path) -> None:
    """A file may be refused, or an older instance may have the message: nothing is lost."""
    world = started(folder, rule("ring"))
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


def test_an_action_runs_with_the_rule_as_it_is_when_it_runs(folder: Path) -> None:
    """Its row says what it was made of until it ran, and then what ran."""
    world = started(folder, rule("ring", "succeed old"))
    before = world.actions["ring"].settings
    world.write(rules(rule("ring", "succeed new")))
    world.run()
    assert world.actions["ring"].note == "new"
    assert before != world.actions["ring"].settings == world.loaded.by_name["ring"].settings_hash


def test_another_handler_does_not_take_over_what_was_begun(folder: Path) -> None:
    """It would find a state that is not its own."""
    world = started(folder, rule("ring", "wait"))
    act(world.queue.messages.pop(0)[1], world.app)
    world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n")
    world.run()
    assert world.actions["ring"].status == "failed"
    assert "replay it" in world.actions["ring"].note


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"day": "d"}', '{"day": 1, "event": "e", "rule": "r", "ticket": 1}', "a/b/c"]
)
def test_a_message_that_is_not_ours_is_dropped_and_logged(
    folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It would come again and again otherwise."""
    world = started(folder, rule("ring"))
    act(text, world.app)
    rearm(text, world.app)
    assert caplog.text.count("action.unreadable") == 2


@pytest.mark.parametrize("day", ["notes", "days", "2026", "2026-11-22-x"])
def test_a_message_that_names_no_day_is_dropped(folder: Path, day: str, caplog: pytest.LogCaptureFixture) -> None:
    """Rows of other partitions are no actions: they would pass for another version's, and the message come for ever."""
    world = started(folder, rule("ring"))
    world.table.commit(day, Row("lock|0123456789", {"note": "{}"}))
    before = len(world.queue.messages)
    act(json.dumps({"schema": 1, "day": day, "event": "lock", "rule": "0123456789", "ticket": 1}), world.app)
    assert "action.unreadable" in caplog.text
    assert len(world.queue.messages) == before


def test_a_message_for_an_action_that_is_not_there_is_dropped(folder: Path) -> None:
    """Its rows are past retention."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    gone = json.dumps(json.loads(message) | {"rule": "gone"})
    act(gone, world.app)
    rearm(gone, world.app)
    assert [text for _, text in world.queue.messages] == [message]


def test_a_row_of_a_newer_version_is_left_to_it(folder: Path) -> None:
    """Two versions of the app share the queue while one replaces the other."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    [row] = world.table.read("2026-11-22", "0", "~")[1:]
    world.table.commit("2026-11-22", replace(row, values={**row.values, "schema": 2}))
    world.queue.messages.clear()
    act(message, world.app)
    assert world.calls == []
    assert world.queue.messages == [(world.clock() + timedelta(minutes=5), message)]


def test_the_poison_function_puts_back_what_has_not_ended(folder: Path) -> None:
    """With a new ticket, so that the old message no longer counts; it ends nothing and needs no rules."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    rearm(message, world.app)
    rearm(message, world.app)
    assert [json.loads(text)["ticket"] for _, text in world.queue.messages] == [2]
    world.run()
    assert len(world.calls) == 1
    rearm(message, world.app)
    assert world.queue.messages == []


def test_the_poison_function_leaves_a_running_action_to_its_worker(folder: Path) -> None:
    """Its message comes again when the lease is over."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    claim = world.app.inbox.leases.claim(Message.parse(message), world.clock())
    rearm(message, world.app)
    assert world.queue.messages == [(world.clock() + LEASE, message)]
    carry_out(claim, world.app)  # type: ignore[arg-type]  # it is a claim: nobody else is here
    assert world.ends() == {"ring": "succeeded"}


def test_an_outcome_that_storage_refuses_does_not_run_the_action_again(folder: Path) -> None:
    """The effect is done: it is recorded without the texts that were refused."""
    world = started(folder, rule("ring", "succeed " + "\U0001f514" * 900))
    table = world.table.table
    commit, refused = table.commit, list[object]()

    def once(partition, *rows, delete=()):  # type: ignore[no-untyped-def]  # a double of a double
        if not refused and any(row.values.get("status") == "succeeded" for row in rows):
            refused.append(rows)
            raise ValueError("PropertyValueTooLarge")
        return commit(partition, *rows, delete=delete)

    table.commit = once  # type: ignore[method-assign]
    world.run()
    assert len(world.calls) == 1
    assert world.actions["ring"].status == "succeeded"
    assert world.actions["ring"].note == "the outcome could not be recorded: ValueError"


def test_what_follows_may_be_what_storage_refuses(folder: Path) -> None:
    """Then it is not told what it follows; the outcome itself is recorded whole."""
    world = started(folder, rule("ring", "succeed well done"), rule("tell", after="{ rules: ring }"))
    table = world.table.table
    commit = table.commit

    def picky(partition, *rows, delete=()):  # type: ignore[no-untyped-def]  # a double of a double
        if any(row.values.get("follows") for row in rows if row.values.get("status") == "pending"):
            raise ValueError("PropertyValueTooLarge")
        return commit(partition, *rows, delete=delete)

    table.commit = picky  # type: ignore[method-assign]
    world.run()
    assert world.ends() == {"ring": "succeeded", "tell": "succeeded"}
    assert world.actions["ring"].note == "well done"
    assert world.actions["tell"].follows is None


def test_a_marker_that_is_missing_does_not_keep_an_action_from_ending(folder: Path) -> None:
    """Deleting it is a conflict that is no other worker's doing."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    id = Message.parse(message).id
    world.table.commit(id.day, delete=(id.open_marker,))
    world.run()
    assert world.ends() == {"ring": "succeeded"}


def test_an_end_that_a_refused_file_may_follow_is_marked(folder: Path) -> None:
    """The file's rules are asked once it is valid; the end itself is recorded."""
    world = started(folder, rule("ring"))
    world.write(rules(rule("tell", after="{ rules: ring }", when="[nonsense]")), "other.yaml")
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    [marker] = world.table.read("2026-11-22", "!undecided|", "!undecided|~")
    assert marker.key.endswith("|ring|0")
    assert json.loads(str(marker.values["files"])) == ["rules/other.yaml"]


def test_as_many_rules_as_a_transaction_takes_follow_one_end(folder: Path) -> None:
    """With the end itself, its marker, and the mark of a refused file."""
    world = started(folder, rule("ring"), *(rule(f"tell-{n}", after="{ rules: ring }") for n in range(48)))
    world.write(rules("  - { name: bad }\n"), "other.yaml")
    world.run()
    assert len(world.ends()) == 49
    assert set(world.ends().values()) == {"succeeded"}


@dataclass
class Faulty:
    """A table that answers the commits that `hits` names with an error, as often as it has one."""

    table: Table
    hits: Callable[[Row], bool]
    errors: list[Exception]
    applies: bool = False  # it is done all the same: only the answer is lost

    def read(self, partition: str, first: str, last: str) -> list[Row]:
        return self.table.read(partition, first, last)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        if self.errors and any(self.hits(row) for row in rows):
            if self.applies:
                with suppress(Conflict):
                    self.table.commit(partition, *rows, delete=delete)
            raise self.errors.pop(0)
        return self.table.commit(partition, *rows, delete=delete)


def ending(row: Row) -> bool:
    return row.values.get("status") == "succeeded"


@pytest.mark.parametrize("applied", [False, True], ids=["refused", "answer lost"])
def test_storage_that_is_away_for_half_a_minute_when_an_action_ends_does_no_harm(folder: Path, applied: bool) -> None:
    """The worker has the action, and does not give it up: else its effect would be repeated."""
    world = started(folder, rule("ring"))
    errors: list[Exception] = [Unavailable("no answer") for _ in range(4)]
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, errors, applied), LEASE))
    [(_, message)] = world.queue.messages
    act(message, app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.calls) == 1
    assert world.actions["ring"].timeline[-1].note == "done"


@pytest.mark.parametrize("applied", [False, True], ids=["refused", "answer lost"])
def test_what_follows_is_made_once_when_an_end_is_written_again(folder: Path, applied: bool) -> None:
    """And its message is sent, though it was another try that wrote it."""
    world = started(folder, rule("ring"), rule("tell", after="{ rules: ring }"))
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, [Unavailable("?")], applied), LEASE))
    world.queue.drain(lambda message: act(message, app))
    assert world.ends() == {"ring": "succeeded", "tell": "succeeded"}
    assert [call.action.rule for call in world.calls] == ["ring", "tell"]


@pytest.mark.parametrize("error", [Unavailable("busy"), Conflict("for no reason")])
def test_storage_that_fails_when_an_action_ends_makes_it_run_again(folder: Path, error: Exception) -> None:
    """The effect may be repeated, by the same key: nobody can know that it is done."""
    world = started(folder, rule("ring"))
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, [error] * 5), LEASE))
    [(_, message)] = world.queue.messages
    with pytest.raises(type(error)):
        act(message, app)
    world.clock.forward(minutes=10)
    world.run()
    assert [call.action.key for call in world.calls] == [world.calls[0].action.key] * 2
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].crashes == 1


def test_the_poison_function_leaves_a_row_that_changes_under_it(folder: Path) -> None:
    """Whoever changed it knows better; the message looks again soon."""
    world = started(folder, rule("ring"))
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    rearm(message, replace(world.app, inbox=Inbox(Faulty(world.table, lambda _: True, [Conflict("busy")]), LEASE)))
    assert world.queue.messages == [(world.clock() + timedelta(seconds=5), message)]
    world.run()
    assert world.ends() == {"ring": "succeeded"}
