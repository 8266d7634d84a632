"""An event is run again: what is opened anew, what is left, what follows, and what the guards say."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatch.act import act, carry_out
from dispatch.inbox.errors import Conflict
from dispatch.inbox.history import StoredEvent
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.leases import Claim, Leases
from dispatch.inbox.messages import Message
from dispatch.inbox.tables import Row
from dispatch.replay.replay import Replayed, ReplayOptions, find, replay
from dispatch.sweep import sweep
from schemas import Event, ModelRegistered, RunStatusChanged
from tests.kit.storage import AzureLimits
from tests.kit.world import LEASE, WORKSPACES, Scripted, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
DAY = "2026-11-22"
LOCKING = "tests.dispatch.replay.test_replay:Locking"
FAILED = "{ rules: ring, outcome: failed }"


def ran(folder: Path, *texts: str) -> World:
    """A world in which the event has come, and all has been done about it."""
    world = World(rules(*texts), folder)
    assert world.loaded.errors == ()
    world.receive(EVENT)
    world.run()
    return world


def written(world: World) -> StoredEvent:
    [event] = find("e1", world.app)
    return event


def again(world: World, options: ReplayOptions = ReplayOptions(), *, dry_run: bool = False) -> dict[str, str]:  # noqa: B008 - frozen
    """Replay the event; what was done about each rule."""
    done = replay(written(world), world.app, options, dry_run=dry_run)
    return {step.rule: step.status for step in done.steps}


def whys(done: Replayed) -> dict[str, str]:
    return {step.rule: step.reason for step in done.steps}


def notes(world: World, name: str) -> list[str]:
    return [moment.note for moment in world.actions[name].timeline]


def called(world: World) -> list[str]:
    return [call.action.rule for call in world.calls]


class TestWhatIsReplayed:
    def test_what_failed_runs_again_under_another_key(self, tmp_path: Path) -> None:
        """Its history goes on; what was done for the first key is done anew."""
        world = ran(tmp_path, rule("ring", "give-up broken"))
        world.write(rules(rule("ring")))
        assert again(world) == {"ring": "replayed"}
        world.run()
        first, second = (call.action.key for call in world.calls)
        assert first != second
        record = world.actions["ring"]
        assert (record.status, record.replay_number) == ("succeeded", 1)
        assert [moment.status for moment in record.timeline] == [
            *("pending", "running", "failed"),
            *("pending", "running", "succeeded"),
        ]
        assert notes(world, "ring")[2:4] == ["broken", "replayed"]
        assert world.app.inbox.backlog.open_actions(DAY) == []

    def test_what_was_skipped_runs_again_and_what_succeeded_does_not(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        assert again(world) == {"done": "unchanged", "ring": "replayed"}
        world.run()
        assert called(world) == ["done", "ring", "ring"]

    def test_all_of_them_run_again_if_one_says_so(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        assert again(world, ReplayOptions(all=True)) == {"done": "replayed", "ring": "replayed"}
        world.run()
        assert sorted(called(world)) == ["done", "done", "ring", "ring"]

    def test_one_rule_runs_again_if_one_names_it(self, tmp_path: Path) -> None:
        """However it ended."""
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        assert again(world, ReplayOptions(rule="done")) == {"done": "replayed"}
        world.run()
        assert called(world) == ["done", "ring", "done"]

    def test_a_rule_called_all_is_a_rule(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("all"), rule("ring"))
        assert again(world, ReplayOptions(rule="all")) == {"all": "replayed"}

    def test_the_same_key_is_kept_if_one_says_so(self, tmp_path: Path) -> None:
        """For a target that knows the key and may have done it already."""
        world = ran(tmp_path, rule("ring", "give-up", "succeed"))
        assert again(world, ReplayOptions(same_key=True)) == {"ring": "replayed"}
        world.run()
        first, second = (call.action.key for call in world.calls)
        assert first == second
        assert (world.ends(), world.actions["ring"].replay_number) == ({"ring": "succeeded"}, 0)

    def test_it_begins_anew(self, tmp_path: Path) -> None:
        """Without the state, the failures, the crashes and the clocks of the first time."""
        world = ran(tmp_path, rule("ring", "wait 60", "retry", "give-up"))
        world.clock.forward(days=30)
        again(world)
        record = world.actions["ring"]
        assert (record.status, record.checked_back, record.failures, record.crashes) == ("pending", False, 0, 0)
        assert (record.state, record.details, record.failing_since) == ({}, {}, None)
        assert record.started == record.due == world.clock()
        world.run()
        assert [call.action.state for call in world.calls] == [{}, {"call": 1}, {"call": 1}] * 2

    def test_messages_of_the_first_time_no_longer_count(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "skip")), tmp_path)
        world.receive(EVENT)
        [(_, old)] = world.queue.messages
        world.run()
        again(world)
        act(old, world.app)
        assert len(world.calls) == 1
        world.run()
        assert len(world.calls) == 2

    def test_a_dry_run_says_the_same_and_does_nothing(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("ring", "skip"))
        before = world.table.read(DAY, "", "~")
        assert again(world, dry_run=True) == {"done": "unchanged", "ring": "replayed"}
        assert world.table.read(DAY, "", "~") == before
        assert world.queue.messages == []
        assert again(world) == {"done": "unchanged", "ring": "replayed"}


class TestRulesAsTheyAreToday:
    def test_a_rule_that_was_mended_acts_as_it_is_now(self, tmp_path: Path) -> None:
        """With another handler, too; the row says so."""
        world = ran(tmp_path, rule("ring", "give-up"))
        world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n")
        again(world)
        assert world.actions["ring"].handler == "log"
        assert world.actions["ring"].settings == world.loaded.by_name["ring"].settings_hash
        world.run()
        assert world.ends() == {"ring": "succeeded"}
        assert len(world.calls) == 1

    def test_a_rule_that_is_new_acts_for_the_first_time(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"))
        world.write(rules(rule("done"), rule("new"), rule("other", on="RunCompleted")))
        assert again(world) == {"done": "unchanged", "new": "created"}
        world.run()
        assert called(world) == ["done", "new"]
        assert world.actions["new"].replay_number == 0

    def test_an_event_that_led_to_nothing_can_be_replayed(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("other", on="RunCompleted"))
        world.write(rules(rule("new")))
        assert again(world) == {"new": "created"}
        world.run()
        assert called(world) == ["new"]

    @pytest.mark.parametrize(
        ("now", "why"),
        [
            (rule("other", on="RunCompleted"), "there is no such rule today"),
            (rule("ring", on="RunCompleted"), "the rule does not match the event today"),
            (rule("ring", when="data.runStatus StringIn Paused"), "the rule does not match the event today"),
        ],
    )
    def test_what_matches_no_longer_is_told_and_left(self, tmp_path: Path, now: str, why: str) -> None:
        world = ran(tmp_path, rule("ring", "give-up"))
        before = world.actions["ring"]
        world.write(rules(now))
        done = replay(written(world), world.app, ReplayOptions())
        assert (done.steps[0].status, done.steps[0].reason) == ("refused", why)
        assert world.actions["ring"] == before
        assert world.queue.messages == []

    def test_a_rule_in_a_refused_file_is_told_as_such(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"))
        world.write(rules(rule("ring", when="[nonsense]")))
        done = replay(written(world), world.app, ReplayOptions())
        assert whys(done) == {"ring": "no rules file that can be read has this rule; refused: rules/team.yaml"}

    def test_a_rule_that_never_met_the_event_is_told(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("done"), rule("other", on="RunCompleted"))
        assert again(world, ReplayOptions(rule="other")) == {"other": "refused"}
        assert again(world, ReplayOptions(rule="nobody")) == {"nobody": "refused"}

    def test_a_loop_is_stopped_as_the_first_time(self, tmp_path: Path) -> None:
        """The run was started by the rule itself."""
        world = World(rules(rule("ring", allow_loops="true")), tmp_path)
        world.receive(RunStatusChanged.example(id="e1", run_tags={"mlevents_rule": "ring", "mlevents_depth": "1"}))
        world.run()
        world.write(rules(rule("ring")))
        assert again(world, ReplayOptions(all=True)) == {"ring": "refused"}
        world.write(rules(rule("ring", allow_loops="true")))
        assert again(world, ReplayOptions(all=True)) == {"ring": "replayed"}

    def test_an_event_that_can_no_longer_be_read_is_told(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        row = written(world).row
        world.table.commit(DAY, Row(row.key, {**row.values, "raw": "{}"}, row.etag))
        [step] = replay(written(world), world.app, ReplayOptions()).steps
        assert step.status == "refused"
        assert "cannot be read" in step.reason

    def test_a_row_of_another_version_is_left(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        row = written(world).actions["ring"]
        world.table.commit(DAY, Row(row.key, {**row.values, "schema": 9}, row.etag))
        assert again(world, ReplayOptions(all=True)) == {"ring": "refused"}


class TestWhatHasNotEnded:
    def test_it_is_left_as_it_is_and_gets_another_message(self, tmp_path: Path) -> None:
        """The one that it had is lost, say; if it is not, it no longer counts."""
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

    def test_one_that_runs_is_called_again_only_if_its_worker_is_dead(self, tmp_path: Path) -> None:
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

    def test_what_is_not_chosen_gets_none(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "wait 60", "succeed"), rule("tell", "skip")), tmp_path)
        world.receive(EVENT)
        for _ in range(2):
            act(world.queue.messages.pop(0)[1], world.app)
        assert again(world, ReplayOptions(rule="tell")) == {"tell": "replayed"}
        assert "queued again by a replay" not in notes(world, "ring")


class TestWhatFollows:
    def test_a_replayed_failure_is_told_again(self, tmp_path: Path) -> None:
        """And is told about, not about the failure before it."""
        world = ran(tmp_path, rule("ring", "give-up broken"), rule("tell", after=FAILED))
        world.write(rules(rule("ring", "give-up still"), rule("tell", after=FAILED)))
        assert again(world) == {"ring": "replayed", "tell": "unchanged"}
        world.run()
        told = [call.action for call in world.calls if call.action.rule == "tell"]
        assert [action.result.summary for action in told if action.result] == ["broken", "still"]
        assert told[0].key != told[1].key
        assert notes(world, "tell")[3] == "ring was replayed"

    def test_a_replayed_success_leads_to_the_same_again(self, tmp_path: Path) -> None:
        """Deploys again, say, and tells about that again."""
        chain = (rule("train"), rule("deploy", after="{ rules: train }"), rule("tell", after="{ rules: deploy }"))
        world = ran(tmp_path, *chain)
        assert again(world, ReplayOptions(all=True)) == {
            "train": "replayed",
            "deploy": "unchanged",
            "tell": "unchanged",
        }
        world.run()
        assert called(world) == ["train", "deploy", "tell"] * 2
        assert {record.replay_number for record in world.actions.values()} == {1}

    def test_what_follows_another_outcome_is_not_repeated(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", after=FAILED))
        world.write(rules(rule("ring"), rule("tell", after=FAILED)))
        again(world)
        world.run()
        assert called(world) == ["ring", "tell", "ring"]

    def test_what_has_not_ended_yet_is_left(self, tmp_path: Path) -> None:
        """It is still telling of the first failure."""
        world = World(rules(rule("ring", "give-up"), rule("tell", "wait 86400", "succeed", after=FAILED)), tmp_path)
        world.receive(EVENT)
        for _ in range(2):
            act(world.queue.messages.pop(0)[1], world.app)
        assert again(world) == {"ring": "replayed", "tell": "requeued"}
        world.run()
        assert called(world) == ["ring", "tell", "ring", "tell"]
        assert world.actions["tell"].replay_number == 0

    def test_it_can_be_replayed_alone(self, tmp_path: Path) -> None:
        """With the end that it followed."""
        world = ran(tmp_path, rule("ring", "give-up broken"), rule("tell", "give-up", after=FAILED))
        assert again(world, ReplayOptions(rule="tell")) == {"tell": "replayed"}
        world.run()
        assert called(world) == ["ring", "tell", "tell"]
        [*_, (_, action)] = world.calls
        assert action.result is not None
        assert action.result.summary == "broken"

    def test_a_replay_of_it_alone_does_not_keep_the_next_from_leading_to_it(self, tmp_path: Path) -> None:
        """Each replay is a generation of the whole event."""
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", after=FAILED))
        again(world, ReplayOptions(rule="tell"))
        world.run()
        again(world)
        world.run()
        assert called(world) == ["ring", "tell", "tell", "ring", "tell"]

    def test_two_ends_of_one_replay_lead_to_it_once(self, tmp_path: Path) -> None:
        """As the first time: for the first that ends."""
        after = "{ rules: [a, b], outcome: any }"
        world = ran(tmp_path, rule("a", "give-up"), rule("b", "wait 60", "skip"), rule("tell", after=after))
        assert called(world).count("tell") == 1
        again(world)
        world.run()
        assert called(world).count("tell") == 2

    def test_a_first_action_in_a_replay_is_of_its_generation(self, tmp_path: Path) -> None:
        """Made by the first end, it is not opened again by the second."""
        world = ran(tmp_path, rule("a", "skip"), rule("b", "wait 60", "skip"))
        after = "{ rules: [a, b], outcome: any }"
        world.write(rules(rule("a"), rule("b", "wait 60", "succeed"), rule("tell", after=after)))
        again(world)
        world.run()
        assert called(world).count("tell") == 1
        assert world.actions["tell"].replay_number == 1

    def test_one_that_followed_something_else_is_replayed_itself(self, tmp_path: Path) -> None:
        """What it followed succeeded, and is left."""
        after = "{ rules: [a, b], outcome: any }"
        world = ran(tmp_path, rule("a"), rule("b", "wait 60", "give-up"), rule("tell", "give-up", after=after))
        assert again(world) == {"a": "unchanged", "b": "replayed", "tell": "replayed"}

    def test_of_two_that_it_could_follow_it_is_replayed_with_the_one_that_it_did(self, tmp_path: Path) -> None:
        after = "{ rules: [a, b], outcome: any }"
        world = ran(tmp_path, rule("a", "wait 60", "skip"), rule("b"), rule("tell", after=after))
        again(world, ReplayOptions(rule="tell"))
        world.run()
        assert [call.action.result.rule for call in world.calls if call.action.result] == ["b", "b"]

    def test_one_that_follows_a_replayed_end_since_then_is_of_its_generation(self, tmp_path: Path) -> None:
        """So that another end of that replay does not lead to it again."""
        world = ran(tmp_path, rule("a"), rule("b"))
        slow = rule("b", "wait 86400", "succeed")
        world.write(rules(rule("a"), slow))
        again(world, ReplayOptions(all=True))
        for _ in range(2):
            act(world.queue.messages.pop(0)[1], world.app)
        world.write(rules(rule("a"), slow, rule("tell", after="{ rules: [a, b] }")))
        assert again(world) == {"a": "unchanged", "b": "requeued", "tell": "created"}
        world.run()
        assert called(world).count("tell") == 1

    def test_a_rule_that_follows_an_old_end_since_today_acts_on_it(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "succeed it rang"))
        world.write(rules(rule("ring"), rule("tell", after="{ rules: ring }"), rule("no", after=FAILED)))
        assert again(world) == {"ring": "unchanged", "tell": "created"}
        world.run()
        [_, (_, action)] = world.calls
        assert action.result is not None
        assert action.result.summary == "it rang"

    def test_one_that_waits_for_an_earlier_replay_is_left_to_it(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", "skip", after=FAILED))
        again(world)
        done = replay(written(world), world.app, ReplayOptions())
        assert whys(done)["tell"] == "the end of ring decides"
        world.run()
        assert called(world) == ["ring", "tell"] * 2

    def test_with_the_same_key_it_is_replayed_with_the_end_that_it_had(self, tmp_path: Path) -> None:
        """An end of the same generation does not lead to it again."""
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", "give-up", "succeed", after=FAILED))
        assert again(world, ReplayOptions(same_key=True)) == {"ring": "replayed", "tell": "replayed"}
        world.run()
        assert sorted(called(world)) == ["ring", "ring", "tell", "tell"]
        assert world.ends() == {"ring": "failed", "tell": "succeeded"}

    def test_one_that_no_longer_follows_is_told(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", "give-up", after=FAILED))
        world.write(rules(rule("ring"), rule("tell", after="{ rules: ring, outcome: skipped }")))
        done = replay(written(world), world.app, ReplayOptions(rule="tell"))
        assert [(step.status, step.reason) for step in done.steps] == [
            ("refused", "the rule follows no action that ended with its outcome")
        ]

    def test_an_end_that_cannot_be_read_leads_to_nothing(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", "give-up", after=FAILED))
        row = written(world).actions["ring"]
        world.table.commit(DAY, Row(row.key, {**row.values, "schema": 9}, row.etag))
        assert again(world) == {"ring": "refused", "tell": "refused"}

    def test_more_than_one_transaction_takes_are_replayed_in_several(self, tmp_path: Path) -> None:
        """Rules that follow are fifty by and by: some were made while a file was refused."""
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


class TestUndecidedEnds:
    """An action is replayed while some rules file that may follow its end is refused."""

    def refused(self, folder: Path, *script: str) -> World:
        world = World(rules(rule("ring", *script)), folder)
        world.write(rules(rule("tell", after="{ rules: ring, outcome: any }", when="[nonsense]")), "other.yaml")
        world.receive(EVENT)
        world.run()
        return world

    def mend(self, world: World) -> None:
        world.write(rules(rule("tell", after="{ rules: ring, outcome: any }")), "other.yaml")
        sweep(world.app)
        world.run()

    @pytest.mark.parametrize("way", [1, -1])
    def test_each_end_is_followed_later(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: int) -> None:
        """The marker keeps how it ended; of two ends, the first is told, in whatever order the sweep finds them."""
        monkeypatch.setattr(random, "sample", lambda things, _: things[::way])
        world = self.refused(tmp_path, "give-up first")
        world.write(rules(rule("ring", "give-up second")))
        again(world)
        world.run()
        self.mend(world)
        told = [call.action.result.summary for call in world.calls if call.action.result]
        assert told == ["first"]
        assert world.table.read(DAY, "!", '"') == []

    def test_an_end_is_followed_although_its_action_runs_again(self, tmp_path: Path) -> None:
        world = self.refused(tmp_path, "give-up first")
        world.write(rules(rule("ring", "wait 86400", "succeed second")))
        again(world)
        act(world.queue.messages.pop()[1], world.app)
        world.write(rules(rule("tell", after="{ rules: ring, outcome: any }")), "other.yaml")
        sweep(world.app)
        world.run()
        told = [call.action.result.summary for call in world.calls if call.action.result]
        assert told == ["first", "second"]

    def test_how_it_ended_is_kept_until_every_file_is_asked(self, tmp_path: Path) -> None:
        """Of two that are refused, one is mended before the action is replayed, and one after."""
        world = self.refused(tmp_path, "give-up first")
        world.write(rules(rule("more", after="{ rules: ring, outcome: any }", when="[nonsense]")), "third.yaml")
        again(world)
        world.run()
        self.mend(world)
        world.write(rules(rule("ring", "wait 86400", "succeed last")))
        again(world)
        act(world.queue.messages.pop()[1], world.app)
        world.write(rules(rule("more", after="{ rules: ring, outcome: any }")), "third.yaml")
        sweep(world.app)
        act(world.queue.messages.pop()[1], world.app)
        assert called(world)[-1] == "more"
        assert [call.action.result.summary for call in world.calls if call.action.result] == ["first", "first"]

    def test_what_an_earlier_end_led_to_is_opened_again_by_a_later_one(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "give-up")), tmp_path)
        world.write(rules(rule("tell", after="{ rules: ring, outcome: any }")), "other.yaml")
        world.receive(EVENT)
        world.run()
        world.write(rules(rule("tell", after="{ rules: ring, outcome: any }", when="[nonsense]")), "other.yaml")
        again(world)
        world.run()
        assert called(world) == ["ring", "tell", "ring"]
        self.mend(world)
        assert called(world) == ["ring", "tell", "ring", "tell"]
        assert world.actions["tell"].replay_number == 1

    def test_the_same_end_twice_is_asked_about_once(self, tmp_path: Path) -> None:
        """With the same key, it is the same end."""
        world = self.refused(tmp_path, "give-up first", "succeed second")
        again(world, ReplayOptions(same_key=True))
        world.run()
        assert world.ends() == {"ring": "succeeded"}
        self.mend(world)
        told = [call.action.result.summary for call in world.calls if call.action.result]
        assert told == ["second"]

    def test_a_marker_of_an_earlier_release_tells_how_it_ended_by_the_record(self, tmp_path: Path) -> None:
        """It kept only the files; while the action runs again, nobody can say, and it waits."""
        world = self.refused(tmp_path, "give-up first")
        [marker] = [row for row in world.table.read(DAY, "!undecided|", "!undecided|~") if row.key.endswith("|0")]
        files = {"files": marker.values["files"]}
        world.table.commit(DAY, Row(marker.key, files, marker.etag))
        world.write(rules(rule("ring", "wait 86400", "succeed second")))
        again(world)
        act(world.queue.messages.pop()[1], world.app)
        world.write(rules(rule("tell", after="{ rules: ring, outcome: any }")), "other.yaml")
        sweep(world.app)
        assert called(world) == ["ring", "ring"]
        world.run()
        sweep(world.app)
        world.run()
        assert called(world) == ["ring", "ring", "ring", "tell"]
        assert world.table.read(DAY, "!", '"') == []


class Locking(Scripted):
    """Takes turns."""

    def lock(self, event: Event) -> str | None:
        return "the one"


class TestGuards:
    def test_the_latest_event_passes_again(self, tmp_path: Path) -> None:
        """Its own note does not stop it; a later event does."""
        world = ran(tmp_path, rule("ring", "skip", latest_only="true"))
        again(world)
        world.run()
        assert called(world) == ["ring", "ring"]
        later = EVENT.model_copy(
            update={"id": "e2", "event_time": EVENT.event_time and EVENT.event_time + timedelta(1)}
        )
        world.receive(later)
        world.run()
        again(world)
        world.run()
        assert called(world) == ["ring", "ring", "ring"]
        assert world.history().actions[0][1].note.startswith("superseded by event e2")

    def test_who_has_a_place_has_it_again(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up", at_most="{ count: 1, every: 1d }"))
        again(world)
        world.run()
        assert called(world) == ["ring", "ring"]

    def test_who_had_no_place_may_have_one_now(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", at_most="{ count: 1, every: 1d }"))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        world.run()
        [event] = find("e2", world.app)
        assert len(world.calls) == 1
        world.clock.forward(days=2)
        replay(event, world.app, ReplayOptions())
        world.run()
        assert [call.event.id for call in world.calls] == ["e1", "e2"]

    def test_a_dry_run_stays_dry(self, tmp_path: Path) -> None:
        """And acts when the rule does."""
        world = ran(tmp_path, rule("ring", dry_run="true"))
        again(world)
        world.run()
        assert world.calls == []
        assert world.actions["ring"].note.startswith("dry run: ")
        world.write(rules(rule("ring")))
        again(world)
        world.run()
        assert called(world) == ["ring"]

    def test_it_takes_turns_again(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "wait 3600", "skip").replace("SCRIPTED", LOCKING))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        act(world.queue.messages.pop()[1], world.app)
        again(world)
        world.run()
        assert [call.event.id for call in world.calls] == ["e1", "e1", "e2", "e2", "e1", "e1"]

    @pytest.mark.parametrize(
        "options", [ReplayOptions(all=True), ReplayOptions(all=True, same_key=True)], ids=["another key", "same"]
    )
    def test_a_place_that_was_used_is_not_given_away_when_the_replay_fails(
        self, tmp_path: Path, options: ReplayOptions
    ) -> None:
        """What it did the first time counts."""
        limit = "{ count: 1, every: 7d }"
        world = ran(tmp_path, rule("ring", at_most=limit))
        world.write(rules(rule("ring", "give-up", at_most=limit)))
        assert again(world, options) == {"ring": "replayed"}
        world.run()
        world.write(rules(rule("ring", at_most=limit)))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        world.run()
        assert [call.event.id for call in world.calls] == ["e1", "e1"]

    @pytest.mark.parametrize(
        "options", [ReplayOptions(), ReplayOptions(same_key=True)], ids=["another key", "the same key"]
    )
    def test_nobody_has_the_turn_of_one_who_was_seen_to_end_before_it_was_replayed(
        self, tmp_path: Path, options: ReplayOptions
    ) -> None:
        """Another has looked, found it ended, and is about to take the lock when it runs again."""
        world = ran(tmp_path, rule("ring", "skip").replace("SCRIPTED", LOCKING))
        world.write(rules(rule("ring", "wait 60", "wait 60", "skip")).replace("SCRIPTED", LOCKING))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        [(_, message)] = world.queue.messages
        world.queue.messages.clear()
        is_over = Leases.is_over

        def slow(leases: Leases, id: ActionId, since: datetime) -> bool | None:
            """Between what it reads and what its reader writes, the other is replayed, and runs."""
            seen = is_over(leases, id, since)
            if len(world.calls) == 1:
                again(world, options)
                act(world.queue.messages[0][1], world.app)
            return seen

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Leases, "is_over", slow)
            act(message, world.app)
        assert [call.event.id for call in world.calls] == ["e1", "e1"]
        assert [r.note[:19] for id, r in world.history().actions if id.event != written(world).key] == [
            "waits for the lock "
        ]
        world.run()
        first = [call.event.id for call in world.calls].index("e2")
        assert "e1" not in [call.event.id for call in world.calls[first:]]


class TestRaces:
    def test_of_two_replays_at_once_one_replays(self, tmp_path: Path) -> None:
        """The other meets what the first has written, and leaves it."""
        world = ran(tmp_path, rule("ring", "skip"), rule("done"))
        world.write(rules(rule("ring", "skip"), rule("done"), rule("new")))
        event = written(world)
        first, second = (replay(event, world.app, ReplayOptions(all=True)) for _ in range(2))
        assert {step.status for step in first.steps} == {"replayed", "created"}
        assert {step.status for step in second.steps} == {"requeued"}
        world.run()
        assert sorted(called(world)) == ["done", "done", "new", "ring", "ring"]
        assert {record.replay_number for record in world.actions.values()} == {0, 1}

    def test_what_ended_meanwhile_is_not_what_was_read(self, tmp_path: Path) -> None:
        """An action that runs while the event is read."""
        world = World(rules(rule("ring", "skip"), rule("tell", "skip")), tmp_path)
        world.receive(EVENT)
        act(world.queue.messages.pop(0)[1], world.app)
        event = written(world)
        world.run()
        done = replay(event, world.app, ReplayOptions())
        assert {step.rule: step.status for step in done.steps} == {"ring": "replayed", "tell": "requeued"}
        world.run()
        assert called(world) == ["ring", "tell", "ring"]

    def test_an_end_meets_what_was_replayed_while_it_ran(self, tmp_path: Path) -> None:
        """What would follow it was opened by another replay since: that is left, and the end is recorded."""
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", after=FAILED))
        again(world)
        claim = world.app.inbox.leases.claim(Message.parse(world.queue.messages.pop()[1]), world.clock())
        assert isinstance(claim, Claim)
        again(world, ReplayOptions(rule="tell"))
        carry_out(claim, world.app)
        assert world.ends() == {"ring": "failed", "tell": "pending"}
        world.run()
        assert called(world) == ["ring", "tell", "ring", "tell"]
        assert world.app.inbox.backlog.open_actions(DAY) == []

    def test_a_marker_that_should_not_be_there_does_not_stop_an_end(self, tmp_path: Path) -> None:
        """As after a backup was restored: what is to be opened again is marked as open already."""
        world = ran(tmp_path, rule("ring", "give-up"), rule("tell", after=FAILED))
        world.table.commit(DAY, Row(f"!open|{written(world).key}|tell", {}))
        again(world)
        world.run()
        assert called(world) == ["ring", "tell", "ring", "tell"]
        assert world.app.inbox.backlog.open_actions(DAY) == []

    def test_an_event_that_was_deleted_meanwhile_stays_deleted(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "skip"))
        event = written(world)
        world.table.commit(DAY, delete=tuple(world.table.read(DAY, "", "~")))
        [step] = replay(event, world.app, ReplayOptions()).steps
        assert (step.status, step.reason) == ("refused", "the event has been deleted meanwhile")
        assert world.table.read(DAY, "", "~") == []

    def test_a_purge_that_looked_before_a_replay_does_not_delete_it(self, tmp_path: Path) -> None:
        """Its rows are no longer those that it read."""
        world = ran(tmp_path, rule("ring", "skip"), rule("done"))
        rows = tuple(world.table.read(DAY, "", "~"))
        replay(written(world), world.app, ReplayOptions())
        with pytest.raises(Conflict):
            world.table.commit(DAY, delete=rows)
        world.run()
        assert called(world) == ["done", "ring", "ring"]

    def test_a_day_that_is_about_to_be_over_is_listed_while_something_lives_in_it(self, tmp_path: Path) -> None:
        """A purge deletes the last rows of a day, and then its row in the index; a replay comes between."""
        world = ran(tmp_path, rule("ring", "skip"))
        world.clock.forward(days=400)
        event = written(world)

        class Between(AzureLimits):
            """Replays when the first row of the day is about to be deleted."""

            def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
                if partition == DAY and not world.queue.messages:
                    replay(event, world.app, ReplayOptions())
                return super().commit(partition, *rows, delete=delete)

        Inbox(Between(world.table.table), LEASE).purge(world.clock() - timedelta(days=90), world.clock())
        assert world.app.inbox.history.days() == [DAY]
        world.run()
        assert called(world) == ["ring", "ring"]

    def test_a_day_that_is_in_no_list_is_listed_again(self, tmp_path: Path) -> None:
        """Else the sweep would not find what is opened in it."""
        world = ran(tmp_path, rule("ring", "skip"))
        world.table.commit("days", delete=(DAY,))
        [event] = find("e1", world.app, DAY)
        replay(event, world.app, ReplayOptions())
        assert world.app.inbox.history.days() == [DAY]

    def test_who_never_meets_the_event_as_it_was_read_says_so(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "skip"))
        table = world.table

        class Busy(AzureLimits):
            """Somebody writes the event's row whenever it has been read."""

            def read(self, partition: str, first: str, last: str) -> list[Row]:
                rows = super().read(partition, first, last)
                for row in rows:
                    if "|" not in row.key and partition == DAY:
                        table.commit(partition, row)
                return rows

        app = type(world.app)(world.loaded, Inbox(Busy(table.table), LEASE), world.queue, world.clock)
        [event] = find("e1", app)
        [step] = replay(event, app, ReplayOptions()).steps
        assert (step.status, step.reason) == ("refused", "other workers keep changing it; try again")
        assert world.queue.messages == []


