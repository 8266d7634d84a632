"""The words of the inbox: what names an action, who has it, what is sent about it, and what is to be written of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID, uuid5

from dispatch.records import SCHEMA, ActionRecord, EventRecord, Rejected, Status
from dispatch.storage import Row
from handlers.base import Action, Result
from handlers.lineage import MOST_DEPTH, lineage_of
from schemas import Event

MOST_ACTIONS = 48  # at once: a transaction takes 100 operations, an action is two rows, and up to three are others
MOST_CRASHES = 5

KEYS = UUID("6f1f0a52-6e0f-4b3c-9a55-3d9c5f3b7a11")

_DAY = 86_400_000  # milliseconds


class ActionId(NamedTuple):
    """Names an action: the day (the table partition), the event's key and the rule."""

    day: str
    event: str
    rule: str

    @classmethod
    def of(cls, text: str) -> Self:
        """From what `str` makes of one. Raises TypeError if it made none of it."""
        return cls(**dict(re.findall(r"(\w+)='([^']*)'", text)))

    @property
    def row(self) -> str:
        """The key of its row."""
        return f"{self.event}|{self.rule}"

    @property
    def marker(self) -> str:
        """The key of the row that says that it has not ended."""
        return f"!open|{self.row}"


class Message(NamedTuple):
    """A queue message: which action is due. Only one with the ticket that the row has counts; others are dropped."""

    id: ActionId
    ticket: int
    after: timedelta = timedelta()

    def __str__(self) -> str:
        return json.dumps({"schema": SCHEMA, **self.id._asdict(), "ticket": self.ticket})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError if it is no message of this app."""
        try:
            m = json.loads(text)
            id = ActionId(*(_word(m[name]) for name in ActionId._fields))
            if not re.fullmatch(r"\d{4}-\d\d-\d\d|undated", id.day):  # other partitions hold no actions
                raise ValueError(f"{id.day!r} is no day")
            return cls(id, int(m["ticket"]))
        except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a message of this app: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Lease:
    """An action that is ours until the lease runs out."""

    id: ActionId
    record: ActionRecord
    etag: str
    siblings: Mapping[str, Row]  # the event's other actions, by rule


@dataclass(frozen=True, slots=True)
class Claim(Lease):
    """A leased action, with its event."""

    event: Event

    @property
    def action(self) -> Action:
        """What the handler is given."""
        record = self.record
        return Action(
            rule=self.id.rule,
            key=uuid5(KEYS, json.dumps([*self.id, record.generation])),
            started=record.started,
            failures=record.failures,
            generation=record.generation,
            interrupted=record.crashes > 0,
            state=record.state,
            result=record.follows,
            event=self.event.id,
            depth=min(came_from.depth + 1, MOST_DEPTH) if (came_from := lineage_of(self.event)) else 1,
        )


@dataclass(frozen=True, slots=True)
class NotYet:
    """Someone has it, or it is not due: the message is wanted again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing is to be done for this message, and why."""

    why: str
    failed: bool = False  # because the action has just ended so: its event cannot be read


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a call of an action went, and what follows. Waiting, it is `due` again; else it has ended."""

    status: Status
    note: str
    details: dict[str, str] = field(default_factory=dict)
    due: datetime | None = None
    changes: dict[str, Any] = field(default_factory=dict)  # of the record: state, failures, failing_since


@dataclass(frozen=True, slots=True)
class NewAction:
    """What is written down of a rule that matched."""

    rule: str
    handler: str
    settings: str
    follows: Result | None = None
    generation: int = 0  # how often the event had been replayed


@dataclass(frozen=True, slots=True)
class Pending:
    """An event, or with `result` the end of an action, about which some rules files have not been asked."""

    day: str
    key: str  # the event's
    event: Event
    result: Result | None
    files: tuple[str, ...]
    siblings: Mapping[str, Row]  # the event's actions, by rule
    marker: Row
    since: datetime  # when those files were left
    generation: int = 0  # of the action that has ended

    def lacks(self, rule: str) -> bool:
        """Has this rule no action yet that this led to, or could have led to?"""
        return is_older(self.siblings.get(rule), self.generation)


class LeaseLost(Exception):  # noqa: N818 - what happened, told to whoever settles too late
    """The action was claimed by another worker, or ended, while this one worked on it. Nothing was written."""


class Markers(NamedTuple):
    """What is left to do of a day: the actions that have not ended, and the markers of what must be matched again."""

    open: list[ActionId]
    undecided: list[Row]


class History(NamedTuple):
    """What a day's partition holds."""

    events: dict[str, EventRecord]
    actions: list[tuple[ActionId, ActionRecord]]
    rejected: list[Rejected]


def event_key(event: Event) -> tuple[str, str]:
    """The partition and the key of an event: the same for every delivery of it, in whatever envelope.

    The time is part of it because Azure ML's ids look derived from run and status: a status that comes again may repeat
    its id.
    """
    time = event.event_time
    text = json.dumps([event.topic.casefold(), event.id, time.isoformat() if time else ""])
    unique = uuid5(KEYS, text).hex
    if time is None or time.utcoffset() or not 2000 <= time.year < 2100:
        return "undated", f"{0:08d}-{unique}"
    since_midnight = time - time.replace(hour=0, minute=0, second=0, microsecond=0)
    return f"{time:%Y-%m-%d}", f"{_DAY - 1 - since_midnight // timedelta(milliseconds=1):08d}-{unique}"


def is_older(there: Row | None, generation: int) -> bool:
    """Is there no such action yet, or only one that has ended and is of an earlier generation?"""
    if there is None:
        return True
    record = ActionRecord.read(there)
    return record is not None and record.ended and record.generation < generation


def _word(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-z-]{1,80}", value):
        raise ValueError(f"{value!r} names nothing")
    return value
