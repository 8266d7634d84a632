"""Crash a replay, and the workers that run what it has opened, before and after every call.

Each scenario runs once without a crash, which counts its calls to storage and its effects, and then once for each
place where the process may crash.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from dispatch.app import App
from dispatch.replay.redeliver import redeliver_rejected
from dispatch.replay.replay import ReplayOptions, find, replay, replay_unmatched
from dispatch.sweep import sweep
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.faults import CrashAt, CrashPoint
from tests.kit.world import WORKSPACES, World, rule, rules

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # other tests cover the same lines

EVENT = RunStatusChanged.example(id="e1")
OTHER = EVENT.model_copy(update={"id": "e2"})
FOLLOWER = rule("next", after="{ rules: ring, outcome: any }")


class Scenario(NamedTuple):
    """What has happened before the replay, the replay, and the result that it must have in spite of crashes."""

    begin: Callable[[World], None]
    replay: Callable[[App], object]
    ends: Counter[tuple[str, str, str, int]]  # the event, rule, status and replay number of each action
    effects: Counter[str]  # of each rule

    def run(self, folder: Path, *points: CrashPoint) -> World:
        """Replay, again after each crash; then run workers and sweeps until no work is left."""
        crash = CrashAt(*points)
        crash.armed = False
        world = World("rules: []\n", folder, crash)
        self.begin(world)
        world.calls.clear()
        crash.armed = True
        for _ in range(1 + len(points)):
            with suppress(WorkerDied):
                self.replay(world.crashing_app)
                break
        for _ in range(4):
            world.run()
            world.clock.forward(minutes=30)
            sweep(world.app)
        return world

    def check(self, world: World, crashes: int = 0) -> None:
        """Check that each action ended once more, under one key, and repeated at most one effect per crash."""
        history = world.history()
        names = {key: event.id for key, event in history.events.items()}
        assert Counter((names[id.event], id.rule, r.status, r.replay_number) for id, r in history.actions) == self.ends
        called = Counter(call.action.rule for call in world.calls)
        assert called >= self.effects
        assert called.keys() == self.effects.keys()
        assert called.total() <= self.effects.total() + crashes
        keys = {(call.event.id, call.action.rule): call.action.key for call in world.calls}
        assert {call.action.key for call in world.calls} == {*keys.values()}
        for _, record in history.actions:
            ended = [entry for entry in record.timeline if entry.status in {"succeeded", "failed", "skipped"}]
            assert len(ended) == 1 + record.replay_number
        assert world.table.read("2026-11-22", "!open|", '"') == []


def failed(world: World) -> None:
    """An action has failed, and another one has followed it. Then its rule was changed, and a rule was added."""
    world.write(rules(rule("ring", "give-up"), FOLLOWER, rule("done")))
    world.receive(EVENT)
    world.run()
    world.write(rules(rule("ring", "wait 60", "give-up"), FOLLOWER, rule("done"), rule("new")))


def unmatched(world: World) -> None:
    """Two events matched no rule when they were received."""
    world.write(rules(rule("other", on="RunCompleted")))
    world.receive(EVENT, OTHER)
    world.write(rules(rule("ring"), FOLLOWER))


def rejected(world: World) -> None:
    """Two events were received while workspaces.yaml did not list their workspace."""
    world.workspaces = "".join(line for line in WORKSPACES.splitlines(keepends=True) if "churn-prod" not in line)
    world.write(rules(rule("ring")))
    world.receive(EVENT, OTHER)
    assert len(world.history().rejected) == 2
    world.workspaces = WORKSPACES
    world.write(rules(rule("ring")))


SCENARIOS = {
    "an event": Scenario(
        failed,
        lambda app: [replay(event, app, ReplayOptions()) for event in find("e1", app)],
        Counter(
            {
                ("e1", "ring", "failed", 1): 1,
                ("e1", "next", "succeeded", 1): 1,
                ("e1", "done", "succeeded", 0): 1,
                ("e1", "new", "succeeded", 0): 1,
            }
        ),
        Counter(ring=2, next=1, new=1),
    ),
    "unmatched events": Scenario(
        unmatched,
        lambda app: list(replay_unmatched(app, NOW.replace(hour=0), NOW.replace(hour=23))),
        Counter({(event, rule, "succeeded", 0): 1 for event in ("e1", "e2") for rule in ("ring", "next")}),
        Counter(ring=2, next=2),
    ),
    "rejected events": Scenario(
        rejected,
        lambda app: list(redeliver_rejected(app)),
        Counter({("e1", "ring", "succeeded", 0): 1, ("e2", "ring", "succeeded", 0): 1}),
        Counter(ring=2),
    ),
}
EACH_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=[*SCENARIOS])


def points(scenario: Scenario) -> list[CrashPoint]:
    """Every point at which the worker may crash."""
    with TemporaryDirectory() as folder:
        world = scenario.run(Path(folder))
        scenario.check(world)
        found = [(call, when) for call in range(1, world.crash.calls + 1) for when in ("before", "after")]
    assert len(found) > 20
    return found


@EACH_SCENARIO
def test_a_crash_anywhere_does_no_harm(scenario: Scenario, tmp_path: Path) -> None:
    for point in points(scenario):
        scenario.check(scenario.run(tmp_path, point), 1)


@EACH_SCENARIO
@pytest.mark.parametrize("step", [pytest.param(41, id="some"), pytest.param(1, id="all", marks=pytest.mark.soak)])
def test_two_crashes_do_no_harm(scenario: Scenario, tmp_path: Path, step: int) -> None:
    """The second crash may be in the recovery from the first."""
    for pair in list(combinations(points(scenario), 2))[::step]:
        scenario.check(scenario.run(tmp_path, *pair), 2)
