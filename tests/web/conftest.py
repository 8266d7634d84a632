"""A world with events of every kind, and a browser of its pages."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.receive import receive
from dispatch.sweep import sweep
from mlevents.testing.storage import NOW
from schemas import ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged
from tests.kit.world import World, rule, rules
from tests.web.browser import Browser

RULES = rules(
    rule("mail", "succeed mail to ml-team@example.com", when="[data.runStatus StringIn Failed]"),
    rule("log-mail", "succeed logged", after="{rules: [mail]}"),
    rule("deploy", "wait 3600", on="ModelRegistered"),
    rule("flaky", "retry the server is down", on="ModelRegistered"),
    rule("broken", "give-up no such endpoint", on="RunCompleted", latest_only="true"),
)


def at(**ago: float) -> str:
    """A time before now, as an event has it."""
    return (NOW - timedelta(**ago)).isoformat().replace("+00:00", "Z")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(RULES, tmp_path)
    for n in range(4):
        world.receive(RunStatusChanged.example(id=f"e{n}", runId=f"brave_kiwi_{n}", eventTime=at(days=n, minutes=1)))
    world.receive(
        ModelRegistered.example(id="m1", eventTime=at(minutes=3)),
        RunCompleted.example(id="r1", eventTime=at(minutes=4)),
        ModelDeployed.example(id="d1", eventTime=at(minutes=5)),
    )
    receive(json.dumps({**RunCompleted.example(id="z1").wire(), "data": {}}), world.app)
    while min(world.queue.messages)[0] <= NOW + timedelta(seconds=30):
        world.step()
    sweep(world.app)
    world.receive(RunStatusChanged.example(id="fresh", runId="fresh_run", eventTime=at(seconds=1)))
    return world


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)
