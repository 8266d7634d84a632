"""What follows an action's end, or an event, when there is too much of it or something breaks: nothing is lost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatch.act import act
from dispatch.app import App
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.rules.rule import Rule
from handlers.base import Action, Outcome, Succeeded
from schemas import Event, RunStatusChanged
from tests.dispatch.test_act import Faulty, ending
from tests.dispatch.test_receive import refusal
from tests.kit.world import LEASE, Scripted, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")


def undecided(world: World) -> dict[str, list[str]]:
    """The rules files that must be asked again, by what is to be asked about: an event (""), or an action's end."""
    markers = world.table.read("2026-11-22", "!undecided|", "!undecided|~")
    return {m.key.split("|", 2)[2] if m.key.count("|") > 1 else "": json.loads(str(m.values["files"])) for m in markers}


def more_than_a_transaction_takes(world: World, **keys: Any) -> None:
    """Fifty rules, of which the last two are in a file of their own; so many are not loaded from files."""
    [ring] = world.loaded.by_name.values()
    others = {f"more-{n}": replace(ring, name=f"more-{n}", file=f"rules/{n // 48}.yaml", **keys) for n in range(50)}
    world.loaded = replace(world.loaded, by_name={"ring": ring, **others})


def test_of_more_rules_than_a_transaction_takes_the_rest_is_asked_later(tmp_path: Path) -> None:
    """48 become actions; the files of the others are left to the sweep."""
    world = World(rules(rule("ring", on="RunCompleted")), tmp_path)
    more_than_a_transaction_takes(world, on=frozenset({"RunStatusChanged"}))
    world.receive(EVENT)
    assert set(world.ends()) == {f"more-{n}" for n in range(48)}
    assert undecided(world) == {"": ["rules/1.yaml"]}
    [event] = world.history().events.values()
    assert (event.actions, event.deferred_files) == (48, ("rules/1.yaml",))
    world.run()
    assert len(world.calls) == 48


def test_of_more_rules_than_a_transaction_takes_the_rest_follows_later(tmp_path: Path) -> None:
    """As for an event: the end is recorded, with 48 actions and a word about the others."""
    world = World(rules(rule("ring")), tmp_path)
    more_than_a_transaction_takes(world, on=frozenset(), after=frozenset({"ring"}))
    world.receive(EVENT)
    world.run()
    assert world.ends() == {"ring": "succeeded", **{f"more-{n}": "succeeded" for n in range(48)}}
    assert undecided(world) == {"ring|0": ["rules/1.yaml"]}


def drain(world: World, app: App) -> None:
    """Deliver messages to an app until there are none."""
    world.queue.drain(lambda message: act(message, app))


@pytest.mark.parametrize("error", [TypeError("no"), ValueError("PropertyValueTooLarge"), refusal(400), refusal(413)])
def test_what_follows_follows_also_when_the_outcome_is_refused(tmp_path: Path, error: Exception) -> None:
    """Without the texts that storage did not take; a file that could not be asked is asked later all the same."""
    world = World(rules(rule("ring"), rule("tell", after="{ rules: ring }")), tmp_path)
    world.write(rules("  - { name: bad }\n"), "other.yaml")
    world.receive(EVENT)
    app = replace(world.app, inbox=Inbox(Faulty(world.table, ending, [error, error]), LEASE))
    drain(world, app)
    assert world.ends() == {"ring": "succeeded", "tell": "succeeded"}
    assert [call.action.rule for call in world.calls] == ["ring", "tell"]
    assert world.calls[1].action.result is None
    assert world.actions["ring"].note == f"the outcome could not be recorded: {type(error).__name__}"
    assert world.actions["ring"].details == {}
    assert undecided(world)["ring|0"] == ["rules/other.yaml"]


@pytest.mark.parametrize("status", [None, 403, 404, 500])
def test_an_outcome_that_is_not_refused_for_its_texts_is_not_cut(tmp_path: Path, status: int | None) -> None:
    """Storage is in trouble: the message comes again, and nothing is written that says less than what happened."""
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


class Verbose(Scripted):
    """Answers with as many details as an outcome keeps, none of them in ASCII."""

    def run(self, event: Event, action: Action) -> Outcome:
        super().run(event, action)
        return Succeeded("done", {f"{n}": "界" * 500 for n in range(40)})


def test_results_that_are_too_much_for_one_transaction_are_left_out(tmp_path: Path) -> None:
    """48 actions that follow, each with the result in its row: more than 4 MiB as it is sent. What is done is told."""
    followers = (rule(f"tell-{n}", after="{ rules: ring }") for n in range(48))
    text = rules(rule("ring").replace("SCRIPTED", "tests.dispatch.test_follow:Verbose"), *followers)
    world = World(text, tmp_path)
    world.receive(EVENT)
    world.run()
    assert set(world.ends().values()) == {"succeeded"}
    assert len(world.calls) == 49
    assert world.actions["ring"].note == "done"
    assert len(world.actions["ring"].details) > 15
    assert world.actions["tell-7"].follows is None


def test_a_defect_in_what_follows_does_not_lose_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is recorded as it was, and every file is asked again later; the log has the defect."""
    world = World(rules(rule("ring", "succeed it rang"), rule("tell", after="{ rules: ring }")), tmp_path)
    world.write(rules("  - { name: bad }\n"), "other.yaml")
    world.receive(EVENT)

    def broken(*_: Any) -> list[Rule]:
        raise RecursionError

    monkeypatch.setattr(type(world.loaded), "following", broken)
    world.run()
    ring = world.actions["ring"]
    assert (ring.status, ring.note, ring.details) == ("succeeded", "it rang", {"calls": "1"})
    assert undecided(world)["ring|0"] == ["rules/other.yaml", "rules/team.yaml"]
    assert world.app.inbox.backlog.open_actions("2026-11-22") == []
    assert len(world.calls) == 1
