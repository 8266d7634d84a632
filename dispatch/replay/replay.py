"""Replay stored events with the rules as they are today.

An action that has ended is opened again with the next replay number, and so with another key: handlers repeat their
effects instead of recognizing them. An action that has not ended continues, and gets another message. The actions that
follow a replayed one are created or opened again when that one ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from dispatch.alerts import for_failure
from dispatch.app import App
from dispatch.inbox.actions import NewAction
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history.records import StoredEvent
from dispatch.inbox.keys import UNDATED, ActionId
from dispatch.inbox.leases import Dropped
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord
from dispatch.log import log_event
from dispatch.rules.rule import ALERTS, Rule
from handlers.base import Result
from schemas import EventError
from schemas.alert import Alert

MAX_TRIES = 5  # of a replay that conflicts with other changes of the event

ReplayStatus: TypeAlias = Literal["replayed", "created", "requeued", "unchanged", "refused"]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Which of an event's actions to replay; by default those that did not succeed, and those that are missing."""

    rule: str = ""  # only the action of this rule, even if it succeeded
    all: bool = False  # also actions that succeeded
    missing: bool = False  # only rules that match today and have no action yet
    failed: bool = False  # only actions that failed; with `rule`, only if its action failed
    same_key: bool = False  # keep replay numbers and so keys, for idempotent targets that may have the effect already


