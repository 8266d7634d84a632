"""The overview: today by outcome, workspace and rule, the last two weeks, and what fails, waits and was refused."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from dispatch.app import App
from dispatch.health import problems
from dispatch.inbox.history.entry import FIRST, LAST, Entry
from dispatch.inbox.history.numbers import OUTCOMES, Numbers
from dispatch.inbox.history.open_work import Current
from dispatch.inbox.history.records import actions_of
from dispatch.inbox.tables import Row
from web.charts import HEIGHT, WIDTH, bars

DAYS = 14  # of the chart
SHOWN = 20  # rules, workspaces, and open actions

_LATEST = 8  # events


def overview(app: App) -> dict[str, Any]:
    """The values of the page. Makes three queries: today's first rows, the last sweep, the numbers of two weeks."""
    now = app.now()
    today = f"{now:%Y-%m-%d}"
    current = Current.read(app.inbox.table, app.inbox.shared, now)
    days = [f"{now - timedelta(days=n):%Y-%m-%d}" for n in reversed(range(DAYS))]
    by_day = _by_day(app, days, current.rows)
    failing = sum(action.failing for action in current.actions)
    return {
        "now": now,
        "problems": [*problems(app.rules, current.swept, failing, now), *current.unseen],
        "swept": current.swept,
        "day": today,
        "today": by_day[today],
        "bars": bars({day: _columns(by_day[day]) for day in days}, [*OUTCOMES, "rejected"]),
        "chart": {"width": WIDTH, "height": HEIGHT},
        "open": current.actions[:SHOWN],
        "open_count": current.open,
        "latest": [(event, actions_of(event)) for event in current.events[:_LATEST]],
        "rules": app.rules,
        "most": SHOWN,
    }


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
