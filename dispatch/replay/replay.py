"""Run events again that are written down already, with the rules as they are today.

What has ended is opened again as a new *generation*: its action has another key, so that what was done before is done
anew instead of being recognised. What has not ended goes on as it is, and gets another message. What follows a replayed
action is left to that one's end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from dispatch.alerts import for_failure
from dispatch.app import App
from dispatch.inbox.actions import NewAction
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history import StoredEvent
from dispatch.inbox.keys import UNDATED, ActionId
from dispatch.inbox.leases import Dropped
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord
from dispatch.log import log_event
from dispatch.rules.rule import ALERTS, Rule
from handlers.base import Result
from schemas import EventError
from schemas.alert import Alert

MOST_TRIES = 5  # to meet an event as it was read

Did: TypeAlias = Literal["replayed", "made", "queued", "left", "refused"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of an event's actions: those that did not succeed and those that are missing; or else all, one, or so."""

    rule: str = ""  # only this rule's, however it ended
    all: bool = False  # also what succeeded
    missing: bool = False  # only rules that match today and have no action
    same_key: bool = False  # of the same generation: to finish what an idempotent target may have done already


class Step(NamedTuple):
    """What is done about one rule of an event, or, without a rule, about the event, and why."""

    rule: str
    did: Did
    why: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """An event, and what was done about it, or would be."""

    event: StoredEvent
    steps: tuple[Step, ...]


def find(name: str, app: App, day: str = "") -> Iterator[StoredEvent]:
    """The events with this Event Grid id, or with this key, newest first. Reads one day, or all."""
    for each in [day] if day else reversed(app.inbox.history.days()):
        yield from (event for event in app.inbox.history.events(each) if name in (event.record.id, event.key))


def replay(event: StoredEvent, app: App, choice: Choice, *, dry_run: bool = False) -> Replayed:
    """Replay one event; with `dry_run` tell what would be done. Raises what storage raises.

    Whatever it raises, and wherever it dies, it can be called again.
    """
    for _ in range(MOST_TRIES):
        plan = Plan(event, app, choice)
        if dry_run:
            return Replayed(event, plan.steps)
        try:
            _carry_out(plan, app)
        except Conflict:
            there = app.inbox.history.event(event.day, event.key)
            if there is None:
                return _refused(event, "the event has been deleted meanwhile")
            event = there
        else:
            return Replayed(event, plan.steps)
    return _refused(event, "others keep changing it; try again")


def replay_unmatched(app: App, since: datetime, until: datetime, *, dry_run: bool = False) -> Iterator[Replayed]:
    """Match the events of a span that matched no rule when they came; those that match none today have no steps.

    Their own time counts, ``since <= time < until``; of events without one, when they were received.
    """
    for day in app.inbox.history.days():
        if day == UNDATED or f"{since:%Y-%m-%d}" <= day <= f"{until:%Y-%m-%d}":
            for event in app.inbox.history.unmatched(day):
                if since <= event.time < until:
                    yield replay(event, app, Choice(missing=True), dry_run=dry_run)


