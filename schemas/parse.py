"""`parse_event`: from what came to a typed event."""

from collections.abc import Mapping
from typing import Any

from schemas.envelope import open_envelope
from schemas.errors import UnknownEventType, shown
from schemas.events import EVENT_TYPES, Event
from schemas.plain import read_plain

_CANONICAL = {name.lower(): name for name in EVENT_TYPES}


def parse_event(raw: str | bytes | Mapping[str, Any]) -> Event:
    """The event in a JSON text or in plain data, in either envelope, alone or as an array of one.

    The type's name is compared without regard to case and given the spelling that Azure uses. Raises MalformedEvent,
    which lists everything that is wrong, or UnknownEventType, and nothing else.
    """
    envelope = open_envelope(read_plain(raw))
    name = envelope.event.get("eventType")
    if not isinstance(name, str) or not name.strip():
        return Event.read(envelope)  # raises: the type is among what is wrong
    canonical = _CANONICAL.get(name.lower())
    if canonical is None:
        known = ", ".join(EVENT_TYPES)
        raise UnknownEventType(f"the event type {shown(name)} is none of {known}", **envelope.told)
    return EVENT_TYPES[canonical].read(envelope.with_type(canonical))
