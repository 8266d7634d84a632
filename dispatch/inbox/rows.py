"""The rows of the inbox as typed records, fitted to the limits of Azure Tables here and nowhere else.

A property holds 64 KiB (32 Ki characters), a row 1 MiB, an integer 32 bits, and dates begin in 1601
(learn.microsoft.com, "Understanding the Table service data model"). So times are stored as text, texts are truncated,
and a large event is compressed and split over several properties. Columns keep the names of the first release:
`ActionRecord` and `EventRecord` say which attribute is in which column.
"""

import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self, TypeAlias, cast

from dispatch.inbox.errors import Refused
from dispatch.inbox.tables import Row, Value
from dispatch.log import log_event
from handlers.base import TEXT_LIMIT, Result, shorten
from schemas import Event, parse_event
from schemas.alert import Alert

SCHEMA = 1  # of rows and messages; rows of a newer schema are left to newer versions of the app
ENDED = ("succeeded", "skipped", "failed")

_TEXT = 30_000  # UTF-16 code units that fit a property
CHUNK = 60_000  # bytes that fit a property
_ROW = 900_000  # bytes of a payload, which leave space for the other columns
_FIRST, _LAST = 5, 20  # timeline entries that are kept: the first ones and the latest
_TIMELINE_NOTE, _REASON = 200, 10_000  # characters: of a timeline's note, and of why an event was rejected

