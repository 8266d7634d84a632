"""The HTTP function `monitor_alert`: an alert that an action group posts becomes an event, received as any other.

An action group repeats a call after 408, 429, 503 and 504, and if it gets no answer: five times within 75 seconds. Then
it makes no call for 15 minutes, so what storage cannot take by then is lost (learn.microsoft.com, "Action groups",
webhook retry behavior). Any other answer ends the call. So the only answer that asks for a repetition is that storage
is unavailable.
"""

import json
import logging
from collections.abc import Mapping
from typing import NamedTuple

from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.rows import RejectionKind
from dispatch.log import log_event
from dispatch.monitor.alert import MonitorAlert
from dispatch.monitor.reading import NoAlert, read_alert
from dispatch.receive import receive, reject
from handlers.base import shorten
from schemas import Event, MalformedEvent
from schemas.plain import read_plain

LARGEST = 1_048_576  # bytes; Azure Monitor sends at most 256 KB ("Sample alert payloads", log search alerts)
_KEPT = 10_000  # characters of a body that is no JSON, in the record
_PRIVATE = ("claims", "caller")  # of activity logs: who did it, which no event has


class Answer(NamedTuple):
    """The response: a status, and a line of text."""

    status: int
    text: str


def receive_alert(body: bytes, app: App) -> Answer:
    """Record an alert: as an event for each workspace or endpoint that it is about, or as rejected.

    200: it is recorded. 400, 413: it is no alert, and is recorded as rejected. 503: storage is unavailable.
    """
    try:
        return _received(body, app)
    except StorageError as error:
        log_event("alert.unavailable", logging.ERROR, reason=shorten(f"{error.reason}: {error}", 500))
        return Answer(503, "storage is unavailable; send the alert again")


def _received(body: bytes, app: App) -> Answer:
    if len(body) > LARGEST:
        reason = f"it has {len(body):,} bytes, and an alert of Azure Monitor has at most {LARGEST:,}"
        return _refused(413, reason, body, app)
    try:
        payload = read_plain(body)
        alert = read_alert(payload)
    except (MalformedEvent, NoAlert) as error:
        return _refused(400, str(error), body, app)
    try:
        events = alert.events()
    except MalformedEvent as error:
        return _rejected("malformed", str(error), payload, app, alert)
    if not events:
        about = ", ".join(alert.targets) or "no resource"
        reason = f"the alert {alert.rule} is about {shorten(about, 300)}, which is no workspace or endpoint of Azure ML"
        return _rejected("foreign workspace", reason, payload, app, alert)
    for event in events:
        receive(json.dumps(_as_listed(event, app).wire()), app)
    return Answer(200, f"recorded as {', '.join(event.id for event in events)}")


def _as_listed(event: Event, app: App) -> Event:
    """The event with its workspace as workspaces.yaml spells it: Azure Monitor writes ids in lower case."""
    listed = app.rules.workspace(event)
    return event.model_copy(update={"topic": listed.id.text}) if listed else event


def _refused(status: int, reason: str, body: bytes, app: App) -> Answer:
    """Record what is no alert; the caller has sent what the function cannot take."""
    text = f"it is no alert of Azure Monitor: {shorten(reason, 500)}"
    reject("malformed", text, body[: 4 * _KEPT].decode(errors="replace")[:_KEPT], app)
    return Answer(status, text)


def _rejected(kind: RejectionKind, reason: str, payload: object, app: App, alert: MonitorAlert) -> Answer:
    """Record an alert that the app cannot take; Azure Monitor need not send it again."""
    reject(kind, reason, json.dumps(_without_persons(payload)), app, (alert.id, alert.rule))
    return Answer(200, f"recorded as rejected: {reason}")


def _without_persons(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _without_persons(inner) for name, inner in value.items() if str(name).casefold() not in _PRIVATE}
    return [_without_persons(inner) for inner in value] if isinstance(value, list) else value
