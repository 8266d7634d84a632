"""Run a handler, or rules, on events as the app does: to the end of each action, in memory, without pauses.

    ended = run_handler(Chat(url=server.url()), RunStatusChanged.example(run_status="Failed"))
    assert (ended.status, len(ended.calls)) == ("succeeded", 1)

The app's own code receives the events and calls the handlers, with guards, retries and leases. The clock moves to the
time of the next call.
"""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from dispatch.act import act
from dispatch.app import App
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord
from dispatch.receive import receive
from dispatch.rules import load
from dispatch.rules.rule import Rule, Rules
from dispatch.secrets import Secrets
from handlers.base import Action, GiveUp, Handler, Outcome, Result, RetryLater, Skipped, Succeeded
from handlers.errors import classify
from mlevents.testing.storage import NOW, AzureLimits, Clock, MemoryQueue, MemoryTable
from schemas import Event

LEASE = timedelta(minutes=6)  # function_timeout of host.json, and what the host adds to it
MOST = 1_000  # messages to actions in one run
RULE = "a-rule"  # the rule that `run_handler` gives its handler


class WorkerDied(BaseException):
    """Raised where a worker process dies. It is no Exception, because nothing in the process may handle it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a handler, and what it returned or raised, even if its worker died before that was recorded."""

    action: Action
    result: Outcome | RetryLater | GiveUp
    error: Exception | None = None  # what it raised; `result` is what the app makes of it
    died: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """An action after its last call."""

    rule: str
    event: str  # the event's id
    status: str  # succeeded, skipped or failed
    note: str  # the summary, or the reason; without secrets, as it is recorded
    details: Mapping[str, str]
    calls: tuple[Call, ...]
    delays: tuple[timedelta, ...]  # between two calls each
    notes: tuple[str, ...]  # of its timeline, in order, with those of guards that held it


@dataclass
class _Calls:
    """The calls of all handlers of a run, in order."""

    dies_after: Collection[int]
    by_action: dict[tuple[str, str], list[Call]] = field(default_factory=dict)
    number: int = 0

    def make(self, handler: Handler[Any], event: Event, action: Action) -> Outcome:
        """Call a handler. Raises WorkerDied after the calls whose numbers are in `dies_after`."""
        self.number += 1
        calls = self.by_action.setdefault((event.id, action.rule), [])
        died = self.number in self.dies_after
        try:
            outcome = handler.run(event, action)
        except Exception as error:
            calls.append(Call(action, classify(error, action.now), error, died))
            if not died:
                raise
        else:
            calls.append(Call(action, outcome, None, died))
            if not died:
                return outcome
        raise WorkerDied


class _Observed(Handler[Event]):
    """A handler whose calls are kept. A rule's guards have its lock already."""

    handler: Any
    calls: Any

    def run(self, event: Event, action: Action) -> Outcome:
        outcome: Outcome = self.calls.make(self.handler, event, action)
        return outcome

    def destination(self, event: Event) -> str | None:
        name: str | None = self.handler.destination(event)
        return name


class _Ending(Handler[Event]):
    """Ends as a result says."""

    result: Any

    def run(self, event: Event, action: Action) -> Outcome:
        match self.result.status:
            case "succeeded":
                return Succeeded(self.result.summary, self.result.details)
            case "skipped":
                return Skipped(self.result.summary)
        raise GiveUp(self.result.summary)


