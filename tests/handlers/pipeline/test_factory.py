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
from tests.handlers.pipeline.site import FACTORY, Site

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
    """A factory with a pipeline that declares our key, and with one that does not."""
    azure.factories.add("adf-churn", {"copy-and-train": DECLARED, "copy": {}, "clean up": {}})


def runs(site: Site) -> list[dict[str, Any]]:
    return site.azure.factories.runs("adf-churn")


def searches(site: Site) -> int:
    """How often there was a call that searched for a run that may have been started."""
    notes = [moment.note for record in site.actions.values() for moment in record.timeline if moment.note]
    return sum("was not found" in note or note.startswith(("search", "start: done")) for note in notes)


def test_a_run_is_started_with_the_action_s_key(make: MakeSite) -> None:
    site = make(**KEYED)
    site.tell()
    [run] = runs(site)
    assert site.end == ("succeeded", f"the run {run['runId']} was started in adf-churn")
    assert run["parameters"]["mlevents_key"].startswith("mle-1-")
    assert site.action.details == {
        "run": run["runId"],
        "where": "adf-churn",
        "pipeline": "copy-and-train",
        "link": f"https://adf.azure.com/en/monitoring/pipelineruns/{run['runId']}?factory={quote(FACTORY, safe='')}",
    }


def test_a_pipeline_that_declares_no_key_gets_none(make: MakeSite) -> None:
    """The factory would refuse the run. A pipeline's name may have a space."""
    site = make(**KEYED | {"pipeline": "clean up"})
    site.tell()
    assert site.end[0] == "succeeded"
    assert runs(site)[0]["parameters"] == {}


def test_parameters_are_templates_of_the_declared_types(make: MakeSite) -> None:
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
    site.tell(event)
    assert site.end[0] == "succeeded", site.end
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


def test_lists_and_mappings_are_what_yaml_says(make: MakeSite) -> None:
    """With templates in them. A number is a text where a text is declared."""
    parameters = {
        "tables": ["a", "{{ data.runId }}", 1],
        "options": {"deep": {"of": "{{ data.runId }}", "n": None}},
        "reason": 5,
        "rows": 5.0,
    }
    site = make(**KEYED, parameters=parameters)
    site.tell()
    assert site.end[0] == "succeeded", site.end
    [call] = site.azure.calls.matching(START)
    del call.body["mlevents_key"]
    assert call.body == {
        "tables": ["a", "of-a-person", 1],
        "options": {"deep": {"of": "of-a-person", "n": None}},
        "reason": "5",
        "rows": 5,
    }


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("reason", ["a"], "the parameter 'reason' should be of type String, not '[\"a\"]'"),
        ("rows", 0.5, "the parameter 'rows' should be of type Int, not '0.5'"),
        ("tables", {"a": 1}, "the parameter 'tables' should be of type Array, not '{\"a\": 1}'"),
    ],
)
def test_constants_must_be_of_the_declared_type(name: str, value: Any, says: str, make: MakeSite) -> None:
    site = make(**KEYED, parameters={name: value})
    site.tell()
    assert site.end == ("failed", says)
    assert runs(site) == []


@pytest.mark.parametrize("status", ["Cancelled", "Canceled"])
def test_canceled_has_two_spellings(status: str, make: MakeSite) -> None:
    """Data Factory writes the one, its documents the other: either is the end."""
    site = make(**KEYED, wait=True)

    def end(_: object) -> None:
        for run in site.azure.state.factory_runs:
            run.status = status

    site.azure.calls.before(end)
    site.tell()
    assert site.end[0] == "failed"
    assert " was canceled: " in site.end[1]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("rows", "many", "the parameter 'rows' should be of type Int, not 'many'"),
        ("rows", "true", "the parameter 'rows' should be of type Int, not 'true'"),
        ("tables", '{"a": 1}', "the parameter 'tables' should be of type Array, not '{\"a\": 1}'"),
        ("other", "x", "the pipeline copy-and-train has no parameter 'other'; it has mlevents_key, reason, rows"),
    ],
)
def test_what_the_pipeline_does_not_take_is_said(name: str, text: str, says: str, make: MakeSite) -> None:
    site = make(**KEYED, parameters={name: "{{ data.runTags.text }}"})
    site.tell(RunCompleted.example(run_id="r", run_tags={"text": text}))
    assert site.end[0] == "failed"
    assert site.end[1].startswith(says)
    assert runs(site) == []


def test_a_pipeline_that_is_not_there_may_come_yet(make: MakeSite) -> None:
    site = make(**KEYED | {"pipeline": "other"})
    site.tell()
    assert "The Resource 'Microsoft.DataFactory/factories/pipelines/adf-churn/other'" in site.end[1]
    assert timedelta(minutes=30) <= site.took < timedelta(hours=2)


