"""Find the actions that failed in a span of time, for a replay of all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dispatch.app import App
from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.history.search import Cursor, Filter


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """An event with failed actions. Its payload is left out, so that thousands of these fit in memory."""

    day: str
    key: str
    rules: tuple[str, ...]  # whose actions failed


@dataclass(frozen=True, slots=True)
class Found:
    """The events of one page of the search; the search has come back to `searched_to`."""

    events: tuple[FailedEvent, ...]
    searched_to: datetime | None


def failed_rules(event: StoredEvent, rule: str = "") -> tuple[str, ...]:
    """The rules whose actions on the event failed, or only the one with this name."""
    failed = (name for name, record in actions_of(event).items() if record.status == "failed")
    return tuple(sorted(name for name in failed if rule.casefold() in ("", name.casefold())))


def find_failed(app: App, since: datetime, until: datetime, rule: str = "") -> Iterator[Found]:
    """The events with ``since <= time < until`` that have failed actions (of a rule), newest first, page by page.

    The time is the event's own, or that of its receipt if it has none. Raises StorageError.
    """
    search = app.inbox.search(Filter(rule=rule, status="failed", since=since, until=until))
    cursor: Cursor | None = None
    while True:
        page = search.page(cursor)
        found = []
        for event in page.events:
            found.append(FailedEvent(event.day, event.key, failed_rules(event, rule)))
        yield Found(tuple(event for event in found if event.rules), page.searched_to)
        if (cursor := page.cursor) is None:
            return
