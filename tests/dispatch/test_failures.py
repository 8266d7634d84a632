"""Of the failures of a rule, the first is reported at once, and all others by one digest an hour. None is lost."""

import json
import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch import failures
from dispatch.failures import OTHER_REASONS, Tally
from dispatch.inbox.backlog import Backlog, failed_marker
from dispatch.inbox.errors import Refused, Unavailable
from dispatch.inbox.keys import ActionId
from dispatch.inbox.shared_state import SharedState
from dispatch.inbox.tables import Row
from dispatch.replay.replay import ReplayOptions, find, replay
from dispatch.sweep import sweep
from mlevents.testing.storage import AzureLimits
from schemas import RunStatusChanged
from schemas.alert import Alert
from tests.kit.world import World, alerting_world, alerts, rule

EVENT = RunStatusChanged.example(id="e0")
DAY = "2026-11-22"


def failing_world(folder: Path, events: int = 3, *rules: str) -> World:
    """A world in which a rule has failed on each of some events."""
    world = alerting_world(folder, *(rules or (rule("ring", "give-up no such number"),)))
    fail(world, events)
    return world


def fail(world: World, events: int, first: int = 0) -> None:
    world.receive(*(EVENT.model_copy(update={"id": f"e{n}"}) for n in range(first, first + events)))
    world.run()


def digests(world: World) -> list[Alert]:
    return [event for event, _ in alerts(world) if isinstance(event, Alert)]


def pass_hours(world: World, hours: int = 1) -> None:
    """Sweep every five minutes for some hours."""
    until = world.clock.time + timedelta(hours=hours)
    while world.clock.time < until:
        world.clock.forward(minutes=5)
        sweep(world.app)
        world.run()


def reported(world: World) -> list[int]:
    """How many failures each alert reports, in order: an alert about one failed action, or a digest."""
    return [int(event.data.summary.split()[0]) if isinstance(event, Alert) else 1 for event, _ in alerts(world)]


@dataclass
class _Refusing(AzureLimits):
    """A table that refuses to store events with a text."""

    text: str

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        if any(self.text in str(row.values.get("raw")) for row in rows):
            raise Refused("no such content", 400)
        return super().commit(partition, *rows, delete=delete)