def test_a_pipeline_that_comes_meanwhile_gets_its_key(make: MakeSite) -> None:
    """What it declares is asked for again when it is tried again."""
    site = make(**KEYED)
    site.azure.faults.fail(f"* {FACTORY}/pipelines/*", status=404, code="NotFound", times=4)
    site.tell()
    assert site.end[0] == "succeeded"
    assert runs(site)[0]["parameters"]["mlevents_key"]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_to_start_a_run_the_pipeline_need_not_be_read(status: int, make: MakeSite) -> None:
    """An identity may only be allowed to start runs: parameters are given as the rule has them, without our key."""
    site = make(**KEYED, parameters={"reason": "{{ data.runId }}", "rows": 5, "full": True, "rate": 0.5})
    site.azure.faults.fail(f"GET {FACTORY}/pipelines/*", status=status, code="AuthorizationFailed", times=None)
    site.tell()
    assert site.end[0] == "succeeded"
    [call] = site.azure.calls.matching(START)
    assert call.body == {"reason": "of-a-person", "rows": 5, "full": True, "rate": 0.5}


def test_what_was_known_when_it_was_asked_for_decides(make: MakeSite) -> None:
    """Without our key, our run is not known by it, even if the pipeline may be read by then."""
    site = make(**KEYED)
    site.azure.faults.fail(f"GET {FACTORY}/pipelines/*", status=403, code="AuthorizationFailed", times=1)
    site.azure.faults.close_after(1, START)
    site.tell()
    assert site.end[0] == "failed"
    assert site.end[1].startswith("unsure whether the run was started in adf-churn: ")
    assert len(runs(site)) == 1


def test_a_start_is_one_call(make: MakeSite) -> None:
    site = make(**KEYED)
    site.tell()
    assert [call.target.rpartition("/")[2] for call in site.azure.calls.all] == ["copy-and-train", "createRun"]


def test_the_factory_is_what_is_busy(make: MakeSite) -> None:
    site = make(**KEYED)
    site.azure.faults.fail(START, status=429, code="TooManyRequests", headers={"Retry-After": "1800"})
    site.tell()
    assert site.end[0] == "succeeded"
    assert site.took >= timedelta(minutes=30)
    assert len(runs(site)) == 1


@pytest.mark.parametrize("settings", [KEYED, PLAIN], ids=["keyed", "keyless"])
def test_messages_may_be_late_and_other_runs_begin_meanwhile(settings: dict[str, str], make: MakeSite) -> None:
    """Between two calls of an action there may be hundreds of others: that is no reason to believe one has died."""
    site = make(**settings)
    for n in range(2):
        site.world.receive(RunCompleted.example(id=f"late-{n}", run_id="r", run_tags={}, run_properties={}))
    while messages := site.world.queue.messages:
        _, text = min(messages, key=lambda message: message[0])
        messages.remove(min(messages, key=lambda message: message[0]))
        site.world.clock.forward(seconds=36)
        act(text, site.world.app)
    assert {record.status for record in site.actions.values()} == {"succeeded"}
    assert len(runs(site)) == len(site.azure.calls.matching(START)) == 2
    assert searches(site) == 0


@pytest.mark.parametrize("settings", [KEYED, PLAIN], ids=["keyed", "keyless"])
def test_a_pause_starts_nothing_so_that_nothing_is_searched_for(settings: dict[str, str], make: MakeSite) -> None:
    """Whoever else starts runs of the pipeline meanwhile."""
    site = make(**settings)
    site.azure.faults.fail(START, status=429, code="TooManyRequests")
    site.world.receive(*(RunCompleted.example(id=id, run_id="r", run_tags={}, run_properties={}) for id in ("a", "b")))
    site.world.run()
    assert {record.status for record in site.actions.values()} == {"succeeded"}
    assert len(runs(site)) == 2
    assert searches(site) == 0


def test_what_a_gateway_says_is_not_what_the_factory_did(make: MakeSite) -> None:
    """503 may hide a run that was started: it is searched for."""
    site = make(**KEYED)
    site.azure.faults.fail(START, status=503, code="ServiceUnavailable")
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(runs(site)) == 1
    assert len(site.azure.calls.matching(QUERY)) == 2


class TestWaiting:
    """`wait: true` follows the run."""

    def test_a_run_that_succeeds_is_success(self, make: MakeSite) -> None:
        site = make(**KEYED, wait=True)
        site.azure.jobs.set_duration(3_600)
        site.tell()
        [run] = runs(site)
        assert site.end == ("succeeded", f"the run {run['runId']} has completed in adf-churn")
        assert site.action.details["status"] == "Succeeded"
        assert site.took >= timedelta(hours=1)

    def test_a_run_that_fails_is_a_failure_with_the_factory_s_words(self, make: MakeSite) -> None:
        site = make(**KEYED, wait=True)
        site.azure.jobs.fail("copy-and-train", "Operation on target Copy failed: the table is not there.")
        site.tell()
        [run] = runs(site)
        assert site.end[0] == "failed"
        why = "Operation on target Copy failed: the table is not there."
        assert site.end[1].startswith(f"the run {run['runId']} failed: {why} https://adf.azure.com/")

    def test_a_timeout_cancels_the_run_if_asked_to(self, make: MakeSite) -> None:
        """And what it has started."""
        site = make(**KEYED, wait=True, timeout="1h", cancel_on_timeout=True)
        site.azure.jobs.set_duration(5_400)
        site.tell()
        assert "was canceled: it did not end within 1h." in site.end[1]
        [call] = site.azure.calls.matching(f"POST {FACTORY}/pipelineruns/*/cancel")
        assert call.query["isrecursive"] == "true"

    def test_a_timeout_leaves_the_run_alone(self, make: MakeSite) -> None:
        site = make(**KEYED, wait=True, timeout="1h")
        site.azure.jobs.set_duration(None)
        site.tell()
        assert "did not end within 1h, and is still running" in site.end[1]
        assert runs(site)[0]["status"] == "InProgress"


