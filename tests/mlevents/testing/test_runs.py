"""Runs of a handler and of rules: to the end of each action, without pauses."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, Result, RetryLater, Skipped, Succeeded
from handlers.log import Log
from handlers.template import Template
from mlevents.testing import Ended, run_handler, run_rules, runs
from schemas import Event, RunStatusChanged

EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Job(Handler[Event]):
    """Starts, is polled for an hour, and then ends."""

    fails: int = 0

    def run(self, event: Event, action: Action) -> Outcome:
        if not action.state:
            return CheckBack(HOUR, {"job": "j1"}, "started")
        if action.failures < self.fails:
            raise RetryLater("busy", 7 * MINUTE)
        return Succeeded(f"{action.state['job']} ended", {"interrupted": action.interrupted})

    def lock(self, event: Event) -> str:
        return "the endpoint"

    def destination(self, event: Event) -> str:
        return "the service"


class Raising(Handler[Event]):
    """Raises an error."""

    kind: str = "give up"

    def run(self, event: Event, action: Action) -> Outcome:
        match self.kind:
            case "never ends":
                return CheckBack(MINUTE)
            case "throttled":
                raise RetryLater("429", HOUR, throttled=True)
            case "defect":
                raise TypeError("no")
        raise GiveUp("broken")


class Following(Handler[Event]):
    """Sums up the result that it follows."""

    def run(self, event: Event, action: Action) -> Outcome:
        assert action.result
        return Succeeded(f"{action.result.rule} {action.result.status}: {action.result.summary}")


def test_a_handler_is_called_until_its_action_ends() -> None:
    ended = run_handler(Job(fails=2), EVENT)
    assert (ended.rule, ended.event, ended.status, ended.note) == ("a-rule", EVENT.id, "succeeded", "j1 ended")
    assert ended.details == {"interrupted": "false"}
    assert [type(call.result) for call in ended.calls] == [CheckBack, RetryLater, RetryLater, Succeeded]
    assert ended.delays[0] == HOUR
    assert all(delay >= 7 * MINUTE for delay in ended.delays[1:])
    assert ended.notes == ("started", "busy", "busy", "j1 ended")
    assert len({call.action.key for call in ended.calls}) == 1


def test_a_worker_dies_after_a_call() -> None:
    ended = run_handler(Job(), EVENT, dies_after={1, 3})
    assert [call.died for call in ended.calls] == [True, False, True, False]
    assert [call.action.interrupted for call in ended.calls] == [False, True, False, True]
    assert [bool(call.action.state) for call in ended.calls] == [False, False, True, True]
    assert ended.status == "succeeded"


def test_a_worker_dies_after_a_call_that_raises() -> None:
    ended = run_handler(Raising(), EVENT, dies_after={1})
    assert [call.died for call in ended.calls] == [True, False]
    assert (ended.status, ended.note) == ("failed", "broken")


def test_an_error_is_kept_with_what_the_app_makes_of_it() -> None:
    ended = run_handler(Raising(kind="defect"), EVENT)
    assert ended.status == "failed"
    assert "an error in code at tests/mlevents/testing/test_runs.py" in ended.note
    assert {type(call.error) for call in ended.calls} == {TypeError}
    assert all(isinstance(call.result, RetryLater) for call in ended.calls)


def test_an_action_that_does_not_end_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MOST", 30)
    with pytest.raises(AssertionError, match="a-rule has not ended after 30 messages"):
        run_handler(Raising(kind="never ends"), EVENT)


def test_an_action_that_is_throttled_for_a_week_ends() -> None:
    ended = run_handler(Raising(kind="throttled"), EVENT)
    assert (ended.status, len(ended.calls) > 100) == ("failed", True)
    assert "throttled" in ended.note


@pytest.mark.parametrize("status", ["succeeded", "skipped", "failed"])
def test_a_handler_follows_a_result(status: str) -> None:
    result = Result("deploy", status, "v8 at 100 %", {"traffic": "100"})
    ended = run_handler(Following(), EVENT, result=result)
    assert ended.note == f"deploy {status}: v8 at 100 %"
    assert len(run_handler(Job(), EVENT, result=result, dies_after={1}).calls) == 3


def test_settings_are_in_the_environment_during_the_run() -> None:
    class Reads(Handler[Event]):
        def run(self, event: Event, action: Action) -> Outcome:
            return Skipped(os.environ["ACME_NAME"])

    assert run_handler(Reads(), EVENT, settings={"ACME_NAME": "kiwi"}).note == "kiwi"
    assert "ACME_NAME" not in os.environ


def test_templates_read_the_workspace() -> None:
    ended = run_handler(Log(message=Template("{{ workspace.name }} {{ workspace.labels.env }}")), EVENT)
    assert ended.note == f"{EVENT.resource.name} prod"


RULES = f"""
rules:
  - name: first
    on: RunStatusChanged
    when: [data.runStatus StringIn Failed]
    do: log
    with: {{ message: "${{RULES_WORD}} {{{{ data.runId }}}}" }}
  - name: job
    on: RunStatusChanged
    latest_only: true
    do: {__name__}:Job
  - name: then
    after: {{ rules: first }}
    do: {__name__}:Following
