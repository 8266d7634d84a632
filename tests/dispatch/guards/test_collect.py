"""`collect`: one action for all events of a window."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.inbox.pauses import Pause
from dispatch.replay.replay import ReplayOptions, find, replay
from dispatch.sweep import GRACE, sweep
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.dispatch.guards.kit import acted_on, outcomes, run_event
from tests.kit.faults import CrashAt
from tests.kit.world import World, rule, rules


def windows(world: World) -> list[list[str]]:
    """The ids of the events of each call of the handler."""
    return [[event["id"] for event in call.event.view()["events"]] for call in world.calls]


def receive(world: World, *ids: str, status: str = "Failed", **changes: str) -> None:
    """Receive events, a second apart, and call their actions, but not those that wait."""
    for id in ids:
        world.receive(run_event(id, status, int(id[1:]), **changes))
        world.step()


def test_one_action_for_all_events_of_a_window(tmp_path: Path) -> None:
    """The first one waits until the window ends; the others are skipped at once, and name it."""
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1", "e2", "e3")
    waiting = outcomes(world)
    assert waiting["e1"] == "waiting: collects events until 2026-11-22 09:15:00 UTC"
    assert waiting["e2"].startswith("skipped: collected into the action on event ")
    world.run()
    assert world.clock.time == NOW + timedelta(minutes=15)
    assert windows(world) == [["e1", "e2", "e3"]]
    assert outcomes(world)["e1"] == "succeeded: done"


def test_the_events_are_views_in_the_order_of_their_times(tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e3", "e1")
    world.run()
    [call] = world.calls
    first, second = call.event.view()["events"]
    assert call.event.id == "e3"
    assert (first["id"], second["id"]) == ("e1", "e3")
    assert first["workspace"]["name"] == "churn-prod"
    assert first["data"]["runStatus"] == "Failed"


def test_the_next_event_opens_the_next_window(tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    for id in ("e1", "e2"):
        receive(world, id)
        world.run()
    assert windows(world) == [["e1"], ["e2"]]


def test_each_value_of_by_has_windows_of_its_own(tmp_path: Path) -> None:
    """Events that lack the key have one together, and null is a value."""
    world = World(rules(rule("ring", collect="{ for: 15m, by: data.runTags.owner }")), tmp_path)
    tags: tuple[dict[str, str | None], ...] = ({"owner": "a"}, {"owner": "b"}, {"owner": "a"}, {}, {"owner": None}, {})
    for n, run_tags in enumerate(tags):
        world.receive(RunStatusChanged.example(id=f"e{n}", run_tags=run_tags))
        world.step()
    world.run()
    assert sorted(windows(world)) == [["e0", "e2"], ["e1"], ["e3", "e5"], ["e4"]]


def test_a_window_stays_open_until_its_leader_is_called(tmp_path: Path) -> None:
    """A leader that is late, because the app was stopped, acts for all that came until then."""
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1")
    [(_, message)] = world.queue.messages
    world.queue.messages.clear()
    world.clock.forward(hours=2)
    receive(world, "e2")
    act(message, world.app)
    assert windows(world) == [["e1", "e2"]]


def test_a_leader_that_fails_is_retried_with_the_same_events(tmp_path: Path) -> None:
    world = World(rules(rule("ring", "retry", "wait 60", "succeed", collect="15m")), tmp_path)
    receive(world, "e1", "e2")
    world.run()
    assert windows(world) == [["e1", "e2"]] * 3
    assert len({call.action.key for call in world.calls}) == 1


def test_a_replay_of_a_leader_acts_again_for_its_events(tmp_path: Path) -> None:
    """At once: its window is closed. A replay of another event joins a window again."""
    world = World(rules(rule("ring", "give-up", collect="15m")), tmp_path)
    receive(world, "e1", "e2")
    world.run()
    assert outcomes(world)["e1"] == "failed: broken"
    [event] = find("e1", world.app)
    replay(event, world.app, ReplayOptions(failed=True))
    at = world.clock.time
    world.run()
    assert windows(world) == [["e1", "e2"]] * 2
    assert world.clock.time == at
    [other] = find("e2", world.app)
    replay(other, world.app, ReplayOptions(rule="ring"))
    world.run()
    assert windows(world)[2:] == [["e2"]]
    assert world.clock.time == at + timedelta(minutes=15)


def test_a_full_window_is_closed_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The member that finds it full calls the leader."""
    monkeypatch.setattr("dispatch.guards.collect.MOST_EVENTS", 3)
    monkeypatch.setattr("dispatch.guards.collect._COUNTED", 1)
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1", "e2", "e3", "e4")
    world.run()
    assert windows(world) == [["e1", "e2", "e3"], ["e4"]]
    assert [call.action.now for call in world.calls] == [NOW, NOW + timedelta(minutes=15)]


