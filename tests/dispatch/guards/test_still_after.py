"""`still_after`, with the real inbox and rules over storage in memory, and a scripted service."""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from dispatch.act import act
from dispatch.guards.lasting import still_after
from dispatch.guards.standings import standings_now
from dispatch.sweep import sweep
from handlers.base import GiveUp
from mlevents.testing.storage import NOW
from schemas import RunCompleted
from schemas.events.run import RunEvent
from tests.dispatch.evidence.expecting import EXPECTED, complete, expecting, index, look, world_of
from tests.dispatch.guards.kit import acted_on, model_event, outcomes, run_event
from tests.kit.world import World, rule, rules

QUEUED = "data.runStatus StringIn Queued Preparing"
Says = Callable[[str | Exception], list[str]]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Set what the service answers about a run; returns the runs that it was asked about."""
    asked: list[str] = []

    def answer(given: str | Exception) -> list[str]:
        def run_status(event: RunEvent) -> str:
            asked.append(event.object)
            if isinstance(given, Exception):
                raise given
            return given

        monkeypatch.setattr(still_after, "run_status", run_status)
        return asked

    return answer


def waiting(folder: Path, span: str = "12h", **keys: str) -> World:
    return World(rules(rule("ring", still_after=span, **{"when": QUEUED, **keys})), folder)


def test_rule_acts_later_if_the_service_reports_the_same_status(tmp_path: Path, says: Says) -> None:
    """The service is asked at that moment, not before."""
    asked, world = says("Queued"), waiting(tmp_path)
    world.receive(run_event("e1", "Queued", 0))
    world.step()
    assert outcomes(world)["e1"].startswith("waiting: waits until 2026-11-22 21:00:00 UTC")
    assert not asked
    world.run()
    assert acted_on(world) == ["e1"]
    assert world.clock.time >= NOW + timedelta(hours=12)
    assert asked == ["r1"]


@pytest.mark.parametrize(
    ("status", "acts"), [("preparing", True), ("QUEUED", True), ("Running", False), ("Failed", False)]
)
def test_another_status_counts_if_the_rule_would_match_it(tmp_path: Path, says: Says, status: str, acts: bool) -> None:
    says(status)
    world = waiting(tmp_path)
    world.receive(run_event("e1", "Queued", 0))
    world.run()
    assert bool(world.calls) is acts
    if not acts:
        assert outcomes(world)["e1"] == f"skipped: the run is {status} now"


def test_without_a_condition_on_the_status_it_must_be_the_same(tmp_path: Path, says: Says) -> None:
    says("Running")
    world = waiting(tmp_path, when="data.runId IsNotNull")
    world.receive(run_event("e1", "Queued", 0))
    world.run()
    assert outcomes(world)["e1"] == "skipped: the run is Running now"


def test_completed_run_has_the_status_completed(tmp_path: Path, says: Says) -> None:
    says("Completed")
    world = World(rules(rule("ring", on="RunCompleted", still_after="1h")), tmp_path)
    world.receive(RunCompleted.example(event_time=NOW.isoformat()))
    world.run()
    assert world.calls


def test_forbidden_status_is_decided_by_the_record(
    tmp_path: Path, says: Says, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, with a warning: a missing role may take days. Nothing contradicts: the rule acts."""
    says(GiveUp("HTTP 403: no"))
    world = waiting(tmp_path)
    world.receive(run_event("e1", "Queued", 0))
    world.run()
    assert acted_on(world) == ["e1"]
    [line] = [record for record in caplog.records if "still_after.unasked" in record.getMessage()]
    assert line.levelno == logging.WARNING
    assert "HTTP 403: no" in line.getMessage()


@pytest.mark.parametrize(("later", "end"), [("Running", "skipped"), ("Preparing", "succeeded")])
def test_record_decides_by_the_last_event_about_the_object(tmp_path: Path, says: Says, later: str, end: str) -> None:
    says(GiveUp("HTTP 403: no"))
    world = waiting(tmp_path)
    world.receive(run_event("e1", "Queued", 0), run_event("other", "Running", 1, run="r2"))
    world.step()
    world.clock.forward(minutes=10)
    world.receive(run_event("e2", later, 600), run_event("e0", "NotStarted", -5))
    index(world)
    world.run()
    assert outcomes(world)["e1"].startswith(end)
    if end == "skipped":
        at = "RunStatusChanged, of 2026-11-22 09:10:00 UTC"
        assert outcomes(world)["e1"] == f"skipped: a later event is on record: r1 Running ({at})"


