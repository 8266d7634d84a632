"""`cloud_event`: an event as a CloudEvent in JSON, in the structured mode."""

import re
from typing import Any

from schemas import Event

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"

# CloudEvents 1.0.2, "Naming Conventions" and "Type System": the attributes and values that an extension may have.
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")
_OWN = frozenset({"id", "topic", "subject", "data", "specversion", "datacontenttype", "dataschema", "database64"})


def cloud_event(event: Event) -> dict[str, Any]:
    """The event, with the attributes that its sender added where CloudEvents permits their names and values."""
    wire = event.wire()
    optional = {"subject": event.subject, "time": wire.get("eventTime")}
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.topic,
        "type": event.event_type,
        **{name: value for name, value in optional.items() if value},
        "datacontenttype": "application/json",
        **{name: value for name, value in wire.items() if name not in _OWN and _is_extension(name, value)},
        "data": wire["data"],
    }


def _is_extension(name: str, value: object) -> bool:
    is_value = isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 2**31)
    return is_value and bool(_ATTRIBUTE.fullmatch(name))
