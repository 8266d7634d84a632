"""Job files of every kind start the job that azure-ai-ml itself starts, and run to their end."""

import copy
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from handlers.base import Action
from handlers.lineage import EVENT_TAG, RULE_TAG, lineage_of
from handlers.pipeline.handler import Pipeline
from schemas import RunCompleted, parse_event
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.job_kinds import KINDS, write
from tests.handlers.pipeline.site import PROD, QUIET

pytestmark = QUIET


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The folder of the rules of `make`."""
    return tmp_path / "rules/jobs"


def requests(azure: Azure) -> list[dict[str, Any]]:
    """The bodies of the requests that started jobs."""
    puts = [call for call in azure.calls.all if call.target.startswith("PUT jobs/")]
    return [copy.deepcopy(call.body) for call in puts]


def sent_by_azure_ai_ml(azure: Azure, file: Path) -> dict[str, Any]:
    """The properties in the request of azure-ai-ml's own client for a job file."""
    from azure.ai.ml import MLClient, load_job

    _, _, subscription, _, group, _, _, _, name = PROD.split("/")
    client = MLClient(azure.credential(), subscription, group, name, **azure.client_options)
    client.jobs.create_or_update(load_job(file, params_override=[{"name": "theirs"}]))
    properties: dict[str, Any] = requests(azure)[-1]["properties"]
    return properties


@pytest.mark.parametrize("kind", KINDS)
def test_request_is_that_of_azure_ai_ml_beside_tags_and_experiment(
    kind: str, make: MakeSite, azure: Azure, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    file = write(rules, kind)
    site = make(job=f"jobs/{file.name}")
    site.handle()
    assert site.action.status == "succeeded", site.outcome
    ours = requests(azure)[-1]["properties"]
    theirs = sent_by_azure_ai_ml(azure, file)
    assert ours["tags"].items() >= {RULE_TAG: "retrain", EVENT_TAG: "e1", **theirs["tags"]}.items()
    named = "experiment_name" in KINDS[kind]
    assert (ours["experimentName"], ours["displayName"]) == (
        (theirs["experimentName"], theirs["displayName"]) if named else ("retrain", azure.jobs.all[0]["name"])
    )
    for properties in (ours, theirs):
        for name in ("tags", "experimentName", "displayName"):
            properties.pop(name, None)
    assert ours == theirs


@pytest.mark.parametrize("kind", KINDS)
def test_job_is_followed_to_its_end_with_its_outputs(kind: str, make: MakeSite, azure: Azure, rules: Path) -> None:
    write(rules, kind)
    azure.jobs.set_duration(60)
    site = make(job=f"jobs/{kind}.yml", wait=True)
    site.handle()
    status, note = site.outcome
    assert (status, note) == ("succeeded", f"the job {site.azure.jobs.all[0]['name']} has completed in churn-prod")
    outputs = {name for name in site.action.details if name.startswith("output_")}
    assert outputs == {f"output_{name}" for name in site.job.get("outputs") or {}}
    assert outputs if "outputs:" in KINDS[kind] else not outputs


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_response_starts_no_second_job(kind: str, make: MakeSite, azure: Azure, rules: Path) -> None:
    write(rules, kind)
    azure.faults.close_after(match="PUT jobs/*")
    site = make(job=f"jobs/{kind}.yml")
    site.handle()
    assert site.run_until_ended().status == "succeeded"
    assert len(azure.jobs.all) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_rule_ignores_the_events_of_its_own_job(kind: str, make: MakeSite, azure: Azure, rules: Path) -> None:
    write(rules, kind)
    site = make(job=f"jobs/{kind}.yml", rule="on: [RunCompleted, RunStatusChanged]")
    site.handle()
    azure.jobs.end(azure.jobs.all[0]["name"])
    events = azure.events.all
    assert {event["eventType"].rpartition(".")[2] for event in events} == {"RunCompleted", "RunStatusChanged"}
    for event in events:
        site.handle(parse_event(event))
    assert (len(azure.jobs.all), len(site.actions)) == (1, 1)


@pytest.mark.parametrize("suffix", ["_0", "_12", "_setup", "_model_explain_BestRun"])
def test_trials_of_a_job_have_its_lineage(suffix: str) -> None:
    """Sweeps and AutoML name their child runs after the job."""
    action = Action(rule="retrain")
    event = RunCompleted.example(run_id=f"{action.job_name}{suffix}", run_tags={}, run_properties={})
    found = lineage_of(event)
    assert found
    assert found.depth == 1


@pytest.mark.parametrize("kind", KINDS)
def test_check_has_no_findings(kind: str, rules: Path) -> None:
    file = write(rules, kind)
    handler = Pipeline.model_validate({"job": file.name}, context={"folders": (rules, rules)})
    assert list(handler.findings()) == []
