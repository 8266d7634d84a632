"""Jobs of batch endpoints, by the real azure-ai-ml client and without one."""

from typing import TYPE_CHECKING, Any

import pytest
import requests

from emulator import WORKSPACE, Azure
from tests.emulator.conftest import refused

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# azure-ai-ml's writer of inputs uses what marshmallow 4 removes.
pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning")

DATA = {"data": {"jobInputType": "UriFolder", "uri": "azureml://datastores/workspaceblobstore/paths/churn/"}}


@pytest.fixture
def endpoint(azure: Azure) -> str:
    """A batch endpoint with two deployments; the first is the default."""
    azure.workspaces.add_compute("cluster")
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn", "Batch", default="churn-7")
    azure.endpoints.add_deployment("churn", "churn-7", model)
    azure.endpoints.add_deployment("churn", "churn-8", model)
    return "churn"


def invoke(
    azure: Azure, bearer: str | None = None, deployment: str = "", endpoint: str = "churn", **properties: Any
) -> requests.Response:
    found = azure.endpoints.get(endpoint)
    assert found
    token = azure.token("https://ml.azure.com") if bearer is None else bearer
    named = {"azureml-model-deployment": deployment} if deployment else {}
    return requests.post(
        found["properties"]["scoringUri"],
        json={"properties": {"inputData": DATA, **properties}},
        headers={"Authorization": f"Bearer {token}", **named},
        verify=str(azure.own_ca_file),
        timeout=30,
    )


def test_request_starts_a_job_of_the_named_deployment(azure: Azure, client: "MLClient", endpoint: str) -> None:
    """The job is a pipeline with one step, and is listed under its deployment."""
    from azure.ai.ml import Input

    azure.jobs.set_duration(seconds=60)
    data = Input(type="uri_folder", path="https://acme.blob.core.windows.net/data/")
    job = client.batch_endpoints.invoke(endpoint, deployment_name="churn-8", inputs={"data": data})
    assert job.status == "NotStarted"
    (call,) = azure.calls.matching("POST /inference/*/jobs")
    assert call.body["properties"]["inputData"] == {"data": {"jobInputType": "UriFolder", "uri": data.path}}
    azure.clock.forward(seconds=30)
    found = client.jobs.get(job.name)
    assert (found.status, found.experiment_name) == ("Running", "churn")
    assert azure.jobs.steps(job.name) == {"batchscoring": "Running"}
    assert [one.name for one in client.batch_deployments.list_jobs(endpoint, name="churn-8")] == [job.name]
    assert list(client.batch_deployments.list_jobs(endpoint, name="churn-7")) == []
    assert [one.status for one in client.batch_endpoints.list_jobs(endpoint)] == ["Running"]
    azure.clock.forward(seconds=31)
    assert client.jobs.get(job.name).status == "Completed"


@pytest.mark.usefixtures("endpoint")
def test_request_without_a_deployment_uses_the_default(azure: Azure) -> None:
    answer = invoke(azure)
    assert answer.status_code == 201
    assert answer.headers["azureml-model-deployment"] == "churn-7"
    name = answer.json()["name"]
    assert answer.json()["id"] == f"{WORKSPACE}/batchEndpoints/churn/deployments/churn-7/jobs/{name}"


@pytest.mark.usefixtures("endpoint")
def test_request_may_name_its_job_and_its_tags(azure: Azure) -> None:
    """A second job of that name is refused."""
    answer = invoke(azure, name="mle-1-abc", tags={"mlevents_rule": "score"}, properties={"experimentName": "mine"})
    assert answer.json()["name"] == "mle-1-abc"
    job = azure.jobs.get("mle-1-abc")
    assert job
    assert job["properties"]["experimentName"] == "churn"
    assert job["properties"]["tags"].items() >= {"mlevents_rule": "score", "azureml.batchrun": "true"}.items()
    again = invoke(azure, name="mle-1-abc")
    assert refused(again)[:2] == (400, "UserError")
    assert "A job with this name already exists" in refused(again)[2]


def test_deployed_pipeline_component_runs_its_steps(azure: Azure) -> None:
    azure.jobs.set_duration(seconds=0)
    azure.endpoints.add("churn", "Batch", default="retrain")
    component = azure.assets.add_component("retrain", "1", nodes=("prepare", "train"))
    id = azure.endpoints.add_deployment("churn", "retrain", "")
    reference = {"referenceType": "Id", "assetId": component}
    configuration = {"deploymentConfigurationType": "PipelineComponent", "componentId": reference}
    azure.state.require(id).properties["deploymentConfiguration"] = configuration
    reason = {"reason": {"jobInputType": "Literal", "value": "drift"}}
    name = invoke(azure, inputData=reason, properties={"experimentName": "mine"}).json()["name"]
    assert azure.jobs.steps(name) == {"prepare": "Completed", "train": "Completed"}
    job = azure.jobs.get(name)
    assert job
    assert job["properties"]["experimentName"] == "mine"
    assert job["properties"]["inputs"]["reason"] == {"jobInputType": "literal", "value": "drift"}


@pytest.mark.usefixtures("endpoint")
def test_invalid_requests_are_refused(azure: Azure) -> None:
    assert refused(invoke(azure, bearer=azure.token("https://management.azure.com")))[:2] == (401, "Unauthorized")
    assert refused(invoke(azure, deployment="churn-9"))[0] == 404
    assert (
        "properties.inputData.x.uri is required"
        in refused(invoke(azure, inputData={"x": {"jobInputType": "UriFile"}}))[2]
    )
    azure.faults.break_deployment("churn", "churn-7", state="Failed")
    assert "is in Failed provisioning state" in refused(invoke(azure))[2]
    azure.endpoints.add("idle", "Batch")
    assert "The endpoint idle has no default deployment" in refused(invoke(azure, endpoint="idle"))[2]
    assert azure.jobs.all == []


def test_deleted_endpoint_is_not_found(azure: Azure) -> None:
    id = azure.endpoints.add("churn", "Batch")
    endpoint = azure.endpoints.get("churn")
    assert endpoint
    azure.state.remove(id)
    answer = requests.post(
        endpoint["properties"]["scoringUri"],
        json={"properties": {}},
        headers={"Authorization": f"Bearer {azure.token('https://ml.azure.com')}"},
        verify=str(azure.own_ca_file),
        timeout=30,
    )
    assert refused(answer)[:2] == (404, "NotFound")
