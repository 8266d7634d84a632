"""Windows in the table: who joins, what is kept, and what is deleted."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.keys import ActionId
from dispatch.inbox.tables import Row
from dispatch.inbox.windows import Member, Opening, Window, Windows
from dispatch.inbox.windows.bounded import bounded
from dispatch.inbox.windows.shown import windows_of
from dispatch.sweep import sweep
from mlevents.testing.storage import NOW, AzureLimits, MemoryTable
from mlevents.views import print_whole_event, windows_json
from schemas import RunStatusChanged
from tests.kit.world import World, rule, rules

OPENING = Opening("v", span=timedelta(minutes=15))


def member(n: int, at: datetime = NOW, view: Any = None) -> Member:
    id = ActionId("2026-11-22", f"{n:08d}-{n:032x}", "ring")
    return Member(id, 0, at, view or {"id": f"e{n}"})


@pytest.fixture
def windows() -> Windows:
    return Windows(AzureLimits(MemoryTable()))


def test_a_member_joins_once(windows: Windows) -> None:
    """Also when it calls again after its window is closed."""
    first = windows.join(member(1), OPENING)
    assert windows.join(member(2), OPENING) == first
    assert windows.join(replace_at(member(2)), OPENING).id == first.id
    windows.close(first, member(1).id, NOW)
    again = windows.join(member(2), OPENING)
    assert (again.id, again.is_open) == (first.id, False)
    assert windows.join(member(3), OPENING).id != first.id
    assert [each.view["id"] for each in windows.members(first)] == ["e1", "e2"]


def replace_at(of: Member) -> Member:
    return of._replace(at=of.at + timedelta(minutes=1))


def test_a_window_is_closed_once(windows: Windows) -> None:
    window = windows.join(member(1), OPENING)
    windows.join(member(2), OPENING)
    assert windows.close(window, member(1).id, NOW).leader == member(1).id
    assert windows.close(window, member(2).id, NOW).leader == member(1).id


def test_a_window_that_storage_does_not_return_cannot_be_closed(windows: Windows) -> None:
    window = Window("ring", "none", "v", "", NOW)
    with pytest.raises(Unavailable, match="cannot be closed"):
        windows.close(window, member(1).id, NOW)


def test_a_window_that_changes_all_the_time_raises_unavailable() -> None:
    class Busy(MemoryTable):
        def commit(self, partition: str, *rows: Row, delete: Any = ()) -> list[str]:
            raise Conflict("busy")

    with pytest.raises(Unavailable, match="changed 20 times"):
        Windows(Busy()).join(member(1), OPENING)


def test_what_is_kept_of_an_event_can_be_forgotten(windows: Windows) -> None:
    """When the event is erased."""
    window = windows.join(member(1), OPENING)
    windows.join(member(2), OPENING)
    windows.forget(member(2).id)
    assert [each.view["id"] for each in windows.members(window)] == ["e1"]
    assert windows.of(member(2).id, 0) is None


@pytest.mark.parametrize(
    "grow",
    [
        lambda: {"text": "x" * 50_000},
        lambda: {f"k{n}": "y" * 300 for n in range(500)},
        lambda: {"list": ["z" * 500] * 400},
        lambda: {f"k{n}": {f"i{m}": "w" * 90 for m in range(50)} for n in range(90)},
    ],
)
def test_a_large_view_is_cut(grow: Callable[[], dict[str, Any]]) -> None:
    """Its short texts stay."""
    view = {"id": "e1", "object": "run_1", "data": grow()}
    kept = bounded(view, 12_000)
    assert len(json.dumps(kept)) <= 12_500
    assert (kept["id"], kept["object"]) == ("e1", "run_1")


def test_deep_views_and_many_large_members_are_cut() -> None:
    deep: Any = "x" * 20_000
    for _ in range(30):
        deep = {"a": [deep]}
    assert len(json.dumps(bounded({"id": "e1", "data": deep}, 12_000))) < 200
    wide = {f"k{n}": "x" * 2_000 for n in range(400)}
    kept = bounded({**wide, "data": {}, "more": [1, 2]}, 12_000)
    assert len(kept) == 21


def test_a_small_view_is_kept_whole() -> None:
    view = RunStatusChanged.example().view()
    assert bounded(view, 12_000) == view


def test_old_windows_are_deleted_with_their_members(tmp_path: Path) -> None:
    """Not before their leader has ended, and with the other history."""
    world = World(rules(rule("ring", collect="15m"), rule("rare", at_least="{ count: 9, within: 100d }")), tmp_path)
    world.receive(*(RunStatusChanged.example(id=f"e{n}", run_id=f"run_{n}") for n in range(3)))
    world.run()
    app = replace(world.app, retention=timedelta(days=90))
    world.clock.forward(days=89)
    sweep(app)
    assert len(world.table.read("window|ring", "", "~")) == 7
    world.clock.forward(days=3)
    sweep(app)
    assert world.table.read("window|ring", "", "~") == []
    assert [row.key[0] for row in world.table.read("window|rare", "", "~")] == ["o", "t"]


def test_a_window_whose_leader_is_open_is_kept(tmp_path: Path) -> None:
    world = World(rules(rule("ring", "wait 20000000", collect="15m")), tmp_path)
    world.receive(RunStatusChanged.example(id="e1"))
    world.step(2)
    world.clock.forward(days=100)
    sweep(replace(world.app, retention=timedelta(days=90)))
    assert len(world.table.read("window|ring", "", "~")) == 3


def test_windows_of_an_event_are_shown(tmp_path: Path) -> None:
    """The leader lists the events, the others name it, and `--json` has the keys."""

    class Lines:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def print(self, text: str = "", style: str = "", indent: int = 0) -> None:
            self.lines.append(text)

    world = World(rules(rule("ring", collect="15m"), rule("log")), tmp_path)
    world.receive(*(RunStatusChanged.example(id=f"e{n}", run_id=f"run_{n}") for n in range(102)))
    world.run(2_000)
    inbox = world.app.inbox
    found = {event.record.id: event for event in inbox.history.events("2026-11-22")}
    leaders = [event for event in found.values() if windows_of(event, inbox.windows)["ring"].leads]
    [leader] = leaders
    shown = windows_of(leader, inbox.windows)
    assert shown.keys() == {"ring"}
    assert (len(shown["ring"].members), shown["ring"].more) == (100, True)
    lines = Lines()
    print_whole_event(leader, lines, shown)  # type: ignore[arg-type]
    assert sum(line.startswith("  acts for  run_") for line in lines.lines) == 100
    assert "  acts for  more events" in lines.lines
    other = next(event for event in found.values() if event is not leader)
    of_other, lines = windows_of(other, inbox.windows), Lines()
    print_whole_event(other, lines, of_other)  # type: ignore[arg-type]
    assert f"  acted on  with another event: `mlevents show {leader.key}`" in lines.lines
    assert windows_json(of_other) == {"ring": {"leader": leader.key, "members": []}}
