"""Upgrades: the shared state of an earlier release still counts, of locks, throttles, deferred ends and alerts.

golden/notes_0.1.json has what release 0.1 wrote. Two actions share a lock: the first has checked back and waits for a
day, the other one waits for the lock. A lock from before locks had a time, whose holder has no record. A service that
is throttled for an hour, and another action that would call it. A deferred end, whose action was replayed meanwhile.
Five malformed events, which were alerted, and four events of a foreign workspace.
"""

import json
from datetime import datetime
from pathlib import Path

import pytest

from dispatch.app import App
from dispatch.receive import receive
from dispatch.sweep import sweep
from schemas import Event, RunCompleted
from tests.dispatch.inbox.test_upgrade import upgraded
from tests.kit.world import WORKSPACES, Call, Scripted, World, rule, rules

HERE = __name__
GOLDEN = sorted((Path(__file__).parent / "golden").glob("notes_*.json"))
ALERTS = "alerts: { do: log }\n"


class Locked(Scripted):
    """A scripted handler whose actions share one lock."""

    def lock(self, event: Event) -> str | None:
        return "the endpoint"


class OtherLocked(Scripted):
    """A scripted handler whose actions share another lock."""

    def lock(self, event: Event) -> str | None:
        return "another endpoint"


class Shared(Scripted):
    """A scripted handler that uses a service which others use, too."""

    def destination(self, event: Event) -> str:
        return "the service"


def of(handler: type[Scripted], text: str) -> str:
    """A rule for another handler than the scripted one."""
    return text.replace("SCRIPTED", f"{HERE}:{handler.__name__}")


RULES = rules(
    of(Locked, rule("turns", on="[RunStatusChanged, RunCompleted]")),
    of(OtherLocked, rule("other-turns", on="RunCompleted")),
    of(Shared, rule("busy", on="RunCompleted")),
    of(Shared, rule("calm", on="RunCompleted")),
    rule("done", "succeed second", on="RunCompleted"),
)
LATE = rules(rule("late", after="{ rules: done }"))


def foreign(id: str) -> str:
    """An event of a workspace that is not listed."""
    event = RunCompleted.example(id=id).wire()
    return json.dumps({**event, "topic": event["topic"].replace("churn-prod", "other")})


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A world of this release with the storage of an earlier one."""
    world = upgraded(request.param, tmp_path, RULES, WORKSPACES + ALERTS)
    world.write(LATE, "late.yaml")
    return world


@pytest.fixture
def settled(world: World) -> World:
    """The world some days later."""
    for _ in range(4):
        sweep(world.app)
        world.run()
        world.clock.forward(days=1)
    inbox = world.app.inbox
    assert [id for day in inbox.history.days() for id in inbox.backlog.open_actions(day)] == []
    return world


def calls(world: World, rule: str) -> list[Call]:
    """The calls of a rule's handler."""
    return [call for call in world.calls if call.action.rule == rule]


def alerts(world: World) -> list[str]:
    """The subjects of all alerts, of the earlier release and of this one."""
    events = [event for day in world.app.inbox.history.days() for event in world.history(day).events.values()]
    return sorted(event.object for event in events if event.event_type == "Alert")


def test_action_that_has_checked_back_keeps_its_lock(settled: World) -> None:
    """The other action gets the lock at that moment, although it tried all day."""
    assert [call.event.id for call in calls(settled, "turns")] == ["e1", "e2"]
    first, second = (call.action.now for call in calls(settled, "turns"))
    assert second == first


def test_lock_without_a_time_blocks_no_action(settled: World) -> None:
    """There is no record of its holder, so it ended long ago."""
    assert [moment.status for moment in settled.actions["other-turns"].timeline] == ["pending", "running", "succeeded"]


def test_throttled_service_is_not_called_until_the_throttle_ends(world: World, settled: World) -> None:
    """Neither by the action that was throttled nor by another one."""
    [until] = (note["until"] for note in throttles(world))
    for name in ("busy", "calm"):
        [call] = calls(settled, name)
        assert call.action.now >= datetime.fromisoformat(until)


def throttles(world: World) -> list[dict[str, str]]:
    """The throttles of all services."""
    return [json.loads(str(row.values["note"])) for row in world.table.read("notes", "pause|", "pause|~")]


def test_deferred_end_has_the_result_of_its_time(settled: World) -> None:
    """Its action was replayed since, and that end is followed, too."""
    followed = [(action.replay_number, action.result and action.result.summary) for _, action in calls(settled, "late")]
    assert followed == [(0, "first"), (1, "second")]


def test_rejections_are_alerted_once_a_day_across_releases(world: World) -> None:
    """One kind of rejected events had been alerted, and the other lacked one event."""
    before = alerts(world)
    app: App = world.app
    receive("not an event, either", app)
    assert alerts(world) == before
    receive(foreign("fifth"), app)
    assert len(alerts(world)) == len(before) + 1
