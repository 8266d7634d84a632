"""The two envelopes that Event Grid delivers in, made one: Event Grid's own schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.wire import fold, respelled

_EVENT_GRID = ("id", "topic", "subject", "eventType", "eventTime", "data", "dataVersion", "metadataVersion")
_CLOUD_EVENTS: Mapping[str, str] = {"topic": "source", "eventType": "type", "eventTime": "time"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event in Event Grid's schema, and what its sender calls fields that had another name."""

    event: Mapping[str, Any]
    names: Mapping[str, str]

    def with_type(self, event_type: str) -> "Envelope":
        """The same with the type's name spelled so."""
        return Envelope({**self.event, "eventType": event_type}, self.names)

    @property
    def summary(self) -> dict[str, str]:
        """What an error reports of the event: its id, type and topic, where they are texts."""
        fields = {"event_id": "id", "event_type": "eventType", "topic": "topic"}
        return {key: text for key, name in fields.items() if isinstance(text := self.event.get(name), str)}


def open_envelope(raw: Mapping[str, Any]) -> Envelope:
    """The event in either envelope, by any spelling of its names.

    Of a CloudEvent `specversion` goes, for it names the envelope; all other attributes stay.
    """
    folded = {fold(name) for name in raw}
    cloud_event = "specversion" in folded or ({"source", "type"} <= folded and not {"topic", "eventtype"} & folded)
    if not cloud_event:
        return Envelope(respelled(raw, _EVENT_GRID), {})
    spelled = respelled(raw, _CLOUD_EVENTS.values())
    event = {name: value for name, value in spelled.items() if fold(name) != "specversion"}
    event |= {ours: event.pop(theirs) for ours, theirs in _CLOUD_EVENTS.items() if theirs in event}
    return Envelope(respelled(event, _EVENT_GRID), _CLOUD_EVENTS)
