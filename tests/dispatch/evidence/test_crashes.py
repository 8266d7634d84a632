"""Each deadline raises `Expected` once, whatever dies, whatever storage loses, and with two watches at once."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dispatch.app import App
from dispatch.evidence.deadlines import decide_deadlines
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.tables import Table
from schemas import Expected
from tests.dispatch.evidence.expecting import EXPECTED, complete, expecting, index, look, set_clock, world_of
from tests.kit.faults import ERRORS, Fault, Faults, FaultyStorage
from tests.kit.interleaved import Interleaved
from tests.kit.storage import seeded
from tests.kit.world import LEASE, World

pytestmark = pytest.mark.no_cover  # other tests cover the same lines

OTHER = EXPECTED.replace("nightly-train", "weekly-train")
RULES = (expecting(), expecting(OTHER, "weekly"), expecting(name="gone", **{"in": "[churn-dev, churn-prod]"}))
# Two days have passed. On the second, nightly-train came in churn-prod. The first rules are older than the last one.
RAISED = Counter(
    {
        ("nightly", "churn-prod", "2026-11-23"): 1,
        ("weekly", "churn-prod", "2026-11-23"): 1,
        ("weekly", "churn-prod", "2026-11-24"): 1,
        ("gone", "churn-prod", "2026-11-23"): 1,
        ("gone", "churn-dev", "2026-11-23"): 1,
        ("gone", "churn-dev", "2026-11-24"): 1,
    }
)


ONE_IN = pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.soak)])  # of the calls


def raised(world: World) -> Counter[tuple[str, str, str]]:
    """What was missing, of all events on record."""
    found: Counter[tuple[str, str, str]] = Counter()
    for day in world.app.inbox.history.days():
        for record in world.app.inbox.history.day(day).events.values():
            if isinstance(event := record.event, Expected):
                found[event.data.rule, event.resource.name, event.data.day] += 1
    return found


def scenario(folder: Path, make: Callable[[World], Table], faults: Faults) -> World:
    """The watches after two deadlines of each expectation may fail; those five minutes later do not."""
    world = world_of(folder, *RULES)
    complete(world, "2026-11-22T05:00")
    index(world)
    with seeded(1):
        _watch_with(faults, make, world, "2026-11-23T04:35")
        complete(world, "2026-11-24T03:12")
        index(world)
        complete(world, "2026-11-24T03:15", experiment_name="another")
        _watch_with(faults, make, world, "2026-11-24T04:35")
        world.clock.forward(seconds=900)
        index(world)  # the sweep queues actions whose messages were lost
        world.run()
    return world


def _watch_with(faults: Faults, make: Callable[[World], Table], world: World, at: str) -> None:
    """A watch that may fail, and one that does not."""
    set_clock(world, at)
    storage = FaultyStorage(faults, make(world), world.queue)
    with suppress(*ERRORS):
        decide(App(world.loaded, Inbox(storage, LEASE), storage, world.clock, world.sleep))
    world.clock.forward(seconds=300)
    look(world)


def check(world: World) -> None:
    """Each was raised once, and each event is acted on once."""
    assert raised(world) == RAISED
    acted = Counter((call.event.data.rule, call.event.resource.name, call.event.data.day) for call in world.calls)  # type: ignore[attr-defined]
    assert acted == RAISED


def decide(app: App) -> int:
    return decide_deadlines(app, lambda: True)


def plain(world: World) -> Table:
    return world.table


@cache
def possible() -> tuple[Fault, ...]:
    faults = Faults()
    with TemporaryDirectory() as folder:
        check(scenario(Path(folder), plain, faults))
    return tuple(faults.possible())


@ONE_IN
def test_every_fault_at_every_call_to_storage(tmp_path: Path, step: int) -> None:
    """A crash before and after it, storage that is unavailable, a lost response, a conflict."""
    assert len(possible()) > 100
    for number, fault in enumerate(possible()[::step]):
        folder = tmp_path / str(number)
        folder.mkdir()
        faults = Faults([fault])
        try:
            check(scenario(folder, plain, faults))
        except AssertionError as error:
            error.add_note(str(fault))
            raise
        assert faults.injected == 1


@ONE_IN
def test_another_watch_at_every_call_to_storage(tmp_path: Path, step: int) -> None:
    """Another instance decides all deadlines while the first one is between two calls; its clock is 2 minutes fast."""
    calls = max(fault.call for fault in possible())
    for at in range(1, calls + 1, step):
        folder = tmp_path / str(at)
        folder.mkdir()

        def interleaved(world: World, at: int = at) -> Table:
            def other() -> None:
                app = App(
                    world.loaded,
                    Inbox(world.table, LEASE),
                    world.queue,
                    lambda: world.clock() + timedelta(minutes=2),
                    world.sleep,
                )
                decide(app)

            return Interleaved(world.table, at, other)

        check(scenario(folder, interleaved, Faults()))
