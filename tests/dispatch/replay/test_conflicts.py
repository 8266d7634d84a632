"""Replays of guarded actions, and replays that conflict with other changes of an event."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatch.act import act, carry_out
from dispatch.inbox.errors import Conflict
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.leases import Claim, Leases
from dispatch.inbox.messages import Message
from dispatch.inbox.tables import Row
from dispatch.replay.replay import ReplayOptions, find, replay
from mlevents.testing.storage import AzureLimits
from schemas import Event
from tests.dispatch.replay.helpers import DAY, EVENT, FAILED, again, called, ran, stored
from tests.kit.world import LEASE, Scripted, World, rule, rules

LOCKING = "tests.dispatch.replay.test_conflicts:Locking"


class Locking(Scripted):
    """A scripted handler whose actions share one lock."""

    def lock(self, event: Event) -> str | None:
        return "the one"


class TestGuards:
    def test_latest_event_passes_latest_only_again(self, tmp_path: Path) -> None:
        """A later event supersedes its replay."""
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

    def test_replayed_action_counts_once_for_at_most(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up", at_most="{ count: 1, every: 1d }"))
        again(world)
        world.run()
        assert called(world) == ["ring", "ring"]

    def test_action_that_at_most_skipped_may_pass_when_replayed(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", at_most="{ count: 1, every: 1d }"))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        world.run()
        [event] = find("e2", world.app)
        assert len(world.calls) == 1
        world.clock.forward(days=2)
        replay(event, world.app, ReplayOptions())
        world.run()
        assert [call.event.id for call in world.calls] == ["e1", "e2"]

    def test_replay_of_a_dry_run_is_a_dry_run(self, tmp_path: Path) -> None:
        """Once the rule has no `dry_run`, a replay acts."""
        world = ran(tmp_path, rule("ring", dry_run="true"))
        again(world)
        world.run()
        assert world.calls == []
        assert world.actions["ring"].note.startswith("dry run: ")
        world.write(rules(rule("ring")))
        again(world)
        world.run()
        assert called(world) == ["ring"]

    def test_replayed_action_takes_its_lock_again(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "wait 3600", "skip").replace("SCRIPTED", LOCKING))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        act(world.queue.messages.pop()[1], world.app)
        again(world)
        world.run()
        assert [call.event.id for call in world.calls] == ["e1", "e1", "e2", "e2", "e1", "e1"]

    @pytest.mark.parametrize(
        "options", [ReplayOptions(all=True), ReplayOptions(all=True, same_key=True)], ids=["another key", "same"]
    )
    def test_action_that_succeeded_before_its_failed_replay_still_counts_for_at_most(
        self, tmp_path: Path, options: ReplayOptions
    ) -> None:
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
    def test_lock_is_not_taken_over_from_an_action_that_is_replayed_meanwhile(
        self, tmp_path: Path, options: ReplayOptions
    ) -> None:
        """Another action reads that it has ended, and is about to take the lock when it is replayed."""
        world = ran(tmp_path, rule("ring", "skip").replace("SCRIPTED", LOCKING))
        world.write(rules(rule("ring", "wait 60", "wait 60", "skip")).replace("SCRIPTED", LOCKING))
        world.receive(EVENT.model_copy(update={"id": "e2"}))
        [(_, message)] = world.queue.messages
        world.queue.messages.clear()
        has_lost_lock = Leases.has_lost_lock

        def slow(leases: Leases, id: ActionId, since: datetime) -> bool | None:
            """Replay and run the other action between this read and the write that depends on it."""
            seen = has_lost_lock(leases, id, since)
            if len(world.calls) == 1:
                again(world, options)
                act(world.queue.messages[0][1], world.app)
            return seen

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Leases, "has_lost_lock", slow)
            act(message, world.app)
        assert [call.event.id for call in world.calls] == ["e1", "e1"]
        assert [r.note[:19] for id, r in world.history().actions if id.event != stored(world).key] == [
            "waits for the lock "
        ]
        world.run()
        first = [call.event.id for call in world.calls].index("e2")
        assert "e1" not in [call.event.id for call in world.calls[first:]]


class TestConflicts:
    def test_one_of_two_concurrent_replays_replays(self, tmp_path: Path) -> None:
        """The other one finds its actions open."""
        world = ran(tmp_path, rule("ring", "skip"), rule("done"))
        world.write(rules(rule("ring", "skip"), rule("done"), rule("new")))
        event = stored(world)
        first, second = (replay(event, world.app, ReplayOptions(all=True)) for _ in range(2))
        assert {step.status for step in first.steps} == {"replayed", "created"}
        assert {step.status for step in second.steps} == {"requeued"}
        world.run()
        assert sorted(called(world)) == ["done", "done", "new", "ring", "ring"]
        assert {record.replay_number for record in world.actions.values()} == {0, 1}

    def test_action_that_changed_since_it_was_read_is_read_again(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "skip"), rule("next", "skip")), tmp_path)
        world.receive(EVENT)
        act(world.queue.messages.pop(0)[1], world.app)
        event = stored(world)
        world.run()
        done = replay(event, world.app, ReplayOptions())
        assert {step.rule: step.status for step in done.steps} == {"ring": "replayed", "next": "requeued"}
        world.run()
        assert called(world) == ["ring", "next", "ring"]

    def test_end_leaves_a_follow_up_that_was_replayed_meanwhile(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", after=FAILED))
        again(world)
        claim = world.app.inbox.leases.claim(Message.parse(world.queue.messages.pop()[1]), world.clock())
        assert isinstance(claim, Claim)
        again(world, ReplayOptions(rule="next"))
        carry_out(claim, world.app)
        assert world.ends() == {"ring": "failed", "next": "pending"}
        world.run()
        assert called(world) == ["ring", "next", "ring", "next"]
        assert world.app.inbox.backlog.open_actions(DAY) == []

    def test_stray_open_marker_does_not_keep_an_action_from_ending(self, tmp_path: Path) -> None:
        """It may come from a restored backup."""
        world = ran(tmp_path, rule("ring", "give-up"), rule("next", after=FAILED))
        world.table.commit(DAY, Row(f"!open|{stored(world).key}|next", {}))
        again(world)
        world.run()
        assert called(world) == ["ring", "next", "ring", "next"]
        assert world.app.inbox.backlog.open_actions(DAY) == []

    def test_event_that_was_deleted_meanwhile_stays_deleted(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "skip"))
        event = stored(world)
        world.table.commit(DAY, delete=tuple(world.table.read(DAY, "", "~")))
        [step] = replay(event, world.app, ReplayOptions()).steps
        assert (step.status, step.reason) == ("refused", "the event has been deleted meanwhile")
        assert world.table.read(DAY, "", "~") == []

    def test_purge_that_read_before_a_replay_does_not_delete_it(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "skip"), rule("done"))
        rows = tuple(world.table.read(DAY, "", "~"))
        replay(stored(world), world.app, ReplayOptions())
        with pytest.raises(Conflict):
            world.table.commit(DAY, delete=rows)
        world.run()
        assert called(world) == ["done", "ring", "ring"]

    def test_day_stays_listed_if_a_replay_interrupts_its_purge(self, tmp_path: Path) -> None:
        """The purge deletes the last rows of a day and then its row in the index; a replay comes in between."""
        world = ran(tmp_path, rule("ring", "skip"))
        world.clock.forward(days=400)
        event = stored(world)

        class Between(AzureLimits):
            """Replays the event when its first row is about to be deleted."""

            def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
                if partition == DAY and not world.queue.messages:
                    replay(event, world.app, ReplayOptions())
                return super().commit(partition, *rows, delete=delete)

        Inbox(Between(world.table.table), LEASE).purge(world.clock() - timedelta(days=90), world.clock())
        assert world.app.inbox.history.days() == [DAY]
        world.run()
        assert called(world) == ["ring", "ring"]

    def test_unlisted_day_is_listed_again(self, tmp_path: Path) -> None:
        """The sweep would not find its open actions otherwise."""
        world = ran(tmp_path, rule("ring", "skip"))
        world.table.commit("days", delete=(DAY,))
        [event] = find("e1", world.app, DAY)
        replay(event, world.app, ReplayOptions())
        assert world.app.inbox.history.days() == [DAY]

    def test_replay_gives_up_after_several_conflicts(self, tmp_path: Path) -> None:
        world = ran(tmp_path, rule("ring", "skip"))
        table = world.table

        class Busy(AzureLimits):
            """Updates the row of the event after each read."""

            def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
                rows = super().read(partition, first, last, limit)
                for row in rows:
                    if "|" not in row.key and partition == DAY:
                        table.commit(partition, row)
                return rows

        app = type(world.app)(world.loaded, Inbox(Busy(table.table), LEASE), world.queue, world.clock)
        [event] = find("e1", app)
        [step] = replay(event, app, ReplayOptions()).steps
        assert (step.status, step.reason) == ("refused", "other workers keep changing it; try again")
        assert world.queue.messages == []
