"""Pages of a record with a million events, on Azurite: three queries each, whatever the history.

``MLEVENTS_TEST_EVENTS`` sets another number of events. A million takes about 10 GB of memory and a quarter of an hour.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from dispatch.inbox.history.entry import Entry
from dispatch.inbox.history.index import MONTHS, TOTALS
from dispatch.inbox.keys import DAYS
from dispatch.inbox.rows import packed
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureTable, Row, SpanTable
from dispatch.inbox.transport import PunctualTransport
from dispatch.sweep import sweep
from emulator.background import Background
from mlevents.local.azurite import Azurite
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.table_loader import TableLoader
from tests.kit.world import World, rule, rules
from tests.web.browser import Browser

EVENTS = int(os.environ.get("MLEVENTS_TEST_EVENTS", "1000000"))
NAMED = 10  # one in so many events is in the index by its names
FAILED = 1_000  # the action of one in so many events failed
MOST_PAGES = 12  # that are asked for, one after the other
TABLE = "history"


@dataclass
class Templates:
    """The rows that the app writes for an event whose action succeeds, and for one whose action fails."""

    event: Row
    succeeded: Row
    failed: Row
    entry: Entry

    @classmethod
    def of(cls, folder: Path) -> "Templates":
        """Let the app write them."""
        world = World(rules(rule("ring"), rule("fails", "give-up no quota")), folder)
        world.receive(RunStatusChanged.example(id="template", runId="run-0", eventTime="2026-11-20T10:00:00Z"))
        world.run()
        sweep(world.app)
        event, fails, ring = world.table.read("2026-11-20", "0", "x")
        assert [fails.values["status"], ring.values["status"]] == ["failed", "succeeded"]
        index = world.table.read(f"{MONTHS}|{NOW:%Y-%m}", "", "~")
        return cls(event, ring, fails, next(entry for row in index if not (entry := Entry.of(row)).rule))


class Made(NamedTuple):
    """An event of the history."""

    day: str
    key: str
    number: int

    @property
    def failed(self) -> bool:
        return self.number % FAILED == 0

    def rows(self, templates: Templates) -> Iterator[Row]:
        """The rows of the event and of its action."""
        names = {"id": f"id-{self.number}", "object": f"run-{self.number}"}
        yield Row(self.key, {**templates.event.values, **names, "actions": 1})
        rule, action = ("fails", templates.failed) if self.failed else ("ring", templates.succeeded)
        yield Row(f"{self.key}|{rule}", action.values)


class Size(NamedTuple):
    """How long a history is."""

    days: int  # many: Azurite searches a partition row by row for each row that it adds
    daily: int  # events of a day

    @property
    def events(self) -> int:
        return self.days * self.daily

    def day(self, ago: int) -> str:
        """A day, so many days before today."""
        return f"{NOW - timedelta(days=ago):%Y-%m-%d}"


def history(size: Size) -> Iterator[tuple[str, list[Made]]]:
    """The events of each day, oldest day first.

    Each day has its events in other minutes, so that row keys ascend over all days (see `TableLoader`).
    """
    window, number = 86_400_000 // size.days, 0
    for n in range(size.days):
        found = []
        for m in range(size.daily):
            key = f"{n * window + m * window // size.daily:08d}-{UUID(int=number).hex}"
            found.append(Made(size.day(size.days - 1 - n), key, number))
            number += 1
        yield found[0].day, found


def fill(azurite: Azurite, templates: Templates, size: Size) -> int:
    """Write the history, its index and its numbers; returns the number of events."""
    count, named = 0, list[tuple[str, Row]]()
    with TableLoader(azurite, TABLE) as loader:
        for day, made in history(size):
            count += loader.add(day, (row for one in made for row in one.rows(templates))) // 2
            failed = sum(one.failed for one in made)
            numbers = Counter({"type|RunStatusChanged": len(made), "workspace|churn-prod": len(made)})
            numbers |= {"rule|ring|succeeded": len(made) - failed, "rule|fails|failed": failed}
            loader.add(TOTALS, [Row(day, packed(json.dumps(numbers)))])
            loader.add(DAYS, [Row(day, {"touched": NOW.isoformat(), "rows": 2 * len(made)})])
            named += (row for one in made if one.number % NAMED == 0 for row in index_rows(one, templates.entry))
        for month in sorted({month for month, _ in named}):
            loader.add(MONTHS, [Row(month, {})])
            loader.add(f"{MONTHS}|{month}", sorted((r for m, r in named if m == month), key=lambda row: row.key))
    return count


def index_rows(made: Made, entry: Entry) -> Iterator[tuple[str, Row]]:
    """The rows of an event in the index, with their months."""
    at = NOW.fromisoformat(made.day).replace(tzinfo=NOW.tzinfo, hour=12)
    found = Entry(made.day, made.key, at, (f"run-{made.number}",), f"id-{made.number}", entry.type, entry.workspace)
    for row in found.rows():
        yield found.month, row


@dataclass
class TimedTable:
    """A table that measures how long its queries take."""

    table: SpanTable
    seconds: float = 0.0
    names: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Any] = getattr(self.table, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed


class Pages(NamedTuple):
    """A browser of a long history, its table, and the requests that were sent to Azurite."""

    browser: Browser
    table: TimedTable
    requests: list[str]

    def ask(self, path: str) -> str:
        """The text of a page, after its queries were counted; prints its time beside that of its queries."""
        self.requests.clear()
        self.table.seconds, begin = 0.0, time.perf_counter()
        response = self.browser.ask(path)
        seconds = time.perf_counter() - begin
        assert response.status == 200, response.body
        assert 1 <= len(self.requests) <= 3, (path, self.requests)
        ratio = seconds / self.table.seconds
        print(f"{path or 'overview':<44} {len(self.requests)} queries, page {ratio:.2f} x their time")
        return response.body


@pytest.fixture(
    scope="module",
    params=[
        Size(90, 10),
        pytest.param(Size(365, EVENTS // 365 + 1), marks=[pytest.mark.soak, pytest.mark.timeout(7_200)]),
    ],
)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Size, Azurite]]:
    """An Azurite with a history of so many events."""
    folder = tmp_path_factory.mktemp("templates")
    with pytest.MonkeyPatch.context() as patch, Background() as background:
        patch.setenv("NODE_OPTIONS", "--max-old-space-size=16000")
        azurite = background.run(Azurite.start())
        with Storage(connection_string=azurite.connection_string).table(TABLE) as client:
            client.create_table()
        begin = time.perf_counter()
        count = fill(azurite, Templates.of(folder), request.param)
        print(f"\n{count:,} events written in {time.perf_counter() - begin:.0f} s")
        assert count == request.param.events
        yield request.param, azurite
        background.run(azurite.stop())


@pytest.fixture
def pages(filled: tuple[Size, Azurite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """The pages of that history."""
    sent: list[str] = []
    send = PunctualTransport.send

    def counted(self: PunctualTransport, request: Any, **kwargs: Any) -> Any:
        sent.append(request.url)
        return send(self, request, **kwargs)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(PunctualTransport, "send", counted)
    world = World(rules(rule("ring"), rule("fails", "give-up no quota")), tmp_path)
    with Storage(connection_string=filled[1].connection_string).table(TABLE) as client:
        table = TimedTable(AzureTable(client))
        yield Pages(Browser(world, table=table), table, sent)


@pytest.mark.services
def test_every_page_of_a_long_history_makes_three_queries(pages: Pages, filled: tuple[Size, Azurite]) -> None:
    """The overview, the first pages with each filter, pages far back, and events by name and by key."""
    size = filled[0]
    second_day, middle = size.day(size.days - 2), size.day(size.days // 2)
    assert "churn-prod" in pages.ask("")
    assert f"run-{size.events - size.daily}" in pages.ask("events")
    for query in ("status=failed", "rule=fails", "text=no%20quota", "text=nowhere", "workspace=churn-dev"):
        pages.ask(f"events?{query}")
    assert "run-0" in pages.ask(f"events?until={second_day}")
    pages.ask(f"events?from={middle}&until={middle}T12:00&status=failed")
    assert f"{middle}/" in pages.ask(f"events?after={middle}/00000000-{'0' * 32}")
    named = (size.events // 2) // NAMED * NAMED
    assert f"run-{named}" in pages.ask(f"find?name=run-{named}&month={middle[:7]}")
    day, made = next(iter(history(size)))
    assert "no quota" in pages.ask(f"events/{day}/{made[0].key}")
    pages.ask("rules")
    pages.ask("rejected")


@pytest.mark.services
def test_failed_actions_of_a_long_history_are_found_page_by_page(pages: Pages, filled: tuple[Size, Azurite]) -> None:
    """Each page costs three queries, and has a cursor until all are found; a million events need 1,000 pages."""
    found, cursor = set[str](), ""
    for _ in range(MOST_PAGES):
        html = pages.ask(f"events?status=failed{f'&after={cursor}' if cursor else ''}")
        links = html.split('"')
        found |= {link for link in links if "/events/20" in link}
        after = [link for link in links if "after=" in link]
        if not after:
            break
        cursor = after[-1].partition("after=")[2].partition("&")[0]
    else:
        assert found
        return
    assert len(found) == sum(made.failed for _, day in history(filled[0]) for made in day)