def run_handler(
    handler: Handler[Any],
    event: Event,
    *,
    dies_after: Collection[int] = (),
    result: Result | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Ended:
    """Run a handler on an event until its action ends, as a rule without other keys would.

    The worker dies after the calls with these numbers, from 1, before their outcome is recorded: the next call has
    `Action.interrupted`. With a `result`, the handler follows another rule that ended so. `settings` are app settings,
    which are in the environment during the run. Raises AssertionError if the action does not end.
    """
    on = type(event).__name__
    first = f"  - {{ name: {json.dumps(result.rule)}, on: {on}, do: log }}\n" if result else ""
    selects = f"after: {{ rules: {json.dumps(result.rule)}, outcome: any }}" if result else f"on: {on}"
    text = f"rules:\n{first}  - {{ name: {RULE}, {selects}, do: log }}\n"

    def replaced(loaded: Mapping[str, Rule]) -> list[Rule]:
        do = f"{type(handler).__module__}:{type(handler).__qualname__}"
        ending = _Ending.model_construct(result=result)
        return [
            replace(rule, handler=handler, do=do) if name == RULE else replace(rule, handler=ending)
            for name, rule in loaded.items()
        ]

    died = {number + bool(result) for number in dies_after}  # the call of the other rule comes first
    [ended] = [each for each in _run(text, (event,), settings, died, replaced, clock=Clock()) if each.rule == RULE]
    return ended


def run_rules(  # noqa: PLR0913 - most are keywords that most calls leave out
    rules: Path | str,
    event: Event,
    *events: Event,
    only: Collection[str] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
    dies_after: Collection[int] = (),
    clock: Clock | None = None,
) -> list[Ended]:
    """Run rules on events until all actions end, those of rules with ``after`` and of alerts included.

    `rules` is a folder, or the text of one rules file: then the workspace of the first event is listed, with the label
    ``env: prod``. With `only`, just these rules act. Each event is received at its time, after the calls that are due
    before. `settings` are the app settings that the rules read; they are in the environment during the run. The worker
    dies after the calls with the numbers `dies_after`, counted from 1 over all rules. `clock` is the app's clock, for
    a service that must have the same; it is set to the time of the first event.

    Returns the actions in the order in which they began. Raises ValueError for errors in the rules, for a name in
    `only` that no rule has, and for an event that the app rejects; AssertionError if an action does not end.
    """
    if isinstance(rules, str) and "\n" not in rules:
        raise ValueError(f"{rules!r} is not the text of a rules file; for a folder, write Path({rules!r})")

    def chosen(loaded: Mapping[str, Rule]) -> list[Rule]:
        if unknown := set(only) - loaded.keys():
            raise ValueError(f"there is no rule {', '.join(sorted(unknown))}; there is {', '.join(loaded)}")
        return [rule for name, rule in loaded.items() if not only or name in only]

    return _run(rules, (event, *events), settings, dies_after, chosen, clock=clock or Clock())


def _run(  # noqa: PLR0913 - what `run_handler` and `run_rules` take
    rules: Path | str,
    events: tuple[Event, ...],
    settings: Mapping[str, str],
    dies_after: Collection[int],
    change: Callable[[Mapping[str, Rule]], list[Rule]],
    *,
    clock: Clock,
) -> list[Ended]:
    calls = _Calls(dies_after)
    with patch.dict(os.environ, settings), TemporaryDirectory() as temporary:
        loaded = _loaded(rules if isinstance(rules, Path) else _written(rules, events[0], Path(temporary)), settings)
        changed = change(loaded.by_name)
        kept = {rule.name: replace(rule, handler=_observed(rule.handler, calls)) for rule in changed}
        alerts = loaded.alerts and replace(loaded.alerts, handler=_observed(loaded.alerts.handler, calls))
        clock.time = min(map(_time, events))
        queue = MemoryQueue(clock)
        inbox = Inbox(AzureLimits(MemoryTable()), LEASE)
        secrets = Secrets.of_settings(settings)
        rules_in_force = replace(loaded, by_name=kept, alerts=alerts)
        app = App(rules_in_force, inbox, queue, clock, lambda seconds: clock.forward(seconds=seconds), secrets)
        for event in sorted(events, key=_time):
            _drain(queue, app, until=_time(event))
            clock.time = max(clock.time, _time(event))
            receive(json.dumps(event.wire()), app)
        _drain(queue, app)
    return list(_ended(inbox, calls))


def _time(event: Event) -> datetime:
    return event.event_time or NOW


def _observed(handler: Handler[Any], calls: _Calls) -> _Observed:
    return _Observed.model_construct(handler=handler, calls=calls)


def _written(text: str, event: Event, folder: Path) -> Path:
    """A rules folder with this file, and the workspace of the event."""
    workspace = {event.resource.name: {"id": event.topic, "env": "prod"}}
    (folder / "workspaces.yaml").write_text(json.dumps({"workspaces": workspace}), encoding="utf-8")
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    return folder


def _loaded(folder: Path, settings: Mapping[str, str]) -> Rules:
    rules = load(folder, settings)
    if rules.errors:
        raise ValueError("\n".join(str(error) for error in rules.errors))
    return rules


def _drain(queue: MemoryQueue, app: App, until: datetime | None = None) -> None:
    """Deliver the messages that are due before `until`; without it, all. Raises AssertionError after `MOST`."""
    for _ in range(MOST):
        if not queue.messages or (until and min(queue.messages)[0] >= until):
            return
        queue.deliver(lambda message: act(message, app), crashes=(WorkerDied,))
    waiting = sorted({Message.parse(message).id.rule for _, message in queue.messages})
    raise AssertionError(f"rule {', '.join(waiting)} has not ended after {MOST} messages to its action")


def _ended(inbox: Inbox, calls: _Calls) -> Iterable[Ended]:
    """The actions in the record. Raises ValueError if it has a rejected event."""
    found: list[tuple[str, ActionRecord]] = []
    for day in map(inbox.history.day, inbox.history.days()):
        if day.rejected:
            raise ValueError(f"the app rejects an event: {day.rejected[0].reason}")
        found += [(day.events[id.event].id, record) for id, record in day.actions]
    order = list(calls.by_action)

    def began(each: tuple[str, ActionRecord]) -> tuple[datetime, int]:
        key = (each[0], each[1].rule)
        return each[1].started, order.index(key) if key in order else len(order)

    for event, record in sorted(found, key=began):
        made = tuple(calls.by_action.get((event, record.rule), ()))
        times = [call.action.now for call in made]
        yield Ended(
            record.rule,
            event,
            record.status,
            record.note,
            record.details,
            made,
            tuple(later - earlier for earlier, later in pairwise(times)),
            tuple(entry.note for entry in record.timeline if entry.note),
        )
