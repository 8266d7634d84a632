"""Recorded events and actions as lines for people and as JSON for programs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from dispatch.guards.base import Standing
from dispatch.inbox.history.open_work import OpenAction
from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.pauses import Pause
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.windows.shown import Shown
from dispatch.rules.explain import Verdict
from mlevents.console import Console
from mlevents.findings import counted
from schemas import EventError

STYLES = {"succeeded": "success", "failed": "error", "skipped": "faint", "waiting": "warning", "running": "warning"}
_TIME = 21  # characters of a line before the event: its time


def print_event(event: StoredEvent, console: Console) -> None:
    """Print an event and how its actions stand, in two lines."""
    record = event.record
    console.print(f"{_time(event.time):<{_TIME}}{record.event_type}  {record.workspace}  {record.object}", indent=_TIME)
    actions = actions_of(event)
    for rule, action in actions.items():
        console.print(f"{'':<{_TIME}}{rule}: {_state_of(action)}", STYLES.get(action.status, ""), indent=_TIME + 2)
    if not actions:
        console.print(f"{'':<{_TIME}}{_without_actions(event)}", "faint", indent=_TIME)


def print_whole_event(
    event: StoredEvent, console: Console, windows: Mapping[str, Shown] = MappingProxyType({})
) -> None:
    """Print an event with its payload, and its actions with their windows, details and timelines."""
    record = event.record
    console.print(f"{record.event_type}  {record.workspace}  {record.object}", "bold")
    console.print(f"  id        {record.id}")
    console.print(f"  key       {event.day} {event.key}")
    console.print(f"  time      {_time(event.time)} UTC")
    console.print(f"  received  {_time(record.received)} UTC")
    if record.erased:
        console.print(f"  erased    {record.erased}", "warning")
    for rule, action in actions_of(event).items():
        console.print()
        print_action(rule, action, console, windows.get(rule))
    if not event.actions:
        console.print(f"{_without_actions(event)}: `mlevents explain {event.key}` says why", "warning", indent=2)
    elif record.deferred_files:
        console.print(_deferred(event), "warning", indent=2)
    console.print()
    console.print("payload", "bold")
    for line in json.dumps(payload_of(event), indent=2, ensure_ascii=False).splitlines():
        console.print(f"  {line}")


def print_open_action(action: OpenAction, console: Console) -> None:
    """Print how an action stands that has not ended, and the key by which `mlevents show` finds its event."""
    state = _state(action.status, action.failures, action.due, action.note)
    console.print(f"{action.id.rule}: {state}", STYLES.get(action.status, ""), indent=4)
    console.print(f"    since {_time(action.started)}, event {action.id.event} of {action.id.day}", "faint", indent=4)


def print_action(rule: str, action: ActionRecord, console: Console, shown: Shown | None = None) -> None:
    """Print an action with its window, its details and its timeline."""
    console.print(f"{rule}: {_state_of(action)}", STYLES.get(action.status, ""), indent=2)
    console.print(f"  does      {action.handler}")
    if action.follows:
        console.print(f"  follows   {action.follows.rule}, which {action.follows.status}", indent=12)
    for line in _window(shown) if shown else ():
        console.print(f"  {line}", indent=12)
    if not action.ended:
        console.print(f"  next      {_time(action.due)} UTC")
    if action.failures:
        console.print(f"  failures  {action.failures}")
    for name, value in action.details.items():
        console.print(f"  {name:<8}  {value}", indent=12)
    for entry in action.timeline:
        console.print(f"  {_time(entry.at)}  {entry.status:<9}  {entry.note}".rstrip(), "faint", indent=34)


def print_verdicts(
    verdicts: list[Verdict],
    console: Console,
    *,
    all: bool = True,
    guards: Mapping[str, Sequence[Standing]] = MappingProxyType({}),
) -> None:
    """Print why each rule matches an event, or does not; the rules that match come first, with their guards."""
    for verdict in sorted(verdicts, key=lambda each: not each.matches):
        if verdict.matches:
            console.print(f"{verdict.rule}: matches  ({verdict.source})", "success", indent=4)
            for guard in guards.get(verdict.rule, ()):
                console.print(f"    {guard.guard}: {guard.text}", "warning" if guard.stops else "faint", indent=8)
        elif all:
            console.print(f"{verdict.rule}: {verdict.key}: {verdict.reason}  ({verdict.source})", indent=4)


def payload_of(event: StoredEvent) -> Any:
    """The event as Event Grid sends it; its text, if this version cannot read it."""
    try:
        return event.record.event.wire()
    except EventError:
        return event.record.raw


def windows_json(windows: Mapping[str, Shown]) -> dict[str, Any]:
    """The windows of an event's actions, by rule, as ``--json`` prints them: keys of events."""
    return {
        rule: {
            "leader": shown.window.leader.event if shown.window.leader else None,
            "members": [member.id.event for member in shown.members],
        }
        for rule, shown in windows.items()
    }


