"""The two envelopes in which Event Grid delivers events: its own schema, and CloudEvents, which is converted to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.wire import fold, respelled

EVENT_GRID = ("id", "topic", "subject", "eventType", "eventTime", "data", "dataVersion", "metadataVersion")
CLOUD_EVENTS: Mapping[str, str] = {"topic": "source", "eventType": "type", "eventTime": "time"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event in Event Grid's schema, and the sender's names of fields that have another name there."""

    event: Mapping[str, Any]
    names: Mapping[str, str]

    def with_type(self, event_type: str) -> "Envelope":
        """The same envelope with another spelling of the event type."""
        return Envelope({**self.event, "eventType": event_type}, self.names)

    @property
    def summary(self) -> dict[str, str]:
        """The fields that an error reports about the event: its id, type, topic and subject, if they are texts."""
        fields = {"event_id": "id", "event_type": "eventType", "topic": "topic", "subject": "subject"}
        return {key: text for key, name in fields.items() if isinstance(text := self.event.get(name), str)}


def open_envelope(raw: Mapping[str, Any]) -> Envelope:
    """Convert an event from either envelope, whose field names may have any spelling.

    Drops `specversion` of a CloudEvent, because it describes the envelope, and keeps all other attributes.
    """
    folded = {fold(name) for name in raw}
    cloud_event = "specversion" in folded or ({"source", "type"} <= folded and not {"topic", "eventtype"} & folded)
    if not cloud_event:
        return Envelope(respelled(raw, EVENT_GRID), {})
    spelled = respelled(raw, CLOUD_EVENTS.values())
    event = {name: value for name, value in spelled.items() if fold(name) != "specversion"}
    event |= {name: event.pop(theirs) for name, theirs in CLOUD_EVENTS.items() if theirs in event}
    return Envelope(respelled(event, EVENT_GRID), CLOUD_EVENTS)
