"""`expect`: the watch raises `Expected` once for each deadline by which nothing on record satisfies it."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.evidence import deadlines
from dispatch.evidence.deadlines import decide_deadlines
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.history import index as index_of_record
from dispatch.receive import receive
from schemas import Expected, ModelRegistered
from tests.dispatch.evidence.expecting import EXPECTED, complete, expecting, index, look, set_clock, world_of
from tests.kit.world import World, entry, rule, rules

MISSING = "nightly-train did not complete by 06:30 (Europe/Athens)"


def expected(world: World) -> list[Expected]:
    return [call.event for call in world.calls if isinstance(call.event, Expected)]


def test_event_that_came_in_time_is_no_news(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    complete(world, "2026-11-23T03:12")
    assert look(world, "2026-11-23T04:35") == []
    assert "came at 2026-11-23 03:12:00 UTC" in str(world.app.inbox.shared.all("expected|"))


@pytest.mark.parametrize("indexed", [True, False])
def test_missing_event_is_reported_once_with_its_last_time(tmp_path: Path, indexed: bool) -> None:
    """The last time is known from the index, or from what no sweep has indexed yet."""
    world = world_of(tmp_path)
    complete(world, "2026-11-23T03:12")
    if indexed:
        index(world)
    look(world, "2026-11-23T04:35")
    assert look(world, "2026-11-24T04:31") == []
    assert look(world, "2026-11-24T04:35") == [f"{MISSING}; last completed yesterday 05:12"]
    assert look(world, "2026-11-24T04:40") == []
    index(world)
    assert look(world, "2026-11-25T04:35") == [f"{MISSING}; last completed on 2026-11-23 05:12"]
    assert len(expected(world)) == 2


def test_event_has_all_that_templates_need(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    look(world, "2026-11-23T04:35")
    [event] = expected(world)
    assert event.headline == f"{MISSING}; no earlier one is on record"
    data = event.wire()["data"]
    assert data == {
        "rule": "nightly",
        "expected": "nightly-train",
        "event": "RunCompleted",
        "day": "2026-11-23",
        "by": "06:30",
        "timezone": "Europe/Athens",
        "deadline": "2026-11-23T04:30:00Z",
        "localDeadline": "2026-11-23 06:30 EET",
        "since": "2026-11-22T22:00:00Z",
        "lastTime": None,
        "lastObject": None,
        "note": "",
    }
    assert event.event_time.isoformat() == "2026-11-23T04:30:00+00:00" if event.event_time else False
    assert event.topic.endswith("/churn-prod")


@pytest.mark.parametrize(
    ("time", "counts"),
    [
        ("2026-11-22T21:59:59", False),
        ("2026-11-22T22:00", True),
        ("2026-11-23T04:30", True),
        ("2026-11-23T04:31", False),
    ],
)
def test_event_counts_from_midnight_to_the_deadline(tmp_path: Path, time: str, counts: bool) -> None:
    world = world_of(tmp_path)
    complete(world, time)
    assert bool(look(world, "2026-11-23T04:35")) is not counts


def test_within_moves_the_beginning(tmp_path: Path) -> None:
    world = world_of(tmp_path, expecting(f"{EXPECTED}, within: 12h"))
    complete(world, "2026-11-22T17:00")
    assert look(world, "2026-11-23T04:35") == []


def test_other_events_do_not_count(tmp_path: Path) -> None:
    """Of another experiment, of another workspace, and of another type."""
    world = world_of(tmp_path)
    complete(world, "2026-11-23T03:00", experiment_name="other")
    complete(
        world, "2026-11-23T03:01", topic=ModelRegistered.example().topic.replace("prod", "dev").replace("2222", "1111")
    )
    world.receive(ModelRegistered.example(event_time="2026-11-23T03:02:00Z"))
    assert len(look(world, "2026-11-23T04:35")) == 1


def test_late_event_is_named(tmp_path: Path) -> None:
    """A run that ends after the deadline does not satisfy it; if it is on record by then, the mail says so."""
    world = world_of(tmp_path)
    complete(world, "2026-11-23T04:31")
    complete(world, "2026-11-23T04:33", run_id="second")
    assert look(world, "2026-11-23T04:35") == [f"{MISSING}; completed at 06:31"]
    assert look(world, "2026-11-24T04:35") == [f"{MISSING}; last completed yesterday 06:33"]


def test_event_that_event_grid_delivers_late_counts_until_the_decision(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    complete(world, "2026-11-23T04:29", recorded="2026-11-23T04:32")
    assert look(world, "2026-11-23T04:35") == []
    look(world, "2026-11-24T04:35")
    complete(world, "2026-11-24T04:29", recorded="2026-11-24T04:40")
    assert look(world, "2026-11-24T04:45") == []
    assert len(expected(world)) == 1


def test_events_recorded_before_the_rule_count(tmp_path: Path) -> None:
    """The record is asked, not a stream: the run completed before the rule was deployed."""
    world = world_of(tmp_path, rule("other"))
    complete(world, "2026-11-23T03:12")
    index(world)
    world.write(rules(expecting()))
    assert look(world, "2026-11-23T04:20") == []
    assert look(world, "2026-11-23T04:35") == []
    assert look(world, "2026-11-24T04:35") != []


def test_rule_deployed_after_the_deadline_does_not_act_for_the_past(tmp_path: Path) -> None:
    world = world_of(tmp_path, at="2026-11-23T04:31")
    assert look(world, "2026-11-23T04:36") == []
    assert len(look(world, "2026-11-24T04:36")) == 1


def test_changed_expectation_is_a_new_one(tmp_path: Path) -> None:
    """It does not act for a deadline that had passed when it changed, and does for a later one of the same day."""
    world = world_of(tmp_path)
    assert len(look(world, "2026-11-23T04:35")) == 1
    world.write(rules(expecting(EXPECTED.replace("06:30", "05:00"))))
    assert look(world, "2026-11-23T04:40") == []
    world.write(rules(expecting(EXPECTED.replace("06:30", "09:00"))))
    assert look(world, "2026-11-23T04:45") == []
    assert len(look(world, "2026-11-23T07:05")) == 1


def test_app_that_was_down_reports_the_deadlines_of_a_day_late(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so. Older deadlines are logged, and not reported."""
    world = world_of(tmp_path)
    caplog.set_level(logging.INFO)
    assert len(look(world, "2026-11-25T10:00")) == 1
    [event] = expected(world)
    assert event.data.day == "2026-11-25"
    assert event.lead == ("This was found out 5h30m after the deadline: the app was down, or its rules were refused.",)
    skipped = [record.getMessage() for record in caplog.records if "expected.skipped" in record.getMessage()]
    assert [line.rpartition("deadline=")[2][:10] for line in skipped] == ["2026-11-23", "2026-11-24"]


