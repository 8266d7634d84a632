"""Replays of one event: which of its actions run again, and with which rules."""

from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.inbox.messages import Message
from dispatch.inbox.tables import Row
from dispatch.replay.replay import ReplayOptions, find, replay
from schemas import ModelRegistered, RunStatusChanged
from tests.dispatch.replay.helpers import DAY, EVENT, again, called, notes, ran, reasons, stored
from tests.kit.world import LEASE, World, rule, rules


class TestOptions:
    def test_failed_action_runs_again_with_another_key(self, tmp_path: Path) -> None:
        """Its timeline continues."""
        world = ran(tmp_path, rule("ring", "give-up broken"))
        world.write(rules(rule("ring")))
        assert again(world) == {"ring": "replayed"}
        world.run()
        first, second = (call.action.key for call in world.calls)
        assert first != second
        record = world.actions["ring"]
        assert (record.status, record.replay_number) == ("succeeded", 1)
        assert [entry.status for entry in record.timeline] == [
            *("pending", "running", "failed"),
            *("pending", "running", "succeeded"),
        ]
        assert notes(world, "ring")[2:4] == ["broken", "replayed"]
        assert world.app.inbox.backlog.open_actions(DAY) == []

    def test_skipped_action_runs_again_and_successful_one_does_not(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        assert again(world) == {"done": "unchanged", "ring": "replayed"}
        world.run()
        assert called(world) == ["done", "ring", "ring"]

    def test_option_all_replays_successful_actions_too(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        assert again(world, ReplayOptions(all=True)) == {"done": "replayed", "ring": "replayed"}
        world.run()
        assert sorted(called(world)) == ["done", "done", "ring", "ring"]

    def test_option_rule_replays_one_action_even_if_it_succeeded(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        assert again(world, ReplayOptions(rule="done")) == {"done": "replayed"}
        world.run()
        assert called(world) == ["done", "ring", "done"]

    def test_rule_named_all_is_a_rule(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("all"), rule("ring"))
        assert again(world, ReplayOptions(rule="all")) == {"all": "replayed"}

    def test_option_same_key_keeps_the_key(self, tmp_path: Path) -> None:
        """For a target that recognizes the key and may have the effect already."""
        world = ran(tmp_path, rule("ring", "give-up", "succeed"))
        assert again(world, ReplayOptions(same_key=True)) == {"ring": "replayed"}
        world.run()
        first, second = (call.action.key for call in world.calls)
        assert first == second
        assert (world.ends(), world.actions["ring"].replay_number) == ({"ring": "succeeded"}, 0)

    def test_replayed_action_starts_from_scratch(self, tmp_path: Path) -> None:
        """Without state, failures, crashes and elapsed times of the first run."""
        world = ran(tmp_path, rule("ring", "wait 60", "retry", "give-up"))
        world.clock.forward(days=30)
        again(world)
        record = world.actions["ring"]
        assert (record.status, record.checked_back, record.failures, record.crashes) == ("pending", False, 0, 0)
        assert (record.state, record.details, record.failing_since) == ({}, {}, None)
        assert record.started == record.due == world.clock()
        world.run()
        assert [call.action.state for call in world.calls] == [{}, {"call": 1}, {"call": 1}] * 2

    def test_messages_from_before_the_replay_are_dropped(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "skip")), tmp_path)
        world.receive(EVENT)
        [(_, old)] = world.queue.messages
        world.run()
        again(world)
        act(old, world.app)
        assert len(world.calls) == 1
        world.run()
        assert len(world.calls) == 2

    def test_dry_run_returns_the_same_steps_and_changes_nothing(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        before = world.table.read(DAY, "", "~")
        assert again(world, dry_run=True) == {"done": "unchanged", "ring": "replayed"}
        assert world.table.read(DAY, "", "~") == before
        assert world.queue.messages == []
        assert again(world) == {"done": "unchanged", "ring": "replayed"}


class TestCurrentRules:
    def test_changed_rule_acts_as_it_is_now(self, tmp_path: Path) -> None:
        """The row records its new handler and settings."""
        world = ran(tmp_path, rule("ring", "give-up"))
        world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n")
        again(world)
        assert world.actions["ring"].handler == "log"
        assert world.actions["ring"].settings == world.loaded.by_name["ring"].settings_hash
        world.run()
        assert world.ends() == {"ring": "succeeded"}
        assert len(world.calls) == 1

    def test_new_rule_acts_for_the_first_time(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"))
        world.write(rules(rule("done"), rule("new"), rule("other", on="RunCompleted")))
        assert again(world) == {"done": "unchanged", "new": "created"}
        world.run()
        assert called(world) == ["done", "new"]
        assert world.actions["new"].replay_number == 0

    def test_event_without_actions_can_be_replayed(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("other", on="RunCompleted"))
        world.write(rules(rule("new")))
        assert again(world) == {"new": "created"}
        world.run()
        assert called(world) == ["new"]

    @pytest.mark.parametrize(
        ("now", "reason"),
        [
            (rule("other", on="RunCompleted"), "there is no such rule today"),
            (rule("ring", on="RunCompleted"), "the rule does not match the event today"),
            (rule("ring", when="data.runStatus StringIn Paused"), "the rule does not match the event today"),
        ],
    )
    def test_action_whose_rule_no_longer_matches_is_refused(self, tmp_path: Path, now: str, reason: str) -> None:
        world = ran(tmp_path, rule("ring", "give-up"))
        before = world.actions["ring"]
        world.write(rules(now))
        done = replay(stored(world), world.app, ReplayOptions())
        assert (done.steps[0].status, done.steps[0].reason) == ("refused", reason)
        assert world.actions["ring"] == before
        assert world.queue.messages == []

    def test_action_whose_rule_is_in_a_refused_file_is_refused(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"))
        world.write(rules(rule("ring", when="[nonsense]")))
        done = replay(stored(world), world.app, ReplayOptions())
        assert reasons(done) == {"ring": "no readable rules file has this rule; refused: rules/team.yaml"}

    def test_rule_that_does_not_match_the_event_is_refused(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("other", on="RunCompleted"))
        assert again(world, ReplayOptions(rule="other")) == {"other": "refused"}
        assert again(world, ReplayOptions(rule="nobody")) == {"nobody": "refused"}

    def test_replay_does_not_allow_loops(self, tmp_path: Path) -> None:
        """The rule itself has started the run of the event."""
        world = World(rules(rule("ring", allow_loops="true")), tmp_path)
        world.receive(RunStatusChanged.example(id="e1", run_tags={"mlevents_rule": "ring", "mlevents_depth": "1"}))
        world.run()
        world.write(rules(rule("ring")))
        assert again(world, ReplayOptions(all=True)) == {"ring": "refused"}
        world.write(rules(rule("ring", allow_loops="true")))
        assert again(world, ReplayOptions(all=True)) == {"ring": "replayed"}

    def test_unreadable_event_is_refused(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        row = stored(world).row
        world.table.commit(DAY, Row(row.key, {**row.values, "raw": "{}"}, row.etag))
        [step] = replay(stored(world), world.app, ReplayOptions()).steps
        assert step.status == "refused"
        assert "cannot be read" in step.reason

    def test_row_of_another_version_is_refused(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        row = stored(world).actions["ring"]
        world.table.commit(DAY, Row(row.key, {**row.values, "schema": 9}, row.etag))
        assert again(world, ReplayOptions(all=True)) == {"ring": "refused"}


class TestOpenActions:
    def test_open_action_continues_with_another_message(self, tmp_path: Path) -> None:
        """Its first message may be lost; if not, it is dropped."""
        world = World(rules(rule("ring", "wait 60", "succeed")), tmp_path)
        world.receive(EVENT)
        act(world.queue.messages.pop()[1], world.app)
        [old] = world.queue.messages
        assert again(world) == {"ring": "requeued"}
        assert len(world.queue.messages) == 2
        world.queue.messages.remove(old)
        world.run()
        assert [call.action.state for call in world.calls] == [{}, {"call": 1}]
        act(old[1], world.app)
        assert len(world.calls) == 2
        assert "queued again by a replay" in notes(world, "ring")

    def test_running_action_is_called_again_only_after_its_lease(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring")), tmp_path)
        world.receive(EVENT)
        [(_, message)] = world.queue.messages
        world.queue.messages.clear()
        world.app.inbox.leases.claim(Message.parse(message), world.clock())
        assert again(world, ReplayOptions(all=True)) == {"ring": "requeued"}
        [(due, _)] = world.queue.messages
        assert due >= world.clock() + LEASE
        world.run()
        assert (world.ends(), world.actions["ring"].crashes) == ({"ring": "succeeded"}, 1)
        assert len(world.calls) == 1

    def test_open_action_of_another_rule_gets_no_message(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "wait 60", "succeed"), rule("next", "skip")), tmp_path)
        world.receive(EVENT)
        for _ in range(2):
            act(world.queue.messages.pop(0)[1], world.app)
        assert again(world, ReplayOptions(rule="next")) == {"next": "replayed"}
        assert "queued again by a replay" not in notes(world, "ring")


class TestFind:
    def test_find_returns_all_events_with_an_id(self, tmp_path: Path) -> None:
        """Newest first; a day narrows the search."""
        world = World(rules(rule("ring")), tmp_path)
        for day in (20, 22, 21):
            world.receive(ModelRegistered.example(id="e1", event_time=f"2026-11-{day}T10:00:00Z"))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        assert [event.day for event in find("e1", world.app)] == ["2026-11-22", "2026-11-21", "2026-11-20"]
        assert [event.day for event in find("e1", world.app, "2026-11-21")] == ["2026-11-21"]
        assert list(find("e1", world.app, "2026-11-19")) == []

    def test_find_skips_unreadable_rows(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        world.table.commit(DAY, Row("00000000-odd", {}), Row("99999999-odd", {"id": "e1"}))
        assert [event.record.id for event in find("e1", world.app)] == ["e1"]

    def test_find_accepts_a_key(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        [event] = find(stored(world).key, world.app)
        assert event == stored(world) == world.app.inbox.history.event(DAY, event.key)
        assert world.app.inbox.history.event(DAY, event.key[:20]) is None
