"""Runs of Data Factory pipelines."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from dispatch.act import act
from emulator import Azure
from schemas import RunCompleted, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import FACTORY, Site, run_completed

START = f"POST {FACTORY}/pipelines/*/createRun"
QUERY = f"POST {FACTORY}/queryPipelineRuns"
KEYED = {"data_factory": FACTORY, "pipeline": "copy-and-train"}
PLAIN = {"data_factory": FACTORY, "pipeline": "copy"}
DECLARED = {
    "mlevents_key": {"type": "String", "defaultValue": ""},
    "reason": {"type": "String", "defaultValue": ""},
    "rows": {"type": "Int", "defaultValue": 10},
    "rate": {"type": "Float", "defaultValue": 0.1},
    "full": {"type": "Bool", "defaultValue": False},
    "tables": {"type": "Array", "defaultValue": []},
    "options": {"type": "Object", "defaultValue": {}},
}


@pytest.fixture(autouse=True)
def factory(azure: Azure) -> None:
    """A factory with a pipeline that declares `mlevents_key`, and others that do not."""
    azure.factories.add("adf-churn", {"copy-and-train": DECLARED, "copy": {}, "clean up": {}})


def runs(site: Site) -> list[dict[str, Any]]:
    return site.azure.factories.runs("adf-churn")


def searches(site: Site) -> int:
    """The number of calls that searched for a run."""
    notes = [moment.note for record in site.actions.values() for moment in record.timeline if moment.note]
    return sum("was not found" in note or note.startswith(("search", "start: done")) for note in notes)


def test_run_gets_the_job_name_as_mlevents_key(make: MakeSite) -> None:
    site = make(**KEYED)
    site.handle()
    [run] = runs(site)
    assert site.outcome == ("succeeded", f"the run {run['runId']} was started in adf-churn")
    assert run["parameters"]["mlevents_key"].startswith("mle-1-")
    assert site.action.details == {
        "run": run["runId"],
        "where": "adf-churn",
        "pipeline": "copy-and-train",
        "link": f"https://adf.azure.com/en/monitoring/pipelineruns/{run['runId']}?factory={quote(FACTORY, safe='')}",
    }


def test_pipeline_that_declares_no_key_gets_none(make: MakeSite) -> None:
    """The factory would reject the request. The name of a pipeline may contain a space."""
    site = make(**KEYED | {"pipeline": "clean up"})
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert runs(site)[0]["parameters"] == {}


def test_rendered_parameters_are_converted_to_the_declared_types(make: MakeSite) -> None:
    parameters = {
        "reason": "{{ drift.message }}",
        "rows": "{{ drift.violations | length }}",
        "rate": 0.5,
        "full": "{{ drift.signal == 'churn_monitor_data_drift' }}",
        "tables": "{{ drift.violations | map(attribute='feature') | list | tojson }}",
        "options": '{"deep": {"a": 1}}',
    }
    site = make(rule="on: DriftDetected", **KEYED, parameters=parameters)
    event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    site.handle(event)
    assert site.outcome[0] == "succeeded", site.outcome
    [call] = site.azure.calls.matching(START)
    del call.body["mlevents_key"]
    assert call.body == {
        "reason": event.view()["drift"]["message"],
        "rows": 2,
        "rate": 0.5,
        "full": True,
        "tables": ["monthly_charges", "contract_type"],
        "options": {"deep": {"a": 1}},
    }


def test_lists_and_mappings_may_contain_templates(make: MakeSite) -> None:
    """A number becomes a text if the pipeline declares a String."""
    parameters = {
        "tables": ["a", "{{ data.runId }}", 1],
        "options": {"deep": {"of": "{{ data.runId }}", "n": None}},
        "reason": 5,
        "rows": 5.0,
    }
    site = make(**KEYED, parameters=parameters)
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    [call] = site.azure.calls.matching(START)
    del call.body["mlevents_key"]
    assert call.body == {
        "tables": ["a", "of-a-person", 1],
        "options": {"deep": {"of": "of-a-person", "n": None}},
        "reason": "5",
        "rows": 5,
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("reason", ["a"], "the parameter 'reason' should be of type String, not '[\"a\"]'"),
        ("rows", 0.5, "the parameter 'rows' should be of type Int, not '0.5'"),
        ("tables", {"a": 1}, "the parameter 'tables' should be of type Array, not '{\"a\": 1}'"),
    ],
)
def test_constant_of_another_type_fails_the_action(name: str, value: Any, message: str, make: MakeSite) -> None:
    site = make(**KEYED, parameters={name: value})
    site.handle()
    assert site.outcome == ("failed", message)
    assert runs(site) == []


@pytest.mark.parametrize("status", ["Cancelled", "Canceled"])
def test_both_spellings_of_canceled_end_the_run(status: str, make: MakeSite) -> None:
    """Data Factory sends one, and its documentation has the other."""
    site = make(**KEYED, wait=True)

    def end_runs(_: object) -> None:
        for run in site.azure.state.factory_runs:
            run.status = status

    site.azure.calls.before(end_runs)
    site.handle()
    assert site.outcome[0] == "failed"
    assert " was canceled: " in site.outcome[1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows", "many", "the parameter 'rows' should be of type Int, not 'many'"),
        ("rows", "true", "the parameter 'rows' should be of type Int, not 'true'"),
        ("tables", '{"a": 1}', "the parameter 'tables' should be of type Array, not '{\"a\": 1}'"),
        ("other", "x", "the pipeline copy-and-train has no parameter 'other'; it has mlevents_key, reason, rows"),
    ],
)
def test_invalid_parameter_fails_the_action(name: str, text: str, message: str, make: MakeSite) -> None:
    site = make(**KEYED, parameters={name: "{{ data.runTags.text }}"})
    site.handle(RunCompleted.example(run_id="r", run_tags={"text": text}))
    assert site.outcome[0] == "failed"
    assert site.outcome[1].startswith(message)
    assert runs(site) == []


def test_missing_pipeline_is_retried_for_half_an_hour(make: MakeSite) -> None:
    site = make(**KEYED | {"pipeline": "other"})
    site.handle()
    assert "The Resource 'Microsoft.DataFactory/factories/pipelines/adf-churn/other'" in site.outcome[1]
    assert timedelta(minutes=30) <= site.elapsed < timedelta(hours=2)


def test_declared_parameters_are_read_again_after_a_404(make: MakeSite) -> None:
    site = make(**KEYED)
    site.azure.faults.fail(f"* {FACTORY}/pipelines/*", status=404, code="NotFound", times=4)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert runs(site)[0]["parameters"]["mlevents_key"]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_run_starts_without_permission_to_read_the_pipeline(status: int, make: MakeSite) -> None:
    """The parameters are passed as the rule has them, without the key."""
    site = make(**KEYED, parameters={"reason": "{{ data.runId }}", "rows": 5, "full": True, "rate": 0.5})
    site.azure.faults.fail(f"GET {FACTORY}/pipelines/*", status=status, code="AuthorizationFailed", times=None)
    site.handle()
    assert site.outcome[0] == "succeeded"
    [call] = site.azure.calls.matching(START)
    assert call.body == {"reason": "of-a-person", "rows": 5, "full": True, "rate": 0.5}


def test_run_without_a_key_is_no_match_even_if_the_pipeline_can_be_read_later(make: MakeSite) -> None:
    site = make(**KEYED)
    site.azure.faults.fail(f"GET {FACTORY}/pipelines/*", status=403, code="AuthorizationFailed", times=1)
    site.azure.faults.close_after(1, START)
    site.handle()
    assert site.outcome[0] == "failed"
    assert site.outcome[1].startswith("unsure whether the run was started in adf-churn: ")
    assert len(runs(site)) == 1


def test_start_makes_two_requests(make: MakeSite) -> None:
    site = make(**KEYED)
    site.handle()
    assert [call.target.rpartition("/")[2] for call in site.azure.calls.all] == ["copy-and-train", "createRun"]


def test_throttled_factory_makes_the_action_wait(make: MakeSite) -> None:
    site = make(**KEYED)
    site.azure.faults.fail(START, status=429, code="TooManyRequests", headers={"Retry-After": "1800"})
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert site.elapsed >= timedelta(minutes=30)
    assert len(runs(site)) == 1


@pytest.mark.parametrize("settings", [KEYED, PLAIN], ids=["keyed", "keyless"])
def test_late_messages_cause_no_search(settings: dict[str, str], make: MakeSite) -> None:
    site = make(**settings)
    for n in range(2):
        site.world.receive(run_completed(f"late-{n}"))
    while messages := site.world.queue.messages:
        _, text = min(messages, key=lambda message: message[0])
        messages.remove(min(messages, key=lambda message: message[0]))
        site.world.clock.forward(seconds=36)
        act(text, site.world.app)
    assert {record.status for record in site.actions.values()} == {"succeeded"}
    assert len(runs(site)) == len(site.azure.calls.matching(START)) == 2
    assert searches(site) == 0


@pytest.mark.parametrize("settings", [KEYED, PLAIN], ids=["keyed", "keyless"])
def test_throttled_start_causes_no_search(settings: dict[str, str], make: MakeSite) -> None:
    site = make(**settings)
    site.azure.faults.fail(START, status=429, code="TooManyRequests")
    site.world.receive(*(run_completed(id) for id in ("a", "b")))
    site.world.run()
    assert {record.status for record in site.actions.values()} == {"succeeded"}
    assert len(runs(site)) == 2
    assert searches(site) == 0


def test_503_causes_a_search(make: MakeSite) -> None:
    """A gateway may have sent it after the factory started the run."""
    site = make(**KEYED)
    site.azure.faults.fail(START, status=503, code="ServiceUnavailable")
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(runs(site)) == 1
    assert len(site.azure.calls.matching(QUERY)) == 2


class TestFollow:
    """`wait: true` follows the run to its end."""

    def test_completed_run_is_a_success(self, make: MakeSite) -> None:
        site = make(**KEYED, wait=True)
        site.azure.jobs.set_duration(3_600)
        site.handle()
        [run] = runs(site)
        assert site.outcome == ("succeeded", f"the run {run['runId']} has completed in adf-churn")
        assert site.action.details["status"] == "Succeeded"
        assert site.elapsed >= timedelta(hours=1)

    def test_failed_run_fails_the_action_with_the_factory_s_error(self, make: MakeSite) -> None:
        site = make(**KEYED, wait=True)
        site.azure.jobs.fail("copy-and-train", "Operation on target Copy failed: the table is not there.")
        site.handle()
        [run] = runs(site)
        assert site.outcome[0] == "failed"
        error = "Operation on target Copy failed: the table is not there."
        assert site.outcome[1].startswith(f"the run {run['runId']} failed: {error} https://adf.azure.com/")

    def test_timeout_cancels_the_run_and_what_it_started(self, make: MakeSite) -> None:
        site = make(**KEYED, wait=True, timeout="1h", cancel_on_timeout=True)
        site.azure.jobs.set_duration(5_400)
        site.handle()
        assert "was canceled: it did not end within 1h." in site.outcome[1]
        [call] = site.azure.calls.matching(f"POST {FACTORY}/pipelineruns/*/cancel")
        assert call.query["isrecursive"] == "true"

    def test_timeout_without_cancellation_leaves_the_run_running(self, make: MakeSite) -> None:
        site = make(**KEYED, wait=True, timeout="1h")
        site.azure.jobs.set_duration(None)
        site.handle()
        assert "did not end within 1h, and is still running" in site.outcome[1]
        assert runs(site)[0]["status"] == "InProgress"


class TestSearch:
    """The outcome of the start is unknown: the factory's runs are searched."""

    @pytest.mark.parametrize("unlisted", [0, 1])
    def test_run_is_found_by_its_key(self, unlisted: int, make: MakeSite) -> None:
        """A new run may not be listed at once."""
        site = make(**KEYED)
        site.azure.factories.hide_new_runs(unlisted)
        site.azure.faults.close_after(1, START)
        site.handle()
        [run] = runs(site)
        assert site.outcome == ("succeeded", f"the run {run['runId']} was started in adf-churn")
        assert len(site.azure.calls.matching(QUERY)) == 1 + unlisted

    def test_start_is_repeated_after_two_searches_without_a_match(self, make: MakeSite) -> None:
        """The second search comes two minutes after the first."""
        site = make(**KEYED)
        site.azure.faults.close_before(1, START)
        site.handle()
        assert site.outcome[0] == "succeeded"
        assert len(runs(site)) == 1
        assert site.elapsed >= timedelta(minutes=2)

    def test_runs_of_other_actions_are_no_match(self, make: MakeSite, azure: Azure) -> None:
        first = make(**KEYED)
        for n in range(7):
            first.handle(run_completed(f"other-{n}"))
        azure.state.page = 3
        azure.faults.close_before(1, START)
        first.handle()
        assert len(runs(first)) == 8
        assert len(azure.calls.matching(QUERY)) == 6
        [request, *_] = [call.body for call in azure.calls.matching(QUERY)]
        assert request["filters"] == [{"operand": "PipelineName", "operator": "Equals", "values": ["copy-and-train"]}]

    def test_new_run_without_a_key_makes_the_action_unsure(self, make: MakeSite) -> None:
        site = make(**PLAIN)
        site.azure.faults.close_after(1, START)
        site.handle()
        [run] = runs(site)
        status, note = site.outcome
        assert status == "failed"
        assert note.startswith("unsure whether the run was started in adf-churn: ")
        assert run["runId"] in note

    def test_start_without_a_key_is_repeated_if_there_is_no_run(self, make: MakeSite) -> None:
        site = make(**PLAIN)
        site.azure.faults.close_before(1, START)
        site.handle()
        assert site.outcome[0] == "succeeded"
        assert len(runs(site)) == 1

    def test_preexisting_runs_are_no_candidates(self, make: MakeSite) -> None:
        site = make(**PLAIN)
        site.handle(run_completed("other"))
        site.azure.faults.close_before(1, START)
        site.handle()
        assert site.actions["e1"].status == "succeeded"
        assert len(runs(site)) == 2

    @pytest.mark.parametrize("at_least_once", [False, True])
    @pytest.mark.parametrize("status", [403, 405])
    def test_denied_list_is_retried_for_half_an_hour(self, status: int, at_least_once: bool, make: MakeSite) -> None:
        site = make(**PLAIN, at_least_once=at_least_once)
        site.azure.faults.fail(QUERY, status=status, code="AuthorizationFailed", message="No role.", times=None)
        site.azure.faults.close_before(1, START)
        site.handle()
        assert site.outcome[0] == ("succeeded" if at_least_once else "failed"), site.outcome
        assert at_least_once or f"the runs cannot be listed (HTTP {status}: " in site.outcome[1]
        assert len(runs(site)) == at_least_once
        assert timedelta(minutes=30) <= site.elapsed < timedelta(hours=1)

    def test_at_least_once_starts_a_second_run(self, make: MakeSite) -> None:
        site = make(**PLAIN, at_least_once=True)
        site.azure.faults.close_after(1, START)
        site.handle()
        assert site.outcome[0] == "succeeded"
        assert len(runs(site)) == 2

    def test_too_many_runs_make_the_action_unsure(self, make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("handlers.azure.data_factory._MOST_PAGES", 1)
        site = make(**KEYED)
        for n in range(3):
            site.handle(run_completed(f"other-{n}"))
        site.azure.state.page = 2
        site.azure.faults.close_before(1, START)
        site.handle()
        record = site.actions["e1"]
        assert record.status == "failed"
        assert "there are too many runs to search" in record.note


def test_reason_of_a_refused_start_is_said_once(make: MakeSite) -> None:
    """The SDK's error has its code and its message twice."""
    site = make(data_factory=FACTORY, pipeline="no-such-pipeline")
    site.handle()
    status, note = site.outcome
    assert (status, note.count("no-such-pipeline"), note.count("Code:")) == ("failed", 1, 0)
