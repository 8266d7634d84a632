"""Ingest events that were rejected, or that Event Grid could not deliver.

Each is passed to `receive`, as if Event Grid delivered it now. A duplicate changes nothing, so a redelivery can be
repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from dispatch.app import App
from dispatch.inbox.keys import event_key
from dispatch.inbox.rows import Rejected
from dispatch.receive import receive
from handlers.base import shorten
from schemas import Event, EventError, parse_event

IngestStatus: TypeAlias = Literal["new", "duplicate", "rejected"]


@dataclass(frozen=True, slots=True)
class Ingested:
    """The result of ingesting one event; in a dry run, the expected result."""

    status: IngestStatus
    id: str
    event_type: str  # its short name; of a rejected event, the type in its payload
    object: str = ""
    reason: str = ""  # why it was rejected


def redeliver(raw: str, app: App, *, dry_run: bool = False) -> Ingested:
    """Pass one event to `receive`, which records it if it rejects it. Raises StorageError."""
    checked = _check(raw, app)
    duplicate = isinstance(checked, Event) and _is_recorded(checked, app)
    if not dry_run:
        receive(raw, app)
    if isinstance(checked, Ingested):
        return checked
    if not dry_run and not _is_recorded(checked, app):
        return _ingested(checked, "rejected", "it could not be recorded; see the reason of its rejection")
    return _ingested(checked, "duplicate" if duplicate else "new")


def redeliver_rejected(
    app: App, since: datetime | None = None, until: datetime | None = None, *, dry_run: bool = False
) -> Iterator[Ingested]:
    """Ingest the rejected events, or those of a span, ``since <= received < until``. Raises StorageError.

    An event that would be rejected again is not passed to `receive`. The row of the rejection stays, as history.
    """
    for day in app.inbox.history.days():
        for rejected in sorted(app.inbox.history.rejected(day), key=lambda one: one.received):
            if (since is None or rejected.received >= since) and (until is None or rejected.received < until):
                yield _redelivered(rejected, app, dry_run)


def _redelivered(rejected: Rejected, app: App, dry_run: bool) -> Ingested:
    checked = _check(rejected.raw, app)
    if isinstance(checked, Event):
        return redeliver(rejected.raw, app, dry_run=dry_run)
    if rejected.kind == "too large":
        return replace(checked, reason="it is too large; only its beginning was kept")
    return checked


def _check(raw: str, app: App) -> Event | Ingested:
    """The parsed event, or why it would be rejected."""
    try:
        event = parse_event(raw)
    except EventError as error:
        return Ingested("rejected", error.event_id, error.event_type, reason=shorten(str(error), 500))
    if app.rules.knows_workspaces and app.rules.workspace(event) is None:
        return _ingested(event, "rejected", f"{event.topic} is not in workspaces.yaml")
    return event


def _is_recorded(event: Event, app: App) -> bool:
    return app.inbox.history.has(*event_key(event))


def _ingested(event: Event, status: IngestStatus, reason: str = "") -> Ingested:
    return Ingested(status, event.id, type(event).__name__, event.object, reason)
