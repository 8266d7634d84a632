"""What an action keeps from one call to the next, and what it is forgiven: failures, pauses, crashes, changed rules."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.guards.base import Guard, Hold
from dispatch.inbox.messages import Message
from handlers.base import Action, Outcome, RetryLater
from schemas import Event, RunStatusChanged
from tests.kit.world import Scripted, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")


def started(folder: Path, *texts: str) -> World:
    """A world in which the event has come and nothing has been done about it."""
    world = World(rules(*texts), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    return world


def step(world: World) -> None:
    """Deliver one message, when it is due."""
    at, message = world.queue.messages.pop(0)
    world.clock.time = max(at, world.clock.time)
    act(message, world.app)


def crash(world: World) -> None:
    """A worker claims the action and is never seen again."""
    [(at, message)] = world.queue.messages
    world.clock.time = max(at, world.clock.time)
    world.app.inbox.leases.claim(Message.parse(message), world.clock())
    world.clock.forward(minutes=7)


@pytest.mark.parametrize("word", ["retry", "forbidden"])
def test_the_time_that_failing_may_take_begins_anew_with_progress(tmp_path: Path, word: str) -> None:
    """A CheckBack after two hours: what failed before it is forgotten, for the rule's patience and for the error's."""
    script = [word, "wait 7200", word, "succeed"]
    world = started(tmp_path, rule("ring", *script, retry="{ for: 1h }"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.calls) == 4


@pytest.mark.parametrize("word", ["retry", "forbidden"])
def test_the_time_that_throttling_takes_does_not_count(tmp_path: Path, word: str) -> None:
    """A day of 429 between two failures: not one second of the patience is gone."""
    world = started(tmp_path, rule("ring", word, *["throttle 43200"] * 2, word, "succeed"))
    world.run()
    assert [call.action.failures for call in world.calls] == [0, 1, 1, 1, 2]
    assert world.ends() == {"ring": "succeeded"}


def test_throttling_shifts_when_the_failing_began(tmp_path: Path) -> None:
    """By as much as the pause takes; what was not failing does not begin to."""
    world = started(tmp_path, rule("ring", "throttle 60", "forbidden", "throttle 600", "succeed"))
    step(world)
    assert (world.actions["ring"].failing_since, world.actions["ring"].denied_since) == (None, None)
    step(world)
    before = world.actions["ring"]
    began = world.clock()
    assert before.failing_since == before.denied_since == began
    step(world)
    after = world.actions["ring"]
    pause = after.due - world.clock()
    assert pause >= timedelta(minutes=10)
    assert after.failing_since == after.denied_since == began + pause


def test_access_is_tried_for_half_an_hour_of_its_own(tmp_path: Path) -> None:
    """However long the action had failed for other reasons: twelve timeouts, and then a role is missing."""
    world = started(tmp_path, rule("ring", *["retry timeout"] * 12, "forbidden", retry="{ max_delay: 10m }"))
    for _ in range(13):
        step(world)
    began = world.clock()
    assert began - world.actions["ring"].started > timedelta(minutes=30)
    world.run()
    assert world.ends() == {"ring": "failed"}
    assert timedelta(minutes=30) <= world.clock() - began <= timedelta(minutes=40)


def test_another_error_ends_the_half_hour(tmp_path: Path) -> None:
    """The next 403 is the first of its kind again."""
    world = started(tmp_path, rule("ring", "forbidden", *["retry"] * 12, "forbidden", "succeed"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.calls) == 15


def test_progress_forgives_crashes(tmp_path: Path) -> None:
    """Five in a row are the end, not five in the weeks that a roll-out takes."""
    world = started(tmp_path, rule("ring", "wait", "wait", "succeed"))
    for _ in range(4):
        crash(world)
    step(world)
    assert world.actions["ring"].crashes == 0
    for _ in range(4):
        crash(world)
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.calls) == 3


def test_a_guard_that_holds_changes_nothing_about_the_action(tmp_path: Path) -> None:
    """Not its state, not its failures; and the time in which it is not asked is none in which it fails."""
    world = started(tmp_path, rule("ring", "wait 60", "forbidden", "succeed"))
    answers: Iterator[Hold | None] = iter([None, None, Hold(timedelta(minutes=3), "not now"), None])
    guards: tuple[Guard, ...] = (lambda turn: next(answers),)
    ring = replace(world.loaded.by_name["ring"], guards=guards)
    world.loaded = replace(world.loaded, by_name={"ring": ring})
    step(world)
    step(world)
    before = world.actions["ring"]
    step(world)
    after = world.actions["ring"]
    assert (after.status, after.note, after.due) == ("waiting", "not now", world.clock() + timedelta(minutes=3))
    assert before.state == {"call": 1}
    assert before.failures == 1
    assert before.denied_since == before.failing_since is not None
    stood_still = before.failing_since + timedelta(minutes=3)
    assert after.failing_since == after.denied_since == stood_still
    kept = ("state", "failures", "crashes", "checked_back", "handler", "settings")
    assert {name: getattr(after, name) for name in kept} == {name: getattr(before, name) for name in kept}
    world.run()
    assert [call.action.failures for call in world.calls] == [0, 0, 1]
    assert world.calls[-1].action.state == {"call": 1}


@pytest.mark.parametrize("word", ["succeed", "skip", "wait"])
def test_the_row_says_what_ran(tmp_path: Path, word: str) -> None:
    """The rule was changed after the event came: the handler and the settings are those of the call."""
    world = started(tmp_path, "  - { name: ring, on: RunStatusChanged, do: log }\n")
    made = world.actions["ring"]
    assert made.handler == "log"
    world.write(rules(rule("ring", word)))
    step(world)
    ran, ring = world.actions["ring"], world.loaded.by_name["ring"]
    assert (ran.handler, ran.settings) == (ring.do, ring.settings_hash)
    assert ran.settings != made.settings


def test_what_has_kept_no_state_may_be_taken_over_by_another_handler(tmp_path: Path) -> None:
    """A rule that is mended while its action is retried: nothing of the old handler is in the new one's way."""
    world = started(tmp_path, rule("ring", "retry"))
    step(world)
    world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n")
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].handler == "log"


class Mute(Exception):  # noqa: N818 - its name is all that can be told of it
    """Has a defect where its text should be."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class RaisesMute(Scripted):
    """Fails once, without a word."""

    def run(self, event: Event, action: Action) -> Outcome:
        if not action.failures:
            raise Mute
        return super().run(event, action)


class SaysThirty(Scripted):
    """Asks once for a pause of 30, and does not say of what."""

    def run(self, event: Event, action: Action) -> Outcome:
        if not action.failures:
            raise RetryLater("busy", 30)  # type: ignore[arg-type]  # as careless code does
        return super().run(event, action)


@pytest.mark.parametrize(
    ("handler", "note"),
    [
        (RaisesMute, "Mute, which cannot be read: RuntimeError"),
        (SaysThirty, "TypeError: RetryLater's after is a timedelta or None, not 30"),
    ],
)
def test_an_error_that_is_hard_to_read_is_tried_again(
    tmp_path: Path, handler: type[Scripted], note: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not end the worker's call: the message would come again at once, and the lease count as a crash."""
    world = started(tmp_path, rule("ring").replace("SCRIPTED", f"tests.dispatch.test_again:{handler.__name__}"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].timeline[2].note == note
    assert world.actions["ring"].crashes == 0
    assert ["Traceback" in record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [True]
