"""Record an outcome with the actions that follow it, for any number of them and any refusal of storage."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dispatch.act import act, carry_out
from dispatch.app import App
from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.messages import Message
from dispatch.inbox.tables import Row, Table
from dispatch.rules.rule import Rule
from handlers.base import Action, Outcome, Succeeded
from schemas import Event, RunStatusChanged
from tests.dispatch.test_receive import refusal
from tests.kit.world import LEASE, Scripted, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")


def started(folder: Path, *texts: str) -> World:
    """A world that has received the event and has not acted on it."""
    world = World(rules(*texts), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    return world


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
def test_a_rule_follows_the_outcome_that_it_names(tmp_path: Path, script: str, outcome: str, runs: bool) -> None:
    """Its action and its event have the result that it follows."""
    world = started(tmp_path, rule("ring", script), rule("notify", after=f"{{ rules: [ring], outcome: {outcome} }}"))
    world.run()
    assert ("notify" in world.actions) is runs
    if runs:
        [notify] = [call for call in world.calls if call.action.rule == "notify"]
        assert notify.action.result is not None
        assert notify.action.result.status == world.actions["ring"].status
        assert notify.event.view()["result"] == notify.action.result.view()


def test_a_rule_that_follows_two_rules_runs_once(tmp_path: Path) -> None:
    """The first end creates the action, the second one finds it."""
    world = started(tmp_path, rule("a"), rule("b"), rule("notify", after="{ rules: [a, b] }"))
    world.run()
    assert [call.action.rule for call in world.calls].count("notify") == 1
    assert world.ends() == {"a": "succeeded", "b": "succeeded", "notify": "succeeded"}


def test_two_actions_that_end_at_once_create_one_follow_up(tmp_path: Path) -> None:
    """The conflict shows the second worker that the follow-up exists."""
    world = started(tmp_path, rule("a"), rule("b"), rule("notify", after="{ rules: [a, b] }"))
    [a, b] = (Message.parse(message) for _, message in world.queue.messages)
    inbox = world.app.inbox
    claims = [inbox.leases.claim(message, world.clock()) for message in (a, b)]
    for claim in claims:
        carry_out(claim, world.app)  # type: ignore[arg-type]  # both are claims: there is no other worker
    world.run()
    assert world.ends() == {"a": "succeeded", "b": "succeeded", "notify": "succeeded"}


def test_a_chain_of_rules_runs_to_its_end(tmp_path: Path) -> None:
    world = started(
        tmp_path,
        rule("one"),
        rule("two", after="{ rules: one }"),
        rule("three", "give-up", after="{ rules: two }"),
        rule("four", after="{ rules: three, outcome: failed }"),
    )
    world.run()
    assert [call.action.rule for call in world.calls] == ["one", "two", "three", "four"]


def test_an_end_is_marked_to_be_matched_against_a_refused_file_later(tmp_path: Path) -> None:
    """The outcome itself is recorded."""
    world = started(tmp_path, rule("ring"))
    world.write(rules(rule("notify", after="{ rules: ring }", when="[nonsense]")), "other.yaml")
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    [marker] = world.table.read("2026-11-22", "!undecided|", "!undecided|~")
    assert marker.key.endswith("|ring|0")
    assert json.loads(str(marker.values["files"])) == ["rules/other.yaml"]


def test_as_many_rules_as_fit_a_transaction_follow_one_end(tmp_path: Path) -> None:
    """Together with the end itself, its marker, and the marker for a refused file."""
    world = started(tmp_path, rule("ring"), *(rule(f"notify-{n}", after="{ rules: ring }") for n in range(48)))
    world.write(rules("  - { name: bad }\n"), "other.yaml")
    world.run()
    assert len(world.ends()) == 49
    assert set(world.ends().values()) == {"succeeded"}


def unmatched(world: World) -> dict[str, list[str]]:
    """The rules files of each deferred match: of an event (""), or of the end of an action."""
    markers = world.table.read("2026-11-22", "!undecided|", "!undecided|~")
    return {m.key.split("|", 2)[2] if m.key.count("|") > 1 else "": json.loads(str(m.values["files"])) for m in markers}


def add_fifty_rules(world: World, **keys: Any) -> None:
    """Add fifty rules, the last two in a file of their own; `load` refuses so many."""
    [ring] = world.loaded.by_name.values()
    others = {f"more-{n}": replace(ring, name=f"more-{n}", file=f"rules/{n // 48}.yaml", **keys) for n in range(50)}
    world.loaded = replace(world.loaded, by_name={"ring": ring, **others})


def test_matching_rules_that_do_not_fit_the_transaction_are_matched_later(tmp_path: Path) -> None:
    """48 become actions; the sweep matches the files of the others."""
    world = World(rules(rule("ring", on="RunCompleted")), tmp_path)
    add_fifty_rules(world, on=frozenset({"RunStatusChanged"}))
    world.receive(EVENT)
    assert set(world.ends()) == {f"more-{n}" for n in range(48)}
    assert unmatched(world) == {"": ["rules/1.yaml"]}
    [event] = world.history().events.values()
    assert (event.actions, event.deferred_files) == (48, ("rules/1.yaml",))
    world.run()
    assert len(world.calls) == 48


def test_follow_ups_that_do_not_fit_the_transaction_are_matched_later(tmp_path: Path) -> None:
    """The end is recorded with 48 actions and the files of the others."""
    world = World(rules(rule("ring")), tmp_path)
    add_fifty_rules(world, on=frozenset(), after=frozenset({"ring"}))
    world.receive(EVENT)
    world.run()
    assert world.ends() == {"ring": "succeeded", **{f"more-{n}": "succeeded" for n in range(48)}}
    assert unmatched(world) == {"ring|0": ["rules/1.yaml"]}


class Verbose(Scripted):
    """Returns as many details as an outcome keeps, none of them in ASCII."""

    def run(self, event: Event, action: Action) -> Outcome:
        super().run(event, action)
        return Succeeded("done", {f"{n}": "界" * 500 for n in range(40)})


def test_results_that_do_not_fit_the_transaction_are_left_out_of_follow_ups(tmp_path: Path) -> None:
    """48 rows with the result are larger than 4 MiB. The outcome itself is recorded in full."""
    followers = (rule(f"notify-{n}", after="{ rules: ring }") for n in range(48))
    text = rules(rule("ring").replace("SCRIPTED", "tests.dispatch.test_settle:Verbose"), *followers)
    world = World(text, tmp_path)
    world.receive(EVENT)
    world.run()
    assert set(world.ends().values()) == {"succeeded"}
    assert len(world.calls) == 49
    assert world.actions["ring"].note == "done"
    assert len(world.actions["ring"].details) > 15
    assert world.actions["notify-7"].follows is None


def test_a_defect_in_matching_follow_ups_keeps_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is matched again later."""
    world = World(rules(rule("ring", "succeed it rang"), rule("notify", after="{ rules: ring }")), tmp_path)
    world.write(rules("  - { name: bad }\n"), "other.yaml")
    world.receive(EVENT)

    def broken(*_: Any) -> list[Rule]:
        raise RecursionError

    monkeypatch.setattr(type(world.loaded), "following", broken)
    world.run()
    ring = world.actions["ring"]
    assert (ring.status, ring.note, ring.details) == ("succeeded", "it rang", {"calls": "1"})
    assert unmatched(world)["ring|0"] == ["rules/other.yaml", "rules/team.yaml"]
    assert world.app.inbox.backlog.open_actions("2026-11-22") == []
    assert len(world.calls) == 1