def test_rule_in_a_refused_file_is_decided_when_the_file_is_valid(tmp_path: Path) -> None:
    """Events that came while the file was refused count: they are read, because the index does not name them."""
    world = world_of(tmp_path)
    world.write("rules: oops")
    assert look(world, "2026-11-23T02:00") == []
    complete(world, "2026-11-23T03:12")
    world.write(rules(expecting()))
    assert look(world, "2026-11-23T04:35") == []
    world.write("rules: oops")
    look(world, "2026-11-24T02:00")
    world.write(rules(expecting()))
    assert len(look(world, "2026-11-24T09:00")) == 1


def test_rule_that_was_removed_and_is_back_is_a_new_one(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.write(rules(rule("other")))
    look(world, "2026-11-23T02:00")
    look(world, "2026-11-23T02:05")
    world.write(rules(expecting()))
    assert look(world, "2026-11-23T10:00") == []
    world.write(rules(rule("other")))
    look(world, "2026-11-24T04:25")
    world.write(rules(expecting()))
    assert len(look(world, "2026-11-24T04:40")) == 1


def test_days_and_holidays_have_no_deadline(tmp_path: Path) -> None:
    world = world_of(tmp_path, expecting(f"{EXPECTED}, days: [Mon-Wed, Fri], holidays: [2026-11-24, 11-25]"))
    days = []
    for day in range(23, 31):
        if look(world, f"2026-11-{day}T04:35"):
            days.append(day)
    assert days == [23, 27, 30]


def test_each_workspace_of_a_rule_has_its_own_expectation(tmp_path: Path) -> None:
    """A workspace without a time zone of its own has that of the file."""
    text = entry(
        {
            "name": "nightly",
            "expect": '{ event: RunCompleted, by: "06:30" }',
            "do": "SCRIPTED",
            "with": "{ world: WORLD }",
        }
    )
    world = World(rules(text), tmp_path)
    look(world, "2026-11-22T09:00")
    complete(world, "2026-11-23T03:12")
    assert look(world, "2026-11-23T06:35") == ["nightly did not complete by 06:30 (UTC); no earlier one is on record"]
    assert expected(world)[0].topic.endswith("churn-dev")


def test_other_rules_can_act_on_all_missing_events(tmp_path: Path) -> None:
    """A rule with `expect` acts only on what it expects itself; `on: Expected` acts on what any rule expects."""
    world = world_of(tmp_path, expecting(), expecting(name="other"), rule("all", on="Expected"))
    look(world, "2026-11-23T04:35")
    acted = sorted((call.action.rule, call.event.data.rule) for call in world.calls if isinstance(call.event, Expected))
    assert acted == [("all", "nightly"), ("all", "other"), ("nightly", "nightly"), ("other", "other")]


def test_watch_without_time_leaves_the_rest_to_the_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = world_of(tmp_path, expecting(), expecting(name="other"))
    set_clock(world, "2026-11-23T04:35")
    assert decide_deadlines(world.app, lambda: False) == 0
    assert "expected.later" in caplog.text
    left = iter([True, True, False])
    assert decide_deadlines(world.app, lambda: next(left, False)) == 1
    assert decide_deadlines(world.app, lambda: True) == 1


def test_time_that_ends_within_an_expectation_leaves_its_deadlines(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    set_clock(world, "2026-11-23T04:35")
    left = iter([True, False])
    assert decide_deadlines(world.app, lambda: next(left)) == 0
    assert decide_deadlines(world.app, lambda: True) == 1


def test_error_of_storage_for_one_expectation_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(tmp_path, expecting(), expecting(name="other"))
    set_clock(world, "2026-11-23T04:35")
    failed: list[str] = []

    def receive_once_failing(raw: str, app: object) -> None:
        if not failed:
            failed.append(raw)
            raise Unavailable("busy")
        receive(raw, world.app)

    monkeypatch.setattr(deadlines, "receive", receive_once_failing)
    with pytest.raises(Unavailable, match="busy"):
        decide_deadlines(world.app, lambda: True)
    assert decide_deadlines(world.app, lambda: True) == 1
    world.run()
    assert len(expected(world)) == 2


def test_many_events_are_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many requests are made beside those to the index; the event says that some were not compared."""
    monkeypatch.setattr(deadlines, "MOST_READS", 0)
    world = world_of(tmp_path)
    complete(world, "2026-11-23T03:12")
    index(world)
    assert look(world, "2026-11-23T04:35") == []
    world.write(rules(expecting(EXPECTED, name="young")))
    look(world, "2026-11-24T02:00")
    [headline] = look(world, "2026-11-24T04:35")
    assert headline == f"{MISSING}; last completed yesterday 05:12"
    [event] = expected(world)
    assert event.lead == ("There were too many events to compare those before 2026-11-24 04:00, when the rule began.",)


def test_sweep_that_has_indexed_half_of_a_day_hides_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It indexes the newest events of a day first: an older one that it left does not end the search."""
    monkeypatch.setattr(deadlines, "MOST_READS", 0)
    monkeypatch.setattr(index_of_record, "_BATCH", 1)
    world = world_of(tmp_path, at="2026-11-22T08:00")
    complete(world, "2026-11-22T12:00")
    complete(world, "2026-11-22T23:00")
    once = iter([True, False])
    assert world.app.inbox.index.add_new("2026-11-22", lambda: next(once)) == 1
    assert look(world, "2026-11-23T04:35") == []


def test_short_retention_is_named(tmp_path: Path) -> None:
    world = world_of(tmp_path, expecting(f"{EXPECTED}, within: 3d"))
    object.__setattr__(world, "retention", timedelta(days=2))
    set_clock(world, "2026-11-23T04:35")
    app = world.app
    object.__setattr__(app, "retention", timedelta(days=2))
    decide_deadlines(app, lambda: True)
    world.run()
    assert expected(world)[0].lead == ("The record is kept for 2d, so an older event may have come.",)


def test_paused_rule_reports_when_it_is_resumed(tmp_path: Path) -> None:
    """Nothing is lost: the event is recorded, and its action waits."""
    from dispatch.inbox.pauses import Pause

    world = world_of(tmp_path)
    set_clock(world, "2026-11-23T04:35")
    until = world.clock.time + timedelta(hours=2)
    world.app.inbox.pauses.begin(Pause("nightly", "ann", world.clock.time, until))
    decide_deadlines(world.app, lambda: True)
    assert not world.calls
    world.run()
    assert len(expected(world)) == 1
    assert world.clock.time >= until
