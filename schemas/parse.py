"""`parse_event`: read an event from JSON or plain data."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from schemas.canonical import CanonicalReader, NotCanonical
from schemas.envelope import open_envelope
from schemas.errors import UnknownEventType, shown
from schemas.events.base import Event
from schemas.events.registry import EVENT_TYPES, find_type
from schemas.plain import read_plain

_reader = lru_cache(maxsize=1)(CanonicalReader.of)  # of the registered types, which change in tests only


def parse_event(raw: str | bytes | Mapping[str, Any]) -> Event:
    """Read one event from JSON or plain data, in either envelope, alone or as an array of one.

    Event types are compared regardless of case, and spelled as Event Grid spells them. Raises MalformedEvent, which
    lists every problem, or UnknownEventType, and nothing else.
    """
    if isinstance(raw, str | bytes):
        try:
            return _reader(tuple(EVENT_TYPES.values())).read(raw)
        except NotCanonical:
            pass
    return parse_leniently(raw)


def parse_leniently(raw: str | bytes | Mapping[str, Any]) -> Event:
    """`parse_event` for every observed spelling and type of a field, with errors that describe each problem."""
    envelope = open_envelope(read_plain(raw))
    name = envelope.event.get("eventType")
    if not isinstance(name, str) or not name.strip():
        return Event.read(envelope)  # raises MalformedEvent: the event type is one of the problems
    event_type = find_type(name)
    if event_type is None:
        raise UnknownEventType(f"the event type {shown(name)} is none of {', '.join(EVENT_TYPES)}", **envelope.summary)
    return event_type.read(envelope.with_type(event_type.type_name()))
