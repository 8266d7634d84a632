"""Replays of actions that follow others, with ``after`` or as alerts."""

import random
from pathlib import Path

import pytest

from dispatch.act import act
from dispatch.inbox.tables import Row
from dispatch.replay.replay import ReplayOptions, replay
from dispatch.sweep import sweep
from tests.dispatch.replay.helpers import DAY, EVENT, FAILED, again, called, notes, ran, reasons, stored
from tests.kit.world import WORKSPACES, World, rule, rules


class TestFollowUps:
    def test_replayed_failure_opens_its_follow_up_again(self, tmp_path: Path) -> None:
        """With the result of the replay, not of the first failure."""
        world = ran(tmp_path, rule("ring", "give-up broken"), rule("next", after=FAILED))
        world.write(rules(rule("ring", "give-up still"), rule("next", after=FAILED)))
        assert again(world) == {"ring": "replayed", "next": "unchanged"}
        world.run()
        follow_ups = [call.action for call in world.calls if call.action.rule == "next"]
        assert [action.result.summary for action in follow_ups if action.result] == ["broken", "still"]
        assert follow_ups[0].key != follow_ups[1].key
        assert notes(world, "next")[3] == "ring was replayed"

    def test_replayed_success_opens_its_follow_ups_again(self, tmp_path: Path) -> None:
        chain = (rule("train"), rule("deploy", after="{ rules: train }"), rule("next", after="{ rules: deploy }"))
        world = ran(tmp_path, *chain)
        assert again(world, ReplayOptions(all=True)) == {
            "train": "replayed",
            "deploy": "unchanged",
            "next": "unchanged",
        }
        world.run()
        assert called(world) == ["train", "deploy", "next"] * 2
        assert {record.replay_number for record in world.actions.values()} == {1}

    def test_follow_up_of_another_outcome_is_not_repeated(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", after=FAILED))
        world.write(rules(rule("ring"), rule("next", after=FAILED)))
        again(world)
        world.run()
        assert called(world) == ["ring", "next", "ring"]

    def test_open_follow_up_continues(self, tmp_path: Path) -> None:
        """It still handles the first failure."""
        world = World(rules(rule("ring", "give-up"), rule("next", "wait 86400", "succeed", after=FAILED)), tmp_path)
        world.receive(EVENT)
        for _ in range(2):
            act(world.queue.messages.pop(0)[1], world.app)
        assert again(world) == {"ring": "replayed", "next": "requeued"}
        world.run()
        assert called(world) == ["ring", "next", "ring", "next"]
        assert world.actions["next"].replay_number == 0

    def test_follow_up_can_be_replayed_alone(self, tmp_path: Path) -> None:
        """With the result that it followed."""
        world = ran(tmp_path, rule("ring", "give-up broken"), rule("next", "give-up", after=FAILED))
        assert again(world, ReplayOptions(rule="next")) == {"next": "replayed"}
        world.run()
        assert called(world) == ["ring", "next", "next"]
        [*_, (_, action)] = world.calls
        assert action.result is not None
        assert action.result.summary == "broken"

    def test_follow_up_replayed_alone_follows_the_next_replay_again(self, tmp_path: Path) -> None:
        """Replay numbers count the replays of the whole event."""
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", after=FAILED))
        again(world, ReplayOptions(rule="next"))
        world.run()
        again(world)
        world.run()
        assert called(world) == ["ring", "next", "next", "ring", "next"]

    def test_two_ends_of_one_replay_create_a_follow_up_once(self, tmp_path: Path) -> None:
        """The first end creates it."""
        after = "{ rules: [a, b], outcome: any }"
        world = ran(tmp_path, rule("a", "give-up"), rule("b", "wait 60", "skip"), rule("next", after=after))
        assert called(world).count("next") == 1
        again(world)
        world.run()
        assert called(world).count("next") == 2

    def test_follow_up_created_by_a_replay_has_its_replay_number(self, tmp_path: Path) -> None:
        """The second end of that replay does not open it again."""
        world = ran(tmp_path, rule("a", "skip"), rule("b", "wait 60", "skip"))
        after = "{ rules: [a, b], outcome: any }"
        world.write(rules(rule("a"), rule("b", "wait 60", "succeed"), rule("next", after=after)))
        again(world)
        world.run()
        assert called(world).count("next") == 1
        assert world.actions["next"].replay_number == 1

    def test_follow_up_of_an_unchanged_action_is_replayed_itself(self, tmp_path: Path) -> None:
        after = "{ rules: [a, b], outcome: any }"
        world = ran(tmp_path, rule("a"), rule("b", "wait 60", "give-up"), rule("next", "give-up", after=after))
        assert again(world) == {"a": "unchanged", "b": "replayed", "next": "replayed"}

    def test_follow_up_is_replayed_with_the_result_that_it_followed(self, tmp_path: Path) -> None:
        after = "{ rules: [a, b], outcome: any }"
        world = ran(tmp_path, rule("a", "wait 60", "skip"), rule("b"), rule("next", after=after))
        again(world, ReplayOptions(rule="next"))
        world.run()
        assert [call.action.result.rule for call in world.calls if call.action.result] == ["b", "b"]

    def test_follow_up_of_a_replayed_end_has_its_replay_number(self, tmp_path: Path) -> None:
        """Another end of that replay does not open it again."""
        world = ran(tmp_path, rule("a"), rule("b"))
        slow = rule("b", "wait 86400", "succeed")
        world.write(rules(rule("a"), slow))
        again(world, ReplayOptions(all=True))
        for _ in range(2):
            act(world.queue.messages.pop(0)[1], world.app)
        world.write(rules(rule("a"), slow, rule("next", after="{ rules: [a, b] }")))
        assert again(world) == {"a": "unchanged", "b": "requeued", "next": "created"}
        world.run()
        assert called(world).count("next") == 1

    def test_new_rule_follows_an_old_end(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "succeed it rang"))
        world.write(rules(rule("ring"), rule("next", after="{ rules: ring }"), rule("no", after=FAILED)))
        assert again(world) == {"ring": "unchanged", "next": "created"}
        world.run()
        [_, (_, action)] = world.calls
        assert action.result is not None
        assert action.result.summary == "it rang"

    def test_follow_up_of_an_earlier_open_replay_waits_for_it(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", "skip", after=FAILED))
        again(world)
        done = replay(stored(world), world.app, ReplayOptions())
        assert reasons(done)["next"] == "depends on the end of ring"
        world.run()
        assert called(world) == ["ring", "next"] * 2

    def test_same_key_replays_a_follow_up_with_the_result_that_it_followed(self, tmp_path: Path) -> None:
        """An end with the same replay number does not open it again."""
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", "give-up", "succeed", after=FAILED))
        assert again(world, ReplayOptions(same_key=True)) == {"ring": "replayed", "next": "replayed"}
        world.run()
        assert sorted(called(world)) == ["next", "next", "ring", "ring"]
        assert world.ends() == {"ring": "failed", "next": "succeeded"}

    def test_follow_up_that_no_longer_follows_is_refused(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", "give-up", after=FAILED))
        world.write(rules(rule("ring"), rule("next", after="{ rules: ring, outcome: skipped }")))
        done = replay(stored(world), world.app, ReplayOptions(rule="next"))
        assert [(step.status, step.reason) for step in done.steps] == [
            ("refused", "the rule follows no action that ended with its outcome")
        ]

    def test_unreadable_end_creates_no_follow_up(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", "give-up", after=FAILED))
        row = stored(world).actions["ring"]
        world.table.commit(DAY, Row(row.key, {**row.values, "schema": 9}, row.etag))
        assert again(world) == {"ring": "refused", "next": "refused"}

    def test_many_actions_are_replayed_in_several_transactions(self, tmp_path: Path) -> None:
        """More than 48 actions follow one event: some were created while a file was refused."""
        world = ran(tmp_path, *(rule(f"r{n}", "skip") for n in range(40)))
        world.write(rules(*(rule(f"r{n}", "skip") for n in range(40, 60))))
        again(world)
        world.run()
        every = world.loaded.by_name
        world.write(rules(*(rule(f"r{n}", "skip") for n in range(40))))
        world.loaded = type(world.loaded)({**world.loaded.by_name, **every}, world.loaded.workspaces)
        assert set(again(world).values()) == {"replayed"}
        world.run()
        assert len(world.calls) == 120
        assert world.app.inbox.backlog.open_actions(DAY) == []


class TestDeferredEnds:
    """An action is replayed while a rules file that may follow its end is refused."""

    def refused(self, folder: Path, *script: str) -> World:
        world = World(rules(rule("ring", *script)), folder)
        world.write(rules(rule("next", after="{ rules: ring, outcome: any }", when="[nonsense]")), "other.yaml")
        world.receive(EVENT)
        world.run()
        return world

    def fix(self, world: World) -> None:
        world.write(rules(rule("next", after="{ rules: ring, outcome: any }")), "other.yaml")
        sweep(world.app)
        world.run()

    @pytest.mark.parametrize("way", [1, -1])
    def test_each_end_is_followed_once_the_file_is_valid(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: int
    ) -> None:
        """The marker keeps the result; the sweep handles several ends of an action in their order."""
        monkeypatch.setattr(random, "sample", lambda things, _: things[::way])
        world = self.refused(tmp_path, "give-up first")
        world.write(rules(rule("ring", "give-up second")))
        again(world)
        world.run()
        self.fix(world)
        results = [call.action.result.summary for call in world.calls if call.action.result]
        assert results == ["first"]
        assert world.table.read(DAY, "!open|", '"') == []

    def test_end_is_followed_while_its_action_runs_again(self, tmp_path: Path) -> None:
        world = self.refused(tmp_path, "give-up first")
        world.write(rules(rule("ring", "wait 86400", "succeed second")))
        again(world)
        act(world.queue.messages.pop()[1], world.app)
        world.write(rules(rule("next", after="{ rules: ring, outcome: any }")), "other.yaml")
        sweep(world.app)
        world.run()
        results = [call.action.result.summary for call in world.calls if call.action.result]
        assert results == ["first", "second"]

    def test_result_is_kept_until_every_file_is_matched(self, tmp_path: Path) -> None:
        """Of two refused files, one is fixed before the replay and one after it."""
        world = self.refused(tmp_path, "give-up first")
        world.write(rules(rule("more", after="{ rules: ring, outcome: any }", when="[nonsense]")), "third.yaml")
        again(world)
        world.run()
        self.fix(world)
        world.write(rules(rule("ring", "wait 86400", "succeed last")))
        again(world)
        act(world.queue.messages.pop()[1], world.app)
        world.write(rules(rule("more", after="{ rules: ring, outcome: any }")), "third.yaml")
        sweep(world.app)
        act(world.queue.messages.pop()[1], world.app)
        assert called(world)[-1] == "more"
        assert [call.action.result.summary for call in world.calls if call.action.result] == ["first", "first"]

    def test_later_end_opens_the_follow_up_of_an_earlier_one_again(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "give-up")), tmp_path)
        world.write(rules(rule("next", after="{ rules: ring, outcome: any }")), "other.yaml")
        world.receive(EVENT)
        world.run()
        world.write(rules(rule("next", after="{ rules: ring, outcome: any }", when="[nonsense]")), "other.yaml")
        again(world)
        world.run()
        assert called(world) == ["ring", "next", "ring"]
        self.fix(world)
        assert called(world) == ["ring", "next", "ring", "next"]
        assert world.actions["next"].replay_number == 1

    def test_same_end_twice_has_one_marker(self, tmp_path: Path) -> None:
        """With the same key, the replay number is the same."""
        world = self.refused(tmp_path, "give-up first", "succeed second")
        again(world, ReplayOptions(same_key=True))
        world.run()
        assert world.ends() == {"ring": "succeeded"}
        self.fix(world)
        results = [call.action.result.summary for call in world.calls if call.action.result]
        assert results == ["second"]

    def test_marker_without_a_result_uses_the_action_s_last_end(self, tmp_path: Path) -> None:
        """Earlier releases wrote only the files. While the action runs again, the match waits."""
        world = self.refused(tmp_path, "give-up first")
        [marker] = [row for row in world.table.read(DAY, "!undecided|", "!undecided|~") if row.key.endswith("|0")]
        files = {"files": marker.values["files"]}
        world.table.commit(DAY, Row(marker.key, files, marker.etag))
        world.write(rules(rule("ring", "wait 86400", "succeed second")))
        again(world)
        act(world.queue.messages.pop()[1], world.app)
        world.write(rules(rule("next", after="{ rules: ring, outcome: any }")), "other.yaml")
        sweep(world.app)
        assert called(world) == ["ring", "ring"]
        world.run()
        sweep(world.app)
        world.run()
        assert called(world) == ["ring", "ring", "ring", "next"]
        assert world.table.read(DAY, "!open|", '"') == []


class TestAlerts:
    """The alert about a failed action is a separate action."""

    def alerted(self, folder: Path, *texts: str, script: str = "succeed") -> World:
        world = World(rules(*texts), folder)
        alerts = f'{{ do: "tests.kit.world:Scripted", with: {{ world: {world.name}, script: ["{script}"] }} }}'
        world.workspaces = f"{WORKSPACES}alerts: {alerts}\n"
        world.write(world.rules)
        world.receive(EVENT)
        world.run()
        return world

    def test_second_failure_is_alerted_again(self, tmp_path: Path) -> None:
        world = self.alerted(tmp_path, rule("ring", "give-up"))
        assert again(world) == {"ring": "replayed", "-alerts-ring": "unchanged"}
        world.run()
        assert called(world) == ["ring", "-alerts-ring"] * 2
        world.write(rules(rule("ring")))
        again(world)
        world.run()
        assert called(world) == ["ring", "-alerts-ring", "ring", "-alerts-ring", "ring"]

    def test_failed_alert_can_be_replayed(self, tmp_path: Path) -> None:
        world = self.alerted(tmp_path, rule("ring", "give-up"), script="give-up")
        assert again(world, ReplayOptions(rule="-alerts-ring")) == {"-alerts-ring": "replayed"}
        world.run()
        [*_, (_, action)] = world.calls
        assert (action.rule, action.result and action.result.status) == ("-alerts-ring", "failed")
        assert len(world.calls) == 3

    def test_alert_about_a_refused_file_can_be_replayed(self, tmp_path: Path) -> None:
        """Such an alert is an event itself."""
        world = self.alerted(tmp_path, rule("ring"), script="give-up")
        world.write(rules(rule("bad", when="[nonsense]")), "other.yaml")
        sweep(world.app)
        world.run()
        [alert] = [
            event
            for day in world.app.inbox.history.days()
            for event in world.app.inbox.history.events(day)
            if event.record.event_type == "Alert"
        ]
        assert [step.status for step in replay(alert, world.app, ReplayOptions()).steps] == ["replayed"]
        world.run()
        assert called(world) == ["ring", "-alerts", "-alerts"]
