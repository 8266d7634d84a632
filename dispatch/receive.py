"""Take in one event: check it, write it down with the actions that it leads to, and put those on the queue.

    raw ─▶ parse ─▶ ours? ─▶ match ─▶ inbox, in one transaction ─▶ queue

Raises only what storage raises; Event Grid then delivers again. What an event or a rule contains never raises: it would
be delivered again and again for a day.
"""

import logging
from datetime import timedelta

from dispatch import alerts
from dispatch.app import App
from dispatch.inbox.actions import MAX_ACTIONS, NewAction
from dispatch.inbox.errors import Refused, StorageError
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import EventRecord, Rejected, RejectionKind
from dispatch.inbox.transport import within
from dispatch.log import log_event
from handlers.base import shorten
from schemas import Event, EventError, UnknownEventType, parse_event
from schemas.context import Context

LATER = timedelta(minutes=10)
ANSWER = timedelta(seconds=18)  # for storage: Event Grid waits 30 s for an answer, and gets one in 20


@within(ANSWER)
def receive(raw: str, app: App, expected: type[Event] | None = None) -> None:
    """Take in one event, of any of the five types. `expected` is the type that the function was made for, if one.

    Raises StorageError, and that in 20 seconds.
    """
    try:
        event = parse_event(raw)
    except EventError as error:
        kind: RejectionKind = "unknown type" if isinstance(error, UnknownEventType) else "malformed"
        _reject(kind, str(error), raw, app, id=error.event_id, type=error.event_type)
        return
    if expected and not isinstance(event, expected):
        log_event(
            "event.unexpected", logging.WARNING, id=event.id, type=type(event).__name__, expected=expected.__name__
        )
    try:
        messages = _accept(event, raw, app)
    except StorageError:
        raise
    except Exception as error:  # a defect of ours must not lose the event
        app.secrets.log_defect(f"receiving event {event.id}", error)
        reason = app.secrets.mask(f"{type(error).__name__}: {error}")
        _reject("defect", reason, raw, app, id=event.id, type=type(event).__name__)
        return
    for message in messages:
        app.queue.send(str(message))


def receive_later(raw: str, app: App) -> None:
    """Take in an event that the host gave up; if it still cannot be written down, put it back among the others.

    For it would be given up for good: with what has failed often in a queue for such messages the host calls no
    function (azure-webjobs-sdk, QueueProcessor.cs). Raises what storage raises if it can be put nowhere.
    """
    try:
        receive(raw, app)
    except StorageError as error:
        if app.events is None:
            raise
        log_event("event.later", logging.WARNING, reason=shorten(f"{error.reason}: {error}", 500))
        app.events.send(raw, LATER)


def _accept(event: Event, raw: str, app: App) -> list[Message]:
    """Write the event down, or why not; returns the messages to send."""
    context, type_name = app.rules.context(event), type(event).__name__
    if context.workspace is None and app.rules.knows_workspaces:
        _reject("foreign workspace", f"{event.topic} is not in workspaces.yaml", raw, app, id=event.id, type=type_name)
        return []
    workspace = context.workspace["name"] if context.workspace else event.resource.name
    actions, undecided = _matching(context, app)
    record = EventRecord(raw, event.id, type_name, workspace, event.object, app.now(), len(actions), tuple(undecided))
    try:
        new, messages = app.inbox.add(event, record, actions, app.now())
    except Refused as error:
        _reject("too large", f"storage cannot hold it: {error}", raw, app, id=event.id, type=type_name)
        return []
    rules = ",".join(action.rule for action in actions)
    outcome = "event.received" if new else "event.duplicate"
    log_event(outcome, id=event.id, type=type_name, workspace=workspace, object=event.object, rules=rules)
    return messages


def _matching(context: Context, app: App) -> tuple[list[NewAction], list[str]]:
    """The actions that an event leads to, and the rules files that it must be matched against again, later."""
    try:
        matched = app.rules.matching(context)
    except Exception as error:  # a defect in matching must not lose the event
        app.secrets.log_defect(f"matching event {context.event.id}", error)
        return [], app.rules.files
    left = {rule.file for rule in matched[MAX_ACTIONS:]}
    return [rule.action() for rule in matched[:MAX_ACTIONS]], sorted(left | set(app.rules.refused))


def _reject(kind: RejectionKind, reason: str, raw: str, app: App, **about: str) -> None:
    new = app.inbox.reject(Rejected(kind, reason, raw, app.now()))
    log_event("event.rejected", logging.WARNING, kind=kind, reason=shorten(reason, 500), **about)
    if new:
        alerts.rejected(kind, reason, app)