RejectionKind: TypeAlias = Literal["malformed", "unknown type", "foreign workspace", "too large", "defect"]
Status: TypeAlias = Literal["pending", "running", "waiting", "succeeded", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry of an action's timeline."""

    at: datetime
    status: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """An action as stored. `due` is when it may be called; while it is running, when its lease runs out."""

    rule: str
    handler: str
    settings: str  # the hash of the rule's settings when the action was last called
    started: datetime
    due: datetime
    status: Status = "pending"
    message_version: int = 1  # messages of an older version are dropped; see Message
    attempts: int = 0  # calls since its handler last checked back, without those that a guard held
    failures: int = 0
    defects: int = 0  # consecutive failures with a programming error
    failing_since: datetime | None = None
    denied_since: datetime | None = None  # when consecutive errors with a max elapsed time of their own began
    throttled_since: datetime | None = None  # when consecutive throttling began
    rule_missing_since: datetime | None = None  # when a call first found no rules file with its rule
    crashes: int = 0  # of its workers, since its handler last checked back or failed
    requeued: int = 0  # messages that the sweep has sent since the last call
    replay_number: int = 0  # how often the event had been replayed when the action was opened
    checked_back: bool = False  # has its handler returned CheckBack? Then no guard stops it half-way
    state: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[TimelineEntry, ...] = ()
    follows: Result | None = None  # the result that it follows, for a rule with ``after``
    sent: int = 0  # the message version of the row with what it has sent last; see dispatch.inbox.history.sent

    @property
    def ended(self) -> bool:
        """Has it succeeded, failed or been skipped?"""
        return self.status in ENDED

    def then(self, at: datetime, **changes: Any) -> "ActionRecord":
        """The record after changes, with a new timeline entry."""
        status, note = changes.get("status", self.status), changes.get("note", self.note)
        timeline = (*self.timeline, TimelineEntry(at, status, note))
        if len(timeline) > _FIRST + _LAST:
            timeline = (*timeline[:_FIRST], *timeline[-_LAST:])
        return replace(self, **changes, timeline=timeline)

    def with_new_message(self) -> "ActionRecord":
        """The record with the next message version, so that every message that was sent before is dropped."""
        return replace(self, message_version=self.message_version + 1)

    def continuing(self, earlier: "ActionRecord") -> "ActionRecord":
        """The record with the timeline of an earlier one, whose messages are dropped from now on."""
        return replace(self, message_version=earlier.message_version + 1, timeline=earlier.timeline, sent=earlier.sent)

    def values(self) -> dict[str, Value]:
        """The values of its row."""
        return {
            "schema": SCHEMA,
            "rule": self.rule,
            "handler": self.handler,
            "settings": self.settings,
            "status": self.status,
            "started": self.started.isoformat(),
            "due": self.due.isoformat(),
            "ticket": self.message_version,
            "attempts": self.attempts,
            "failures": self.failures,
            "defects": self.defects,
            "failing_since": _stamp(self.failing_since),
            "denied_since": _stamp(self.denied_since),
            "throttled_since": _stamp(self.throttled_since),
            "orphaned_since": _stamp(self.rule_missing_since),
            "crashes": self.crashes,
            "requeued": self.requeued,
            "generation": self.replay_number,
            "begun": int(self.checked_back),
            "state": json.dumps(dict(self.state)),
            "note": clean(self.note),
            "details": _json(_fitting(self.details)),
            "timeline": _json([[e.at.isoformat(), e.status, clean(e.note, _TIMELINE_NOTE)] for e in self.timeline]),
            "follows": written_result(self.follows),
            "sent": self.sent,
        }

    @classmethod
    def read(cls, row: Row) -> Self | None:
        """Read a row; logs and returns None for a row of another version of the app."""
        try:
            if int(str(row.values["schema"])) <= SCHEMA:
                return cls.of(row)
            reason = f"its schema is {row.values['schema']!r}, and this version knows {SCHEMA}"
        except (LookupError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
        log_event("action.foreign", logging.WARNING, row=row.key, reason=reason)
        return None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a row. Raises LookupError, TypeError or ValueError if another version of the app wrote it."""
        v = {name: str(value) for name, value in row.values.items()}
        return cls(
            rule=v["rule"],
            handler=v["handler"],
            settings=v["settings"],
            status=v["status"],  # type: ignore[arg-type]  # as `values` wrote it
            started=datetime.fromisoformat(v["started"]),
            due=datetime.fromisoformat(v["due"]),
            message_version=int(v["ticket"]),
            attempts=int(v.get("attempts", v["failures"])),
            failures=int(v["failures"]),
            defects=int(v.get("defects", "0")),
            failing_since=_time(v["failing_since"]),
            denied_since=_time(v["denied_since"]),
            throttled_since=_time(v.get("throttled_since", "")),
            rule_missing_since=_time(v.get("orphaned_since", "")),
            crashes=int(v["crashes"]),
            requeued=int(v.get("requeued", "0")),
            replay_number=int(v["generation"]),
            checked_back=v["begun"] == "1",
            state=json.loads(v["state"]),
            note=v["note"],
            details=json.loads(v["details"]),
            timeline=tuple(TimelineEntry(datetime.fromisoformat(at), *rest) for at, *rest in json.loads(v["timeline"])),
            follows=read_result(v["follows"]),
            sent=int(v.get("sent", "0")),
        )


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

    @property
    def event(self) -> Event:
        """The parsed event. Raises EventError."""
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
            payload = packed(self.raw[:_TEXT])
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


def _stamp(time: datetime | None) -> str:
    return time.isoformat() if time else ""


def _time(stamp: str) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None


def packed(text: str) -> dict[str, Value]:
    """The columns of a payload: one of plain text if it fits, so that people can read it; else compressed chunks.

    Raises Refused if the chunks do not fit a row.
    """
    if _units(text) <= _TEXT and clean(text, _TEXT) == text:
        return {"raw": text}
    data = zlib.compress(text.encode("utf-8", "surrogatepass"))
    if len(data) > _ROW:
        raise Refused(f"{len(text)} characters do not fit a table row, even compressed")
    return {f"raw{n}": data[at : at + CHUNK] for n, at in enumerate(range(0, len(data), CHUNK))}


def unpacked(values: Mapping[str, Value]) -> str:
    """The payload in the columns that `packed` returned. Raises KeyError or ValueError for any others."""
    if "raw" in values:
        return str(values["raw"])
    chunks = [values[name] for name in sorted((n for n in values if n[:3] == "raw"), key=lambda name: int(name[3:]))]
    if not chunks:
        raise KeyError("raw")
    try:
        return zlib.decompress(b"".join(c for c in chunks if isinstance(c, bytes))).decode("utf-8", "surrogatepass")
    except zlib.error as error:
        raise ValueError(f"the stored payload is damaged: {error}") from error


def _fitting(details: Mapping[str, str]) -> dict[str, str]:
    """The first details, as many as fit a property."""
    kept: dict[str, str] = {}
    for name, text in details.items():
        more = kept | {clean(name): clean(text)}
        if _units(_json(more)) > _TEXT - 3_000:  # the rest of a result needs space, too
            return kept
        kept = more
    return kept


def written_result(result: Result | None) -> str:
    """A result as JSON that fits a property; an empty text for None."""
    texts = {"summary": clean(result.summary), "details": _fitting(result.details)} if result else {}
    return _json(result.view() | texts) if result else ""


def read_result(text: str) -> Result | None:
    """Read the text that `written_result` returned. Raises ValueError or TypeError for any other."""
    return Result(**json.loads(text)) if text else None


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Truncate a text, and replace what the service or its tools refuse: control characters and lone surrogates."""
    text = shorten(text, limit)
    if text.isprintable():  # the usual case
        return text
    kept = "".join(c if c >= " " or c in "\t\n\r" else "\ufffd" for c in text)
    return kept.encode("utf-8", "replace").decode("utf-8")
