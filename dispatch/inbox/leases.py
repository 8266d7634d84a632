"""Claim an action for the length of a lease, and settle it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid5

from dispatch.inbox.keys import KEYS, ActionId
from dispatch.inbox.rows import ActionRecord, Status
from dispatch.inbox.tables import Row
from handlers.base import Action
from handlers.lineage import MOST_DEPTH, lineage_of
from schemas import Event

MOST_CRASHES = 5


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


class LeaseLost(Exception):  # noqa: N818 - what happened, told to whoever settles too late
    """The action was claimed by another worker, or ended, while this one worked on it. Nothing was written."""
