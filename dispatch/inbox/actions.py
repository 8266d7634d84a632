"""Rows and messages of actions that are created, or opened again by a replay."""

from dataclasses import dataclass
from datetime import datetime

from dispatch.inbox.keys import ActionId
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.tables import Row, Table, read_row
from handlers.base import Result

MAX_ACTIONS = 48  # per transaction of 100 operations: an action takes two, and up to three are for other rows


@dataclass(frozen=True, slots=True)
class NewAction:
    """An action to create for a rule that matched."""

    rule: str
    handler: str
    settings: str  # the hash of the rule's settings
    follows: Result | None = None
    replay_number: int = 0
    leads: str = ""  # the window that it leads, whose leader has ended before it acted


def read_action(table: Table, id: ActionId) -> tuple[Row | None, ActionRecord | None]:
    """An action's row, if it exists; and its record, unless another version of the app wrote the row."""
    row = read_row(table, id.day, id.row)
    return row, ActionRecord.read(row) if row else None


def is_missing(row: Row | None, replay_number: int) -> bool:
    """Does this replay lack the action: is there no row yet, or one that ended in an earlier replay?"""
    if row is None:
        return True
    record = ActionRecord.read(row)
    return record is not None and record.ended and record.replay_number < replay_number


def opened(
    id: ActionId, action: NewAction, now: datetime, existing: Row | None = None, note: str = ""
) -> tuple[list[Row], Message]:
    """The rows and the message of an action that is created or, given its existing row, opened again."""
    record = ActionRecord(
        action.rule,
        action.handler,
        action.settings,
        started=now,
        due=now,
        replay_number=action.replay_number,
        follows=action.follows,
        window=action.leads,
        leads=bool(action.leads),
    )
    if existing is not None:
        record = record.continuing(ActionRecord.of(existing))
        note = note or f"{action.follows.rule if action.follows else 'the rule that it follows'} was replayed"
    record = record.then(now, note=note)
    rows = [Row(id.row, record.values(), existing.etag if existing else ""), Row(id.open_marker, {})]
    return rows, Message(id, record.message_version)