@pytest.mark.parametrize("keys", [{}, {"at_least": "{ count: 5, within: 1h }"}])
def test_a_rule_that_collects_no_more_still_acts_for_an_open_window(keys: dict[str, str], tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1", "e2")
    world.write(rules(rule("ring", **keys)))
    receive(world, "e3")
    world.run()
    assert ["e1", "e2"] in windows_if_any(world)
    ends = outcomes(world)
    assert ends["e1"] == "succeeded: done"
    assert ends["e3"] == ("skipped: 1 of 5 within 1h" if keys else "succeeded: done")


def windows_if_any(world: World) -> list[list[str]]:
    """The events of each call; of a call for one event, nothing."""
    return [[event["id"] for event in call.event.view().get("events", ())] for call in world.calls]


def test_another_length_holds_for_the_next_window(tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1")
    world.write(rules(rule("ring", collect="1h")))
    receive(world, "e2")
    world.run()
    assert windows(world) == [["e1", "e2"]]
    assert world.clock.time == NOW + timedelta(minutes=15)


def test_dry_run_shows_what_would_be_done_about_a_window(tmp_path: Path) -> None:
    text = rules(rule("ring", collect="15m", dry_run="true"))
    world = World(
        text.replace("do: SCRIPTED", "do: log").replace(
            'with: { world: WORLD, script: ["succeed"] }', "with: { message: '{{ events | length }} events' }"
        ),
        tmp_path,
    )
    assert not world.loaded.errors
    receive(world, "e1", "e2")
    world.run()
    assert "2 events" in outcomes(world)["e1"]
    assert outcomes(world)["e1"].startswith("skipped: dry run")


def test_at_most_limits_the_windows(tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m", at_most="{ count: 1, every: 1d }")), tmp_path)
    for ids in (("e1", "e2"), ("e3", "e4")):
        receive(world, *ids)
        world.run()
    assert windows(world) == [["e1", "e2"]]
    assert outcomes(world)["e3"].startswith("skipped: 1 in 1d already")


def test_a_paused_rule_acts_for_its_window_once_it_is_resumed(tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1", "e2")
    app = world.app
    app.inbox.pauses.begin(Pause("ring", "ann", world.clock.time, world.clock.time + timedelta(hours=1)))
    world.run()
    assert windows(world) == [["e1", "e2"]]
    assert world.clock.time >= NOW + timedelta(hours=1)


def test_another_member_leads_when_the_leader_has_ended(tmp_path: Path) -> None:
    """The leader's worker dies at each call after the first: before it closes the window, so that it cannot act."""
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1", "e2", "e3")
    [(id, record)] = [(id, record) for id, record in world.history().actions if record.leads]
    table = world.app.inbox.table
    [row] = table.read(id.day, id.row, id.row + "!")
    table.commit(id.day, type(row)(row.key, {**row.values, "crashes": 5, "due": NOW.isoformat()}, row.etag))
    world.run()
    assert outcomes(world)["e1"] == "failed: the worker died 5 times while it ran this action"
    assert world.calls == []
    world.clock.time = record.due + GRACE + timedelta(minutes=1)
    sweep(world.app)
    world.run()
    assert windows(world) == [["e1", "e2", "e3"]]
    assert sorted(each.partition(":")[0] for each in outcomes(world).values()) == ["failed", "skipped", "succeeded"]
    world.clock.forward(hours=1)
    sweep(world.app)
    assert world.queue.messages == []


def test_a_window_whose_only_member_has_ended_is_closed(tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m")), tmp_path)
    receive(world, "e1")
    [(id, _)] = world.history().actions
    table = world.app.inbox.table
    [row] = table.read(id.day, id.row, id.row + "!")
    table.commit(id.day, type(row)(row.key, {**row.values, "crashes": 5, "due": NOW.isoformat()}, row.etag))
    world.run()
    world.clock.forward(hours=1)
    sweep(world.app)
    assert world.app.inbox.windows.open("ring") == []


def test_a_crash_between_joining_and_recording_it_joins_once(tmp_path: Path) -> None:
    world = World(rules(rule("ring", collect="15m")), tmp_path, crash=CrashAt((6, "after")))
    world.receive(run_event("e1", "Failed", 1))
    world.run()
    assert windows(world) == [["e1"]]
    [record] = world.actions.values()
    assert "its worker died" in [entry.note for entry in record.timeline]


def test_latest_only_is_no_key_of_such_a_rule(tmp_path: Path) -> None:
    for key in ("collect: 15m", "at_least: { count: 3, within: 1h }"):
        name, _, value = key.partition(": ")
        [error] = World(rules(rule("ring", latest_only="true", **{name: value})), tmp_path).loaded.errors
        assert f"latest_only has no meaning beside {name}" in str(error)


def test_collect_and_at_least_exclude_each_other(tmp_path: Path) -> None:
    text = rules(rule("ring", collect="15m", at_least="{ count: 3, within: 1h }"))
    [error] = World(text, tmp_path).loaded.errors
    assert "either collect or at_least" in str(error)


@pytest.mark.parametrize(
    ("collect", "says"),
    [
        ("soon", "is not a duration"),
        ("0s", "from 1s to 31d"),
        ("{ for: 40d }", "from 1s to 31d"),
        ("{ by: object }", "collect needs 'for'"),
        ("{ for: 1h, by: 'a..b' }", "collect.by"),
        ("{ for: 1h, by: data.modelName }", "RunStatusChanged has no key data.modelName"),
    ],
)
def test_an_invalid_window_is_an_error(collect: str, says: str, tmp_path: Path) -> None:
    [error] = World(rules(rule("ring", collect=collect)), tmp_path).loaded.errors
    assert says in str(error)


def test_at_most_by_must_be_that_of_collect(tmp_path: Path) -> None:
    limit = "{ count: 1, every: 1d, by: data.runId }"
    [error] = World(rules(rule("ring", collect="15m", at_most=limit)), tmp_path).loaded.errors
    assert "collect: { for: …, by: data.runId }" in str(error)
    world = World(rules(rule("ring", collect="{ for: 15m, by: data.runId }", at_most=limit)), tmp_path)
    assert not world.loaded.errors


def test_only_rules_with_windows_have_events(tmp_path: Path) -> None:
    text = "rules:\n  - { name: a, on: RunStatusChanged, do: log, with: { message: '{{ events | length }}' } }\n"
    [error] = World(text, tmp_path).loaded.errors
    assert "only templates of rules with 'collect' or 'at_least' have events" in str(error)
    text = text.replace("do: log", "collect: 1h, do: log").replace("events | length", "events[0].data.modelName")
    [error] = World(text, tmp_path).loaded.errors
    assert "RunStatusChanged has no key events[0].data.modelName" in str(error)


def test_no_sender_can_forge_events(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    forged = run_event("e1", "Failed", 1).model_copy(update={"Events": ["forged"]})
    world.receive(forged)
    world.run()
    assert acted_on(world) == ["e1"]
    assert "events" not in {name.lower() for name in world.calls[0].event.view()}
