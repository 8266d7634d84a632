"""Compares the index with the record."""

from collections import Counter
from collections.abc import Iterator

from dispatch.inbox.history.entry import COPIED, COUNTS
from dispatch.inbox.history.index import TOTALS
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ENDED, ActionRecord, EventRecord
from dispatch.inbox.tables import read_row


def is_indexed(inbox: Inbox) -> bool:
    """Is there no row that a sweep must index?"""
    return not any(inbox.backlog.markers(day).has_new for day in inbox.history.days())


def index_errors(inbox: Inbox) -> Iterator[str]:
    """What the index counts too often or not at all, and which events it does not find by their ids.

    Each event, rejection and end counts once, and each event is found once by its id.
    """
    expected = {day: _numbers(inbox, day) for day in inbox.history.days()}
    counted = {day: numbers for day, numbers in inbox.index.counts("", "~").items() if numbers}
    if counted != {day: numbers for day, numbers in expected.items() if numbers}:
        yield f"the record has {expected}, and the index counts {counted}"
    for day in expected:
        own, copy = read_row(inbox.table, day, COUNTS), read_row(inbox.table, TOTALS, day)
        if (own and own.values) != (copy and {**copy.values, COPIED: 1}):
            yield f"{day}: the numbers and their copy differ"
    for day in expected:
        for key, event in inbox.history.day(day).events.items():
            found = [
                entry
                for entry in inbox.lookup.entries(event.id, ())
                if (entry.day, entry.key, entry.id, entry.rule) == (day, key, event.id, "")
            ]
            if len(found) != 1:
                yield f"{event.id} is found {len(found)} times"


def _numbers(inbox: Inbox, day: str) -> Counter[str]:
    numbers: Counter[str] = Counter()
    history = inbox.history.day(day)
    for event in history.events.values():
        numbers += _of_event(event)
    for id, record in history.actions:
        numbers += _of_action(id, record)
    numbers.update(f"rejected|{rejected.kind}" for rejected in history.rejected)
    return numbers


def _of_event(event: EventRecord) -> Counter[str]:
    return Counter((f"type|{event.event_type}", f"workspace|{event.workspace}"))


def _of_action(id: ActionId, record: ActionRecord) -> Counter[str]:
    return Counter(f"rule|{id.rule}|{entry.status}" for entry in record.timeline if entry.status in ENDED)
