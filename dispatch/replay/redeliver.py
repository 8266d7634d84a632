"""Take in what did not get in: events that were rejected, and those that Event Grid could not deliver.

Each goes through `receive`, as when it is delivered. One that is known changes nothing: all of this can be done again.
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

Came: TypeAlias = Literal["new", "known", "rejected"]


@dataclass(frozen=True, slots=True)
class TakenIn:
    """An event that was taken in, or would be; or why it was rejected."""

    came: Came
    id: str
    event_type: str  # its short name; of a rejected one, what it calls itself
    object: str = ""
    why: str = ""


def redeliver(raw: str, app: App, *, dry_run: bool = False) -> TakenIn:
    """One event through `receive`; what that rejects is written down as rejected. Raises what storage raises."""
    judged = _judged(raw, app)
    known = isinstance(judged, Event) and _is_known(judged, app)
    if not dry_run:
        receive(raw, app)
    if isinstance(judged, TakenIn):
        return judged
    if not dry_run and not _is_known(judged, app):
        return _taken(judged, "rejected", "it could not be written down; what was written instead says why")
    return _taken(judged, "known" if known else "new")


def redeliver_rejected(
    app: App, since: datetime | None = None, until: datetime | None = None, *, dry_run: bool = False
) -> Iterator[TakenIn]:
    """What was rejected, or what came so in a span, ``since <= received < until``. Raises what storage raises.

    What would be rejected again is not tried. The row of the rejection stays: it is history.
    """
    for day in app.inbox.history.days():
        for rejected in sorted(app.inbox.history.rejected(day), key=lambda one: one.received):
            if (since is None or rejected.received >= since) and (until is None or rejected.received < until):
                yield _redelivered(rejected, app, dry_run)


def _redelivered(rejected: Rejected, app: App, dry_run: bool) -> TakenIn:
    judged = _judged(rejected.raw, app)
    if isinstance(judged, Event):
        return redeliver(rejected.raw, app, dry_run=dry_run)
    if rejected.kind == "too large":
        return replace(judged, why="it is too large; only its beginning was kept")
    return judged


def _judged(raw: str, app: App) -> Event | TakenIn:
    """The event; or why it would be rejected."""
    try:
        event = parse_event(raw)
    except EventError as error:
        return TakenIn("rejected", error.event_id, error.event_type, why=shorten(str(error), 500))
    if app.rules.knows_workspaces and app.rules.workspace(event) is None:
        return _taken(event, "rejected", f"{event.topic} is not in workspaces.yaml")
    return event


def _is_known(event: Event, app: App) -> bool:
    return app.inbox.history.has(*event_key(event))


def _taken(event: Event, came: Came, why: str = "") -> TakenIn:
    return TakenIn(came, event.id, type(event).__name__, event.object, why)
