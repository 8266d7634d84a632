"""Rejected events: the days that have some, and those of one day, by page."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dispatch.app import App
from dispatch.inbox.history.numbers import Numbers
from dispatch.inbox.rows import Rejected
from dispatch.inbox.tables import Row, read_row
from schemas.errors import shown
from web.exchange import AddressError

PAGE = 25  # rejected events
SHOWN = 2_000  # characters of a payload in a list

_END = "x|~"


def rejected_events(app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """The values of the page: the rejected events of the day that the address names, else of the latest day with any.

    Makes three queries at most. Raises AddressError.
    """
    today = f"{app.now():%Y-%m-%d}"
    day, after = query.get("day", ""), query.get("after", "")
    if day and not is_day(day):
        raise AddressError(f"day is {shown(day)}; write it like {today}")
    if after and not is_hash(after):
        raise AddressError(f"after is {shown(after)}, and not from a link of this page")
    first = app.now() - min(app.retention, timedelta(days=900))  # so that one response has all days
    counts = app.inbox.index.counts(f"{first:%Y-%m-%d}", "~")
    counted = {each: total for each in sorted(counts, reverse=True) if (total := _rejected(counts[each]))}
    asked = day or today
    rows = _rows(app, asked, after)
    if not rows and not day and (others := [each for each in counted if each != today]):
        asked = others[0]
        rows = _rows(app, asked, after)
    more = len(rows) > PAGE
    found = [(row.key[2:], rejected) for row in rows[:PAGE] if (rejected := _read(row))]
    return {
        "day": asked,
        "days": counted,
        "rejected": sorted(found, key=lambda pair: pair[1].received, reverse=True),
        "after": rows[PAGE - 1].key[2:] if more else "",
        "most": SHOWN,
    }


def rejected_event(app: App, day: str, hash: str) -> Rejected | None:
    """One rejected event, with one query; None if it is not recorded, or cannot be read."""
    row = read_row(app.inbox.table, day, f"x|{hash}") if is_day(day) and is_hash(hash) else None
    return _read(row) if row else None


def is_day(text: str) -> bool:
    """Is the text the name of a day's partition?"""
    try:
        return f"{datetime.strptime(text, '%Y-%m-%d'):%Y-%m-%d}" == text
    except ValueError:
        return False


def is_hash(text: str) -> bool:
    """Is the text the part of a rejected event's key that follows "x|"?"""
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def _rows(app: App, day: str, after: str) -> list[Row]:
    return app.inbox.table.read(day, f"x|{after}!" if after else "x|", _END, PAGE + 1)


def _rejected(numbers: Mapping[str, int]) -> int:
    total = Numbers()
    total.add(numbers)
    return total.rejected.total()


def _read(row: Row) -> Rejected | None:
    try:
        return Rejected.of(row)
    except (LookupError, TypeError, ValueError):
        return None
