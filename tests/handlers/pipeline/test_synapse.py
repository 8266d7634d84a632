"""Runs of pipelines of Synapse: what differs from Data Factory, and that the rest does not."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from emulator import Azure
from handlers.azure import cloud, data_factory
from handlers.azure.transport import Transport
from handlers.pipeline.handler import Pipeline
from schemas import RunCompleted
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import EVENT, FACTORY, SYNAPSE, Site
from tests.handlers.pipeline.test_data_factory import DECLARED

START = f"POST /synapse{SYNAPSE}/pipelines/*/createRun"
RULE = {"synapse": SYNAPSE, "pipeline": "copy-and-train"}


@pytest.fixture(autouse=True)
def synapse(azure: Azure) -> None:
    """A workspace with a pipeline that declares `mlevents_key`, and one that does not."""
    azure.factories.add("syn-churn", {"copy-and-train": DECLARED, "copy": {}}, synapse=True)
    azure.factories.add("adf-churn", {"copy-and-train": DECLARED})


def runs(site: Site) -> list[dict[str, Any]]:
    return site.azure.factories.runs(SYNAPSE)


def test_run_is_started_with_its_parameters(make: MakeSite) -> None:
    site = make(**RULE, parameters={"reason": "{{ data.runId }}", "rows": "7", "tables": ["a"]})
    site.handle()
    [run] = runs(site)
    assert site.outcome == ("succeeded", f"the run {run['runId']} was started in syn-churn")
    [call] = site.azure.calls.matching(START)
    assert call.body.pop("mlevents_key").startswith("mle-1-")
    assert call.body == {"reason": "of-a-person", "rows": 7, "tables": ["a"]}
    assert site.action.details == {
        "run": run["runId"],
        "where": "syn-churn",
        "pipeline": "copy-and-train",
        "link": f"https://web.azuresynapse.net/en/monitoring/pipelineruns/{run['runId']}?workspace="
        f"{quote(SYNAPSE, safe='')}",
    }
    assert site.azure.factories.runs(FACTORY) == []


def test_run_is_followed_to_its_end(make: MakeSite) -> None:
    site = make(**RULE, wait=True)
    site.azure.jobs.set_duration(600)
    site.handle()
    assert site.outcome == ("succeeded", f"the run {runs(site)[0]['runId']} has completed in syn-churn")
    assert site.elapsed >= timedelta(minutes=10)


def test_failed_run_fails_the_action_with_its_message(make: MakeSite) -> None:
    site = make(**RULE, wait=True)
    site.azure.jobs.fail(message="the copy failed")
    site.handle()
    assert site.outcome[0] == "failed"
    assert " failed: the copy failed. https://web.azuresynapse.net/" in site.outcome[1]


def test_overdue_run_is_canceled(make: MakeSite) -> None:
    site = make(**RULE, wait=True, timeout="5m", cancel_on_timeout=True)
    site.azure.jobs.set_duration(3600)
    site.handle()
    assert site.outcome[0] == "failed"
    assert "did not end within 5m" in site.outcome[1]
    assert runs(site)[0]["status"] == "Cancelled"


def test_lost_response_is_searched_for(make: MakeSite) -> None:
    site = make(**RULE)
    site.azure.faults.close_after(1, START)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(runs(site)) == len(site.azure.calls.matching(START)) == 1
    assert site.azure.calls.matching(f"POST /synapse{SYNAPSE}/queryPipelineRuns")


def test_keyless_run_is_unsure_after_a_lost_response(make: MakeSite) -> None:
    site = make(**RULE | {"pipeline": "copy"})
    site.azure.faults.close_after(1, START)
    site.handle()
    assert site.outcome[0] == "failed"
    assert site.outcome[1].startswith("unsure whether the run was started in syn-churn: ")


def test_missing_role_is_retried_for_half_an_hour(make: MakeSite) -> None:
    site = make(**RULE)
    site.azure.faults.fail(START, status=403, code="Unauthorized", times=None)
    site.handle()
    assert site.outcome[0] == "failed"
    assert timedelta(minutes=30) <= site.elapsed < timedelta(hours=2)


def test_plan_and_destination_name_the_workspace() -> None:
    handler = Pipeline.model_validate(RULE | {"parameters": {"rows": 5, "reason": "{{ '' }}"}})
    assert handler.plan(EVENT) == "start pipeline copy-and-train in syn-churn with rows=5"
    assert handler.destination(EVENT) == SYNAPSE.casefold()


@pytest.mark.parametrize("owner", ["data_factory", "synapse"])
def test_pipeline_may_depend_on_the_event(owner: str, make: MakeSite) -> None:
    rule = {owner: SYNAPSE if owner == "synapse" else FACTORY, "allowed_pipelines": ["copy-*", "other"]}
    site = make(**rule, pipeline=" {{ data.runTags.job | default('copy') }}-and-train ")
    site.handle(RunCompleted.example(id="e1", run_id="r", run_tags={}))
    assert site.outcome[0] == "succeeded", site.outcome
    assert site.action.details["pipeline"] == "copy-and-train"
    for name, reason in (
        ("drop", "pipeline: the pipeline 'drop-and-train' is not one of allowed_pipelines: copy-*, other"),
        ("../x", "pipeline: '../x-and-train' cannot be the name of a pipeline"),
    ):
        site.handle(RunCompleted.example(id=name, run_id="r", run_tags={"job": name}))
        record = site.actions[name]
        assert (record.status, record.note) == ("failed", reason)


def test_pipeline_of_a_label_needs_no_list() -> None:
    Pipeline.model_validate({"synapse": SYNAPSE, "pipeline": "{{ workspace.labels.pipeline }}"})


@pytest.mark.parametrize(
    ("arm", "endpoint", "resource"),
    [
        (cloud.PUBLIC, "https://syn-churn.dev.azuresynapse.net", "https://dev.azuresynapse.net"),
        (
            "https://management.usgovcloudapi.net",
            "https://syn-churn.dev.azuresynapse.usgovcloudapi.net",
            "https://dev.azuresynapse.usgovcloudapi.net",
        ),
        (
            "https://management.chinacloudapi.cn",
            "https://syn-churn.dev.azuresynapse.azure.cn",
            "https://dev.azuresynapse.azure.cn",
        ),
    ],
)
def test_each_cloud_has_its_own_host_and_tokens(arm: str, endpoint: str, resource: str) -> None:
    assert cloud.synapse_endpoint(arm, SYNAPSE.replace("syn-churn", "Syn-Churn")) == endpoint
    assert cloud.synapse_resource(arm) == resource


def test_resource_manager_s_tokens_are_not_accepted(azure: Azure, make: MakeSite) -> None:
    """The emulator is as strict as the service, so the tests above show that the app asks for the right ones."""
    client = data_factory.client(SYNAPSE, azure.endpoint, azure.credential(), Transport())
    assert client.parameters("copy") == {}
    wrong = type(
        "Wrong", (), {"get_token": lambda *_: azure.credential().get_token("https://management.azure.com/.default")}
    )
    with pytest.raises(Exception, match="wrong audience"):
        data_factory.client(SYNAPSE, azure.endpoint, wrong(), Transport()).parameters("copy")