"""
SETTINGS = {"RULES_WORD": "bravo"}


def by_rule(ended: list[Ended]) -> dict[str, Any]:
    return {each.rule: (each.status, each.note) for each in ended}


def test_rules_run_on_an_event() -> None:
    ended = run_rules(RULES, EVENT, settings=SETTINGS)
    assert by_rule(ended) == {
        "first": ("succeeded", "bravo brave_kiwi"),
        "job": ("succeeded", "j1 ended"),
        "then": ("succeeded", "first succeeded: bravo brave_kiwi"),
    }


def test_only_some_rules_run() -> None:
    assert set(by_rule(run_rules(RULES, EVENT, settings=SETTINGS, only={"job"}))) == {"job"}


def test_a_name_that_no_rule_has_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no rule jop; there is first, job, then"):
        run_rules(RULES, EVENT, settings=SETTINGS, only={"jop"})


def test_the_name_of_a_folder_is_no_text() -> None:
    with pytest.raises(ValueError, match=r"for a folder, write Path\('rules'\)"):
        run_rules("rules", EVENT)


def test_an_event_that_no_rule_selects_has_no_action() -> None:
    assert run_rules(RULES, RunStatusChanged.example(run_status="Completed"), settings=SETTINGS, only={"first"}) == []


def test_events_are_received_at_their_times() -> None:
    """The first job is polled after the second event, and goes on: it has started."""
    assert EVENT.event_time
    later = EVENT.event_time + timedelta(minutes=30)
    second = RunStatusChanged.example(id="second", run_id="brave_kiwi", event_time=later)
    ended = run_rules(RULES, second, EVENT, settings=SETTINGS, only={"job"})
    assert [(each.event, each.status) for each in ended] == [(EVENT.id, "succeeded"), ("second", "succeeded")]
    assert ended[0].calls[0].action.now < later < ended[0].calls[1].action.now


def test_a_folder_has_its_own_workspaces(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(RULES)
    (tmp_path / "workspaces.yaml").write_text(f'workspaces: {{ churn: {{ id: "{EVENT.topic}" }} }}')
    assert len(run_rules(tmp_path, EVENT, settings=SETTINGS)) == 3
    other = RunStatusChanged.example(topic=EVENT.topic.replace(EVENT.resource.name, "other"))
    with pytest.raises(ValueError, match=r"is not in workspaces\.yaml"):
        run_rules(tmp_path, other, settings=SETTINGS)


def test_errors_in_the_rules_are_raised() -> None:
    with pytest.raises(ValueError, match=r"rules\.yaml.*RULES_WORD"):
        run_rules(RULES, EVENT)


def test_a_failure_is_reported_by_the_alerts_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(f"rules:\n  - {{ name: a, on: RunStatusChanged, do: {__name__}:Raising }}\n")
    workspaces = f'workspaces: {{ churn: {{ id: "{EVENT.topic}" }} }}\nalerts: {{ do: "{__name__}:Job" }}\n'
    (tmp_path / "workspaces.yaml").write_text(workspaces)
    failed, alert = run_rules(tmp_path, EVENT)
    assert (failed.rule, failed.status) == ("a", "failed")
    assert (alert.status, len(alert.calls)) == ("succeeded", 2)


def test_an_event_without_a_time_is_received_too() -> None:
    assert run_handler(Log(), RunStatusChanged.example(event_time=None)).status == "succeeded"