def event_json(event: StoredEvent) -> dict[str, Any]:
    """An event with its actions, as ``--json`` prints it."""
    record = event.record
    return {
        "id": record.id,
        "day": event.day,
        "key": event.key,
        "type": record.event_type,
        "workspace": record.workspace,
        "object": record.object,
        "time": event.time.isoformat(),
        "received": record.received.isoformat(),
        "deferredFiles": list(record.deferred_files),
        "actions": [action_json(rule, action) for rule, action in actions_of(event).items()],
    }


def action_json(rule: str, action: ActionRecord) -> dict[str, Any]:
    """An action as ``--json`` prints it. `due` is null once it has ended."""
    return {
        "rule": rule,
        "handler": action.handler,
        "status": action.status,
        "note": action.note,
        "details": dict(action.details),
        "started": action.started.isoformat(),
        "due": None if action.ended else action.due.isoformat(),
        "failures": action.failures,
        "replayNumber": action.replay_number,
        "follows": action.follows.rule if action.follows else None,
        "timeline": [{"at": e.at.isoformat(), "status": e.status, "note": e.note} for e in action.timeline],
    }


def open_action_json(action: OpenAction) -> Mapping[str, Any]:
    """An action that has not ended as ``--json`` prints it."""
    return {
        "day": action.id.day,
        "key": action.id.event,
        "rule": action.id.rule,
        "status": action.status,
        "note": action.note,
        "started": action.started.isoformat(),
        "due": action.due.isoformat(),
        "failures": action.failures,
        "failing": action.failing,
    }


def verdict_json(verdict: Verdict, guards: Sequence[Standing] = ()) -> Mapping[str, Any]:
    """A verdict as ``--json`` prints it, with the guards of a rule that matches."""
    return {
        "rule": verdict.rule,
        "source": verdict.source,
        "matches": verdict.matches,
        "key": verdict.key,
        "reason": verdict.reason,
        "guards": [guard._asdict() for guard in guards],
    }


def pause_json(pause: Pause) -> Mapping[str, Any]:
    """A pause as ``--json`` prints it. `rule` is null for all rules, `until` without an end."""
    return {
        "rule": pause.rule or None,
        "by": pause.by,
        "at": pause.at.isoformat(),
        "until": pause.until.isoformat() if pause.until else None,
    }


def print_json(value: Any, console: Console, mask: Callable[[str], str] = str) -> None:
    """Print a value as indented JSON in ASCII, so that no character of it reaches a terminal. `mask` hides secrets."""
    for line in json.dumps(value, indent=2).splitlines():
        console.print(mask(line))


def _window(shown: Shown) -> Iterator[str]:
    """Who acts for an event, or for which events an action acts, with commands that show them."""
    if not shown.leads and shown.window.leader:
        yield f"acted on  with another event: `mlevents show {shown.window.leader.event}`"
    for member in shown.members:
        yield f"acts for  {member.view.get('object', '')}: `mlevents show {member.id.event}`"
    if shown.more:
        yield "acts for  more events"


def _without_actions(event: StoredEvent) -> str:
    return _deferred(event) if event.record.deferred_files else "no rule acted on it"


def _deferred(event: StoredEvent) -> str:
    files = ", ".join(event.record.deferred_files)
    return f"{files} was invalid when it came; the event is matched once that is valid"


def _state_of(action: ActionRecord) -> str:
    return _state(action.status, action.failures, None if action.ended else action.due, action.note)


def _state(status: str, failures: int, due: datetime | None, note: str) -> str:
    """How an action stands, in a few words, with its next try if it has not ended."""
    failed = f", failed {counted(failures, 'time')}" if failures else ""
    return f"{status}{failed}{f'; next {_time(due)}' if due else ''}{f'  {note}' if note else ''}"


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
