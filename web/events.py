"""Events with filters in the address, and events by name."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dispatch.app import App
from dispatch.inbox.history.entry import Entry
from dispatch.inbox.history.records import actions_of
from dispatch.inbox.history.search import Cursor, Filter
from dispatch.rules.rule import Rules
from schemas import EVENT_NAMES
from schemas.errors import shown
from web.exchange import AddressError

STATUSES = ("pending", "running", "waiting", "succeeded", "skipped", "failed", "unmatched")
FIELDS = ("workspace", "type", "object", "rule", "status", "text")

_MOST = 100  # events of one name


def events(app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """The values of the page of events. Makes three queries at most; raises AddressError."""
    given = {name: query.get(name, "").strip() for name in (*FIELDS, "from", "until")}
    filter = filter_of(given)
    after = query.get("after", "")
    page = app.inbox.search(filter).page(cursor_of(after) if after else None)
    return {
        "given": given,
        "filtered": filter != Filter(),
        "after": after,
        "events": [(event, actions_of(event)) for event in page.events],
        "cursor": page.cursor,
        "searched_to": page.searched_to,
        **_choices(app.rules),
    }


def filter_of(given: Mapping[str, str]) -> Filter:
    """The filter whose texts are given by their names in an address. Raises AddressError."""
    since, until = (_time(name, given[name]) for name in ("from", "until"))
    if given["status"] not in ("", *STATUSES):
        raise AddressError(f"status is {shown(given['status'])}; it is one of {', '.join(STATUSES)}")
    return Filter(**{name: given[name] for name in FIELDS}, since=since, until=until)


def found_by_name(app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """The values of the page of what is recorded under a name.

    Makes three queries: what no sweep has indexed today, and two months of the index. Older months are asked for with
    `month`, two at a time. Raises AddressError.
    """
    name, asked = query.get("name", "").strip(), query.get("month", "")
    now = app.now()
    first = _month(asked) if asked else now
    months = [f"{first:%Y-%m}", f"{_before(first):%Y-%m}"]
    found = [] if asked or not name else app.inbox.index.find_new(name, f"{now:%Y-%m-%d}")
    for month in months if name else ():
        found += app.inbox.index.find(name, month)
    older = _before(_before(first))
    oldest = now - app.retention - timedelta(days=31)  # the index keeps a month whole
    return {
        "name": name,
        "months": months,
        "found": _grouped(found)[:_MOST],
        "older": f"{older:%Y-%m}" if name and older >= oldest.replace(day=1) else "",
    }


def cursor_of(text: str) -> Cursor:
    """The cursor in an address, or the position of an event. Raises AddressError."""
    try:
        return Cursor.parse(text)
    except ValueError as error:
        raise AddressError(f"{error}: follow a link of these pages") from error


def _grouped(entries: list[Entry]) -> list[tuple[Entry, list[Entry]]]:
    """Each event or rejection once, newest first, with the ends of actions that have the name."""
    groups: dict[tuple[str, str], dict[tuple[str, datetime], Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.day, entry.key), {}).setdefault((entry.rule, entry.at), entry)
    found = []
    for group in groups.values():
        ends = [entry for entry in group.values() if entry.rule]
        own = next((entry for entry in group.values() if not entry.rule), None)
        found.append((own or ends[0], ends))
    return sorted(found, key=lambda each: each[0].at, reverse=True)


def _choices(rules: Rules) -> dict[str, list[str]]:
    workspaces = [*rules.workspaces.by_name] if rules.workspaces else []
    return {
        "workspaces": sorted(workspaces),
        "types": sorted({event.__name__ for found in EVENT_NAMES.values() for event in found}),
        "rule_names": sorted(rules.by_name),
        "statuses": [*STATUSES],
    }


def _time(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise AddressError(f"{name} is {shown(text)}; write a date, or a time like 2026-11-22T09:30, in UTC") from error


def _month(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise AddressError(f"month is {shown(text)}; write it like 2026-11") from error


def _before(time: datetime) -> datetime:
    """The first day of the month before."""
    return (time.replace(day=1) - timedelta(days=1)).replace(day=1)