class TestWhenItIsNotKnownWhetherItWasStarted:
    """The factory knows no key, so that what was started is searched for."""

    @pytest.mark.parametrize("unlisted", [0, 1])
    def test_a_run_is_found_by_its_key(self, unlisted: int, make: MakeSite) -> None:
        """Perhaps not at once: a new run is not listed immediately."""
        site = make(**KEYED)
        site.azure.factories.hide_new_runs(unlisted)
        site.azure.faults.close_after(1, START)
        site.tell()
        [run] = runs(site)
        assert site.end == ("succeeded", f"the run {run['runId']} was started in adf-churn")
        assert len(site.azure.calls.matching(QUERY)) == 1 + unlisted

    def test_what_is_not_to_be_seen_twice_was_not_started(self, make: MakeSite) -> None:
        site = make(**KEYED)
        site.azure.faults.close_before(1, START)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(runs(site)) == 1
        assert site.took >= timedelta(minutes=2)

    def test_other_runs_are_not_ours(self, make: MakeSite, azure: Azure) -> None:
        """Those of others, on as many pages as they are."""
        first = make(**KEYED)
        for n in range(7):
            first.tell(RunCompleted.example(id=f"other-{n}", run_id="r", run_tags={}, run_properties={}))
        azure.state.page = 3
        azure.faults.close_before(1, START)
        first.tell()
        assert len(runs(first)) == 8
        assert len(azure.calls.matching(QUERY)) == 6
        [asked, *_] = [call.body for call in azure.calls.matching(QUERY)]
        assert asked["filters"] == [{"operand": "PipelineName", "operator": "Equals", "values": ["copy-and-train"]}]

    def test_without_a_key_any_run_may_be_ours(self, make: MakeSite) -> None:
        site = make(**PLAIN)
        site.azure.faults.close_after(1, START)
        site.tell()
        [run] = runs(site)
        status, note = site.end
        assert status == "failed"
        assert note.startswith("unsure whether the run was started in adf-churn: ")
        assert run["runId"] in note

    def test_without_a_key_none_was_started_if_there_is_none(self, make: MakeSite) -> None:
        site = make(**PLAIN)
        site.azure.faults.close_before(1, START)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(runs(site)) == 1

    def test_what_was_there_before_is_not_ours(self, make: MakeSite) -> None:
        """However shortly before."""
        site = make(**PLAIN)
        site.tell(RunCompleted.example(id="other", run_id="r", run_tags={}, run_properties={}))
        site.azure.faults.close_before(1, START)
        site.tell()
        assert site.actions["e1"].status == "succeeded"
        assert len(runs(site)) == 2

    @pytest.mark.parametrize("at_least_once", [False, True])
    @pytest.mark.parametrize("status", [403, 405])
    def test_runs_that_may_not_be_listed(self, status: int, at_least_once: bool, make: MakeSite) -> None:
        """To start them is all that the identity may."""
        site = make(**PLAIN, at_least_once=at_least_once)
        site.azure.faults.fail(QUERY, status=status, code="AuthorizationFailed", message="No role.", times=None)
        site.azure.faults.close_before(1, START)
        site.tell()
        assert site.end[0] == ("succeeded" if at_least_once else "failed"), site.end
        assert at_least_once or f"the runs cannot be listed (HTTP {status}: " in site.end[1]
        assert len(runs(site)) == at_least_once
        assert timedelta(minutes=30) <= site.took < timedelta(hours=1)

    def test_at_least_once_starts_another(self, make: MakeSite) -> None:
        site = make(**PLAIN, at_least_once=True)
        site.azure.faults.close_after(1, START)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(runs(site)) == 2

    def test_too_many_runs_are_not_looked_through(self, make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("handlers.azure.data_factory._MOST_PAGES", 1)
        site = make(**KEYED)
        for n in range(3):
            site.tell(RunCompleted.example(id=f"other-{n}", run_id="r", run_tags={}, run_properties={}))
        site.azure.state.page = 2
        site.azure.faults.close_before(1, START)
        site.tell()
        record = site.actions["e1"]
        assert record.status == "failed"
        assert "there are too many runs to search" in record.note
