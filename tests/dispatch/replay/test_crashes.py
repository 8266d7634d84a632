"""A replay may die anywhere, and be run again; and so may the workers that carry out what it has opened.

Counted, not listed: each story is told once in health, and then once for every call to storage and every effect, with a
death before or after it.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from dispatch.app import App
from dispatch.replay.redeliver import redeliver_rejected
from dispatch.replay.replay import ReplayOptions, find, replay, replay_unmatched
from dispatch.sweep import sweep
from schemas import RunStatusChanged
from tests.kit.storage import NOW, Died, Mortal
from tests.kit.world import WORKSPACES, World, rule, rules

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

EVENT = RunStatusChanged.example(id="e1")
OTHER = EVENT.model_copy(update={"id": "e2"})
TELL = rule("tell", after="{ rules: ring, outcome: any }")

Place = tuple[int, str]


class Deaths(Mortal):
    """Dies at several places, once there is something to die of."""

    def __init__(self, *places: Place) -> None:
        super().__init__()
        self.places = set(places)
        self.alive = True

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if self.alive:
                return call(*args, **kwargs)
            self.calls += 1
            mine = self.calls
            if (mine, "before") in self.places:
                raise Died
            result = call(*args, **kwargs)
            if (mine, "after") in self.places:
                raise Died
            return result

        return counted


class Story(NamedTuple):
    """What has happened, how it is replayed, and what must have come of it, whoever died."""

    begin: Callable[[World], None]
    replay: Callable[[App], object]
    ends: Counter[tuple[str, str, str, int]]  # the event, the rule, the status and the generation of each action
    effects: Counter[str]  # of each rule

    def tell(self, folder: Path, *places: Place) -> World:
        """Replay, and again if it died; then workers and the timer work, until nothing is open."""
        mortal = Deaths(*places)
        world = World("rules: []\n", folder, mortal)
        self.begin(world)
        world.calls.clear()
        mortal.alive = False
        for _ in range(1 + len(places)):
            with suppress(Died):
                self.replay(world.mortal_app)
                break
        for _ in range(4):
            world.run()
            world.clock.forward(minutes=30)
            sweep(world.app)
        return world

    def check(self, world: World, deaths: int = 0) -> None:
        """Each action ended once more, under one key, and had its effects no more often than there were deaths."""
        history = world.history()
        names = {key: event.id for key, event in history.events.items()}
        assert Counter((names[id.event], id.rule, r.status, r.replay_number) for id, r in history.actions) == self.ends
        called = Counter(call.action.rule for call in world.calls)
        assert called >= self.effects
        assert called.keys() == self.effects.keys()
        assert called.total() <= self.effects.total() + deaths
        keys = {(call.event.id, call.action.rule): call.action.key for call in world.calls}
        assert {call.action.key for call in world.calls} == {*keys.values()}
        for _, record in history.actions:
            ended = [moment for moment in record.timeline if moment.status in {"succeeded", "failed", "skipped"}]
            assert len(ended) == 1 + record.replay_number
        assert world.table.read("2026-11-22", "!", '"') == []


def failed(world: World) -> None:
    """An action has failed, which was told; now its rule is another, and one rule is new."""
    world.write(rules(rule("ring", "give-up"), TELL, rule("done")))
    world.receive(EVENT)
    world.run()
    world.write(rules(rule("ring", "wait 60", "give-up"), TELL, rule("done"), rule("new")))


def unmatched(world: World) -> None:
    """Two events matched no rule when they came."""
    world.write(rules(rule("other", on="RunCompleted")))
    world.receive(EVENT, OTHER)
    world.write(rules(rule("ring"), TELL))


def rejected(world: World) -> None:
    """Two events came while workspaces.yaml did not have their workspace."""
    world.workspaces = "".join(line for line in WORKSPACES.splitlines(keepends=True) if "churn-prod" not in line)
    world.write(rules(rule("ring")))
    world.receive(EVENT, OTHER)
    assert len(world.history().rejected) == 2
    world.workspaces = WORKSPACES
    world.write(rules(rule("ring")))


STORIES = {
    "an event": Story(
        failed,
        lambda app: [replay(event, app, ReplayOptions()) for event in find("e1", app)],
        Counter(
            {
                ("e1", "ring", "failed", 1): 1,
                ("e1", "tell", "succeeded", 1): 1,
                ("e1", "done", "succeeded", 0): 1,
                ("e1", "new", "succeeded", 0): 1,
            }
        ),
        Counter(ring=2, tell=1, new=1),
    ),
    "unmatched events": Story(
        unmatched,
        lambda app: list(replay_unmatched(app, NOW.replace(hour=0), NOW.replace(hour=23))),
        Counter({(event, rule, "succeeded", 0): 1 for event in ("e1", "e2") for rule in ("ring", "tell")}),
        Counter(ring=2, tell=2),
    ),
    "rejected events": Story(
        rejected,
        lambda app: list(redeliver_rejected(app)),
        Counter({("e1", "ring", "succeeded", 0): 1, ("e2", "ring", "succeeded", 0): 1}),
        Counter(ring=2),
    ),
}
BY_STORY = pytest.mark.parametrize("story", STORIES.values(), ids=[*STORIES])


def places(story: Story) -> list[Place]:
    """Every place at which it can die."""
    with TemporaryDirectory() as folder:
        world = story.tell(Path(folder))
        story.check(world)
        found = [(call, when) for call in range(1, world.mortal.calls + 1) for when in ("before", "after")]
    assert len(found) > 20
    return found


@BY_STORY
def test_it_may_die_anywhere(story: Story, tmp_path: Path) -> None:
    for place in places(story):
        story.check(story.tell(tmp_path, place), 1)


@BY_STORY
@pytest.mark.parametrize("step", [pytest.param(41, id="some"), pytest.param(1, id="all", marks=pytest.mark.soak)])
def test_it_may_die_twice(story: Story, tmp_path: Path, step: int) -> None:
    """The second death may be in the repair of the first."""
    for pair in list(combinations(places(story), 2))[::step]:
        story.check(story.tell(tmp_path, *pair), 2)