class TestDigest:
    def test_it_reports_all_but_the_first_failure_an_hour_later(self, tmp_path: Path) -> None:
        world = failing_world(tmp_path, events=5)
        assert reported(world) == [1]
        world.clock.forward(minutes=59)
        sweep(world.app)
        world.run()
        assert reported(world) == [1]
        pass_hours(world)
        assert reported(world) == [1, 4]

    def test_it_says_what_failed_why_and_what_to_do(self, tmp_path: Path) -> None:
        world = failing_world(tmp_path, events=3)
        pass_hours(world)
        [digest] = digests(world)
        assert digest.data.kind == "failed actions"
        assert digest.data.summary == "2 more actions of rule ring failed"
        assert digest.data.details == (
            "The first failed at 2026-11-22 09:00 UTC, the last at 2026-11-22 09:00 UTC.",
            "2 times: no such number",
            f"Event e1: {EVENT.object} in churn-prod",
            f"Event e2: {EVENT.object} in churn-prod",
        )
        assert digest.data.rule == "ring"
        assert digest.data.to_do == (f"To run one of them again: mlevents replay e1 --rule ring --day {DAY}",)

    def test_its_command_and_lines_are_safe_with_any_event_id(self, tmp_path: Path) -> None:
        """Somebody will copy the command into a shell."""
        world = failing_world(tmp_path, 1, rule("ring", "give-up line 1\\nline 2"))
        world.receive(EVENT.model_copy(update={"id": "x; rm -rf $HOME\n\x1b[2J"}))
        world.run()
        pass_hours(world)
        [digest] = digests(world)
        [to_do] = digest.data.to_do
        words = shlex.split(to_do.partition(": ")[2])
        assert words[:2] == ["mlevents", "replay"]
        assert words[2].startswith("x; rm -rf $HOME")
        assert words[3:] == ["--rule", "ring", "--day", DAY]
        assert all(line.isprintable() for line in (*digest.data.details, to_do))

    def test_it_comes_even_if_nothing_else_fails(self, tmp_path: Path) -> None:
        """And only once."""
        world = failing_world(tmp_path, events=2)
        pass_hours(world, 5)
        assert reported(world) == [1, 1]

    def test_it_starts_another_hour(self, tmp_path: Path) -> None:
        """A failure within an hour of a digest is reported by the next one."""
        world = failing_world(tmp_path, events=2)
        pass_hours(world)
        fail(world, 3, first=10)
        assert reported(world) == [1, 1]
        pass_hours(world)
        assert reported(world) == [1, 1, 3]

    def test_after_a_quiet_hour_the_first_failure_is_reported_at_once(self, tmp_path: Path) -> None:
        world = failing_world(tmp_path, events=2)
        pass_hours(world, 3)
        fail(world, 1, first=10)
        assert reported(world) == [1, 1, 1]

    def test_failing_all_day_raises_one_alert_and_one_an_hour(self, tmp_path: Path) -> None:
        """500 failures: every one is reported."""
        world = alerting_world(tmp_path, rule("ring", "give-up"))
        for n in range(500):
            fail(world, 1, first=n)
            world.clock.forward(seconds=24 * 3600 / 500)
            if n % 2:
                sweep(world.app)
        pass_hours(world, 2)
        assert sum(reported(world)) == 500
        assert len(alerts(world)) <= 1 + 25

    def test_each_rule_has_its_own(self, tmp_path: Path) -> None:
        world = failing_world(tmp_path, 3, rule("a", "give-up"), rule("b", "give-up"))
        pass_hours(world)
        assert sorted(digest.data.rule for digest in digests(world)) == ["a", "b"]
        assert sum(reported(world)) == 6

    def test_one_that_storage_refuses_does_not_stop_the_others(self, tmp_path: Path) -> None:
        """The sweep ends with the error, and the alert is raised when storage takes it."""
        world = failing_world(tmp_path, 3, rule("a", "give-up"), rule("b", "give-up"))
        usual = world.table
        world.table = _Refusing(usual, "actions of rule a failed")
        with pytest.raises(Refused, match="no such content"):
            pass_hours(world, 2)
        world.run()
        assert [digest.data.rule for digest in digests(world)] == ["b"]
        world.table = usual
        pass_hours(world)
        assert sorted(digest.data.rule for digest in digests(world)) == ["a", "b"]

    def test_it_counts_failures_of_different_days_together(self, tmp_path: Path) -> None:
        """A partition of the table is a day of the events' times."""
        world = failing_world(tmp_path, events=1)
        for n in range(4):
            time = f"2026-11-{18 + n}T08:00:00Z"
            world.receive(RunStatusChanged.example(id=f"old-{n}", event_time=time))
        world.run()
        pass_hours(world)
        assert reported(world) == [1, 4]

    def test_it_groups_the_reasons_the_most_frequent_first(self, tmp_path: Path) -> None:
        world = failing_world(tmp_path, events=1)
        day, shared = DAY, world.app.inbox
        for n in range(150):  # more than one batch
            id = ActionId(day, f"{n:08d}-{n:032x}", "ring")
            reason = f"reason {n}" if n < 7 else "the usual one"
            about = {"event": f"m{n}", "object": "r", "workspace": "w"}
            world.table.commit(day, failed_marker(id, 0, at=world.clock().isoformat(), reason=reason, **about))
        pass_hours(world)
        [digest] = digests(world)
        assert digest.data.summary == "150 more actions of rule ring failed"
        assert digest.data.details[1] == "143 times: the usual one"
        assert digest.data.details[6] == "3 times: other reasons"
        assert digest.data.details[-1].startswith("and ")
        assert shared.backlog.markers(day).failed == []

    def test_a_digest_of_long_texts_fits_its_row(self, tmp_path: Path) -> None:
        """Texts of events may be long, and in any script."""
        world = failing_world(tmp_path, events=1)
        for n in range(300):
            id = ActionId(DAY, f"{n:08d}-{n:032x}", "ring")
            about = dict.fromkeys(("reason", "event", "object", "workspace"), f"{n} " + '😀"\\' * 400)
            world.table.commit(DAY, failed_marker(id, 0, at=world.clock().isoformat(), **about))
        pass_hours(world)
        [digest] = digests(world)
        assert digest.data.summary == "300 more actions of rule ring failed"

    def test_a_rule_that_follows_the_failure_replaces_it(self, tmp_path: Path) -> None:
        after = "{ rules: ring, outcome: failed }"
        world = failing_world(tmp_path, 3, rule("ring", "give-up"), rule("repair", after=after))
        pass_hours(world)
        assert alerts(world) == []

    def test_failed_alerts_are_not_counted(self, tmp_path: Path) -> None:
        world = alerting_world(tmp_path, rule("ring", "give-up"), script="give-up mail is down")
        fail(world, 3)
        pass_hours(world, 3)
        assert sum(record.status == "failed" for _, record in world.history("undated").actions) == 1
        assert len(alerts(world)) == 2

    def test_without_alerts_there_are_no_markers(self, tmp_path: Path) -> None:
        world = World("rules:\n" + rule("ring", "give-up"), tmp_path)
        fail(world, 3)
        assert world.app.inbox.backlog.markers(DAY).failed == []

    def test_failures_while_workspaces_yaml_is_refused_are_reported_once_it_is_valid(self, tmp_path: Path) -> None:
        """Whether it has alerts is not known until then."""
        world = alerting_world(tmp_path, rule("ring", "give-up"))
        world.receive(EVENT)
        valid, rules = world.workspaces, world.rules
        world.workspaces = "workspaces: [1"
        world.write(rules)
        world.run()
        pass_hours(world, 2)
        assert alerts(world) == []
        world.workspaces = valid
        world.write(rules)
        pass_hours(world)
        assert reported(world) == [1]


