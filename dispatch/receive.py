"""Receive one event: check it, record it with the actions of the rules that it matches, and queue these.

    raw ─▶ parse ─▶ listed workspace? ─▶ match ─▶ inbox, in one transaction ─▶ queue

`receive` raises only errors of storage; Event Grid then delivers the event again. No content of an event or a rule
raises an error, because Event Grid would deliver the event again for a whole day.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from dispatch import alerts
from dispatch.app import App
from dispatch.inbox.actions import MAX_ACTIONS, NewAction
from dispatch.inbox.errors import Refused, StorageError
from dispatch.inbox.rows import EventRecord, Rejected, RejectionKind
from dispatch.inbox.transport import within
from dispatch.log import log_event
from dispatch.telemetry import traceparent
from handlers.base import shorten
from handlers.lineage import names_of_runs
from schemas import Event, EventError, UnknownEventType, parse_event
from schemas.context import Context

REQUEUE_DELAY = timedelta(minutes=10)
STORAGE_DEADLINE = timedelta(seconds=18)  # Event Grid waits 30 s for an answer; this way it gets one within 20 s


def receive(raw: str, app: App, expected: type[Event] | None = None) -> None:
    """Receive one event of any registered type; log a warning if it is not of the `expected` type.

    Raises StorageError once storage has not answered for `STORAGE_DEADLINE`. Parsing and matching do not count against
    that time, or a slow event could never be recorded, and Event Grid would deliver it again for a whole day.
    """
    with app.telemetry.receiving():
        write = _checked(raw, app, expected)
        with within(STORAGE_DEADLINE):
            write()


def receive_or_requeue(raw: str, app: App) -> None:
    """Receive an event that the host gave up; if storage is still unavailable, put it back into the queue of events.

    In a poison queue the event would be lost: the host calls no function for a poison message that has failed often
    (azure-webjobs-sdk, QueueProcessor.cs). Raises StorageError if the app has no queue of events, or cannot reach it.
    """
    try:
        receive(raw, app)
    except StorageError as error:
        if app.events is None:
            raise
        log_event("event.later", logging.WARNING, reason=shorten(f"{error.reason}: {error}", 500))
        app.events.send(raw, REQUEUE_DELAY)


def reject(kind: RejectionKind, reason: str, raw: str, app: App, names: Sequence[str] = ()) -> None:
    """Record what cannot become an event as rejected; it is found by these names.

    Raises StorageError once storage has not answered for `STORAGE_DEADLINE`.
    """
    with within(STORAGE_DEADLINE):
        _reject(kind, reason, raw, app, _About("", "", names))


def _checked(raw: str, app: App, expected: type[Event] | None) -> Callable[[], None]:
    """Parse and match an event; return the function that records it, or its rejection. Makes no request."""
    try:
        event = parse_event(raw)
    except EventError as error:
        kind: RejectionKind = "unknown type" if isinstance(error, UnknownEventType) else "malformed"
        names = (error.subject.rpartition("/")[2],)  # "runs/brave_kiwi_7x" names the run
        return partial(_reject, kind, str(error), raw, app, _About(error.event_id, error.event_type, names))
    if expected and not isinstance(event, expected):
        log_event(
            "event.unexpected", logging.WARNING, id=event.id, type=type(event).__name__, expected=expected.__name__
        )
    try:
        return _matched(event, raw, app)
    except Exception as error:  # a defect of the app must not lose the event
        return partial(_reject_for_defect, error, event, raw, app)


def _matched(event: Event, raw: str, app: App) -> Callable[[], None]:
    """Match an event; return the function that records it, or its rejection if its workspace is not listed."""
    context, type_name = app.rules.context(event), type(event).__name__
    if context.workspace is None and app.rules.knows_workspaces:
        reason = f"{event.topic} is not in workspaces.yaml"
        return partial(_reject, "foreign workspace", reason, raw, app, _about(event))
    workspace = context.workspace["name"] if context.workspace else event.resource.name
    actions, unmatched = _matching(context, app)
    record = EventRecord(raw, event.id, type_name, workspace, event.object, app.now(), len(actions), tuple(unmatched))
    return partial(_record, event, record, actions, _sightings(context, app), app)


def _record(event: Event, record: EventRecord, actions: list[NewAction], sightings: list[str], app: App) -> None:
    """Record the event with its actions, and queue these; reject an event that storage cannot hold."""
    try:
        new, messages = app.inbox.add(event, record, actions, app.now(), sightings)
    except Refused as error:
        reason = f"storage cannot hold it: {error}"
        _reject("too large", reason, record.raw, app, _about(event))
        return
    except StorageError:
        raise
    except Exception as error:  # a defect of the app must not lose the event
        _reject_for_defect(error, event, record.raw, app)
        return
    rules = [action.rule for action in actions]
    app.telemetry.received(event, record.workspace, rules, new=new)
    log_event(
        "event.received" if new else "event.duplicate",
        id=event.id,
        type=record.event_type,
        workspace=record.workspace,
        object=event.object,
        rules=",".join(rules),
        label=event.label,
    )
    trace = traceparent()
    for message in messages:
        app.queue.send(str(message._replace(traceparent=trace)))


def _matching(context: Context, app: App) -> tuple[list[NewAction], list[str]]:
    """The actions of the rules that match, and the rules files that the sweep must match against the event later."""
    try:
        rules = app.rules.matching(context)
    except Exception as error:  # a defect in matching must not lose the event
        app.secrets.log_defect(f"matching event {context.event.id}", error)
        return [], app.rules.files
    unmatched = {rule.file for rule in rules[MAX_ACTIONS:]} | set(app.rules.refused)
    return [rule.action() for rule in rules[:MAX_ACTIONS]], sorted(unmatched)


def _sightings(context: Context, app: App) -> list[str]:
    """The names under which rules find the event that they expect. A defect costs them the index, not the event."""
    try:
        return app.rules.sightings(context)
    except Exception as error:
        app.secrets.log_defect(f"comparing event {context.event.id} with what rules expect", error)
        return []


def _reject_for_defect(error: Exception, event: Event, raw: str, app: App) -> None:
    """Log a defect of the app, and record the event as rejected because of it."""
    app.secrets.log_defect(f"receiving event {event.id}", error)
    reason = app.secrets.mask(f"{type(error).__name__}: {error}")
    _reject("defect", reason, raw, app, _About(event.id, type(event).__name__))


class _About(NamedTuple):
    """What a rejected event is found by."""

    id: str
    type: str
    names: Sequence[str] = ()


def _about(event: Event) -> _About:
    return _About(event.id, type(event).__name__, (*event.names, *names_of_runs(event)))


def _reject(kind: RejectionKind, reason: str, raw: str, app: App, about: _About) -> None:
    """Record a rejected event with its payload, log it, and alert people if there are several; once per payload."""
    id, type, names = about
    new = app.inbox.reject(Rejected(kind, reason, raw, app.now()), id, type, names)
    app.telemetry.rejected(kind, id, type)
    log_event("event.rejected", logging.WARNING, kind=kind, reason=shorten(reason, 500), id=id, type=type)
    if new:
        alerts.rejected(kind, reason, app)