def test_an_outcome_that_storage_refuses_is_recorded_without_its_texts(tmp_path: Path) -> None:
    """The action has had its effect, so it must not run again."""
    world = started(tmp_path, rule("ring", "succeed " + "\U0001f514" * 900))
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


def test_a_follow_up_that_storage_refuses_is_created_without_the_result(tmp_path: Path) -> None:
    """The outcome itself is recorded in full."""
    world = started(tmp_path, rule("ring", "succeed well done"), rule("notify", after="{ rules: ring }"))
    table = world.table.table
    commit = table.commit

    def picky(partition, *rows, delete=()):  # type: ignore[no-untyped-def]  # a double of a double
        if any(row.values.get("follows") for row in rows if row.values.get("status") == "pending"):
            raise ValueError("PropertyValueTooLarge")
        return commit(partition, *rows, delete=delete)

    table.commit = picky  # type: ignore[method-assign]
    world.run()
    assert world.ends() == {"ring": "succeeded", "notify": "succeeded"}
    assert world.actions["ring"].note == "well done"
    assert world.actions["notify"].follows is None


def test_an_action_ends_even_if_its_open_marker_is_missing(tmp_path: Path) -> None:
    """Deleting the marker is then a conflict without another worker."""
    world = started(tmp_path, rule("ring"))
    [(_, message)] = world.queue.messages
    id = Message.parse(message).id
    world.table.commit(id.day, delete=(id.open_marker,))
    world.run()
    assert world.ends() == {"ring": "succeeded"}


@dataclass
class Faulty:
    """A table that raises its errors, one each, for commits with a row that `hits` selects."""

    table: Table
    hits: Callable[[Row], bool]
    errors: list[Exception]
    applies: bool = False  # the commit takes effect all the same: only its response is lost

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        return self.table.read(partition, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        if self.errors and any(self.hits(row) for row in rows):
            if self.applies:
                with suppress(Conflict):
                    self.table.commit(partition, *rows, delete=delete)
            raise self.errors.pop(0)
        return self.table.commit(partition, *rows, delete=delete)


def ending(row: Row) -> bool:
    return row.values.get("status") == "succeeded"


@pytest.mark.parametrize("applied", [False, True], ids=["not written", "response lost"])
def test_an_outcome_is_recorded_if_storage_is_unavailable_for_half_a_minute(tmp_path: Path, applied: bool) -> None:
    """The worker keeps the action and retries; otherwise the effect would be repeated."""
    world = started(tmp_path, rule("ring"))
    errors: list[Exception] = [Unavailable("no answer") for _ in range(4)]
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, errors, applied), LEASE))
    [(_, message)] = world.queue.messages
    act(message, app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.calls) == 1
    assert world.actions["ring"].timeline[-1].note == "done"