class TestUnreadableEvents:
    """Actions whose stored event cannot be read fail, too."""

    def test_they_are_reported_like_other_failures(self, tmp_path: Path) -> None:
        world = alerting_world(tmp_path, rule("ring"))
        world.receive(*(EVENT.model_copy(update={"id": f"e{n}"}) for n in range(4)))
        for key in world.history().events:
            [row] = world.table.read(DAY, key, key + "!")
            world.table.commit(DAY, type(row)(row.key, {**row.values, "raw": "{"}, row.etag))
        world.run()
        assert [alert.data.kind for alert in digests(world)] == ["unreadable event"]
        pass_hours(world)
        assert [alert.data.kind for alert in digests(world)] == ["unreadable event", "failed actions"]
        assert digests(world)[1].data.summary == "3 more actions of rule ring failed"


class TestFirstFailure:
    def test_it_is_recorded_if_storage_refuses_to_say_whether_it_is_the_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The digest reports it then, at once."""

        def away(*_: object, **__: object) -> None:
            raise Unavailable("away")

        world = alerting_world(tmp_path, rule("ring", "give-up"))
        with monkeypatch.context() as patch:
            patch.setattr(SharedState, "change", away)
            fail(world, 1)
        assert alerts(world) == []
        sweep(world.app)
        world.run()
        [digest] = digests(world)
        assert digest.data.summary == "1 action of rule ring failed"

    def test_an_action_that_succeeds_asks_nothing(self, tmp_path: Path) -> None:
        world = alerting_world(tmp_path, rule("ring"))
        fail(world, 1)
        assert world.app.inbox.shared.all("failed|") == {}

    def test_it_is_the_same_action_after_a_crash_and_after_a_replay(self, tmp_path: Path) -> None:
        app = alerting_world(tmp_path, rule("ring")).app
        ids = [ActionId(DAY, event, "ring") for event in ("a", "a", "b", "a")]
        assert [failures.takes_alert(id, app) for id in ids] == [True, True, False, True]


class TestCount:
    def test_an_action_that_fails_again_with_the_same_key_is_recorded_and_counted_again(self, tmp_path: Path) -> None:
        """A replay with the same key keeps the replay number. The marker of the first failure may still be there."""
        world = failing_world(tmp_path, events=2)
        for sweeps in (0, 1):
            for _ in range(sweeps):
                sweep(world.app)
            [event] = find("e1", world.app)
            replay(event, world.app, ReplayOptions(same_key=True))
            world.run()
            assert len(world.calls) == 3 + 1 + sweeps  # the first alert is one
        pass_hours(world)
        assert reported(world) == [1, 3]

    def test_a_sweep_that_died_after_it_counted_is_continued_without_counting_twice(self, tmp_path: Path) -> None:
        world = failing_world(tmp_path, events=4)
        inbox = world.app.inbox
        markers = inbox.backlog.markers(DAY).failed
        failures.count(DAY, "ring", world.app)
        world.table.commit(DAY, *(type(row)(row.key, row.values) for row in markers))  # as if not deleted yet
        failures.count(DAY, "ring", world.app)
        assert inbox.backlog.markers(DAY).failed == []
        [state] = inbox.shared.all("failed|").values()
        assert Tally.read(state["tally"]).count == 3

    def test_markers_that_another_sweep_counts_meanwhile_are_left_to_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are read before it deletes them, and cannot be rewritten then."""
        world = failing_world(tmp_path, events=4)
        backlog, table = world.app.inbox.backlog, world.table
        stale = backlog.failures(DAY, "ring")
        failures.count(DAY, "ring", world.app)
        monkeypatch.setattr(Backlog, "failures", lambda *_: stale)
        world.app.inbox.shared.change("failed|ring", lambda value: {**value, "counted": "[]"}, world.clock())
        failures.count(DAY, "ring", world.app)
        [state] = world.app.inbox.shared.all("failed|").values()
        assert Tally.read(state["tally"]).count == 3
        assert table.read(DAY, "!failed", "!failed~") == []

    def test_a_tally_that_is_full_still_counts(self) -> None:
        tally = Tally()
        for n in range(200):
            values = {"at": f"2026-11-22T09:00:{n % 60:02}+00:00", "reason": f"r{n}", "event": "e" * 200}
            row = failed_marker(ActionId(DAY, str(n), "ring"), 0, object="o", workspace="w", **values)
            tally = Tally.read(str(tally.including(DAY, row)))
        assert tally.count == sum(tally.reasons.values()) == 200
        assert tally.reasons[OTHER_REASONS] > 100
        assert len(json.dumps(str(tally))) < 20_000
        assert (tally.first, tally.last) == ("2026-11-22T09:00:00+00:00", "2026-11-22T09:00:59+00:00")
