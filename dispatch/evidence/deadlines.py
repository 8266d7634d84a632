"""Decide the deadlines of `expect`: raise `Expected` for each one by which nothing came that its rule expects.

    rules with `expect` ─▶ deadlines since the last decision ─▶ the record ─▶ Expected, once ─▶ the decision

Each expectation, which is what a rule expects in a workspace, has a row of shared state with the last deadline that was
decided. A rule whose `expect` has changed has another one, so that two versions of the app can run side by side.
`Expected` is raised before the row is written, under an id that is a function of the rule, the workspace, the day and
the deadline: a crash between the two, or another watch at the same time, changes nothing.
"""

import json
import logging
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid5

from dispatch.app import TWO_VERSIONS, App
from dispatch.evidence.search import Evidence, Sought, Span, evidence
from dispatch.inbox.errors import StorageError
from dispatch.inbox.keys import NAMESPACE
from dispatch.inbox.shared_state import hashed
from dispatch.log import log_event
from dispatch.receive import receive
from dispatch.rules.expectations.calendar import Deadline, time_of_day
from dispatch.rules.expectations.keys import Expect
from dispatch.rules.rule import Rule
from dispatch.rules.workspaces import Workspace
from handlers.duration import format_duration
from schemas import EVENT_NAMES, Expected
from schemas.envelope import open_envelope
from schemas.fields import format_time
from schemas.time_zone import time_zone

if TYPE_CHECKING:
    from dispatch.watch.timer import HasTime

SETTLING = timedelta(minutes=3)  # after a deadline: for events on their way, and for two clocks that differ
OLDEST = timedelta(hours=24)  # deadlines that passed longer ago, while the app was down, are not reported any more
LATE = timedelta(minutes=30)  # after the deadline: `Expected` says that it was decided late
MOST_READS = 20  # requests for the events of a deadline's span, beside the index

PREFIX = "expected|"  # of the names of shared state
_TIMES = ("known", "decided", "gone", "refused")
_KEPT = timedelta(days=400)  # a row is kept until its next deadline, which may be a year away