class TestAlerts:
    """What tells that an action has failed is an action of its own."""

    def told(self, folder: Path, *texts: str, script: str = "succeed") -> World:
        world = World(rules(*texts), folder)
        alerts = f'{{ do: "tests.kit.world:Scripted", with: {{ world: {world.name}, script: ["{script}"] }} }}'
        world.workspaces = f"{WORKSPACES}alerts: {alerts}\n"
        world.write(world.rules)
        world.receive(EVENT)
        world.run()
        return world

    def test_a_failure_is_told_again_if_it_fails_again(self, tmp_path: Path) -> None:
        world = self.told(tmp_path, rule("ring", "give-up"))
        assert again(world) == {"ring": "replayed", "-alerts-ring": "unchanged"}
        world.run()
        assert called(world) == ["ring", "-alerts-ring"] * 2
        world.write(rules(rule("ring")))
        again(world)
        world.run()
        assert called(world) == ["ring", "-alerts-ring", "ring", "-alerts-ring", "ring"]

    def test_one_that_did_not_arrive_is_told_again(self, tmp_path: Path) -> None:
        world = self.told(tmp_path, rule("ring", "give-up"), script="give-up")
        assert again(world, ReplayOptions(rule="-alerts-ring")) == {"-alerts-ring": "replayed"}
        world.run()
        [*_, (_, action)] = world.calls
        assert (action.rule, action.result and action.result.status) == ("-alerts-ring", "failed")
        assert len(world.calls) == 3

    def test_one_about_the_rules_is_told_again(self, tmp_path: Path) -> None:
        """An alert is an event of its own."""
        world = self.told(tmp_path, rule("ring"), script="give-up")
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


class TestFind:
    def test_an_id_may_be_of_several_events(self, tmp_path: Path) -> None:
        """Of different times; the newest comes first, and a day chooses."""
        world = World(rules(rule("ring")), tmp_path)
        for day in (20, 22, 21):
            world.receive(ModelRegistered.example(id="e1", event_time=f"2026-11-{day}T10:00:00Z"))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        assert [event.day for event in find("e1", world.app)] == ["2026-11-22", "2026-11-21", "2026-11-20"]
        assert [event.day for event in find("e1", world.app, "2026-11-21")] == ["2026-11-21"]
        assert list(find("e1", world.app, "2026-11-19")) == []

    def test_a_row_that_cannot_be_read_does_not_hide_the_others(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        world.table.commit(DAY, Row("00000000-odd", {}), Row("99999999-odd", {"id": "e1"}))
        assert [event.record.id for event in find("e1", world.app)] == ["e1"]

    def test_a_key_names_one(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring"))
        [event] = find(written(world).key, world.app)
        assert event == written(world) == world.app.inbox.history.event(DAY, event.key)
        assert world.app.inbox.history.event(DAY, event.key[:20]) is None
