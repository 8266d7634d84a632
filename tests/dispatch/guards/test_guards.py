"""May this action run now? Over the real inbox and rules, with storage in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.act import act
from dispatch.guards.event_order import Position
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.leases import MAX_CRASHES
from dispatch.inbox.tables import Row, Table
from handlers.base import Action, Outcome
from schemas import Event, ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged, parse_event
from tests.kit.faults import CrashAt, WorkerDied
from tests.kit.storage import NOW
from tests.kit.world import Call, Scripted, World, rule, rules


def run_event(id: str, status: str, seconds: float, run: str = "r1") -> RunStatusChanged:
    time = NOW + timedelta(seconds=seconds)
    return RunStatusChanged.example(id=id, run_id=run, run_status=status, event_time=time.isoformat())


def model_event(id: str, seconds: float, **changes: Any) -> ModelRegistered:
    return ModelRegistered.example(id=id, event_time=(NOW + timedelta(seconds=seconds)).isoformat(), **changes)


def sequenced(seconds: float, sequencer: str) -> Event:
    return parse_event({**model_event("a", seconds).wire(), "sequencer": sequencer})


def outcomes(world: World) -> dict[str, str]:
    """How the actions ended, by the id of their event."""
    history = world.history()
    return {history.events[id.event].id: f"{r.status}: {r.note}" for id, r in history.actions}


def acted_on(world: World) -> list[str]:
    return [call.event.id for call in world.calls]


LATEST = rules(rule("ring", on="[RunStatusChanged, RunCompleted, ModelRegistered, ModelDeployed]", latest_only="true"))


class TestLatestOnly:
    def test_an_earlier_event_that_comes_late_is_superseded(self, tmp_path: Path) -> None:
        """And says by what."""
        world = World(LATEST, tmp_path)
        world.receive(model_event("new", 9))
        world.run()
        world.receive(model_event("old", 1))
        world.run()
        assert acted_on(world) == ["new"]
        assert outcomes(world)["old"] == "skipped: superseded by event new of 2026-11-22T09:00:09.000000+00:00"

    def test_in_order_every_event_is_acted_on(self, tmp_path: Path) -> None:
        world = World(LATEST, tmp_path)
        for n in range(3):
            world.receive(model_event(f"e{n}", n))
            world.run()
        assert acted_on(world) == ["e0", "e1", "e2"]

    def test_other_objects_do_not_count(self, tmp_path: Path) -> None:
        """Another model, another workspace, an endpoint of the same name."""
        world = World(LATEST, tmp_path)
        elsewhere = ModelRegistered.example().topic.replace("churn-prod", "churn-dev")
        elsewhere = elsewhere.replace("rg-ml-prod", "rg-ml-dev").replace("2222", "1111")
        world.receive(model_event("new", 9))
        world.run()
        deployed = ModelDeployed.example(id="endpoint", service_name="churn", event_time=NOW.isoformat())
        world.receive(model_event("other", 1, model_name="other"), model_event("dev", 1, topic=elsewhere), deployed)
        world.run()
        assert sorted(acted_on(world)) == ["dev", "endpoint", "new", "other"]

    def test_versions_of_a_model_are_one_object(self, tmp_path: Path) -> None:
        world = World(LATEST, tmp_path)
        world.receive(model_event("v2", 9, model_version="2"))
        world.run()
        world.receive(model_event("v1", 1, model_version="1"))
        world.run()
        assert acted_on(world) == ["v2"]

    def test_of_a_run_the_status_decides_before_the_time(self, tmp_path: Path) -> None:
        """What has ended has ended, whatever the clocks say."""
        world = World(LATEST, tmp_path)
        for event in (run_event("failed", "Failed", 1), run_event("running", "Running", 9)):
            world.receive(event)
            world.run()
        world.receive(RunCompleted.example(id="other-run", run_id="r2"))
        world.run()
        assert acted_on(world) == ["failed", "other-run"]

    def test_a_crash_after_the_note_was_taken_does_no_harm(self, tmp_path: Path) -> None:
        """The action finds its own note, and passes again."""
        world = World(LATEST, tmp_path, CrashAt((4, "after")))  # read, claim, read the note, write it
        world.receive(model_event("e1", 1))
        world.run()
        assert acted_on(world) == ["e1"]
        assert world.actions["ring"].crashes == 1

    def test_what_has_begun_is_not_stopped_half_way(self, tmp_path: Path) -> None:
        """A roll-out that waits is not abandoned because a later event came; a retry that has done nothing is."""
        world = World(rules(rule("ring", "wait 3600", "succeed", on="ModelRegistered", latest_only="true")), tmp_path)
        world.receive(model_event("first", 1))
        act(world.queue.messages.pop()[1], world.app)
        first = world.actions["ring"]
        world.queue.send(_message(world), timedelta(hours=1))
        world.receive(model_event("second", 9))
        world.run()
        assert first.checked_back
        assert outcomes(world)["first"] == "succeeded: done"


def _message(world: World) -> str:
    from dispatch.inbox.messages import Message

    [(id, record)] = world.history().actions
    return str(Message(id, record.message_version))


class TestAtMost:
    def test_more_than_the_limit_is_skipped_until_the_span_is_over(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", at_most="{ count: 2, every: 6h }")), tmp_path)
        for n in range(3):
            world.receive(run_event(f"e{n}", "Failed", n))
        world.run()
        assert len(world.calls) == 2
        [skipped] = [text for text in outcomes(world).values() if text.startswith("skipped")]
        assert skipped.startswith("skipped: 2 in 6h already: ")
        world.clock.forward(hours=7)
        world.receive(run_event("later", "Failed", 9))
        world.run()
        assert acted_on(world)[-1] == "later"

    def test_each_value_of_a_key_has_a_limit_of_its_own(self, tmp_path: Path) -> None:
        """Whatever the value is, also none."""
        world = World(rules(rule("ring", at_most="{ count: 1, every: 1d, by: data.runTags.owner }")), tmp_path)
        tags: list[dict[str, Any]] = [{"owner": "a"}, {"owner": "a"}, {"owner": "/#?\ud800"}, {"owner": 3}, {}, {}]
        for n, run_tags in enumerate(tags):
            world.receive(RunStatusChanged.example(id=f"e{n}", run_tags=run_tags))
            world.run()
        assert acted_on(world) == ["e0", "e2", "e3", "e4"]
        assert "1 in 1d already for data.runTags.owner 'a'" in outcomes(world)["e1"]

    def test_a_retry_keeps_its_place(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "retry", "retry", "succeed", at_most="{ count: 1, every: 1d }")), tmp_path)
        world.receive(run_event("e1", "Failed", 1))
        world.run()
        assert outcomes(world) == {"e1": "succeeded: done"}

    def test_a_retry_counts_when_it_acts(self, tmp_path: Path) -> None:
        """Not only when its place was taken: no span has more actions than the limit, however late one of them acts."""
        world = World(rules(rule("ring", "retry", "succeed", at_most="{ count: 2, every: 10m }")), tmp_path)
        messages: dict[str, str] = {}
        for minutes, event in ((0, "a"), (5, "b"), (9, "a"), (10.5, "c")):
            world.clock.time = NOW + timedelta(minutes=minutes)
            if event not in messages:
                world.receive(run_event(event, "Failed", minutes))
                messages[event] = world.queue.messages.pop()[1]
            act(messages[event], world.app)
            messages[event] = world.queue.messages.pop()[1] if world.queue.messages else ""
        assert acted_on(world) == ["a", "b", "a"]
        assert outcomes(world)["c"].startswith("skipped: 2 in 10m already: ")

    @pytest.mark.parametrize(
        ("limit", "says"),
        [
            ("{ count: 0, every: 1d }", "at_most.count"),
            ("{ count: 1 }", "every"),
            ("{ count: 1, every: soon }", "is not a duration"),
            ("{ count: 1, every: 1d, by: 'a..b' }", "at_most.by"),
            ("3", "at_most"),
        ],
    )
    def test_nonsense_is_a_mistake(self, tmp_path: Path, limit: str, says: str) -> None:
        [mistake] = World(rules(rule("ring", at_most=limit)), tmp_path).loaded.errors
        assert says in str(mistake)

    @pytest.mark.parametrize("script", ["give-up", "skip"])
    def test_what_came_to_nothing_gives_its_place_away(self, script: str, tmp_path: Path) -> None:
        """The component was missing: nobody waits a week for the next one."""
        world = World(rules(rule("ring", script, at_most="{ count: 1, every: 7d }")), tmp_path)
        world.receive(run_event("e1", "Failed", 1))
        world.run()
        world.write(rules(rule("ring", at_most="{ count: 1, every: 7d }")))
        for n in (2, 3):
            world.receive(run_event(f"e{n}", "Failed", n))
            world.run()
        assert acted_on(world) == ["e1", "e2"]
        assert outcomes(world)["e3"].startswith("skipped: 1 in 7d already: on ")

    @pytest.mark.parametrize("script", [("succeed",), ("wait 1", "give-up"), ("retry",), ("wait 86400",)])
    def test_what_has_begun_or_may_succeed_keeps_its_place(self, script: tuple[str, ...], tmp_path: Path) -> None:
        """A run that was started and then failed is one, too."""
        world = World(rules(rule("ring", *script, at_most="{ count: 1, every: 7d }")), tmp_path)
        for n in (1, 2):
            world.receive(run_event(f"e{n}", "Failed", n))
            act(world.queue.messages.pop()[1], world.app)
            world.clock.forward(seconds=30)
            if n == 1 and len(script) == 2:
                world.run()
        assert outcomes(world)["e2"].startswith("skipped: 1 in 7d already")

    def test_a_place_that_was_taken_again_is_not_given_away_for_an_earlier_failure(self, tmp_path: Path) -> None:
        """A reader who is behind may still see it."""
        world = World(rules(rule("ring", "give-up", at_most="{ count: 1, every: 7d }")), tmp_path)
        world.receive(run_event("e1", "Failed", 1))
        world.run()
        [(id, record)] = world.history().actions
        assert world.app.inbox.leases.had_no_effect(id, record.timeline[0].at)
        assert not world.app.inbox.leases.had_no_effect(id, record.due + timedelta(seconds=1))

    @pytest.mark.parametrize("order", [("e1", "e2"), ("e2", "e1")])
    def test_together_with_latest_only_one_event_is_acted_on(self, order: tuple[str, str], tmp_path: Path) -> None:
        """The earlier has the place and tries again; the later is skipped because of that, so it supersedes nothing."""
        keys = {"latest_only": "true", "at_most": "{ count: 1, every: 1d }"}
        world = World(rules(rule("ring", "retry", "succeed", **keys)), tmp_path)
        events = {id: run_event(id, "Failed", n) for n, id in enumerate(("e1", "e2"))}
        world.receive(events[order[0]])
        act(world.queue.messages.pop()[1], world.app)
        world.receive(events[order[1]])
        world.run()
        assert acted_on(world) == [order[0]] * 2
        ends = outcomes(world)
        assert ends[order[0]] == "succeeded: done"
        assert ends[order[1]].startswith("skipped: superseded" if order[1] == "e1" else "skipped: 1 in 1d already")

    def test_what_is_superseded_takes_no_place(self, tmp_path: Path) -> None:
        keys = {"latest_only": "true", "at_most": "{ count: 2, every: 1d }"}
        world = World(rules(rule("ring", **keys)), tmp_path)
        for seconds in (9, 1, 2, 10):
            world.receive(run_event(f"e{seconds}", "Failed", seconds))
            world.run()
        assert acted_on(world) == ["e9", "e10"]


DEADLY = "deadly"  # the event on which a worker dies, every time


class Instead(CrashAt):
    """Replaces each call."""

    def __init__(self, instead: Callable[..., Any]) -> None:
        super().__init__()
        self._instead = instead

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        return self._instead


class Exclusive(Scripted):
    """One at a time per run type."""

    def run(self, event: Event, action: Action) -> Outcome:
        if event.id == DEADLY:
            raise WorkerDied
        return super().run(event, action)

    def lock(self, event: Event) -> str | None:
        return event.data.run_type if isinstance(event, RunStatusChanged) else None


class TestTakingTurns:
    def world(self, tmp_path: Path, *script: str) -> World:
        text = rules(rule("ring", *script, on="[RunStatusChanged, ModelRegistered]"))
        return World(text.replace("do: SCRIPTED", "do: tests.dispatch.guards.test_guards:Exclusive"), tmp_path)

    def test_the_second_starts_when_the_first_has_ended(self, tmp_path: Path) -> None:
        """Though the first waits twice in between, for hours."""
        world = self.world(tmp_path, "wait 7200", "wait 7200", "succeed")
        for n in range(3):
            world.receive(run_event(f"e{n}", "Failed", n))
        world.run(most=5_000)
        order = acted_on(world)
        assert sorted(order) == ["e0"] * 3 + ["e1"] * 3 + ["e2"] * 3
        assert [order[n] for n in (0, 3, 6)] == [order[n] for n in (2, 5, 8)]

    def test_other_locks_and_none_do_not_wait(self, tmp_path: Path) -> None:
        world = self.world(tmp_path, "wait 7200", "succeed")
        world.receive(run_event("e1", "Failed", 1), model_event("m1", 1), model_event("m2", 2))
        for _ in range(3):
            act(world.queue.messages.pop(0)[1], world.app)
        assert acted_on(world) == ["e1", "m1", "m2"]

    def test_nobody_has_to_release_a_lock(self, tmp_path: Path) -> None:
        """Its holder's worker dies, over and over: the fifth crash ends it, and then the next one's turn comes."""
        world = self.world(tmp_path)
        world.receive(run_event(DEADLY, "Failed", 1))
        with pytest.raises(WorkerDied):
            act(world.queue.messages[0][1], world.app)
        world.receive(run_event("e2", "Failed", 2))
        world.run()
        assert outcomes(world) == {
            DEADLY: f"failed: the worker died {MAX_CRASHES} times while it ran this action",
            "e2": "succeeded: done",
        }
        first, second = sorted((record for _, record in world.history().actions), key=lambda record: record.status)
        assert second.timeline[2].note.startswith("waits for the lock of ")
        assert second.timeline[-1].at >= first.timeline[-1].at
        assert acted_on(world) == ["e2"]

    def test_a_rule_that_is_removed_keeps_nobody_waiting(self, tmp_path: Path) -> None:
        """It may never come back. When it does, what waited for it waits for its turn."""
        world = self.world(tmp_path, "retry", "wait 60", "succeed")
        world.receive(run_event("e1", "Failed", 1))
        act(world.queue.messages.pop()[1], world.app)
        text = rules(rule("other", "wait 600", "succeed"))
        world.write(text.replace("do: SCRIPTED", "do: tests.dispatch.guards.test_guards:Exclusive"))
        world.clock.forward(minutes=1)
        act(world.queue.messages.pop()[1], world.app)
        waiting = world.queue.messages.pop()[1]
        world.receive(run_event("e2", "Failed", 2))
        act(world.queue.messages.pop()[1], world.app)
        assert acted_on(world) == ["e1", "e2"]
        world.write(world.rules)
        world.write(text.replace("do: SCRIPTED", "do: tests.dispatch.guards.test_guards:Exclusive"), "other.yaml")
        world.clock.forward(minutes=5)
        act(waiting, world.app)
        [ring] = [record for id, record in world.history().actions if id.rule == "ring"]
        assert ring.note.startswith("waits for the lock of other")
        world.run()
        assert {id.rule: record.status for id, record in world.history().actions} == {
            "ring": "succeeded",
            "other": "succeeded",
        }

    def test_a_rule_that_comes_back_has_its_turn_again(self, tmp_path: Path) -> None:
        """While its action runs nobody takes its place, though the row still says since when the rule was gone."""
        world = self.world(tmp_path, "retry", "succeed")
        world.receive(run_event("e1", "Failed", 1))
        world.step()
        text = rules(rule("other")).replace("do: SCRIPTED", "do: tests.dispatch.guards.test_guards:Exclusive")
        world.write(text)
        world.step()
        world.write(world.rules)
        world.write(text, "other.yaml")
        world.clock.time = min(world.queue.messages)[0]
        [back] = [message for _, message in world.queue.messages]
        world.queue.messages.clear()
        world.receive(run_event("e2", "Failed", 2))
        [other] = [message for _, message in world.queue.messages if '"other"' in message]
        world.queue.messages.clear()

        def while_it_runs(call: Call) -> None:
            Scripted.crashes.pop(world.name)
            Scripted.calls[world.name].append(call)
            act(other, world.app)

        Scripted.crashes[world.name] = Instead(while_it_runs)
        act(back, world.app)
        assert [call.action.rule for call in world.calls] == ["ring", "ring"]
        [waiting] = [r for id, r in world.history().actions if id.rule == "other"]
        assert waiting.note.startswith("waits for the lock of ring")

    def test_a_rule_that_is_removed_half_way_keeps_its_turn(self, tmp_path: Path) -> None:
        """What it has begun is not to be done by two. A rule of its name with another handler ends it."""
        world = self.world(tmp_path, "wait 60", "succeed")
        world.receive(run_event("e1", "Failed", 1))
        act(world.queue.messages.pop()[1], world.app)
        text = rules(rule("other")).replace("do: SCRIPTED", "do: tests.dispatch.guards.test_guards:Exclusive")
        world.write(text)
        world.receive(run_event("e2", "Failed", 2))
        world.step(40)
        assert acted_on(world) == ["e1"]
        world.write("rules:\n  - { name: ring, on: RunStatusChanged, do: log }\n", "ring.yaml")
        world.run()
        assert acted_on(world) == ["e1", "e2"]
        ends = {id.rule: record.status for id, record in world.history().actions}
        assert ends == {"ring": "failed", "other": "succeeded"}


class TestStorage:
    """What guards look at may be out of reach."""

    @pytest.mark.parametrize("status", [400, 403, 413, 429, 503])
    def test_a_guard_that_cannot_look_is_asked_again(self, status: int, tmp_path: Path) -> None:
        """Whatever storage answers: it is neither the handler's failure nor a service that wants a pause."""
        world = World(LATEST, tmp_path)
        world.receive(run_event("e1", "Failed", 1))
        world.table = Away(world.table, status, times=3)  # type: ignore[assignment]  # stands before it
        world.run()
        assert outcomes(world) == {"e1": "succeeded: done"}
        record = world.actions["ring"]
        assert (record.failures, record.crashes, len(world.calls)) == (0, 0, 1)
        assert "waiting" in {moment.status for moment in record.timeline}
        assert record.timeline[-1].at - record.timeline[0].at < timedelta(minutes=3)


