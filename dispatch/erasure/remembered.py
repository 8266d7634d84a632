"""What the watch keeps compressed in shared state: events that never came, and names and tags of models."""

import json
from collections.abc import Iterator
from dataclasses import replace

from dispatch.erasure.needle import Needle
from dispatch.inbox.shared_state import value_of
from dispatch.inbox.tables import Row
from dispatch.watch.memory import packed, unpacked

MISSING, WATCHED = "missing|", "watched|"
_PACKED = ("known", "outbox", "events")


def remembers(row: Row, needle: Needle) -> bool:
    """Is the name in what a row of the watch keeps compressed?"""
    return row.key.startswith((MISSING, WATCHED)) and any(needle.is_in(text) for text in _texts(row))


def _texts(row: Row) -> Iterator[str]:
    value = value_of(row)
    yield from (json.dumps(unpacked(value[name])) for name in _PACKED if name in value)


def without(row: Row, needle: Needle) -> Row | None:
    """A row of events that never came without those that have the name; None if there are no others."""
    value = value_of(row)
    events = [event for event in unpacked(value["events"])["events"] if not needle.is_in(json.dumps(event))]
    if not events:
        return None
    left = {**value, "count": str(len(events)), "events": packed({"events": events})}
    return replace(row, values={**row.values, "note": json.dumps(left)})
