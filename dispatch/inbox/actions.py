"""The words of the inbox: what names an action, who has it, what is sent about it, and what is to be written of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dispatch.inbox.keys import ActionId
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.tables import Row
from handlers.base import Result

MOST_ACTIONS = 48  # at once: a transaction takes 100 operations, an action is two rows, and up to three are others


@dataclass(frozen=True, slots=True)
class NewAction:
    """What is written down of a rule that matched."""

    rule: str
    handler: str
    settings: str
    follows: Result | None = None
    generation: int = 0  # how often the event had been replayed


def is_older(there: Row | None, generation: int) -> bool:
    """Is there no such action yet, or only one that has ended and is of an earlier generation?"""
    if there is None:
        return True
    record = ActionRecord.read(there)
    return record is not None and record.ended and record.generation < generation


def _opening(
    id: ActionId, action: NewAction, now: datetime, there: Row | None = None, note: str = ""
) -> tuple[list[Row], Message]:
    """The rows and the message of an action that is made or, where it is there and has ended, opened again."""
    record = ActionRecord(
        action.rule,
        action.handler,
        action.settings,
        started=now,
        due=now,
        generation=action.generation,
        follows=action.follows,
    )
    if there is not None:
        record = record.replacing(ActionRecord.of(there))
        note = note or f"{action.follows.rule if action.follows else 'what it follows'} was replayed"
    record = record.then(now, note=note)
    rows = [Row(id.row, record.values(), there.etag if there else ""), Row(id.marker, {})]
    return rows, Message(id, record.ticket)


def _undecided(key: str, files: Sequence[str], now: datetime) -> Row:
    return Row(f"!undecided|{key}", {"files": json.dumps(list(files)), "since": now.isoformat()})
