"""Keys of partitions and rows."""

import json
import re
from datetime import timedelta
from typing import NamedTuple, Self
from uuid import UUID, uuid5

from schemas import Event

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