class State(NamedTuple):
    """The row of an expectation."""

    known: datetime  # since when the rule is in force: events were compared with it when they were received
    decided: datetime  # deadlines until then are decided
    last: str = ""  # how the last deadline was decided, for people
    gone: datetime | None = None  # when the rule was first missing from the rules
    refused: datetime | None = None  # when it was first missing while a rules file was refused, which may have it

    def values(self) -> dict[str, str]:
        """The values of its row."""
        pairs = zip(self._fields, self, strict=True)
        return {name: value.isoformat() if isinstance(value, datetime) else value or "" for name, value in pairs}

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "State | None":
        """Read the values of a row; None if there is none."""
        if not values:
            return None
        times = {name: datetime.fromisoformat(values[name]) for name in _TIMES if values.get(name)}
        return cls(last=values["last"], **times)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A rule with `expect`, in one workspace."""

    rule: Rule
    expect: Expect
    workspace: Workspace

    @property
    def row(self) -> str:
        """The name of its shared state."""
        return PREFIX + hashed(self.rule.name, self.topic.casefold(), self.expect.digest(self.default_zone))

    @property
    def topic(self) -> str:
        """The ARM id of the workspace."""
        return str(self.workspace.id)

    @property
    def default_zone(self) -> str:
        """The time zone of its workspace."""
        return self.workspace.timezone

    @property
    def timezone(self) -> str:
        """The time zone of its deadlines."""
        return self.expect.timezone or self.default_zone

    @property
    def sought(self) -> Sought:
        """What it expects."""
        return Sought(self.expect.pattern, self.topic, self.workspace.view())


def expectations(app: App) -> Iterator[Expectation]:
    """The expectations of all rules in force: one for each workspace of a rule that can raise what it expects."""
    for rule in app.rules.by_name.values():
        if rule.expect:
            kinds = tuple(event.resource_id for name in rule.expect.event for event in EVENT_NAMES[name])
            for workspace in app.rules.workspaces or ():
                if rule.is_for(workspace) and isinstance(workspace.id, kinds):
                    yield Expectation(rule, rule.expect, workspace)


def decide_deadlines(app: App, has_time: "HasTime") -> int:
    """Decide the deadlines that have passed, in random order; returns how many events it raised.

    Raises the first error of storage at the end. What it had no time for, the next watch does.
    """
    states = app.inbox.shared.all(PREFIX)
    current = {each.row: each for each in expectations(app)}
    errors, raised = list[StorageError](), 0
    for row in random.sample([*states.keys() | current.keys()], len(states.keys() | current.keys())):
        if not has_time():
            log_event("expected.later", logging.WARNING, reason="the watch had no time for all expectations")
            break
        try:
            state = State.of(states.get(row, {}))
            if row in current:
                raised += _decide(current[row], state, app, has_time)
            elif state:
                _note_absence(row, state, app)
        except StorageError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return raised


def _decide(expectation: Expectation, state: State | None, app: App, has_time: "HasTime") -> int:
    """Decide the deadlines of an expectation since its last decision, the oldest first."""
    state, now = _current(expectation, state, app), app.now()
    raised = 0
    calendar = expectation.expect.calendar(expectation.default_zone)
    for deadline in calendar.between(state.decided, now - SETTLING):
        if not has_time():
            break
        if deadline.at < now - OLDEST:
            last = f"{deadline.day}: not decided, because the app was down for too long"
            about = {"rule": expectation.rule.name, "workspace": expectation.workspace.name}
            log_event("expected.skipped", logging.WARNING, **about, deadline=deadline.at.isoformat())
        else:
            found = evidence(expectation.sought, app.inbox, Span(deadline.since, deadline.at), now, MOST_READS)
            if found.found is None:
                receive(json.dumps(_event(expectation, deadline, found, state, app).wire()), app)
                raised += 1
            last = f"{deadline.day}: {_outcome(found)}"
        state = state._replace(decided=deadline.at, last=last)
        _write(expectation.row, state, app)
    return raised


def _current(expectation: Expectation, state: State | None, app: App) -> State:
    """The state of an expectation as of now. Deadlines before it was first seen are not its deadlines.

    A rule that was missing for an hour, and is back, is a new one. In less time, another version of the app may have
    looked that does not have the rule. A rule in a refused file was in force, but events were not compared with it.
    """
    now = app.now()
    if state and not state.gone and not state.refused:
        return state
    if state and not (state.gone and state.gone + TWO_VERSIONS < now):
        state = state._replace(known=now, gone=None, refused=None)
    else:
        state = State(now, now)
    _write(expectation.row, state, app)
    return state


def _note_absence(row: str, state: State, app: App) -> None:
    """Note that no rule in force has this expectation."""
    if app.rules.refused and not (state.gone or state.refused):
        _write(row, state._replace(refused=app.now()), app)
    elif not app.rules.refused and not state.gone:
        _write(row, state._replace(gone=app.now()), app)


def _write(row: str, state: State, app: App) -> None:
    """Write the state, unless another watch has decided a later deadline."""

    def update(stored: dict[str, str]) -> dict[str, str]:
        before = State.of(stored)
        return stored if before and before.decided > state.decided else state.values()

    app.inbox.shared.change(row, update, app.now(), _KEPT)


def _event(expectation: Expectation, deadline: Deadline, found: Evidence, state: State, app: App) -> Expected:
    """The event of a deadline by which nothing came. Its id and its time are the same for all watches."""
    rule, expect, now = expectation.rule.name, expectation.expect, app.now()
    zone_name = expectation.timezone
    local = deadline.at.astimezone(time_zone(zone_name))
    identity = [rule, expectation.topic.casefold(), str(deadline.day), deadline.at.isoformat()]
    nearest, notes = found.after or found.before, []
    if now - deadline.at > LATE:
        ago = format_duration(now - deadline.at)
        notes.append(f"This was found out {ago} after the deadline: the app was down, or its rules were refused.")
    if not found.complete and state.known > deadline.since:
        since = state.known.astimezone(time_zone(zone_name))
        notes.append(f"There were too many events to compare those before {since:%Y-%m-%d %H:%M}, when the rule began.")
    if app.retention < deadline.at - deadline.since:
        notes.append(f"The record is kept for {format_duration(app.retention)}, so an older event may have come.")
    data = {
        "rule": rule,
        "expected": expect.name or rule,
        "event": expect.what,
        "day": str(deadline.day),
        "by": f"{time_of_day(expect.by):%H:%M}",
        "timezone": zone_name,
        "deadline": format_time(deadline.at),
        "localDeadline": f"{local:%Y-%m-%d %H:%M %Z}",
        "since": format_time(deadline.since),
        "lastTime": format_time(nearest.time) if nearest else None,
        "lastObject": nearest.record.object if nearest else None,
        "note": "\n".join(notes),
    }
    return Expected.read(
        open_envelope(
            {
                "id": str(uuid5(NAMESPACE, json.dumps(identity))),
                "topic": expectation.topic,
                "subject": f"expectations/{rule}",
                "eventType": Expected.type_name(),
                "eventTime": format_time(deadline.at),
                "data": data,
                "dataVersion": "1",
            }
        )
    )


def _outcome(found: Evidence) -> str:
    """How a deadline was decided, for people."""
    if found.found:
        return f"{found.found.record.object} came at {found.found.time:%Y-%m-%d %H:%M:%S} UTC"
    return "nothing came"