@pytest.mark.parametrize("applied", [False, True], ids=["not written", "response lost"])
def test_a_follow_up_is_created_once_if_its_transaction_is_repeated(tmp_path: Path, applied: bool) -> None:
    """Its message is sent, also if an earlier attempt has written its row."""
    world = started(tmp_path, rule("ring"), rule("notify", after="{ rules: ring }"))
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, [Unavailable("?")], applied), LEASE))
    world.queue.drain(lambda message: act(message, app))
    assert world.ends() == {"ring": "succeeded", "notify": "succeeded"}
    assert [call.action.rule for call in world.calls] == ["ring", "notify"]


@pytest.mark.parametrize("error", [Unavailable("busy"), Conflict("without a cause")])
def test_an_action_runs_again_if_its_outcome_cannot_be_recorded(tmp_path: Path, error: Exception) -> None:
    """The effect may be repeated, with the same key, because no later worker can see that it happened."""
    world = started(tmp_path, rule("ring"))
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, [error] * 5), LEASE))
    [(_, message)] = world.queue.messages
    with pytest.raises(type(error)):
        act(message, app)
    world.clock.forward(minutes=10)
    world.run()
    assert [call.action.key for call in world.calls] == [world.calls[0].action.key] * 2
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].crashes == 1


def drain(world: World, app: App) -> None:
    """Deliver messages to an app until there are none."""
    world.queue.drain(lambda message: act(message, app))


@pytest.mark.parametrize("error", [TypeError("no"), ValueError("PropertyValueTooLarge"), refusal(400), refusal(413)])
def test_follow_ups_are_created_even_if_the_outcome_is_refused(tmp_path: Path, error: Exception) -> None:
    """They have no result then; a refused file is still matched later."""
    world = World(rules(rule("ring"), rule("notify", after="{ rules: ring }")), tmp_path)
    world.write(rules("  - { name: bad }\n"), "other.yaml")
    world.receive(EVENT)
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, [error, error]), LEASE))
    drain(world, app)
    assert world.ends() == {"ring": "succeeded", "notify": "succeeded"}
    assert [call.action.rule for call in world.calls] == ["ring", "notify"]
    assert world.calls[1].action.result is None
    assert world.actions["ring"].note == f"the outcome could not be recorded: {type(error).__name__}"
    assert world.actions["ring"].details == {}
    assert unmatched(world)["ring|0"] == ["rules/other.yaml"]


@pytest.mark.parametrize("status", [None, 403, 404, 500])
def test_an_outcome_keeps_its_texts_if_storage_fails_for_another_reason(tmp_path: Path, status: int | None) -> None:
    """The message comes again, and the next attempt records everything."""
    world = World(rules(rule("ring", "succeed it rang")), tmp_path)
    world.receive(EVENT)
    error = Unavailable("busy", status)
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, [error] * 5), LEASE))
    with pytest.raises(Unavailable):
        drain(world, app)
    assert world.ends() == {"ring": "running"}
    world.clock.forward(minutes=10)
    world.run()
    assert world.actions["ring"].note == "it rang"


def test_an_action_whose_state_storage_refuses_fails(tmp_path: Path) -> None:
    """Without its state it would repeat what it has done. The rules that follow the failure run."""
    world = World(rules(rule("ring", "wait 60"), rule("notify", after="{ rules: ring, outcome: failed }")), tmp_path)
    world.receive(EVENT)
    waiting = Faulty(world.table, lambda row: row.values.get("status") == "waiting", [refusal(400), refusal(400)])
    drain(world, replace(world.app, inbox=Inbox(waiting, LEASE)))
    assert world.ends() == {"ring": "failed", "notify": "succeeded"}
    assert world.actions["ring"].note == "the outcome could not be recorded: Refused"
    assert [call.action.rule for call in world.calls] == ["ring", "notify"]


def test_an_action_whose_claim_storage_refuses_fails(tmp_path: Path) -> None:
    """Its message would be delivered again for ever."""
    world = started(tmp_path, rule("ring"))
    running = Faulty(world.table, lambda row: row.values.get("status") == "running", [refusal(413)])
    drain(world, replace(world.app, inbox=Inbox(running, LEASE)))
    assert world.ends() == {"ring": "failed"}
    assert world.actions["ring"].note == "storage cannot hold the action: Refused"
    assert world.calls == []
