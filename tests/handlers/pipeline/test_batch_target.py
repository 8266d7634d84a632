"""Jobs behind batch endpoints: what the app requests, and how it follows them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from emulator import Azure
from emulator.http.call import Call
from schemas import RunCompleted
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import DEV, PROD, Site

pytestmark = pytest.mark.usefixtures("batch_endpoint")

POST = "POST /inference/*/jobs"
SCORE = {"batch_endpoint": "churn", "deployment": "churn-7", "inputs": {"data": {"path": "azureml:churn:3"}}}
TRAIN = {"batch_endpoint": "churn", "deployment": "retrain"}


def posted(site: Site) -> list[Any]:
    """The properties in the requests that invoke the endpoint."""
    return [call.body["properties"] for call in site.azure.calls.matching(POST)]


def test_model_deployment_is_invoked_by_name_with_the_same_request_id(make: MakeSite) -> None:
    """The id of the request is the key of the action. Data assets are named by their ARM ids."""
    headers: list[dict[str, str]] = []
    site = make(**SCORE)
    site.azure.calls.before(lambda r: headers.append(dict(r.headers)) if r.path.startswith("/inference/") else None)
    site.azure.faults.fail(POST, status=403, code="Forbidden")
    site.handle()
    [job] = site.azure.jobs.all
    assert site.outcome == ("succeeded", f"the batch job {job['name']} was started in churn-prod")
    data = {"jobInputType": "UriFolder", "uri": f"{PROD}/data/churn/versions/3"}
    assert posted(site) == [{"inputData": {"data": data}}] * 2
    assert [header["azureml-model-deployment"] for header in headers] == ["churn-7"] * 2
    [key] = {UUID(header["repeatability_request-id"]) for header in headers}
    assert key.version
    assert site.action.details["batch_endpoint"] == "churn"


def test_experiment_of_a_pipeline_component_contains_the_job_name(make: MakeSite) -> None:
    """So the events of the job do not match the rule again."""
    inputs = {"rate": 0.25, "rounds": 3, "reason": "{{ data.experimentName }}"}
    site = make(**TRAIN, inputs=inputs, experiment_name="nightly {{ data.experimentName }}")
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    [request] = posted(site)
    assert request["inputData"] == {
        "rate": {"jobInputType": "Literal", "value": 0.25},
        "rounds": {"jobInputType": "Literal", "value": 3},
        "reason": {"jobInputType": "Literal", "value": "churn-training"},
    }
    experiment = request["properties"]["experimentName"]
    assert experiment.startswith("nightly-churn-training-mle-1-")
    assert site.job["experimentName"] == experiment
    name = site.azure.jobs.all[0]["name"]
    completed = RunCompleted.example(id="e2", run_id=name, experiment_name=experiment, run_tags={}, run_properties={})
    site.handle(completed)
    assert [*site.actions] == ["e1"]


@pytest.mark.parametrize("name", ["churn:7", "churn@latest"])
@pytest.mark.parametrize(
    ("type", "api_type", "collection"),
    [
        ("mlflow_model", "MLFlowModel", "models"),
        ("custom_model", "CustomModel", "models"),
        ("triton_model", "TritonModel", "models"),
        ("uri_file", "UriFile", "data"),
        ("mltable", "MLTable", "data"),
    ],
)
def test_type_of_an_input_decides_between_models_and_data(
    make: MakeSite, type: str, api_type: str, collection: str, name: str
) -> None:
    """A model and a data asset may have the same name."""
    site = make(**SCORE | {"inputs": {"x": {"type": type, "path": f"azureml:{name}"}}})
    site.azure.assets.add_data("churn", "3")
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    version = "7" if collection == "models" or name == "churn:7" else "3"
    uri = f"{PROD}/{collection}/churn/versions/{version}"
    assert posted(site)[-1]["inputData"] == {"x": {"jobInputType": api_type, "uri": uri}}


def test_default_deployment_is_named_in_the_request(make: MakeSite) -> None:
    site = make(batch_endpoint="churn", inputs={"data": {"type": "uri_file", "path": "https://x.example/a.csv"}})
    headers: list[str] = []
    site.azure.calls.before(lambda r: headers.append(r.headers.get("azureml-model-deployment", "-")))
    site.handle()
    assert {*headers} == {"-", "churn-7"}
    assert posted(site)[0]["inputData"]["data"] == {"jobInputType": "UriFile", "uri": "https://x.example/a.csv"}


def test_deployment_that_only_the_list_shows_is_found(make: MakeSite) -> None:
    """azure-ai-ml finds it in the list, too."""
    site = make(**SCORE)
    site.azure.faults.fail("GET batchEndpoints/churn/deployments/*", status=404, code="ResourceNotFound", times=None)
    site.handle()
    assert site.outcome[0] == "succeeded"


def test_endpoint_without_a_scoring_uri_is_retried(make: MakeSite) -> None:
    """Nothing is posted without a URI: Resource Manager would get a token for another service."""
    site = make(**SCORE)
    properties = site.azure.state.require(f"{PROD}/batchEndpoints/churn").properties
    uri = properties.pop("scoringUri")

    def create(call: Call) -> None:
        if len(site.azure.calls.all) >= 4:
            properties["scoringUri"] = uri

    site.azure.calls.after(create)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert "the batch endpoint churn has no scoring URI yet" in str(site.notes)
    assert len(site.azure.calls.matching("POST *")) == 1


def test_latest_version_of_a_data_asset_is_read(make: MakeSite) -> None:
    site = make(**SCORE | {"inputs": {"data": {"path": "azureml:churn@latest"}}})
    for version in ("9", "10"):
        site.azure.assets.add_data("churn", version)
    site.handle()
    assert posted(site)[0]["inputData"]["data"]["uri"] == f"{PROD}/data/churn/versions/10"


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("azureml://registries/acme/models/m/labels/latest", "azureml://registries/acme/models/m/versions/5"),
        ("azureml://registries/acme/models/m/versions/4", "azureml://registries/acme/models/m/versions/4"),
        (f"azureml:{DEV}/models/m/labels/latest", f"{DEV}/models/m/versions/6"),
        (f"{DEV}/models/m/versions/6", f"{DEV}/models/m/versions/6"),
    ],
)
def test_models_of_registries_and_other_workspaces_are_resolved(path: str, uri: str, make: MakeSite) -> None:
    site = make(**SCORE | {"inputs": {"m": {"type": "mlflow_model", "path": path}}})
    for version in ("4", "5"):
        site.azure.models.register("m", version, registry="acme")
    site.azure.models.register("m", "6", workspace=DEV)
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    assert posted(site)[0]["inputData"]["m"]["uri"] == uri


def test_name_of_an_event_without_a_version_fails_the_action(make: MakeSite) -> None:
    site = make(**SCORE | {"inputs": {"data": {"path": "azureml:{{ data.runTags.data }}"}}})
    site.handle(RunCompleted.example(run_tags={"data": "churn"}))
    assert site.outcome[0] == "failed"
    assert site.outcome[1].startswith("the input 'data': 'azureml:churn' does not name a data asset with its version")


def test_job_is_followed_to_its_end(make: MakeSite) -> None:
    site = make(**SCORE, wait=True)
    site.azure.jobs.set_duration(3_600)
    site.handle()
    [job] = site.azure.jobs.all
    assert site.outcome == ("succeeded", f"the batch job {job['name']} has completed in churn-prod")
    assert site.elapsed >= timedelta(hours=1)
    assert site.action.details["output_score"]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"batch_endpoint": "other"}, "there is no batch endpoint other in churn-prod"),
        ({"deployment": "other"}, "there is no deployment other behind the batch endpoint churn in churn-prod"),
        ({"inputs": {"data": {"path": "azureml:none@latest"}}}, "there is no data asset none@latest in churn-prod"),
    ],
)
def test_missing_resource_is_retried_for_half_an_hour(settings: dict[str, Any], what: str, make: MakeSite) -> None:
    site = make(**SCORE | settings)
    site.handle()
    assert site.outcome[0] == "failed"
    assert what in site.outcome[1]
    assert timedelta(minutes=30) <= site.elapsed < timedelta(hours=2)
    assert posted(site) == []


def test_endpoint_without_a_default_deployment_fails_the_action(make: MakeSite, azure: Azure) -> None:
    azure.endpoints.add("empty", "Batch")
    site = make(batch_endpoint="empty")
    site.handle()
    assert site.outcome == ("failed", "the batch endpoint empty has no default deployment: the rule must name one")


def test_denied_start_is_retried_for_half_an_hour(make: MakeSite) -> None:
    """A new role may take so long to be effective."""
    site = make(**SCORE)
    site.azure.faults.fail(POST, status=403, code="Forbidden", message="No role.", times=None)
    site.handle()
    assert site.outcome[0] == "failed"
    assert site.outcome[1].startswith("gave up after 30m: ")
    assert timedelta(minutes=30) <= site.elapsed < timedelta(hours=1)
    assert site.azure.calls.matching("GET */batchEndpoints/churn/jobs") == []


def test_denied_start_is_repeated_until_the_role_is_effective(make: MakeSite) -> None:
    site = make(**SCORE)
    site.azure.faults.fail(POST, status=403, code="Forbidden", times=5)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(posted(site)) == 6


def test_throttled_start_waits_as_long_as_the_service_says(make: MakeSite) -> None:
    site = make(**TRAIN)
    site.azure.faults.fail(POST, status=429, code="TooManyRequests", headers={"Retry-After": "1800"}, times=2)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert site.elapsed >= timedelta(hours=1)


def test_response_without_a_job_name_fails_the_action(make: MakeSite) -> None:
    site = make(**SCORE)
    site.azure.faults.fail(POST, status=200, code="Unexpected")
    site.handle()
    assert site.outcome[0] == "failed"
    assert "did not return the job's name" in site.outcome[1]


def test_data_asset_can_be_named_by_its_arm_id(make: MakeSite) -> None:
    site = make(**SCORE | {"inputs": {"data": {"type": "mltable", "path": f"azureml:{PROD}/data/churn/versions/3"}}})
    site.handle()
    data = {"jobInputType": "MLTable", "uri": f"{PROD}/data/churn/versions/3"}
    assert posted(site) == [{"inputData": {"data": data}}]
