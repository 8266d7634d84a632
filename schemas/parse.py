"""`parse_event`: read an event from JSON or plain data."""

from collections.abc import Mapping
from typing import Any

from schemas.envelope import open_envelope
from schemas.errors import UnknownEventType, shown
from schemas.events.base import Event
from schemas.events.registry import EVENT_TYPES, find_type
from schemas.plain import read_plain


def parse_event(raw: str | bytes | Mapping[str, Any]) -> Event:
    """Read one event from JSON or plain data, in either envelope, alone or as an array of one.

    Event types are compared regardless of case, and spelled as Event Grid spells them. Raises MalformedEvent, which
    lists every problem, or UnknownEventType, and nothing else.
    """
    envelope = open_envelope(read_plain(raw))
    name = envelope.event.get("eventType")
    if not isinstance(name, str) or not name.strip():
        return Event.read(envelope)  # raises MalformedEvent: the event type is one of the problems
    event_type = find_type(name)
    if event_type is None:
        raise UnknownEventType(f"the event type {shown(name)} is none of {', '.join(EVENT_TYPES)}", **envelope.summary)
    return event_type.read(envelope.with_type(event_type.type_name()))
