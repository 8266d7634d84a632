"""Alerts that report many actions of a rule at once: those that failed, and those that are retried without success.

An alert is written into the rule's shared state with the time from which its hour counts, and raised from there; it is
removed when it is recorded. So a sweep that dies in between is continued by the next one, with the same alert.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from dispatch import alerts
from dispatch.app import App
from dispatch.decide import LONGEST_THROTTLING
from dispatch.failures import Tally, is_over, state_of
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.retry import Retry
from dispatch.rules.rule import ALERTS
from handlers.base import shorten
from handlers.duration import format_duration
from schemas.alert import Alert
from schemas.errors import printable

FAILING = timedelta(minutes=30)  # after which an action that is retried without success is reported

_REASONS, _ACTIONS = 5, 5  # lines of an alert
_LENGTH = 5_000  # characters of the lines of an alert as JSON, which the shared state holds beside a tally


def rules_to_report(app: App) -> list[str]:
    """The rules with failures that no alert has reported; none without `alerts`. Raises StorageError."""
    if app.rules.alerts is None:  # the tallies stay
        return []
    states = app.inbox.shared.all(state_of(""))
    return [name.removeprefix(state_of("")) for name, value in states.items() if "tally" in value or "alert" in value]


def failed_actions(rule: str, app: App) -> None:
    """Raise an alert about a rule with such failures, once an hour. Raises StorageError."""
    _announce(state_of(rule), partial(_failed, rule, app), app)


def _failed(rule: str, app: App, value: dict[str, str]) -> Alert | None:
    tally = Tally.read(value.get("tally", ""))
    if not tally.count or not is_over(value, app.now()):
        return None
    count = f"{tally.count}{' more' * ('alerted' in value)} {'actions' if tally.count > 1 else 'action'}"
    times = [_time(datetime.fromisoformat(at)) for at in (tally.first, tally.last)]
    frequent = sorted(tally.reasons.items(), key=lambda pair: -pair[1])
    details = [f"The first failed at {times[0]}, the last at {times[1]}."]
    details += [f"{n} times: {printable(reason)}" for reason, n in frequent[:_REASONS]]
    if others := sum(n for _, n in frequent[_REASONS:]):
        details.append(f"{others} times: other reasons")
    details += [_about(event["event"], event["object"], event["workspace"]) for event in tally.events]
    shown = _fitting(details)
    if left := tally.count - len(tally.events) + len(details) - len(shown):
        shown.append(f"and {left} more events")
    first = tally.events[0]
    event = shlex.quote(printable(first["event"]))
    to_do = f"To run one of them again: mlevents replay {event} --rule {rule} --day {first['day']}"
    return Alert.of(
        "failed actions",
        f"{rule} {app.now().isoformat(timespec='seconds')}",
        f"{count} of rule {rule} failed",
        shown,
        [to_do],
    ).naming(app.name, rule)


@dataclass(frozen=True, slots=True)
class FailingAction:
    """An open action that has been retried without success since a time."""

    id: ActionId
    record: ActionRecord
    since: datetime

    @classmethod
    def of(cls, id: ActionId, record: ActionRecord) -> "FailingAction | None":
        """The action if it is failing now: its last attempts raised errors, or the service throttles it."""
        began = [at for at in (record.failing_since, record.throttled_since) if at]
        return cls(id, record, min(began)) if began and not id.rule.startswith(ALERTS) else None


def failing_actions(rule: str, failing: Sequence[FailingAction], app: App) -> None:
    """Raise an alert about a rule whose actions have failed for half an hour, once an hour. Raises StorageError."""
    long = sorted((a for a in failing if app.now() - a.since >= FAILING), key=lambda action: action.since)
    if long and app.rules.alerts is not None:
        _announce(f"failing|{rule}", partial(_failing, rule, long, app), app)


def _failing(rule: str, failing: Sequence[FailingAction], app: App, value: dict[str, str]) -> Alert | None:
    if not is_over(value, app.now()):
        return None
    oldest, count = failing[0], len(failing)
    actions, have = (f"{count} actions", "have") if count > 1 else ("an action", "has")
    details = [f"The last error of the oldest: {printable(_last_error(oldest.record))}"]
    details += [_state(action, app) for action in failing[:_ACTIONS]]
    details += [f"and {count - _ACTIONS} more"] * (count > _ACTIONS)
    return Alert.of(
        "failing actions",
        f"{rule} {app.now().isoformat(timespec='seconds')}",
        f"{actions} of rule {rule} {have} been failing for {format_duration(app.now() - oldest.since)}",
        _fitting(details),
        ["Nothing, if the cause goes away by itself: the actions continue then. Else correct the cause."],
    ).naming(app.name, rule)


def _state(action: FailingAction, app: App) -> str:
    """One line about a failing action: its event, its attempts, and when it is tried again and gives up."""
    record, rule = action.record, app.rules.get(action.id.rule)
    stored = app.inbox.history.event(action.id.day, action.id.event)
    about = _about(stored.record.id, stored.record.object, stored.record.workspace) if stored else action.id.event
    ends = record.throttled_since + LONGEST_THROTTLING if record.throttled_since else None
    if record.failing_since:
        failing_ends = record.failing_since + (rule.retry if rule else Retry()).max_elapsed
        ends = max(ends, failing_ends) if ends else failing_ends
    end = f"; gives up at {_time(ends)} at the latest" if ends else ""
    return f"{about}: failing since {_time(action.since)}, next attempt at {_time(record.due)}{end}"


def _last_error(record: ActionRecord) -> str:
    notes = (entry.note for entry in reversed(record.timeline) if entry.status == "waiting" and entry.note)
    return record.note or next(notes, "")


def _announce(name: str, make: Callable[[dict[str, str]], Alert | None], app: App) -> None:
    """Raise the alert that `make` returns for a shared state; an alert that is in the state already comes first."""
    now = app.now()

    def write(value: dict[str, str]) -> dict[str, str]:
        alert = None if "alert" in value else make(value)
        if alert is None:
            return value
        kept = {key: text for key, text in value.items() if key != "tally"}
        return {**kept, "alerted": now.isoformat(), "alert": json.dumps(alert.wire())}

    def erase(value: dict[str, str]) -> dict[str, str]:
        if value.get("alert") != text:
            return value
        return {key: text for key, text in value.items() if key != "alert"}

    if text := app.inbox.shared.change(name, write, now).get("alert", ""):
        alerts.raise_alert(Alert.recorded(text), app)
        app.inbox.shared.change(name, erase, now)


def _about(event: str, object: str, workspace: str) -> str:
    id, name, place = (printable(shorten(text, 100)) for text in (event, object, workspace))
    return f"Event {id}: {name} in {place}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _fitting(lines: Iterable[str]) -> list[str]:
    """The first lines, as many as fit the shared state."""
    kept: list[str] = []
    left = _LENGTH
    for line in lines:
        left -= len(json.dumps(line))
        if left < 0:
            break
        kept.append(line)
    return kept
