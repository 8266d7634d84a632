"""What a service knows about the object of an event: asked once, kept, and the same for all actions."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.errors import Unavailable
from dispatch.inbox.history.facts import facts_key, read_facts
from dispatch.inbox.keys import event_key
from dispatch.replay.replay import ReplayOptions, replay
from schemas import Event, ModelDeployed, ModelRegistered, RunStatusChanged
from schemas.facts import FACTS, Facts, RunFacts
from tests.dispatch.replay.helpers import stored
from tests.kit.world import World, entry, rule, rules

EVENT = RunStatusChanged.example(id="e1")
OUT_OF_MEMORY = RunFacts.model_validate(
    {"display_name": "churn train", "error": {"code": "OutOfMemory", "message": "CUDA out of memory"}, "duration": 754}
)


class Service:
    """A service that records what it is asked, and answers from a list; the last answer repeats."""

    def __init__(self, *answers: Facts | Exception) -> None:
        self.answers = [*answers]
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def __call__(self, event: Event, name: str, within: float) -> Facts:
        self.asked.append(name)
        self.before()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def log(message: str, name: str = "tell", **keys: object) -> str:
    """A rule that logs a template."""
    return entry({"name": name, "on": "RunStatusChanged", **keys, "do": "log", "with": f'{{ message: "{message}" }}'})


def started(folder: Path, service: Service, *texts: str, event: Event = EVENT) -> World:
    world = World(rules(*texts), folder, ask=service)
    assert world.loaded.errors == ()
    world.receive(event)
    return world


def test_template_reads_what_the_service_knows(tmp_path: Path) -> None:
    world = started(tmp_path, Service(OUT_OF_MEMORY), log("{{ run.display_name }}: {{ run.error.message }}"))
    world.run()
    assert world.actions["tell"].note == "churn train: CUDA out of memory"


def test_all_rules_and_replays_read_the_same_answer(tmp_path: Path) -> None:
    """The service is asked once: the answer is kept beside the event."""
    service = Service(OUT_OF_MEMORY, RunFacts(display_name="renamed"))
    texts = [log("{{ run.display_name }}", name) for name in ("one", "two")]
    world = started(tmp_path, service, *texts)
    world.run()
    replay(stored(world), world.app, ReplayOptions(all=True))
    world.run()
    assert service.asked == ["run"]
    assert {action.note for action in world.actions.values()} == {"churn train"}
    assert all(action.facts and action.replay_number == 1 for action in world.actions.values())


def test_action_that_reads_no_fact_asks_for_none(tmp_path: Path) -> None:
    service = Service(OUT_OF_MEMORY)
    world = started(tmp_path, service, log("{{ data.runId }}"))
    world.run()
    assert service.asked == []
    assert not world.actions["tell"].facts


def test_first_writer_wins(tmp_path: Path) -> None:
    """Two workers ask at the same time: both read what the first one kept."""
    service = Service(RunFacts(display_name="second"))
    world = started(tmp_path, service, log("{{ run.display_name }}"))
    day, key = event_key(EVENT)

    def other_worker() -> None:
        from dispatch.inbox.history.facts import keep_facts

        keep_facts(world.table, day, key, "run", RunFacts(display_name="first"))

    service.before = other_worker
    world.run()
    assert world.actions["tell"].note == "first"


@pytest.mark.parametrize("answer", [RunFacts.without("HTTP 429", transient=True), ValueError("broken")])
def test_action_goes_on_without_facts_that_are_unavailable(tmp_path: Path, answer: Facts | Exception) -> None:
    """Nothing is kept, so that a later action asks again."""
    service = Service(answer, OUT_OF_MEMORY)
    world = started(tmp_path, service, log("[{{ run.error.message }}] {{ run.unavailable }}"))
    world.run()
    reason = "the app failed: ValueError" if isinstance(answer, Exception) else "HTTP 429"
    assert world.actions["tell"].note == f"[] {reason}"
    replay(stored(world), world.app, ReplayOptions(all=True))
    world.run()
    assert world.actions["tell"].note == "[CUDA out of memory]"


def test_what_can_never_be_read_is_kept(tmp_path: Path) -> None:
    service = Service(RunFacts.without("the run does not exist"))
    world = started(tmp_path, service, log("{{ run.unavailable }}"), log("{{ run.unavailable }}", "two"))
    world.run()
    assert (service.asked, world.actions["two"].note) == (["run"], "the run does not exist")


def test_event_that_names_no_object_asks_for_nothing(tmp_path: Path) -> None:
    service = Service(OUT_OF_MEMORY)
    event = ModelDeployed.example(model_ids="", id="e1")
    text = log("{{ model.missing[0] }}").replace("RunStatusChanged", "ModelDeployed")
    world = started(tmp_path, service, text, event=event)
    world.run()
    assert (service.asked, world.actions["tell"].note) == ([], "the event names no model")


def test_secrets_in_texts_of_the_service_are_masked_where_they_are_kept(tmp_path: Path) -> None:
    service = Service(RunFacts(log_tail="GET https://x.blob.core.windows.net/a?sv=1&sig=abc%2Fdef&se=2"))
    world = started(tmp_path, service, log("{{ run.log_tail }}"))
    world.run()
    day, key = event_key(EVENT)
    assert "abc" not in str(world.table.read(day, facts_key(key, ""), facts_key(key, "~")))
    assert world.actions["tell"].note.endswith("?sv=1&sig=***&se=2")


def test_facts_are_deleted_with_their_event(tmp_path: Path) -> None:
    world = started(tmp_path, Service(OUT_OF_MEMORY), log("{{ run.display_name }}"))
    world.run()
    day, key = event_key(EVENT)
    assert read_facts(world.table, day, key)
    world.clock.forward(days=400)
    world.app.inbox.purge(world.clock() - timedelta(days=90), world.clock())
    assert world.table.read(day, "", "~") == []


class TestLateConditions:
    def test_false_condition_skips_the_action_with_the_value(self, tmp_path: Path) -> None:
        when = "[data.runStatus StringIn Failed, run.error.code StringIn UserError]"
        world = started(tmp_path, Service(OUT_OF_MEMORY), rule("ring", when=when))
        world.run()
        assert not world.calls
        reason = "run.error.code StringIn UserError is false: run.error.code is 'OutOfMemory'"
        assert (world.actions["ring"].status, world.actions["ring"].note) == ("skipped", reason)

    def test_true_condition_lets_the_action_run(self, tmp_path: Path) -> None:
        when = "[run.error.message StringContains CUDA, run.duration NumberGreaterThan 60]"
        world = started(tmp_path, Service(OUT_OF_MEMORY), rule("ring", when=when))
        world.run()
        assert world.ends() == {"ring": "succeeded"}

    def test_other_conditions_still_match_when_the_event_is_received(self, tmp_path: Path) -> None:
        """An event that cannot match creates no action, and the service is not asked."""
        service = Service(OUT_OF_MEMORY)
        when = "[data.runStatus StringIn Completed, run.error.code IsNotNull]"
        world = started(tmp_path, service, rule("ring", when=when))
        world.run()
        assert (world.actions, service.asked) == ({}, [])

    def test_group_with_a_late_condition_is_late_as_a_whole(self, tmp_path: Path) -> None:
        when = "[any: [data.runStatus StringIn Completed, run.error.code StringIn OutOfMemory]]"
        world = started(tmp_path, Service(OUT_OF_MEMORY), rule("ring", when=when))
        world.run()
        assert world.ends() == {"ring": "succeeded"}

    def test_condition_waits_for_a_service_that_does_not_answer(self, tmp_path: Path) -> None:
        service = Service(RunFacts.without("HTTP 503", transient=True), OUT_OF_MEMORY)
        world = started(tmp_path, service, rule("ring", when="[run.error.code IsNotNull]"))
        world.step()
        assert "cannot be decided: HTTP 503" in world.actions["ring"].note
        world.run()
        assert (world.ends(), service.asked) == ({"ring": "succeeded"}, ["run", "run"])

    def test_action_fails_when_the_service_has_not_answered_for_half_an_hour(self, tmp_path: Path) -> None:
        """Neither acting nor skipping would be right, and a failure is reported."""
        world = started(
            tmp_path, Service(RunFacts.without("HTTP 403", transient=True)), rule("ring", when="[run.owner IsNotNull]")
        )
        start = world.clock()
        world.run()
        assert world.ends() == {"ring": "failed"}
        assert timedelta(minutes=25) < world.clock() - start < timedelta(hours=2)
        assert not world.calls

    def test_action_fails_at_once_if_the_service_can_never_answer(self, tmp_path: Path) -> None:
        service = Service(RunFacts.without("the run does not exist"))
        world = started(tmp_path, service, rule("ring", when="[run.owner IsNotNull]"))
        world.run()
        ring = world.actions["ring"]
        assert (ring.status, ring.note) == (
            "failed",
            "conditions on the run cannot be decided: the run does not exist",
        )

    def test_skipped_action_names_what_could_not_be_read(self, tmp_path: Path) -> None:
        service = Service(RunFacts(missing=("the log: HTTP 403",)))
        world = started(tmp_path, service, rule("ring", when="[run.log_tail StringContains CUDA]"))
        world.run()
        assert world.actions["ring"].note.endswith("run.log_tail is not known (the log: HTTP 403)")

    def test_rule_for_several_types_asks_only_for_the_facts_of_the_event(self, tmp_path: Path) -> None:
        service = Service(OUT_OF_MEMORY)
        text = rule(
            "ring", on="[ModelRegistered, RunStatusChanged]", when="[any: [run.owner IsNotNull, id StringIn m]]"
        )
        world = started(tmp_path, service, text, event=ModelRegistered.example(id="m"))
        world.run()
        assert (world.ends(), service.asked) == ({"ring": "succeeded"}, [])

    def test_action_that_has_started_is_not_asked_about_again(self, tmp_path: Path) -> None:
        service = Service(OUT_OF_MEMORY)
        world = started(tmp_path, service, rule("ring", "wait 60", "succeed", when="[run.error.code IsNotNull]"))
        world.run()
        assert (world.ends(), service.asked) == ({"ring": "succeeded"}, ["run"])

    def test_at_most_counts_by_a_fact(self, tmp_path: Path) -> None:
        limit = "{ count: 1, every: 1d, by: run.error.code }"
        world = started(tmp_path, Service(OUT_OF_MEMORY), rule("ring", at_most=limit))
        world.receive(RunStatusChanged.example(id="e2"))
        world.run()
        assert len(world.calls) == 1


def test_facts_are_read_without_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read from the service, and not kept."""
    world = started(tmp_path, Service(OUT_OF_MEMORY), log("{{ run.display_name }}"))
    whole = world.table.read

    def read(partition: str, first: str, last: str, limit: int | None = None) -> object:
        if first.startswith("y|"):
            raise Unavailable("busy", 503)
        return whole(partition, first, last, limit)

    monkeypatch.setattr(world.table, "read", read)
    world.run()
    assert world.actions["tell"].note == "churn train"


def test_facts_that_a_newer_version_wrote_are_asked_for_again(tmp_path: Path) -> None:
    from dispatch.inbox.tables import Row

    world = started(tmp_path, Service(OUT_OF_MEMORY), log("{{ run.display_name }}"))
    day, key = event_key(EVENT)
    world.table.commit(day, Row(facts_key(key, "run"), {"raw": "{"}), Row(facts_key(key, "star"), {"raw": "{}"}))
    world.run()
    assert world.actions["tell"].note == "churn train"


def test_names_of_facts_are_those_that_rules_know() -> None:
    from schemas.events.base import FACT_NAMES

    assert set(FACT_NAMES) == set(FACTS)
