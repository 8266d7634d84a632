"""Pages of events: what a filter finds, in which order, and for how many queries."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.inbox.history import search as searching
from dispatch.inbox.history.records import StoredEvent
from dispatch.inbox.history.search import Cursor, Filter, Page, Search
from dispatch.sweep import sweep
from mlevents.testing.storage import MemoryQueue
from schemas import Event, ModelRegistered, RunStatusChanged
from tests.kit.storage import CountedCalls
from tests.kit.world import SETTINGS, World, rule, rules

START = datetime(2026, 11, 20, tzinfo=UTC)


def at(hours: float, id: str, **data: Any) -> Event:
    """A run's event, some hours after midnight of November 20th."""
    return RunStatusChanged.example(id=id, eventTime=(START + timedelta(hours=hours)).isoformat(), **data)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Six events of three days; one of dev, one that matches no rule, one whose action failed."""
    world = World(rules(rule("ring"), rule("fails", "give-up no quota", on="ModelRegistered")), tmp_path)
    world.receive(
        at(1, "e1", runId="run-1"),
        at(23.999, "e2", runId="run-2"),
        at(24, "e3", runStatus="Running"),
        at(30, "e4").model_copy(update={"topic": SETTINGS["RULES_WS_CHURN_DEV"]}),
        ModelRegistered.example(id="e5", modelName="Churn", eventTime="2026-11-22T07:00:00Z"),
    )
    world.write(rules(rule("other", on="RunCompleted")))
    world.receive(at(60, "e6", runId="run-6"))
    world.write(rules(rule("ring"), rule("fails", "give-up no quota", on="ModelRegistered")))
    world.run()
    sweep(world.app)  # it notes the sizes of the days
    return world


def page(world: World, after: Cursor | None = None, size: int = 50, **filters: Any) -> Page:
    return Search(world.table, Filter(**filters), size).page(after)


def ids(found: Page) -> list[str]:
    return [event.record.id for event in found.events]


def test_newest_events_come_first(world: World) -> None:
    found = page(world)
    assert ids(found) == ["e6", "e5", "e4", "e3", "e2", "e1"]
    assert (found.cursor, found.searched_to) == (None, None)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"workspace": "churn-DEV"}, ["e4"]),
        ({"type": "modelregistered"}, ["e5"]),
        ({"object": "churn"}, ["e5"]),
        ({"object": "run-1"}, ["e1"]),
        ({"rule": "fails"}, ["e5"]),
        ({"status": "failed"}, ["e5"]),
        ({"rule": "ring", "status": "failed"}, []),
        ({"rule": "ring", "status": "succeeded", "workspace": "churn-dev"}, ["e4"]),
        ({"status": "unmatched"}, ["e6"]),
        ({"text": "RUN-2"}, ["e2"]),
        ({"text": "no quota"}, ["e5"]),
        ({"since": START + timedelta(hours=24)}, ["e6", "e5", "e4", "e3"]),
        ({"until": START + timedelta(hours=24)}, ["e2", "e1"]),
        ({"since": START + timedelta(hours=2), "until": START + timedelta(hours=29)}, ["e3", "e2"]),
        ({"until": START + timedelta(hours=55)}, ["e4", "e3", "e2", "e1"]),
        ({"until": START}, []),
    ],
)
def test_filter_chooses_events(world: World, filters: dict[str, Any], expected: list[str]) -> None:
    assert ids(page(world, **filters)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_pages_follow_each_other_by_their_cursors(world: World, size: int) -> None:
    """No event is missing or repeated, whatever their size; a cursor survives as text."""
    found, cursor = list[str](), None
    for _ in range(20):
        one = page(world, cursor, size)
        found += ids(one)
        if one.cursor is None:
            break
        cursor = Cursor.parse(str(one.cursor))
    assert found == ["e6", "e5", "e4", "e3", "e2", "e1"]


def test_page_goes_on_when_its_day_has_been_purged(world: World) -> None:
    assert ids(page(world, Cursor("2026-11-21", ""))) == ["e4", "e3", "e2", "e1"]
    world.table.commit("days", delete=("2026-11-21",))
    assert ids(page(world, Cursor("2026-11-21", "00000000-x"))) == ["e2", "e1"]


def test_page_costs_at_most_three_queries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a response has three rows, so that a page ends in the middle of a day."""
    monkeypatch.setattr(searching, "MAX_ROWS", 3)
    storage = CountedCalls(world.table, MemoryQueue(world.clock))
    found, cursor, pages = list[str](), None, 0
    while pages < 40:
        pages += 1
        storage.calls.clear()
        one = Search(storage, Filter(text="e"), 50).page(cursor)
        assert len(storage.calls) <= 3
        found += ids(one)
        cursor = one.cursor
        if cursor is None:
            break
        assert one.searched_to is None or one.searched_to <= START + timedelta(days=3)
    assert (found, pages > 2) == (["e6", "e5", "e4", "e3", "e2", "e1"], True)


def test_events_without_a_day_come_last(world: World) -> None:
    world.receive(RunStatusChanged.example(id="e0", eventTime="1999-01-01T00:00:00Z"))
    first = page(world)
    assert (ids(first)[-1], first.cursor) == ("e1", Cursor("undated"))
    assert (ids(page(world, first.cursor)), page(world, first.cursor).cursor) == (["e0"], None)


def test_page_is_full_where_each_day_has_few_events(tmp_path: Path) -> None:
    """The third query reads many days."""
    world = World(rules(rule("ring")), tmp_path)
    world.receive(*(at(24 * day + hour, f"{day}-{hour}") for day in range(40) for hour in range(3)))
    world.run()
    sweep(world.app)
    storage = CountedCalls(world.table, MemoryQueue(world.clock))
    first = Search(storage, size=100).page()
    assert (len(first.events), len(storage.calls)) == (100, 3)
    second = Search(storage, size=100).page(first.cursor)
    assert (len(second.events), second.cursor) == (20, None)


def test_day_that_has_grown_does_not_fit_the_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep has not noted its size yet: the next page reads it alone."""
    monkeypatch.setattr(searching, "MAX_ROWS", 10)
    world = World(rules(rule("ring")), tmp_path)
    world.receive(*(at(24 * day, f"{day}") for day in range(3)))
    world.run()
    sweep(world.app)
    world.receive(*(at(24 + hour, f"1-{hour}") for hour in range(1, 5)))
    first = page(world)
    assert (ids(first), first.cursor) == (["2"], Cursor("2026-11-21"))
    second = page(world, first.cursor)
    assert ids(second) == ["1-4", "1-3", "1-2", "1-1"]
    assert ids(page(world, second.cursor)) == ["1", "0"]


def test_page_says_how_far_it_has_searched(world: World) -> None:
    found = page(world, size=3)
    assert isinstance(found.events[-1], StoredEvent)
    assert found.searched_to == found.events[-1].time == START + timedelta(hours=30)


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-22", "2026-13-22/", "x/", "2026-11-22/a|b", "2026-11-22/~", "../x", "2026-11-22/abc", "undated/٣"],
)
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the cursor of a page"):
        Cursor.parse(text)
