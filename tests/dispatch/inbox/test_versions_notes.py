"""What an earlier release noted is still true: whose turn it is, who wants to be left alone, what people were told.

golden/notes_0.1.json is what release 0.1 left behind. Two actions of one lock: the first has begun and
waits for a day, the other one for its turn. A lock of the time before locks said since when, whose holder's record is
gone. A service that wants a pause of an hour, and an action that would ask it. An end about which a rules file was not
asked, and which was replayed meanwhile. Five malformed events, of which was told, and four from elsewhere.
"""

import json
from datetime import datetime
from pathlib import Path

import pytest

from dispatch.app import App
from dispatch.receive import receive
from dispatch.sweep import sweep
from schemas import Event, RunCompleted
from tests.dispatch.inbox.test_versions import upgraded
from tests.kit.world import WORKSPACES, Call, Scripted, World, rule, rules

HERE = __name__
GOLDEN = sorted((Path(__file__).parent / "golden").glob("notes_*.json"))
ALERTS = "alerts: { do: log }\n"


class Turns(Scripted):
    """One at a time."""

    def lock(self, event: Event) -> str | None:
        return "the endpoint"


class OtherTurns(Scripted):
    """One at a time of these."""

    def lock(self, event: Event) -> str | None:
        return "another endpoint"


class Asks(Scripted):
    """Asks a service that others ask, too."""

    def destination(self, event: Event) -> str:
        return "the service"


def of(handler: type[Scripted], text: str) -> str:
    """The rule, for another handler than the plain one."""
    return text.replace("SCRIPTED", f"{HERE}:{handler.__name__}")


RULES = rules(
    of(Turns, rule("turns", on="[RunStatusChanged, RunCompleted]")),
    of(OtherTurns, rule("other-turns", on="RunCompleted")),
    of(Asks, rule("busy", on="RunCompleted")),
    of(Asks, rule("calm", on="RunCompleted")),
    rule("done", "succeed second", on="RunCompleted"),
)
LATE = rules(rule("late", after="{ rules: done }"))


def elsewhere(id: str) -> str:
    """An event from a workspace that is not ours."""
    event = RunCompleted.example(id=id).wire()
    return json.dumps({**event, "topic": event["topic"].replace("churn-prod", "other")})


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A world of this release over what the earlier one left."""
    world = upgraded(request.param, tmp_path, RULES, WORKSPACES + ALERTS)
    world.write(LATE, "late.yaml")
    return world


@pytest.fixture
def settled(world: World) -> World:
    """Some days later."""
    for _ in range(4):
        sweep(world.app)
        world.run()
        world.clock.forward(days=1)
    inbox = world.app.inbox
    assert [id for day in inbox.history.days() for id in inbox.backlog.open_actions(day)] == []
    return world


def calls(world: World, rule: str) -> list[Call]:
    """What a rule's handler was given."""
    return [call for call in world.calls if call.action.rule == rule]


def alerts(world: World) -> list[str]:
    """What people were told, in the earlier release and in this one."""
    events = [event for day in world.app.inbox.history.days() for event in world.history(day).events.values()]
    return sorted(event.object for event in events if event.event_type == "Alert")


def test_who_has_begun_keeps_the_lock_until_its_end(settled: World) -> None:
    """The other one has had its turn afterwards, though it asked all day long."""
    assert [call.event.id for call in calls(settled, "turns")] == ["e1", "e2"]
    first, second = (call.action.now for call in calls(settled, "turns"))
    assert second > first


def test_a_lock_that_does_not_say_since_when_keeps_nobody_waiting(settled: World) -> None:
    """Its holder has long ended, for there is no record of it."""
    assert [moment.status for moment in settled.actions["other-turns"].timeline] == ["pending", "running", "succeeded"]


def test_a_service_is_left_alone_until_its_pause_is_over(world: World, settled: World) -> None:
    """By the action that was told so, and by one that was not."""
    [until] = (note["until"] for note in pauses(world))
    for name in ("busy", "calm"):
        [call] = calls(settled, name)
        assert call.action.now >= datetime.fromisoformat(until)


def pauses(world: World) -> list[dict[str, str]]:
    """All that services have asked for."""
    return [json.loads(str(row.values["note"])) for row in world.table.read("notes", "pause|", "pause|~")]


def test_an_end_is_told_as_it_was_when_it_was_not_asked_about(settled: World) -> None:
    """Though its action was replayed since then: that one's end is told, too."""
    told = [(action.replay_number, action.result and action.result.summary) for _, action in calls(settled, "late")]
    assert told == [(0, "first"), (1, "second")]


def test_people_are_told_once_a_day_across_releases(world: World) -> None:
    """The one kind of rejected events had been told of, and the other lacked one."""
    before = alerts(world)
    app: App = world.app
    receive("not an event, either", app)
    assert alerts(world) == before
    receive(elsewhere("fifth"), app)
    assert len(alerts(world)) == len(before) + 1
