"""The timer of the watch runs every part, whatever one of them raises, in its share of the time."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.app import App
from dispatch.inbox.errors import Unavailable
from dispatch.watch import timer
from dispatch.watch.timer import HasTime, watch
from tests.kit.world import LEASE, World, rule, rules


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(rules(rule("ring")), tmp_path)


def test_watch_logs_a_line(world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(timer, "PARTS", ())
    with caplog.at_level(logging.INFO, "mlevents"):
        watch(world.app)
    assert [record.getMessage() for record in caplog.records] == ["watch.done raised=0 errors=0 seconds=0"]


def test_error_in_one_part_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first error is raised at the end, so that the host's log and its alert rules see it."""
    ran = []

    def storage_fails(app: App, has_time: HasTime) -> int:
        raise Unavailable("busy")

    def works(app: App, has_time: HasTime) -> int:
        ran.append(app)
        return 2

    monkeypatch.setattr(timer, "PARTS", (storage_fails, works, works))
    with pytest.raises(Unavailable, match="busy"):
        watch(world.app)
    assert len(ran) == 2


def test_defect_in_a_part_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def has_a_defect(app: App, has_time: HasTime) -> int:
        raise LookupError("no such thing")

    monkeypatch.setattr(timer, "PARTS", (has_a_defect,))
    with caplog.at_level(logging.INFO, "mlevents"), pytest.raises(LookupError):
        watch(world.app)
    assert "in the watch" in caplog.text
    assert "watch.done raised=0 errors=1" in caplog.text


def test_slow_part_leaves_time_for_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part asks whether it has time left; all together use half of the lease."""
    began, shares = world.clock.time, []

    def works_while_it_has_time(app: App, has_time: HasTime) -> int:
        while has_time():
            world.clock.forward(seconds=1)
        shares.append(world.clock.time - began)
        return 0

    monkeypatch.setattr(timer, "PARTS", (works_while_it_has_time,) * 3)
    watch(world.app)
    assert shares == [LEASE * n / 6 + timedelta(seconds=1) for n in (1, 2, 3)]
