"""The rows of the inbox as typed records, and the limits of Azure Tables: what a row may hold is decided here.

A property holds 64 KiB (32 Ki characters), a row 1 MiB, an integer 32 bits, and a date begins in 1601
(learn.microsoft.com, "Understanding the Table service data model"); so times are text, texts are cut, and a large event
is compressed and spread over properties.
"""

import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self, TypeAlias

from dispatch.inbox.errors import Refused
from dispatch.inbox.tables import Row, Value
from dispatch.log import log_event
from handlers.base import Result, shorten
from schemas import Event, parse_event
from schemas.alert import Alert

SCHEMA = 1  # of rows and messages; a newer one is left to a newer version of the app
LONG_AGO = "2000-01-01T00:00:00+00:00"  # in rows of a release that did not write down when
ENDED = ("succeeded", "skipped", "failed")

_TEXT = 30_000  # UTF-16 units that surely fit a property, of which a character takes one or two
_CHUNK = 60_000  # bytes that surely fit a property
_ROW = 900_000  # bytes of a payload that leave room for the rest of the row
_FIRST, _LAST = 5, 20  # of a timeline's entries: how it began, and what happened lately

Kind: TypeAlias = Literal["malformed", "unknown type", "foreign workspace", "too large", "defect"]
Status: TypeAlias = Literal["pending", "running", "waiting", "succeeded", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of an action's timeline."""

    at: datetime
    status: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """An action as it is written down. `due`: when it may run; while it runs, when its lease is over."""

    rule: str
    handler: str
    settings: str  # the hash of the rule's settings when the action was made
    started: datetime
    due: datetime
    status: Status = "pending"
    ticket: int = 1  # of the one message that counts; see Message
    failures: int = 0
    failing_since: datetime | None = None
    denied_since: datetime | None = None  # since when errors have been of a kind with a shorter patience of its own
    throttled_since: datetime | None = None  # since when the service has done nothing but ask for pauses
    orphaned_since: datetime | None = None  # since when its rule has been in no rules file
    crashes: int = 0  # since it last came to the end of a step, or failed
    requeued: int = 0  # how often the sweep has sent a message since it was last called
    generation: int = 0
    begun: bool = False  # has the handler checked back? Then no guard stops it half-way
    state: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[Moment, ...] = ()
    follows: Result | None = None  # what it follows, for a rule with ``after``

    @property
    def ended(self) -> bool:
        """Is there nothing more to do?"""
        return self.status in ENDED

    def then(self, at: datetime, **changes: Any) -> "ActionRecord":
        """The record after a change of status, which the timeline remembers."""
        status, note = changes.get("status", self.status), changes.get("note", self.note)
        timeline = (*self.timeline, Moment(at, status, shorten(note, 200)))
        if len(timeline) > _FIRST + _LAST:
            timeline = (*timeline[:_FIRST], *timeline[-_LAST:])
        return replace(self, **changes, timeline=timeline)

    def renewed(self) -> "ActionRecord":
        """The record with the next ticket: every message that was sent before no longer counts."""
        return replace(self, ticket=self.ticket + 1)

    def replacing(self, earlier: "ActionRecord") -> "ActionRecord":
        """The record with the history of one that has ended, whose messages no longer count."""
        return replace(self, ticket=earlier.ticket + 1, timeline=earlier.timeline)

    def values(self) -> dict[str, Value]:
        """As a row's values."""
        return {
            "schema": SCHEMA,
            "rule": self.rule,
            "handler": self.handler,
            "settings": self.settings,
            "status": self.status,
            "started": self.started.isoformat(),
            "due": self.due.isoformat(),
            "ticket": self.ticket,
            "failures": self.failures,
            "failing_since": _stamp(self.failing_since),
            "denied_since": _stamp(self.denied_since),
            "throttled_since": _stamp(self.throttled_since),
            "orphaned_since": _stamp(self.orphaned_since),
            "crashes": self.crashes,
            "requeued": self.requeued,
            "generation": self.generation,
            "begun": int(self.begun),
            "state": json.dumps(dict(self.state)),
            "note": _clean(self.note),
            "details": _json(_fitting(self.details)),
            "timeline": _json([[m.at.isoformat(), m.status, _clean(m.note)] for m in self.timeline]),
            "follows": written_result(self.follows),
        }

    @classmethod
    def read(cls, row: Row) -> Self | None:
        """From a row; None, and a word in the log, if another version of the app wrote it."""
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
        """From a row. Raises KeyError or ValueError if it is not one of ours."""
        v = {name: str(value) for name, value in row.values.items()}
        return cls(
            rule=v["rule"],
            handler=v["handler"],
            settings=v["settings"],
            status=v["status"],  # type: ignore[arg-type]  # our own rows hold our own words
            started=datetime.fromisoformat(v["started"]),
            due=datetime.fromisoformat(v["due"]),
            ticket=int(v["ticket"]),
            failures=int(v["failures"]),
            failing_since=_moment(v["failing_since"]),
            denied_since=_moment(v["denied_since"]),
            throttled_since=_moment(v.get("throttled_since", "")),
            orphaned_since=_moment(v.get("orphaned_since", "")),
            crashes=int(v["crashes"]),
            requeued=int(v.get("requeued", "0")),
            generation=int(v["generation"]),
            begun=v["begun"] == "1",
            state=json.loads(v["state"]),
            note=v["note"],
            details=json.loads(v["details"]),
            timeline=tuple(Moment(datetime.fromisoformat(at), s, note) for at, s, note in json.loads(v["timeline"])),
            follows=read_result(v["follows"]),
        )


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it is written down: what came, and the columns that people look for."""

    raw: str
    id: str
    event_type: str
    workspace: str
    object: str
    received: datetime
    actions: int = 0  # how many it led to at once
    undecided: tuple[str, ...] = ()  # the rules files that could not be asked, because they were refused

    @property
    def event(self) -> Event:
        """The event itself. Raises EventError if it cannot be read."""
        return Alert.recorded(self.raw) if self.event_type == Alert.__name__ else parse_event(self.raw)

    def values(self) -> dict[str, Value]:
        """As a row's values. Raises Refused."""
        return {
            "schema": SCHEMA,
            "id": _clean(self.id),
            "event_type": _clean(self.event_type),
            "workspace": _clean(self.workspace),
            "object": _clean(self.object),
            "received": self.received.isoformat(),
            "actions": self.actions,
            "undecided": json.dumps(self.undecided),
            **packed(self.raw),
        }

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row. Raises KeyError or ValueError if it is not one of ours."""
        v = row.values
        return cls(
            raw=unpacked(v),
            id=str(v["id"]),
            event_type=str(v["event_type"]),
            workspace=str(v["workspace"]),
            object=str(v["object"]),
            received=datetime.fromisoformat(str(v["received"])),
            actions=int(v["actions"]),
            undecided=tuple(json.loads(str(v["undecided"]))),
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """What came and was not taken, with the reason."""

    kind: Kind
    reason: str
    raw: str
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    def values(self) -> dict[str, Value]:
        """As a row's values: always possible; of a payload that is too large its beginning is kept."""
        try:
            payload = packed(self.raw)
        except Refused:
            payload = packed(self.raw[:_TEXT])
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "reason": _clean(self.reason, 10_000),
            "received": self.received.isoformat(),
            "length": len(self.raw),
            **payload,
        }

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row. Raises KeyError or ValueError if it is not one of ours."""
        v = row.values
        return cls(str(v["kind"]), str(v["reason"]), unpacked(v), datetime.fromisoformat(str(v["received"])))  # type: ignore[arg-type]  # as above


def _stamp(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _moment(stamp: str) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None


def packed(text: str) -> dict[str, Value]:
    """A text as properties: as it is where it fits, so that people can read it; else compressed, in chunks.

    Raises Refused.
    """
    if _units(text) <= _TEXT and _clean(text, _TEXT) == text:
        return {"raw": text}
    data = zlib.compress(text.encode("utf-8", "surrogatepass"))
    if len(data) > _ROW:
        raise Refused(f"{len(text)} characters do not fit a table row, even compressed")
    return {f"raw{n}": data[at : at + _CHUNK] for n, at in enumerate(range(0, len(data), _CHUNK))}


def unpacked(values: Mapping[str, Value]) -> str:
    """The text that `packed` made these properties of. Raises KeyError or ValueError if it made none of them."""
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
    """As many details as a property holds."""
    kept: dict[str, str] = {}
    for name, text in details.items():
        more = kept | {_clean(name): _clean(text)}
        if _units(_json(more)) > _TEXT - 3_000:  # room for the rest of a result
            break
        kept = more
    return kept


def written_result(result: Result | None) -> str:
    """How an action ended, as a text that fits a property; empty for None."""
    if result is None:
        return ""
    return _json(result.view() | {"summary": _clean(result.summary), "details": _fitting(result.details)})


def read_result(text: str) -> Result | None:
    """The result that `written_result` made this text of. Raises ValueError or TypeError if it made none of it."""
    return Result(**json.loads(text)) if text else None


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _clean(text: str, limit: int = 1_000) -> str:
    """A text without what the service or its tools refuse: control characters, lone surrogates, too many characters."""
    text = shorten(text, limit)
    if text.isprintable():  # as nearly all texts are
        return text
    kept = "".join(c if c >= " " or c in "\t\n\r" else "\ufffd" for c in text)
    return kept.encode("utf-8", "replace").decode("utf-8")