class Step(NamedTuple):
    """The effect of a replay on one rule's action, and the reason. An empty `rule` stands for the whole event."""

    rule: str
    status: ReplayStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replayed event with its steps; of a dry run, the steps that a replay would take."""

    event: StoredEvent
    steps: tuple[Step, ...]


def find(name: str, app: App, day: str = "") -> Iterator[StoredEvent]:
    """The events with this Event Grid id or key, newest first.

    Without a day, the index finds them. If it has none, all days are read: it has no events of earlier releases.
    """
    history = app.inbox.history
    days = [day] if day else [*reversed(history.days())]
    found = [] if day else [event for event in app.inbox.lookup.events(name, days) if event.record.id == name]
    if not found and (event := history.by_key(name, days)):
        found = [event]
    yield from found
    for each in () if found else days:
        yield from (event for event in history.events(each) if event.record.id == name)


def replay(event: StoredEvent, app: App, options: ReplayOptions, *, by: str = "", dry_run: bool = False) -> Replayed:
    """Replay one event; with `dry_run`, only return the steps. Raises StorageError.

    The timelines of its actions say `by` whom they were replayed. After an error or a crash, call it again: it
    completes what is missing.
    """
    for _ in range(MAX_TRIES):
        plan = Plan(event, app, options)
        if dry_run:
            return Replayed(event, plan.steps)
        try:
            _carry_out(plan, app, by)
        except Conflict:
            current = app.inbox.history.event(event.day, event.key)
            if current is None:
                return _refused(event, "the event has been deleted meanwhile")
            event = current
        else:
            return Replayed(event, plan.steps)
    return _refused(event, "other workers keep changing it; try again")


def replay_unmatched(
    app: App, since: datetime, until: datetime, *, by: str = "", dry_run: bool = False
) -> Iterator[Replayed]:
    """Match again the events of a span that matched no rule when received. No steps mean that none matches today.

    The span is ``since <= time < until``, of the event's own time, or of its receipt if it has none.
    """
    for day in app.inbox.history.days():
        if day == UNDATED or f"{since:%Y-%m-%d}" <= day <= f"{until:%Y-%m-%d}":
            for event in app.inbox.history.unmatched(day):
                if since <= event.time < until:
                    yield replay(event, app, ReplayOptions(missing=True), by=by, dry_run=dry_run)


class Plan:
    """The steps of a replay for one event, as it was read. Makes no I/O."""

    def __init__(self, event: StoredEvent, app: App, options: ReplayOptions) -> None:
        self.event = event
        self.records = {rule: ActionRecord.read(row) for rule, row in event.actions.items()}
        self.actions: list[NewAction] = []  # to create or open again
        self._app, self._options = app, options
        self._replay_number = 1 + max((record.replay_number for record in self.records.values() if record), default=-1)
        self._steps: dict[str, Step | None] = {}
        self._awaiting_ends: set[str] = set()  # rules whose actions wait for the end of a replayed one
        try:
            self._parsed = event.record.event
        except EventError as error:
            reason = f"the event as it is stored cannot be read: {error}"
            self.steps: tuple[Step, ...] = (Step("", "refused", reason),)
            return
        matching = {rule.name for rule in app.rules.matching(app.rules.context(self._parsed))}
        self._matching = {ALERTS} if isinstance(self._parsed, Alert) else matching
        self.steps = tuple(step for name in self._names() if (step := self._step(name)))

    def _names(self) -> list[str]:
        """The rules to which the options apply."""
        if self._options.rule:
            return [self._options.rule]
        if self._options.missing:
            return sorted(self._matching)
        if self._options.failed:
            return sorted(name for name, record in self.records.items() if record and record.status == "failed")
        followers = {rule.name for rule in self._app.rules.by_name.values() if rule.after & self.records.keys()}
        return sorted({*self.records, *self._matching, *followers})

    def _step(self, name: str) -> Step | None:
        """The step of a rule, decided once. Rules cannot follow each other in a circle: see `rules.cross_checks`."""
        if name not in self._steps:
            self._steps[name] = self._decide(name)
        return self._steps[name]

    def _decide(self, name: str) -> Step | None:
        record = self.records.get(name)
        if record is None and name in self.records:
            return Step(name, "refused", "another version of the app wrote it")
        if record and not record.ended:
            return Step(name, "requeued", _ending(record))
        if record and not self._is_chosen(record):
            return Step(name, "unchanged", _ending(record))
        rule = self._app.rules.get(name)
        if rule is None:
            return Step(name, "refused", self._missing_reason())
        if rule.after or name.startswith(f"{ALERTS}-"):
            return self._following(rule, record)
        if name not in self._matching:
            return Step(name, "refused", "the rule does not match the event today")
        return self._opened(rule.action(), record)

    def _is_chosen(self, record: ActionRecord) -> bool:
        if self._options.missing:
            return False
        if self._options.failed:
            return record.status == "failed"
        return self._options.all or record.status != "succeeded" or record.rule == self._options.rule

    def _opened(self, action: NewAction, record: ActionRecord | None) -> Step:
        if record is None:
            self.actions.append(action)
            return Step(action.rule, "created", f"follows {action.follows.rule}" if action.follows else "matches today")
        replay_number = record.replay_number if self._options.same_key else self._replay_number
        self.actions.append(replace(action, replay_number=replay_number))
        return Step(action.rule, "replayed", _ending(record))

    def _following(self, rule: Rule, record: ActionRecord | None) -> Step | None:
        """The step of a rule with ``after``: it follows the same end as before if it still may, else any end today."""
        targets = rule.after or {rule.name.removeprefix(f"{ALERTS}-")}
        followed = record.follows.rule if record and record.follows else ""
        waits_for = ""
        for name in [followed] if followed in targets else sorted(targets & self.records.keys()):
            end = self.records.get(name)
            if end is None:
                continue
            if not end.ended or self._runs_again(name):
                waits_for = waits_for or name
                continue
            if action := self._action_after(rule, Result(name, end.status, end.note, end.details)):
                return self._opened(replace(action, replay_number=end.replay_number), record)
        if waits_for:
            self._awaiting_ends.add(rule.name)
            return Step(rule.name, "unchanged", f"depends on the end of {waits_for}") if record else None
        if record is None and not self._options.rule:
            return None
        return Step(rule.name, "refused", "the rule follows no action that ended with its outcome")

    def _action_after(self, rule: Rule, end: Result) -> NewAction | None:
        """The action of a rule that follows an end, None if the rule does not follow it today."""
        context = self._app.rules.context(self._parsed, end)
        rules = self._app.rules.following(end.rule, end.status, context)
        actions = [other.action(end) for other in rules] or for_failure(end, self._app)
        return next((action for action in actions if action.rule == rule.name), None)

    def _runs_again(self, name: str) -> bool:
        """Is the action replayed here, or does it follow one that is? Then those that follow it wait for its end."""
        if self._options.same_key or self._options.rule:
            return False
        step = self._step(name)
        return name in self._awaiting_ends or (step is not None and step.status == "replayed")

    def _missing_reason(self) -> str:
        refused = sorted(self._app.rules.refused)
        if refused:
            return f"no readable rules file has this rule; refused: {', '.join(refused)}"
        return "there is no such rule today"


def _carry_out(plan: Plan, app: App, by: str) -> None:
    """Write all rows in one transaction, then send the messages. After a crash, the next replay sends them again."""
    event = plan.event
    by_whom = f" by {by}" if by else ""
    messages = app.inbox.replay(event, plan.actions, app.now(), f"replayed{by_whom}") if plan.actions else []
    for step in plan.steps:
        record = plan.records.get(step.rule)
        if step.status == "requeued" and record:
            message = Message(ActionId(event.day, event.key, step.rule), record.message_version)
            fresh = app.inbox.leases.rearm(message, app.now(), f"queued again by a replay{by_whom}")
            messages += [] if isinstance(fresh, Dropped) else [fresh]
    for message in messages:
        app.queue.send(str(message), message.after)
    replayed, created = (
        ",".join(step.rule for step in plan.steps if step.status == status) for status in ("replayed", "created")
    )
    log_event(
        "event.replayed", id=event.record.id, type=event.record.event_type, replayed=replayed, made=created, by=by
    )


def _refused(event: StoredEvent, reason: str) -> Replayed:
    return Replayed(event, (Step("", "refused", reason),))


def _ending(record: ActionRecord) -> str:
    return f"{record.status}: {record.note}" if record.note else record.status
