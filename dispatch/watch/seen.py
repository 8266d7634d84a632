"""Events of the watch: their ids, times and JSON."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dispatch.inbox.shared_state import hashed
from dispatch.watch.memory import Wire
from schemas import ResourceId
from schemas.events.watched.base import WatchedEvent
from schemas.fields import format_time


def event_of(
    kind: type[WatchedEvent], resource: ResourceId, subject: str, at: datetime | None, data: Mapping[str, Any], *id: str
) -> Wire:
    """The JSON of an event about a resource.

    `at` is the service's own time of what was seen, and `id` what makes it unique, so that whoever sees it raises the
    same event.
    """
    given = {name: value for name, value in data.items() if value is not None}
    time = format_time(at) or ""
    return {
        "id": hashed(kind.__name__, *resource.key, subject, time, *id),
        "topic": str(resource),
        "subject": subject,
        "eventType": kind.type_name(),
        **({"eventTime": time} if time else {}),
        "data": given,
        "dataVersion": "1",
    }


def stamp(at: datetime | None) -> str:
    """A time as it is kept: ISO 8601 of one length, so that texts compare like times; empty if there is none."""
    return at.isoformat(timespec="microseconds") if at else ""


def raw_of(event: Wire) -> str:
    """An event as the text that `dispatch.receive.receive` takes."""
    return json.dumps(event)
