"""Keys of the inbox's partitions and rows.

A partition is the day of an event's time, in UTC, or ``undated``. Its row keys are

    !open|<event>|<rule>        an action that has not ended: lets the sweep find open work without reading history
    !undecided|<event>          an event that has not been matched against some rules files
    !undecided|<event>|<rule>|<replay number>    the end of an action, likewise
    !failed|<event>|<rule>|<message version>     a failed action that no alert reports yet
    <event>                     an event; keys sort the newest first
    <event>|<rule>              an action
    !new|…                      what the index lacks (dispatch/inbox/history/index.py)
    !counts                     the numbers of the day, by the index
    x|<hash>                    a rejected event, in the partition of the day on which it was received
    y|<event>|<rule>|<message version>           what an action has sent (dispatch/inbox/history/sent.py)
    y|<event>|!run              what a service knows about its object (dispatch/inbox/history/facts.py)

The partition ``days`` has one row per partition, ``notes`` holds shared state (dispatch/inbox/shared_state.py), and
``names…`` and ``counts`` are the index.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID, uuid5

from schemas import Event

NAMESPACE = UUID("6f1f0a52-6e0f-4b3c-9a55-3d9c5f3b7a11")  # of the UUIDs that are derived from keys
UNDATED = "undated"  # the partition of events whose time is missing or has no day in UTC
LONG_AGO = "2000-01-01T00:00:00+00:00"  # stands for a time that an earlier release did not record
DAYS = "days"  # the partition with one row per partition

_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)


class ActionId(NamedTuple):
    """Identifies an action by the day (the table partition), the event's key and the rule's name."""

    day: str
    event: str
    rule: str

    def __str__(self) -> str:
        """The text by which shared state names an action: a stored format, which must not change."""
        return f"ActionId(day='{self.day}', event='{self.event}', rule='{self.rule}')"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text that `str` writes. Raises ValueError for any other text."""
        found = re.fullmatch(r"ActionId\(day='([^']*)', event='([^']*)', rule='([^']*)'\)", text)
        if found is None:
            raise ValueError(f"{text!r} names no action")
        return cls(*found.groups())

    @property
    def row(self) -> str:
        """The key of the action's row."""
        return f"{self.event}|{self.rule}"

    @property
    def open_marker(self) -> str:
        """The key of the row that exists until the action has ended."""
        return f"!open|{self.row}"


def event_key(event: Event) -> tuple[str, str]:
    """The partition and the key of an event: the same for every delivery of it, in either envelope.

    The key includes the time, because Azure ML seems to derive an event's id from the run and its status: a run that
    enters a status twice may repeat the id.
    """
    time = event.event_time
    text = json.dumps([event.topic.casefold(), event.id, time.isoformat() if time else ""])
    unique = uuid5(NAMESPACE, text).hex
    if time is None or time.utcoffset() or not 2000 <= time.year < 2100:
        return UNDATED, f"{0:08d}-{unique}"
    return f"{time:%Y-%m-%d}", f"{key_at(time)}-{unique}"


def key_at(time: datetime) -> str:
    """How the keys of events of this time begin: the later the time of day, the smaller they are."""
    since_midnight = time - time.replace(hour=0, minute=0, second=0, microsecond=0)
    return f"{_DAY // _MILLISECOND - 1 - since_midnight // _MILLISECOND:08d}"


def time_of(day: str, key: str) -> datetime:
    """The time of an event, to the millisecond, from the key that `event_key` returned. `day` is not ``undated``."""
    left = (int(key[:8]) + 1) * _MILLISECOND  # of the day
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + _DAY - left


def is_current(day: str, now: datetime) -> bool:
    """Is the day yesterday, today or tomorrow? A purge never deletes the row of such a day from ``days``."""
    return any(day == f"{now + n * _DAY:%Y-%m-%d}" for n in (-1, 0, 1))