class Plan:
    """What is to be done about the actions of one event, as it was read. No I/O."""

    def __init__(self, event: StoredEvent, app: App, choice: Choice) -> None:
        self.event = event
        self.records = {rule: ActionRecord.read(row) for rule, row in event.actions.items()}
        self.actions: list[NewAction] = []  # to be made, or opened again
        self._app, self._choice = app, choice
        self._generation = 1 + max((record.replay_number for record in self.records.values() if record), default=-1)
        self._steps: dict[str, Step | None] = {}
        self._left_to_ends: set[str] = set()
        try:
            self._parsed = event.record.event
        except EventError as error:
            why = f"the event as it is stored cannot be read: {error}"
            self.steps: tuple[Step, ...] = (Step("", "refused", why),)
            return
        matching = {rule.name for rule in app.rules.matching(app.rules.context(self._parsed))}
        self._matching = {ALERTS} if isinstance(self._parsed, Alert) else matching
        self.steps = tuple(step for name in self._names() if (step := self._step(name)))

    def _names(self) -> list[str]:
        """The rules that are asked about."""
        if self._choice.rule:
            return [self._choice.rule]
        if self._choice.missing:
            return sorted(self._matching)
        followers = {rule.name for rule in self._app.rules.by_name.values() if rule.after & self.records.keys()}
        return sorted({*self.records, *self._matching, *followers})

    def _step(self, name: str) -> Step | None:
        """Decided once: the rules that follow one another go in no circle (dispatch/rules/cross_checks.py)."""
        if name not in self._steps:
            self._steps[name] = self._decided(name)
        return self._steps[name]

    def _decided(self, name: str) -> Step | None:
        record = self.records.get(name)
        if record is None and name in self.records:
            return Step(name, "refused", "another version of the app wrote it")
        if record and not record.ended:
            return Step(name, "queued", _told(record))
        if record and not self._is_chosen(record):
            return Step(name, "left", _told(record))
        rule = self._app.rules.get(name)
        if rule is None:
            return Step(name, "refused", self._nowhere())
        if rule.after or name.startswith(f"{ALERTS}-"):
            return self._following(rule, record)
        if name not in self._matching:
            return Step(name, "refused", "the rule does not match the event today")
        return self._opened(rule.action(), record)

    def _is_chosen(self, record: ActionRecord) -> bool:
        if self._choice.missing:
            return False
        return self._choice.all or record.status != "succeeded" or record.rule == self._choice.rule

    def _opened(self, action: NewAction, record: ActionRecord | None) -> Step:
        if record is None:
            self.actions.append(action)
            return Step(action.rule, "made", f"follows {action.follows.rule}" if action.follows else "matches today")
        generation = record.replay_number if self._choice.same_key else self._generation
        self.actions.append(replace(action, replay_number=generation))
        return Step(action.rule, "replayed", _told(record))

    def _following(self, rule: Rule, record: ActionRecord | None) -> Step | None:
        """With the end that it followed, if the rule follows that today, else with any that it follows."""
        leaders = rule.after or {rule.name.removeprefix(f"{ALERTS}-")}
        told = record.follows.rule if record and record.follows else ""
        waits_for = ""
        for name in [told] if told in leaders else sorted(leaders & self.records.keys()):
            end = self.records.get(name)
            if end is None:
                continue
            if not end.ended or self._runs_again(name):
                waits_for = waits_for or name
                continue
            if action := self._led_to(rule, Result(name, end.status, end.note, end.details)):
                return self._opened(replace(action, replay_number=end.replay_number), record)
        if waits_for:
            self._left_to_ends.add(rule.name)
            return Step(rule.name, "left", f"the end of {waits_for} decides") if record else None
        if record is None and not self._choice.rule:
            return None
        return Step(rule.name, "refused", "the rule follows nothing that has ended so")

    def _led_to(self, rule: Rule, end: Result) -> NewAction | None:
        """The action of the rule, if the end leads to it today."""
        context = self._app.rules.context(self._parsed, end)
        rules = self._app.rules.following(end.rule, end.status, context)
        actions = [other.action(end) for other in rules] or for_failure(end, self._app)
        return next((action for action in actions if action.rule == rule.name), None)

    def _runs_again(self, name: str) -> bool:
        """Is an action opened again here, or left to the end of one that is? What it led to is then led to again."""
        if self._choice.same_key or self._choice.rule:
            return False
        step = self._step(name)
        return name in self._left_to_ends or (step is not None and step.did == "replayed")

    def _nowhere(self) -> str:
        refused = sorted(self._app.rules.refused)
        if refused:
            return f"no rules file that can be read has this rule; refused: {', '.join(refused)}"
        return "there is no such rule today"


def _carry_out(plan: Plan, app: App) -> None:
    """All rows in one transaction, then the messages: those of a replay that dies here are what the next one queues."""
    event = plan.event
    messages = app.inbox.replay(event, plan.actions, app.now()) if plan.actions else []
    for step in plan.steps:
        record = plan.records.get(step.rule)
        if step.did == "queued" and record:
            message = Message(ActionId(event.day, event.key, step.rule), record.message_version)
            fresh = app.inbox.leases.rearm(message, app.now(), "queued again by a replay")
            messages += [] if isinstance(fresh, Dropped) else [fresh]
    for message in messages:
        app.queue.send(str(message), message.after)
    replayed, made = (",".join(step.rule for step in plan.steps if step.did == did) for did in ("replayed", "made"))
    log_event("event.replayed", id=event.record.id, type=event.record.event_type, replayed=replayed, made=made)


def _refused(event: StoredEvent, why: str) -> Replayed:
    return Replayed(event, (Step("", "refused", why),))


def _told(record: ActionRecord) -> str:
    return f"{record.status}: {record.note}" if record.note else record.status
