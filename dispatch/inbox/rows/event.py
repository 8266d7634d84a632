"""The rows of events and of rejected events."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Self, TypeAlias, cast

from dispatch.inbox.errors import Refused
from dispatch.inbox.rows.columns import SCHEMA, TEXT, clean, packed, unpacked
from dispatch.inbox.tables import Row, Value
from schemas import Event, EventError, parse_event
from schemas.alert import Alert

_REASON = 10_000  # characters of why an event was rejected

RejectionKind: TypeAlias = Literal["malformed", "unknown type", "foreign workspace", "too large", "defect"]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as stored: its payload, and columns for people who search the table."""

    raw: str
    id: str
    event_type: str
    workspace: str
    object: str
    received: datetime
    actions: int = 0  # the number created when it was received
    deferred_files: tuple[str, ...] = ()  # rules files that were refused then, to match later
    erased: str = ""  # when and by whom its content was erased; see dispatch.erasure

    @property
    def event(self) -> Event:
        """The parsed event. Raises EventError, also if it was erased."""
        if self.erased:
            raise EventError(f"its content was erased {self.erased}")
        return Alert.recorded(self.raw) if self.event_type == Alert.__name__ else parse_event(self.raw)

    def values(self) -> dict[str, Value]:
        """The values of its row. Raises Refused if no row can hold the payload."""
        return {
            "schema": SCHEMA,
            "id": clean(self.id),
            "event_type": clean(self.event_type),
            "workspace": clean(self.workspace),
            "object": clean(self.object),
            "received": self.received.isoformat(),
            "actions": self.actions,
            "undecided": json.dumps(self.deferred_files),
            **packed(self.raw),
            **({"erased": self.erased} if self.erased else {}),
        }

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a row. Raises LookupError, TypeError or ValueError if another version of the app wrote it."""
        v = row.values
        return cls(
            raw=unpacked(v),
            id=str(v["id"]),
            event_type=str(v["event_type"]),
            workspace=str(v["workspace"]),
            object=str(v["object"]),
            received=datetime.fromisoformat(str(v["received"])),
            actions=int(v["actions"]),
            deferred_files=tuple(json.loads(str(v["undecided"]))),
            erased=str(v.get("erased", "")),
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was rejected, and why."""

    kind: RejectionKind
    reason: str
    raw: str
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    def values(self) -> dict[str, Value]:
        """The values of its row; they hold only the beginning of a payload that no row can hold."""
        try:
            payload = packed(self.raw)
        except Refused:
            payload = packed(self.raw[:TEXT])
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "reason": clean(self.reason, _REASON),
            "received": self.received.isoformat(),
            "length": len(self.raw),
            **payload,
        }

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a row. Raises LookupError, TypeError or ValueError if another version of the app wrote it."""
        v = row.values
        received = datetime.fromisoformat(str(v["received"]))
        return cls(cast(RejectionKind, v["kind"]), str(v["reason"]), unpacked(v), received)