def test_service_that_does_not_answer_is_asked_for_half_an_hour(tmp_path: Path, says: Says) -> None:
    asked, world = says(ServiceRequestError("no route")), waiting(tmp_path)
    world.receive(run_event("e1", "Queued", 0))
    world.step(2)
    assert outcomes(world)["e1"] == "waiting: the status of the run cannot be read yet: no route"
    world.run()
    assert len(asked) == 31
    assert acted_on(world) == ["e1"]


def test_service_without_a_status_is_as_one_that_cannot_be_asked(tmp_path: Path, says: Says) -> None:
    says("")
    world = waiting(tmp_path)
    world.receive(run_event("e1", "Queued", 0), run_event("e2", "Running", 5))
    world.run()
    assert outcomes(world)["e1"].startswith("skipped: a later event is on record")


def test_models_are_decided_by_the_record(tmp_path: Path) -> None:
    """Model events have no status to ask for: a later version that the rule does not match supersedes this one."""
    tagged = "data.modelTags.stage StringIn candidate"
    world = World(rules(rule("ring", on="ModelRegistered", when=tagged, still_after="2d")), tmp_path)
    world.receive(model_event("e1", 0, model_tags={"stage": "candidate"}, model_version="7"))
    world.receive(model_event("e2", 60, model_tags={"stage": "production"}, model_version="8"))
    world.receive(model_event("e3", 0, model_tags={"stage": "candidate"}, model_name="other"))
    world.run()
    assert acted_on(world) == ["e3"]


def test_hold_of_weeks_survives_the_loss_of_its_message(tmp_path: Path, says: Says) -> None:
    """Messages are visible after six days at the latest; the action is not called before its time."""
    asked, world = says("Queued"), waiting(tmp_path, "30d")
    world.receive(run_event("e1", "Queued", 0))
    world.step()
    world.queue.messages.clear()
    world.clock.time = NOW + timedelta(days=30, minutes=15)
    sweep(world.app)
    world.run()
    assert acted_on(world) == ["e1"]
    assert asked == ["r1"]


def test_time_counts_from_the_event_unless_it_is_in_the_future(tmp_path: Path, says: Says) -> None:
    """An event that is delivered late, or replayed, waits for the rest only."""
    says("Queued")
    world = waiting(tmp_path, "1h")
    world.receive(run_event("late", "Queued", -7_200), run_event("future", "Queued", 90_000, run="r2"))
    world.step(2)
    assert acted_on(world) == ["late"]
    world.run()
    assert acted_on(world) == ["late", "future"]
    assert world.clock.time == NOW + timedelta(hours=1)


def test_missing_event_that_comes_after_all_is_no_news(tmp_path: Path) -> None:
    """With `expect`, the delay is a grace period: the rule acts if the event is still missing after it."""
    world = world_of(tmp_path, expecting(EXPECTED, still_after="1h"))
    look(world, "2026-11-23T04:35")
    assert len(world.calls) == 1
    assert world.clock.time.isoformat() == "2026-11-23T05:30:00+00:00"
    from dispatch.evidence.deadlines import decide_deadlines

    world.clock.time = world.clock.time.replace(day=24, hour=4, minute=35)
    decide_deadlines(world.app, lambda: True)
    act(world.queue.messages.pop()[1], world.app)
    complete(world, "2026-11-24T05:10")
    world.run()
    assert len(world.calls) == 1
    assert "run-240510 came after all, at 2026-11-24 05:10:00 UTC" in str(world.history("2026-11-24").actions)


def test_explain_says_when_the_rule_acts(tmp_path: Path) -> None:
    world = waiting(tmp_path)
    [ring] = world.loaded.by_name.values()
    context = world.loaded.context(run_event("e1", "Queued", 0))
    [early] = standings_now(ring, context, [], world.app)
    assert early == ("still_after", "acts at 2026-11-22 21:00:00 UTC, if the state has not changed by then", True)
    world.clock.forward(days=1)
    [late] = standings_now(ring, context, [], world.app)
    assert late.text.startswith("12h have passed since 2026-11-22 21:00:00 UTC")
    assert not late.stops


def test_status_is_asked_of_run_history(monkeypatch: pytest.MonkeyPatch) -> None:
    from handlers.azure.ml import run_history, workspace

    monkeypatch.setattr(workspace, "connect", lambda workspace: workspace)
    monkeypatch.setattr(run_history, "status_of", lambda azureml, name: f"{azureml.name} {name}")
    assert still_after.run_status(run_event("e1", "Queued", 0)) == "churn-prod r1"


def test_error_of_a_permission_is_not_transient() -> None:
    def response(status: int) -> HttpResponseError:
        error = HttpResponseError("no")
        error.status_code = status
        return error

    transient = [
        status for status in (401, 403, 404, 429, 500, 503) if still_after._is_transient(response(status), NOW)
    ]
    assert transient == [429, 500, 503]
