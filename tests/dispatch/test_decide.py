"""Consequences of outcomes: retries, throttling, crashes and changed rules, with the real inbox and rules."""

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
    """A world that has received the event and has not acted on it."""
    world = World(rules(*texts), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    return world


def step(world: World) -> None:
    """Deliver one message when it is due."""
    at, message = world.queue.messages.pop(0)
    world.clock.time = max(at, world.clock.time)
    act(message, world.app)


def crash(world: World) -> None:
    """A worker claims the action and dies."""
    [(at, message)] = world.queue.messages
    world.clock.time = max(at, world.clock.time)
    world.app.inbox.leases.claim(Message.parse(message), world.clock())
    world.clock.forward(minutes=7)


def test_failures_are_counted_since_the_last_check_back(tmp_path: Path) -> None:
    """Later failures keep the action's state."""
    world = started(tmp_path, rule("ring", "retry", "retry", "wait", "retry", "succeed"))
    world.run()
    assert [call.action.failures for call in world.calls] == [0, 1, 2, 0, 1]
    assert world.calls[-1].action.state == {"call": 3}
    assert world.ends() == {"ring": "succeeded"}


def test_an_action_that_keeps_failing_gives_up_after_retry_for(tmp_path: Path) -> None:
    """The time counts from the first failure; delays grow up to `max_delay`."""
    world = started(tmp_path, rule("ring", "retry busy", retry="{ for: 1h, first_delay: 10s, max_delay: 10m }"))
    start = world.clock()
    world.run()
    assert timedelta(hours=1) <= world.clock() - start <= timedelta(hours=1, minutes=10)
    assert world.actions["ring"].status == "failed"
    assert world.actions["ring"].note.startswith(f"gave up after {len(world.calls)} attempts in 1h")
    assert world.actions["ring"].note.endswith(": busy")


def test_throttling_does_not_count_against_retry_for(tmp_path: Path) -> None:
    """A service that requests pauses is not broken."""
    world = started(tmp_path, rule("ring", *["throttle 86400"] * 3, "succeed", retry="{ for: 1h }"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].failures == 0


def test_a_403_is_retried_for_half_an_hour(tmp_path: Path) -> None:
    world = started(tmp_path, rule("ring", "forbidden"))
    start = world.clock()
    world.run()
    assert world.ends() == {"ring": "failed"}
    assert timedelta(minutes=30) <= world.clock() - start < timedelta(hours=2)


@pytest.mark.parametrize("word", ["give-up", "nothing"])
def test_an_action_that_gives_up_fails_at_once(tmp_path: Path, word: str) -> None:
    """So does a handler that returns nothing."""
    world = started(tmp_path, rule("ring", word))
    world.run()
    assert world.ends() == {"ring": "failed"}
    assert len(world.calls) == 1


@pytest.mark.parametrize("word", ["retry", "forbidden"])
def test_a_check_back_restarts_the_retry_time(tmp_path: Path, word: str) -> None:
    """For `retry.for` and for the shorter limit of an error alike."""
    script = [word, "wait 7200", word, "succeed"]
    world = started(tmp_path, rule("ring", *script, retry="{ for: 1h }"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.calls) == 4


@pytest.mark.parametrize("word", ["retry", "forbidden"])
def test_a_day_of_throttling_between_failures_does_not_count(tmp_path: Path, word: str) -> None:
    """Neither against `retry.for` nor against the shorter limit of an error."""
    world = started(tmp_path, rule("ring", word, *["throttle 43200"] * 2, word, "succeed"))
    world.run()
    assert [call.action.failures for call in world.calls] == [0, 1, 1, 1, 2]
    assert world.ends() == {"ring": "succeeded"}


def test_throttling_moves_the_start_of_failing_forward(tmp_path: Path) -> None:
    """By the length of the pause; an action that was not failing does not start to."""
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


def test_the_half_hour_of_a_403_starts_with_the_first_403(tmp_path: Path) -> None:
    """However long the action had failed for other reasons: twelve timeouts before a role is missing."""
    world = started(tmp_path, rule("ring", *["retry timeout"] * 12, "forbidden", retry="{ max_delay: 10m }"))
    for _ in range(13):
        step(world)
    began = world.clock()
    assert began - world.actions["ring"].started > timedelta(minutes=30)
    world.run()
    assert world.ends() == {"ring": "failed"}
    assert timedelta(minutes=30) <= world.clock() - began <= timedelta(minutes=40)


def test_another_error_restarts_the_half_hour(tmp_path: Path) -> None:
    """The next 403 is the first one again."""
    world = started(tmp_path, rule("ring", "forbidden", *["retry"] * 12, "forbidden", "succeed"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert len(world.calls) == 15


def test_a_check_back_resets_the_crashes(tmp_path: Path) -> None:
    """Five consecutive crashes fail an action, not five in the weeks that a roll-out takes."""
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


def test_a_guard_that_holds_changes_nothing_but_the_due_time(tmp_path: Path) -> None:
    """Neither state nor failures; and the clocks of a failing action stop meanwhile."""
    world = started(tmp_path, rule("ring", "wait 60", "forbidden", "succeed"))
    answers: Iterator[Hold | None] = iter([None, None, Hold(timedelta(minutes=3), "not now"), None])
    guards: tuple[Guard, ...] = (lambda attempt: next(answers),)
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
    stopped = before.failing_since + timedelta(minutes=3)
    assert after.failing_since == after.denied_since == stopped
    kept = ("state", "failures", "crashes", "checked_back", "handler", "settings")
    assert {name: getattr(after, name) for name in kept} == {name: getattr(before, name) for name in kept}
    world.run()
    assert [call.action.failures for call in world.calls] == [0, 0, 1]
    assert world.calls[-1].action.state == {"call": 1}


@pytest.mark.parametrize("word", ["succeed", "skip", "wait"])
def test_the_row_has_the_handler_and_the_settings_of_the_last_call(tmp_path: Path, word: str) -> None:
    """The rule has changed since the event was received."""
    world = started(tmp_path, "  - { name: ring, on: RunStatusChanged, do: log }\n")
    made = world.actions["ring"]
    assert made.handler == "log"
    world.write(rules(rule("ring", word)))
    step(world)
    ran, ring = world.actions["ring"], world.loaded.by_name["ring"]
    assert (ran.handler, ran.settings) == (ring.do, ring.settings_hash)
    assert ran.settings != made.settings


def test_an_action_without_state_continues_with_another_handler(tmp_path: Path) -> None:
    """A rule may be fixed while its action is retried."""
    world = started(tmp_path, rule("ring", "retry"))
    step(world)
    world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n")
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].handler == "log"


class TextlessError(Exception):
    """Its `__str__` raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class RaisesTextless(Scripted):
    """Raises once an exception without a text."""

    def run(self, event: Event, action: Action) -> Outcome:
        if not action.failures:
            raise TextlessError
        return super().run(event, action)


class RaisesInvalid(Scripted):
    """Raises once a RetryLater with a number instead of a timedelta."""

    def run(self, event: Event, action: Action) -> Outcome:
        if not action.failures:
            raise RetryLater("busy", 30)  # type: ignore[arg-type]  # as careless code does
        return super().run(event, action)


@pytest.mark.parametrize(
    ("handler", "note"),
    [
        (RaisesTextless, "TextlessError, which cannot be read: RuntimeError"),
        (RaisesInvalid, "TypeError: RetryLater's after is a timedelta or None, not 30"),
    ],
)
def test_an_invalid_exception_is_retried(
    tmp_path: Path, handler: type[Scripted], note: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If it ended the worker's call, the message would come again at once, and the lease would count as a crash."""
    world = started(tmp_path, rule("ring").replace("SCRIPTED", f"tests.dispatch.test_decide:{handler.__name__}"))
    world.run()
    assert world.ends() == {"ring": "succeeded"}
    assert world.actions["ring"].timeline[2].note == note
    assert world.actions["ring"].crashes == 0
    assert ["Traceback" in record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [True]
