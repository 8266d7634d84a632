"""An action starts one job, whatever exists already and whatever fails."""

from datetime import timedelta

import pytest

from emulator import Azure
from emulator.http.call import Call
from schemas import parse_event
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import EVENT, PROD, QUIET

pytestmark = QUIET

JOBS = "PUT jobs/*"


@pytest.fixture
def component(azure: Azure) -> str:
    azure.assets.add_component("retrain", "3", inputs={"rate": "number"}, nodes=["train"])
    return "azureml:retrain:3"


def test_job_of_an_earlier_call_is_found_by_its_name(make: MakeSite, component: str) -> None:
    """The response to the first request was lost. No second one is sent."""
    site = make(job=component, inputs={"rate": "1"}, compute="cpu-cluster")
    site.azure.faults.close_after(1, JOBS)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1
    assert len(site.azure.calls.matching(JOBS)) == 1
    assert site.action.details["run"] == site.azure.jobs.all[0]["name"]
    assert site.action.details["experiment"] == "retrain"


@pytest.mark.parametrize("latest", [False, True])
def test_details_are_the_same_after_a_lost_response(latest: bool, make: MakeSite, component: str) -> None:
    """The job itself says which version its component has: by then, there is a newer one."""
    named = component.replace(":3", "@latest") if latest else component
    tags = {"x" * 5: "y" * 1_001}
    settings = {"job": named, "inputs": {"rate": "1"}, "compute": "cpu-cluster", "tags": tags}
    site = make(**settings)
    site.azure.faults.close_after(1, JOBS)

    def register(call: Call) -> None:
        if call.method == "PUT":
            site.azure.assets.add_component("retrain", "4", inputs={"rate": "number"}, nodes=["train"])

    site.azure.calls.after(register)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.calls.matching(JOBS)) == 1
    details = {name: site.action.details.get(name) for name in ("job", "tags_cut", "experiment")}
    assert details == {"job": "retrain:3", "tags_cut": "xxxxx", "experiment": "retrain"}


def test_job_that_reads_do_not_show_yet_is_not_started_twice(make: MakeSite, component: str) -> None:
    """The service refuses a second job of the same name, so the job is read again."""
    site = make(job=component, compute="cpu-cluster", tags={"now": "{{ data.runId }}"})
    site.azure.faults.close_after(1, JOBS)
    site.azure.faults.fail("GET jobs/*", status=404, code="ResourceNotFound", times=2, after=1)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1
    assert len(site.azure.calls.matching(JOBS)) == 2


def test_name_taken_by_the_action_s_own_job_is_a_success(make: MakeSite, component: str) -> None:
    """The rule changed in the meantime, so the service rejects a different job of that name with HTTP 400."""
    site = make(job=component, compute="cpu-cluster")
    site.azure.assets.add_component("retrain", "4", nodes=["train"])
    site.azure.faults.close_after(1, JOBS)
    site.azure.faults.fail("GET jobs/*", status=404, code="ResourceNotFound", times=1, after=1)
    site.world.receive(EVENT)
    with pytest.raises(AssertionError):
        site.world.run(most=1)
    text = (site.world.folder / "rules/team.yaml").read_text()
    site.world.write(text.replace("retrain:3", "retrain:4"))
    site.world.run()
    assert site.outcome[0] == "succeeded"
    [first, second] = site.azure.calls.matching(JOBS)
    assert first.status is None
    assert second.status == 400
    assert site.job["componentId"].endswith("/retrain/versions/3")


@pytest.mark.parametrize("status", [400, 409, 500])
def test_own_job_is_found_after_an_unknown_refusal(status: int, make: MakeSite, component: str) -> None:
    site = make(job=component, compute="cpu-cluster")
    site.azure.faults.close_after(1, JOBS)
    site.azure.faults.fail("GET jobs/*", status=404, code="ResourceNotFound", times=2, after=1)
    site.azure.faults.fail(JOBS, status=status, code="UserError", message="The run id is already in use.", after=1)
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    assert site.action.details["run"] == site.azure.jobs.all[0]["name"]
    assert len(site.azure.calls.matching(JOBS)) == 2


def test_job_of_the_same_name_without_the_tags_fails_the_action(make: MakeSite, component: str) -> None:
    """A person may have copied it."""
    site = make(job=component, compute="cpu-cluster")
    site.world.receive(EVENT)
    site.azure.faults.fail(JOBS, times=1)
    with pytest.raises(AssertionError):
        site.world.run(most=1)
    name = site.azure.calls.matching(JOBS)[0].path.rpartition("/")[2]
    site.azure.jobs.start("churn", name=name)
    site.world.run()
    assert site.outcome == ("failed", f"the job {name} exists, but this action did not start it")


def test_another_event_starts_another_job(make: MakeSite, component: str) -> None:
    site = make(job=component, compute="cpu-cluster")
    site.handle()
    site.handle(EVENT.model_copy(update={"id": "e2", "event_time": EVENT.event_time + timedelta(seconds=1)}))  # type: ignore[operator]  # the example has a time
    names = [job["name"] for job in site.azure.jobs.all]
    assert len(set(names)) == 2
    assert names[0].rsplit("-", 1)[0] == names[1].rsplit("-", 1)[0]


def test_duplicate_event_starts_no_second_job(make: MakeSite, component: str) -> None:
    site = make(job=component, compute="cpu-cluster")
    for _ in range(3):
        site.handle()
    assert len(site.azure.jobs.all) == 1
    assert site.azure.jobs.all[0]["id"].startswith(f"{PROD}/jobs/")


@pytest.mark.parametrize("settings", [{}, {"batch_endpoint": "churn", "deployment": "retrain"}], ids=["job", "batch"])
def test_events_of_the_job_and_its_steps_do_not_start_it_again(
    settings: dict[str, str], make: MakeSite, component: str
) -> None:
    """The events of the steps have none of the job's tags."""
    site = make(
        rule="on: [RunCompleted, RunStatusChanged]", **(settings or {"job": component, "compute": "serverless"})
    )
    site.azure.endpoints.add("churn", "Batch")
    id = site.azure.endpoints.add_deployment("churn", "retrain", "")
    with site.azure.state.transaction():
        site.azure.state.require(id).properties["deploymentConfiguration"] = {
            "deploymentConfigurationType": "PipelineComponent",
            "componentId": {"assetId": f"{PROD}/components/retrain/versions/3"},
        }
    site.handle()
    site.world.clock.forward(minutes=1)
    assert site.job["status"] == "Completed"
    assert {event["data"]["runType"] for event in site.azure.events.all} == {"azureml.PipelineRun", "azureml.StepRun"}
    for event in site.azure.events.all:
        site.handle(parse_event(event))
    assert len(site.azure.jobs.all) == 1
