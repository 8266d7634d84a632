"""Events that a rule published and that come back: no rule publishes them again and again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatch.receive import receive
from mlevents.testing.server import RecordingServer
from schemas import Event, RunStatusChanged, parse_event
from tests.kit.world import World

EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
TYPE = EVENT.event_type
TOPIC = "/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/topics/ml-events"


@pytest.fixture
def topic() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def rule(name: str, server: RecordingServer, keys: str = "", **settings: Any) -> str:
    shown = {"endpoint": server.url(), "key": "a2V5", "allow_private": True, **settings}
    return f"  - {{ name: {name}, on: RunStatusChanged, {keys} do: event_grid, with: {json.dumps(shown)} }}\n"


def turns(world: World, topic: RecordingServer, *, most: int) -> int:
    """Publish the event, and deliver whatever is published to the app again. Returns how many events are published."""
    world.receive(EVENT)
    delivered = 0
    for _ in range(most):
        world.run()
        published = [event for request in topic.requests for event in request.json()]
        if len(published) == delivered:
            break
        world.receive(*(came_back(event) for event in published[delivered:]))
        delivered = len(published)
    return delivered


def came_back(event: dict[str, Any]) -> Event:
    return parse_event(json.dumps(event))


def test_the_event_itself_is_published_once(topic: RecordingServer, tmp_path: Path) -> None:
    """It comes back as the event that is on record already."""
    world = World("rules:\n" + rule("share", topic), tmp_path)
    assert turns(world, topic, most=5) == 1
    assert list(world.ends().values()) == ["succeeded"]


def test_the_event_itself_in_event_grids_schema_is_published_once(topic: RecordingServer, tmp_path: Path) -> None:
    """Event Grid sets its topic to the custom topic, and the app rejects it: that is no workspace."""
    world = World("rules:\n" + rule("share", topic, envelope="event_grid"), tmp_path)
    world.receive(EVENT)
    world.run()
    [event] = topic.requests[0].json()
    receive(json.dumps({**event, "topic": TOPIC, "metadataVersion": "1"}), world.app)
    world.run()
    assert len(topic.requests) == 1
    [rejected] = world.history(f"{world.clock():%Y-%m-%d}").rejected
    assert "expected a workspace's ARM id" in str(rejected)


def test_an_event_of_the_rules_own_is_published_once(topic: RecordingServer, tmp_path: Path) -> None:
    """It is another event, which is known by its id and its attribute."""
    world = World("rules:\n" + rule("share", topic, type=TYPE), tmp_path)
    assert turns(world, topic, most=5) == 1
    [request] = topic.requests
    [event] = request.json()
    assert event["id"] == event["mleventsaction"]


def test_two_rules_do_not_publish_each_others_events_for_ever(topic: RecordingServer, tmp_path: Path) -> None:
    """`max_depth` limits the chain: 2 events of the first turn, 2 of the second, and 2 of the third."""
    rules = rule("ping", topic, type=TYPE) + rule("pong", topic, type=TYPE)
    world = World(f"rules:\n{rules}", tmp_path)
    assert turns(world, topic, most=9) == 6


def test_max_depth_and_allow_loops_apply_to_published_events(topic: RecordingServer, tmp_path: Path) -> None:
    world = World("rules:\n" + rule("share", topic, "allow_loops: true, max_depth: 5,", type=TYPE), tmp_path)
    assert turns(world, topic, most=9) == 5


def test_events_of_runs_in_a_long_chain_are_published(topic: RecordingServer, tmp_path: Path) -> None:
    """The first time: publishing them does not prolong the chain of runs."""
    world = World("rules:\n" + rule("share", topic), tmp_path)
    world.receive(RunStatusChanged.example(run_tags={"mlevents_rule": "retrain", "mlevents_depth": "7"}))
    world.run()
    [event] = topic.requests[0].json()
    assert event["mleventsaction"].startswith("mle-8-")
