"""A worker may die anywhere: before and after every call to storage and every effect, one at a time and in pairs.

Counted, not listed: the story below is told once by a healthy worker, and then once for each place where one can die.
"""

import json
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest

from dispatch.act import rearm
from dispatch.inbox import Message
from dispatch.receive import receive
from schemas import RunStatusChanged
from tests.dispatch.world import World, rule, rules
from tests.doubles import Died, Mortal

EVENT = RunStatusChanged.example(id="e1")
RULES = rules(
    rule("a", "retry", "wait 60", "succeed", latest_only="true", at_most="{ count: 1, every: 1d }"),
    rule("b", "give-up"),
    rule("after-a", "wait 5", "succeed", after="{ rules: [a, b], outcome: any }"),
    rule("after-after", after="{ rules: after-a, outcome: any }"),
)
ENDS = {"a": "succeeded", "b": "failed", "after-a": "succeeded", "after-after": "succeeded"}


class Deaths(Mortal):
    """Dies at several places."""

    def __init__(self, *places: tuple[int, str]) -> None:
        super().__init__()
        self.places = set(places)

    def around(self, call):  # type: ignore[no-untyped-def]  # as the class that it extends
        def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
            self.calls += 1
            mine = self.calls
            if (mine, "before") in self.places:
                raise Died
            result = call(*args, **kwargs)
            if (mine, "after") in self.places:
                raise Died
            return result

        return counted


def story(folder: Path, mortal: Mortal) -> World:
    """An event comes, again if its worker died; what is left open is put back as the sweep would put it back."""
    world = World(RULES, folder, mortal)
    for _ in range(4):
        with suppress(Died):
            receive(json.dumps(EVENT.wire()), world.mortal_app)
            break
    for _ in range(8):
        world.run()
        if world.ends() == ENDS and not world.app.inbox.open("2026-11-22"):
            return world
        world.clock.forward(minutes=30)
        tickets = {id: record.ticket for id, record in world.history().actions}
        for id in world.app.inbox.open("2026-11-22"):
            rearm(str(Message(id, tickets[id])), world.app)
    return world


def check(world: World) -> None:
    """Every action ended as it should, once; used one key; had its effects no more often than its worker died."""
    assert world.ends() == ENDS
    assert world.app.inbox.open("2026-11-22") == []
    for _, record in world.history().actions:
        assert sum(moment.status in {"succeeded", "failed", "skipped"} for moment in record.timeline) == 1
    keys: defaultdict[str, set[UUID]] = defaultdict(set)
    for call in world.calls:
        keys[call.action.rule].add(call.action.key)
    assert {len(of_one) for of_one in keys.values()} == {1}
    assert len(world.history().events) == 1
    assert world.history().rejected == []


def places() -> list[tuple[int, str]]:
    with TemporaryDirectory() as folder:
        world = story(Path(folder), mortal := Deaths())
        check(world)
        assert Counter(call.action.rule for call in world.calls) == {"a": 3, "b": 1, "after-a": 2, "after-after": 1}
    return [(call, when) for call in range(1, mortal.calls + 1) for when in ("before", "after")]


PLACES = places()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[1]} call {place[0]}")
def test_a_worker_may_die_anywhere(place: tuple[int, str], tmp_path: Path) -> None:
    check(story(tmp_path, Deaths(place)))


def test_two_workers_may_die_anywhere(tmp_path: Path) -> None:
    """Every 31st pair of places: the second death may be in the repair of the first."""
    for pair in list(combinations(PLACES, 2))[::31]:
        check(story(tmp_path, Deaths(*pair)))
