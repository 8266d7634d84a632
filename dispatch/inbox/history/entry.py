"""`Entry`: an event, the end of an action, or a rejected event, as the index knows it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Self

from dispatch.inbox.rows import SCHEMA, ActionRecord, EventRecord, clean
from dispatch.inbox.tables import Row
from handlers.lineage import names_of_runs
from schemas import Event

FIRST, LAST = "!new|", "!new|~"  # the range of markers in the partition of a day
COUNTS = "!counts"  # the numbers of a day, in its partition
COPIED = "copied"  # its column that says whether they are copied: 0 or 1
MAX_NAMES = 8  # of an event or an end
MAX_SIGHTINGS = 100  # of an event: a property holds 32 Ki characters, and a name of a sighting has fewer than 40

OTHERS = "others"  # stands for the rules and workspaces for which the numbers of a day have no space

_NAME_LIMIT = 1_000  # characters
_WORKSPACE_LIMIT = 100  # characters of a workspace's name in the numbers; Azure ML allows 33
_DAY = timedelta(days=1)
_NAMED = ("run", "job", "endpoint", "deployment", "model", "pipeline")  # details of an outcome that name an object


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, the end of an action of an event, or a rejected event, with the names by which it is found."""

    day: str
    key: str  # the event's, or "x|<hash>"
    at: datetime  # when it was recorded
    names: tuple[str, ...] = ()
    id: str = ""  # the event's Event Grid id
    type: str = ""
    workspace: str = ""
    object: str = ""
    rule: str = ""  # of an end
    status: str = ""  # of an end: succeeded, skipped or failed
    kind: str = ""  # of a rejection
    sightings: tuple[str, ...] = ()  # more names, of the rules that ask for the event

    def marker(self, version: int = 0) -> Row:
        """The row that marks it as not indexed. `version` is the message version of an end, which tells ends apart."""
        end = f"|{self.rule}|{version}" if self.rule else ""
        return Row(f"{FIRST}{self.key}{end}", self._values())

    def _values(self) -> dict[str, Any]:
        names = [name for name in dict.fromkeys(map(_bounded, self.names)) if name][:MAX_NAMES]
        sightings = list(self.sightings[:MAX_SIGHTINGS])
        texts = {"id": self.id, "type": self.type, "workspace": self.workspace, "object": self.object}
        texts |= {"rule": self.rule, "status": self.status, "kind": self.kind}
        values = {name: _bounded(text) for name, text in texts.items() if text}
        values["names"] = json.dumps(names, ensure_ascii=False)  # escapes of all characters would not fit a property
        if sightings:
            values["sightings"] = json.dumps(sightings)
        return {"schema": SCHEMA, "day": self.day, "event": self.key, "at": self.at.isoformat(), **values}

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a marker or a row of the index. Raises LookupError, TypeError or ValueError for any other row."""
        v = row.values
        texts = {name: str(v.get(name, "")) for name in ("id", "type", "workspace", "object", "rule", "status", "kind")}
        names = tuple(map(str, json.loads(str(v["names"]))))
        sightings = tuple(map(str, json.loads(str(v.get("sightings", "[]")))))
        at = datetime.fromisoformat(str(v["at"]))
        return cls(str(v["day"]), str(v["event"]), at, names, **texts, sightings=sightings)

    def counted(self) -> list[tuple[str, str]]:
        """The numbers to which it adds one; each with the number to use instead if its day has too many numbers."""
        if self.kind:
            return [(f"rejected|{self.kind}", f"rejected|{OTHERS}")]
        if self.rule:
            return [(f"rule|{self.rule}|{self.status}", f"rule|{OTHERS}|{self.status}")]
        workspace = self.workspace[:_WORKSPACE_LIMIT]
        return [(f"type|{self.type}", f"type|{OTHERS}"), (f"workspace|{workspace}", f"workspace|{OTHERS}")]

    def rows(self) -> Iterator[Row]:
        """Its rows in the index, one for each name."""
        at = self.at.astimezone(UTC)
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        left = f"{31 - at.day:02d}{(_DAY - (at - midnight)) // timedelta(milliseconds=1):08d}"
        end = f"|{self.rule}" if self.rule else ""
        values = self._values()
        names = [*json.loads(values["names"]), *json.loads(values.pop("sightings", "[]"))]
        for hashed in {hashed_name(name) for name in names}:
            yield Row(f"{hashed}|{left}|{self.day}|{self.key}{end}", values)

    @property
    def month(self) -> str:
        """The month in which it was recorded: "2026-11"."""
        return f"{self.at.astimezone(UTC):%Y-%m}"


def hashed_name(name: str) -> str:
    """The part of a key that stands for a name of any length, with any characters. Case does not count."""
    return sha256(_bounded(name).casefold().encode()).hexdigest()[:32]


def _bounded(text: str) -> str:
    """The beginning of a text, as a row can hold it."""
    return clean(text.strip()[:_NAME_LIMIT])


def event_entry(day: str, key: str, event: Event, record: EventRecord, sightings: Sequence[str] = ()) -> Entry:
    """The entry of a received event. It is found by its id, its object, the runs that led to it, and `sightings`."""
    names = (event.id, *event.names, *names_of_runs(event))
    about = (event.id, record.event_type, record.workspace, record.object)
    return Entry(day, key, record.received, names, *about, sightings=tuple(sightings))


def end_entry(day: str, key: str, record: ActionRecord, at: datetime) -> Entry:
    """The entry of an action that has ended. It is found by what its handler made, as its details name it."""
    names = tuple(record.details[name] for name in _NAMED if name in record.details)
    return Entry(day, key, at, names, rule=record.rule, status=record.status)
