"""One job for an action, whatever is there already and whatever goes wrong."""

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


def test_a_job_of_ours_is_success(make: MakeSite, component: str) -> None:
    """An earlier call has submitted it and died: the job is found by its name, and nothing is sent."""
    site = make(job=component, inputs={"rate": "1"}, compute="cpu-cluster")
    site.azure.faults.close_after(1, JOBS)
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1
    assert len(site.azure.calls.matching(JOBS)) == 1
    assert site.action.details["run"] == site.azure.jobs.all[0]["name"]
    assert site.action.details["experiment"] == "retrain"


@pytest.mark.parametrize("latest", [False, True])
def test_what_is_said_of_it_is_the_same_after_a_crash(latest: bool, make: MakeSite, component: str) -> None:
    """Rules that follow are told it. Which version it is, the job knows: there may be a newer one."""
    named = component.replace(":3", "@latest") if latest else component
    tags = {"x" * 5: "y" * 1_001}
    settings = {"job": named, "inputs": {"rate": "1"}, "compute": "cpu-cluster", "tags": tags}
    site = make(**settings)
    site.azure.faults.close_after(1, JOBS)

    def register(call: Call) -> None:
        if call.method == "PUT":
            site.azure.assets.add_component("retrain", "4", inputs={"rate": "number"}, nodes=["train"])

    site.azure.calls.after(register)
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(site.azure.calls.matching(JOBS)) == 1
    details = {name: site.action.details.get(name) for name in ("job", "tags_cut", "experiment")}
    assert details == {"job": "retrain:3", "tags_cut": "xxxxx", "experiment": "retrain"}


def test_a_job_that_is_not_to_be_seen_yet_is_not_started_twice(make: MakeSite, component: str) -> None:
    """The answer was lost, and the replica that is asked does not know it: the service refuses a second of that name.

    It is there, then: that is looked for again.
    """
    site = make(job=component, compute="cpu-cluster", tags={"now": "{{ data.runId }}"})
    site.azure.faults.close_after(1, JOBS)
    site.azure.faults.fail("GET jobs/*", status=404, code="ResourceNotFound", times=2, after=1)
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1
    assert len(site.azure.calls.matching(JOBS)) == 2


def test_a_name_that_is_taken_by_our_own_job_is_success(make: MakeSite, component: str) -> None:
    """A rule that was changed meanwhile asks for another job of that name, and is told so with HTTP 400."""
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
    assert site.end[0] == "succeeded"
    [first, second] = site.azure.calls.matching(JOBS)
    assert first.status is None
    assert second.status == 400
    assert site.job["componentId"].endswith("/retrain/versions/3")


@pytest.mark.parametrize("status", [400, 409, 500])
def test_however_the_service_says_so_our_own_job_is_success(status: int, make: MakeSite, component: str) -> None:
    """The answer was lost, a replica did not know it, and a second of that name is refused in words nobody has seen."""
    site = make(job=component, compute="cpu-cluster")
    site.azure.faults.close_after(1, JOBS)
    site.azure.faults.fail("GET jobs/*", status=404, code="ResourceNotFound", times=2, after=1)
    site.azure.faults.fail(JOBS, status=status, code="UserError", message="The run id is already in use.", after=1)
    site.tell()
    assert site.end[0] == "succeeded", site.end
    assert site.action.details["run"] == site.azure.jobs.all[0]["name"]
    assert len(site.azure.calls.matching(JOBS)) == 2


def test_a_job_of_our_name_that_is_not_ours_is_left_alone(make: MakeSite, component: str) -> None:
    """It has none of our tags: somebody has copied it, perhaps."""
    site = make(job=component, compute="cpu-cluster")
    site.world.receive(EVENT)
    site.azure.faults.fail(JOBS, times=1)
    with pytest.raises(AssertionError):
        site.world.run(most=1)
    name = site.azure.calls.matching(JOBS)[0].path.rpartition("/")[2]
    site.azure.jobs.start("churn", name=name)
    site.world.run()
    assert site.end == ("failed", f"the job {name} exists, but this action did not start it")


def test_a_replay_is_another_job(make: MakeSite, component: str) -> None:
    """Another action, with a key of its own: what has failed is not found again."""
    site = make(job=component, compute="cpu-cluster")
    site.tell()
    site.tell(EVENT.model_copy(update={"id": "e2", "event_time": EVENT.event_time + timedelta(seconds=1)}))  # type: ignore[operator]  # it has one
    names = [job["name"] for job in site.azure.jobs.all]
    assert len(set(names)) == 2
    assert names[0].rsplit("-", 1)[0] == names[1].rsplit("-", 1)[0]


def test_a_duplicate_of_the_event_starts_nothing(make: MakeSite, component: str) -> None:
    site = make(job=component, compute="cpu-cluster")
    for _ in range(3):
        site.tell()
    assert len(site.azure.jobs.all) == 1
    assert site.azure.jobs.all[0]["id"].startswith(f"{PROD}/jobs/")


@pytest.mark.parametrize("settings", [{}, {"batch_endpoint": "churn", "deployment": "retrain"}], ids=["job", "batch"])
def test_what_it_starts_does_not_start_it_again(settings: dict[str, str], make: MakeSite, component: str) -> None:
    """Nor do its steps, whose events carry none of its tags."""
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
    site.tell()
    site.world.clock.forward(minutes=1)
    assert site.job["status"] == "Completed"
    assert {event["data"]["runType"] for event in site.azure.events.all} == {"azureml.PipelineRun", "azureml.StepRun"}
    for event in site.azure.events.all:
        site.tell(parse_event(event))
    assert len(site.azure.jobs.all) == 1
