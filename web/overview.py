"""The overview: today by outcome, workspace and rule, the last two weeks, and what fails, waits and was refused."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from dispatch.app import App
from dispatch.health import problems
from dispatch.inbox.history.entry import FIRST, LAST, Entry
from dispatch.inbox.history.numbers import OUTCOMES, Numbers
from dispatch.inbox.history.open_work import NAME, OpenAction, OpenWork
from dispatch.inbox.history.records import StoredEvent, actions_of, stored_events
from dispatch.inbox.keys import ActionId
from dispatch.inbox.tables import MAX_ROWS, Row
from web.charts import HEIGHT, WIDTH, bars

DAYS = 14  # of the chart
SHOWN = 20  # rules, workspaces, and open actions

_LATEST = 8  # events


def overview(app: App) -> dict[str, Any]:
    """The values of the page. Makes three queries: today's first rows, the last sweep, and the numbers of two weeks.

    Markers sort before events, so the first one has both what no sweep has indexed yet and the latest events.
    """
    now = app.now()
    today = f"{now:%Y-%m-%d}"
    rows = app.inbox.table.read(today, FIRST, "x", MAX_ROWS)
    work = OpenWork.of(app.inbox.shared.all(NAME).get(NAME, {}))
    days = [f"{now - timedelta(days=n):%Y-%m-%d}" for n in reversed(range(DAYS))]
    by_day = _by_day(app, days, rows)
    events = [*stored_events(today, [row for row in rows if row.key[0] != "!"])]
    actions = open_actions(work, events)
    return {
        "now": now,
        "problems": problems(app.rules, work.at, sum(action.failing for action in actions), now),
        "swept": work.at,
        "today": by_day[today],
        "bars": bars({day: _columns(by_day[day]) for day in days}, [*OUTCOMES, "rejected"]),
        "chart": {"width": WIDTH, "height": HEIGHT},
        "open": actions[:SHOWN],
        "open_count": len(actions) + max(0, work.count - len(work.oldest)),
        "latest": [(event, actions_of(event)) for event in events[:_LATEST]],
        "rules": app.rules,
        "most": SHOWN,
    }


def open_actions(work: OpenWork, events: Sequence[StoredEvent]) -> list[OpenAction]:
    """The open actions of these events as they are now, and those of others as the last sweep saw them."""
    read = {(event.day, event.key) for event in events}
    found = [action for action in work.oldest if (action.id.day, action.id.event) not in read]
    for event in events:
        for rule, record in actions_of(event).items():
            if not record.ended:
                found.append(OpenAction.of(ActionId(event.day, event.key, rule), record))
    return sorted(found, key=lambda action: (not action.failing, action.started, action.id))


def _by_day(app: App, days: Sequence[str], rows: Sequence[Row]) -> dict[str, Numbers]:
    """The numbers of each day, with what no sweep has indexed on the last one."""
    found = {day: Numbers() for day in days}
    for day, numbers in app.inbox.index.counts(days[0], f"{days[-1]}~").items():
        found[day].add(numbers)
    for row in rows:
        if FIRST <= row.key < LAST:
            with suppress(LookupError, TypeError, ValueError):  # of a newer version of the app
                found[days[-1]].add({number: 1 for number, _ in Entry.of(row).counted()})
    return found


def _columns(numbers: Numbers) -> Mapping[str, int]:
    return {**numbers.outcomes, "rejected": numbers.rejected.total()}