@dataclass
class Away:
    """A table whose notes cannot be read a few times."""

    inner: Table
    status: int
    times: int

    def read(self, partition: str, first: str, last: str) -> list[Row]:
        if partition == "notes" and self.times:
            self.times -= 1
            raise Unavailable("storage is busy", self.status)
        return self.inner.read(partition, first, last)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        return self.inner.commit(partition, *rows, delete=delete)


class TestOrder:
    @pytest.mark.parametrize(
        ("earlier", "later"),
        [
            (run_event("a", "Queued", 9), run_event("b", "Running", 1)),
            (run_event("a", "Running", 1), run_event("b", "NotResponding", 2)),
            (run_event("a", "NotResponding", 1), run_event("b", "Running", 2)),
            (run_event("a", "CancelRequested", 9), run_event("b", "canceled", 1)),
            (run_event("a", "SomethingNew", 1), run_event("b", "Finalizing", 0)),
            (run_event("a", "Failed", 1), run_event("b", "Completed", 2)),
            (model_event("a", 0), model_event("b", 0.000001)),
            (sequenced(9, "9"), sequenced(1, "10")),
            (sequenced(9, "00AB"), sequenced(1, "00AC")),
            (ModelRegistered.example(event_time=None), model_event("b", 1)),
            (ModelRegistered.example(event_time="0001-01-01T00:00:00+02:00"), model_event("b", 1)),
        ],
    )
    def test_the_later_event_has_the_later_position(self, earlier: Event, later: Event) -> None:
        assert Position.of(later).is_after(Position.of(earlier))
        assert not Position.of(earlier).is_after(Position.of(later))

    def test_sequencers_decide_only_if_both_events_have_one(self) -> None:
        """Otherwise the rank and the time decide."""
        with_one, without = sequenced(1, "99"), model_event("b", 2)
        assert Position.of(without).is_after(Position.of(with_one))
