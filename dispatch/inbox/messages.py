"""Queue messages."""

import json
import re
from datetime import timedelta
from typing import Any, NamedTuple, Self

from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import SCHEMA


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


def _word(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-z-]{1,80}", value):
        raise ValueError(f"{value!r} names nothing")
    return value
