"""Erase what was found. The keys of events stay, so that a redelivery is still a duplicate and nothing acts again.

The order makes an erasure complete when it is repeated after a crash. What is found by the event goes first: the names
in the index and what was sent. The event's own row, by which all of it is found, goes last. Each transaction rewrites
that row, so that a replay, a purge or another erasure of the event at the same time conflicts with it.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from dispatch.app import App
from dispatch.erasure.find import Found, FoundEvent
from dispatch.erasure.needle import Needle
from dispatch.erasure.remembered import remembers, without
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history.entry import FIRST as NEW
from dispatch.inbox.history.sent import PREFIX as SENT
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord, EventRecord, Rejected, TimelineEntry
from dispatch.inbox.shared_state import PARTITION
from dispatch.inbox.tables import MAX_OPERATIONS, Row, Table, Value
from dispatch.log import log_event
from handlers.base import Result

_BLANK = ("id", "object", "event", "reason", "note")  # texts in markers that name something or somebody
_FAILED = "!failed|"


@dataclass(slots=True)
class Erased:
    """How much was erased, and which events were not, with the reason."""

    events: int = 0
    actions: int = 0
    sent: int = 0
    rejected: int = 0
    names: int = 0
    shared: int = 0
    refused: dict[tuple[str, str], str] = field(default_factory=dict)  # by day and key


class _Unreadable(Exception):  # noqa: N818 - it says what is so
    """A newer version of the app wrote a row."""


def erase(found: Found, needle: Needle, app: App, by: str) -> Erased:
    """Erase it, and log how much, without the name. Raises StorageError; call it again, with what is then found.

    An event with open actions is refused: they need what would be erased.
    """
    done = Erased()
    refused = done.refused
    if needle.is_in(by):
        by = "the person"
    for event in found.events:
        if event.open:
            refused[event.day, event.key] = f"it has open actions: {', '.join(event.open)}"
    for event in found.events:
        if (event.day, event.key) not in refused:
            _forget_unindexed(event, app.inbox.table)
    done.names = _erase_names(found, {*refused}, app.inbox.table)
    for event in found.events:
        if (event.day, event.key) in refused:
            continue
        try:
            _erase_event(event, needle, app, by, done)
        except Conflict:
            refused[event.day, event.key] = "another worker changes it"
        except _Unreadable:
            refused[event.day, event.key] = "a newer version of the app wrote a part of it"
    for row in found.shared:
        with suppress(Conflict):  # it has changed; the next search finds it, if it still has the name
            if not remembers(row, needle):
                app.inbox.table.commit(PARTITION, replace(row, values=_replaced(row.values, needle)))
            elif left := without(row, needle):
                app.inbox.table.commit(PARTITION, left)
            else:
                app.inbox.table.commit(PARTITION, delete=(row,))
            done.shared += 1
    counts = {name: getattr(done, name) for name in ("events", "actions", "sent", "rejected", "names", "shared")}
    log_event("record.erased", by=by, **counts, refused=len(refused))
    return done


def _forget_unindexed(event: FoundEvent, table: Table) -> None:
    """Take the names from the markers by which the next sweep would index the event. They still count it."""
    markers = [row for key, row in event.rows.items() if key.startswith(NEW) and (event.whole or key in event.matched)]
    for start in range(0, len(markers), MAX_OPERATIONS):
        with suppress(Conflict):  # a sweep indexes it now; the next search finds the names
            table.commit(event.day, *(_blank(row) for row in markers[start : start + MAX_OPERATIONS]))


def _blank(marker: Row) -> Row:
    values = dict(marker.values)
    for name in _BLANK:
        if name in values and not (name == "event" and marker.key.startswith(NEW)):  # there, it is the event's key
            values[name] = ""
    if "names" in values:
        values["names"] = "[]"
    return replace(marker, values=values)


def _erase_names(found: Found, refused: set[tuple[str, str]], table: Table) -> int:
    kept = [(partition, row) for partition, row in found.index if _place(row) not in refused]
    count = 0
    for partition in dict.fromkeys(partition for partition, _ in kept):
        keys = [row.key for each, row in kept if each == partition]
        for start in range(0, len(keys), MAX_OPERATIONS):
            batch = keys[start : start + MAX_OPERATIONS]
            try:
                table.commit(partition, delete=tuple(batch))
                count += len(batch)
            except Conflict:  # a purge deletes the month
                continue
    return count


def _place(row: Row) -> tuple[str, str]:
    return str(row.values.get("day")), str(row.values.get("event"))


def _erase_event(event: FoundEvent, needle: Needle, app: App, by: str, done: Erased) -> None:
    """Erase an event, or what its actions have; a rejected event keeps its key and its kind."""
    now, table = app.now(), app.inbox.table
    if event.key.startswith("x|"):
        if row := event.rows.get(event.key):
            table.commit(event.day, replace(row, values=_rejection(row, now, by)))
            done.rejected += 1
        return
    own = event.rows.get(event.key)
    sent = [row for key, row in event.rows.items() if key.startswith(SENT) and (event.whole or key in event.matched)]
    without = {row.key.split("|")[2] for row in sent}
    actions = list(_actions(event, without, now, by))
    markers = [
        _blank(row)
        for key, row in event.rows.items()
        if key.startswith(_FAILED) and (event.whole or key in event.matched)
    ]
    for key, row in event.rows.items():
        if event.whole and row.values.get("window"):
            app.inbox.windows.forget(ActionId(event.day, *key.split("|")))
    changes: list[tuple[Row | None, Row | None]] = [(row, None) for row in (*actions, *markers)]
    changes += [(None, row) for row in sent]
    for start in range(0, len(changes), MAX_OPERATIONS - 1):
        batch = changes[start : start + MAX_OPERATIONS - 1]
        rows = [row for row, _ in batch if row]
        etags = table.commit(event.day, *([own] if own else []), *rows, delete=tuple(row for _, row in batch if row))
        own = replace(own, etag=etags[0]) if own else None
    if own and event.whole:
        table.commit(event.day, replace(own, values=_tombstone(own, now, by)))
    done.events += bool(own and event.whole)
    done.actions += len(actions)
    done.sent += len(sent)


def _actions(event: FoundEvent, without: set[str], now: datetime, by: str) -> Iterator[Row]:
    """The actions without what they have of the person. One whose mail is erased has sent nothing any more."""
    for key, row in event.rows.items():
        is_action = key.startswith(f"{event.key}|")
        rule = key.partition("|")[2]
        if not is_action or not (event.whole or key in event.matched or rule in without):
            continue
        record = ActionRecord.read(row)
        if record is None:
            raise _Unreadable
        if event.whole or key in event.matched:
            record = _without_texts(record, now, by)
        yield replace(row, values=replace(record, sent=0 if rule in without else record.sent).values())


def _without_texts(record: ActionRecord, now: datetime, by: str) -> ActionRecord:
    """The action with its statuses and times, and with no text of its handler."""
    note = f"erased by {by}"
    follows = Result(record.follows.rule, record.follows.status, "erased", {}) if record.follows else None
    timeline = tuple(TimelineEntry(entry.at, entry.status) for entry in record.timeline)
    bare = replace(record, state={}, details={}, follows=follows, timeline=timeline)
    return bare.then(now, status=record.status, note=note)


def _tombstone(row: Row, now: datetime, by: str) -> Mapping[str, Value]:
    """The values of an erased event: its type, its workspace, and when it was received."""
    try:
        record = EventRecord.of(row)
    except (LookupError, TypeError, ValueError) as error:
        raise _Unreadable from error
    when = f"{now:%Y-%m-%d %H:%M:%S} UTC by {by}"
    return replace(record, raw="", id="", object="", erased=when).values()


def _rejection(row: Row, now: datetime, by: str) -> Mapping[str, Value]:
    try:
        record = Rejected.of(row)
    except (LookupError, TypeError, ValueError) as error:
        raise _Unreadable from error
    reason = f"its content was erased {now:%Y-%m-%d %H:%M:%S} UTC by {by}"
    return replace(record, reason=reason, raw="").values()


def _replaced(values: Mapping[str, Value], needle: Needle) -> Mapping[str, Value]:
    return {name: needle.replaced(value) if isinstance(value, str) else value for name, value in values.items()}
