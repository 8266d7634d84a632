"""Requests that Azure refuses get Resource Manager's error envelope and change nothing."""

import copy
from typing import Any

import pytest

from emulator import WORKSPACE, Azure, ErrorResponse
from emulator.identity.tokens import token
from tests.emulator.conftest import Send, refused

ARM = "https://management.azure.com"
ENDPOINT: dict[str, Any] = {"location": "westeurope", "properties": {"authMode": "AADToken"}}


@pytest.fixture
def model(azure: Azure) -> str:
    azure.endpoints.add("churn")
    return azure.models.register("churn", "7")


def deployment(id: str, **properties: Any) -> dict[str, Any]:
    own = {"endpointComputeType": "Managed", "model": id, "instanceType": "Standard_DS3_v2", **properties}
    return {"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": own}


@pytest.mark.parametrize(
    ("bearer", "code"),
    [
        ("", "AuthenticationFailed"),
        ("nonsense", "InvalidAuthenticationToken"),
        ("a.b.c", "InvalidAuthenticationToken"),
        (token(ARM)[:-2] + "xx", "InvalidAuthenticationToken"),
        (token(ARM, tenant="44444444-4444-4444-4444-444444444444"), "InvalidAuthenticationTokenTenant"),
        (token(ARM, seconds=-1), "ExpiredAuthenticationToken"),
        (token("https://storage.azure.com"), "InvalidAuthenticationTokenAudience"),
    ],
    ids=["missing", "no-token", "no-json", "forged", "other-tenant", "expired", "other-audience"],
)
def test_invalid_tokens_are_refused(send: Send, bearer: str, code: str) -> None:
    answer = send("GET", bearer=bearer)
    assert refused(answer)[:2] == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_token_of_azure_ml_is_refused_by_resource_manager(azure: Azure, send: Send) -> None:
    """The data plane of registries accepts both."""
    azure_ml = azure.token("https://ml.azure.com")
    assert refused(send("GET", bearer=azure_ml))[:2] == (401, "InvalidAuthenticationTokenAudience")
    path = "/registrymanagement/v1.0/registries/acme/discovery"
    assert send("GET", path, bearer=azure_ml).status_code == 200


def test_api_version_is_required_and_must_be_published_for_the_type(send: Send) -> None:
    assert refused(send("GET", version=None))[:2] == (400, "MissingApiVersionParameter")
    status, code, message = refused(send("GET", "onlineEndpoints", version="2099-01-01"))
    assert (status, code) == (400, "InvalidApiVersionParameter")
    assert "2025-12-01" in message
    status, code, message = refused(send("GET", "onlineEndpoints", version="2020-08-01"))
    assert (status, code) == (400, "NoRegisteredProviderFound")
    assert "workspaces/onlineEndpoints" in message
    assert send("GET", version="2020-08-01").status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (WORKSPACE.replace("churn-prod", "other"), "ResourceNotFound"),
        (WORKSPACE.replace("rg-ml-prod", "other"), "ResourceGroupNotFound"),
        (WORKSPACE.replace("2222-2222-2222", "2222-2222-3333"), "SubscriptionNotFound"),
        (f"{WORKSPACE}/models/churn/versions/1", "ResourceNotFound"),
        (f"{WORKSPACE}/onlineEndpoints/churn", "ResourceNotFound"),
        (f"{WORKSPACE}/onlineEndpoints/churn/deployments", "ResourceNotFound"),
        (f"{WORKSPACE}/onlineEndpoints/churn/deployments/blue", "ResourceNotFound"),
        (f"{WORKSPACE}/batchEndpoints/churn/deployments", "ResourceNotFound"),
        (f"{WORKSPACE}/computes/cluster", "ResourceNotFound"),
        (f"{WORKSPACE}/nonsense", "InvalidResourceType"),
        ("/nonsense", "InvalidResourceType"),
    ],
)
def test_missing_resources_and_routes_are_not_found(send: Send, path: str, code: str) -> None:
    assert refused(send("GET", path))[:2] == (404, code)


def test_unknown_registries_and_operations_are_not_found(send: Send) -> None:
    assert send("GET", "/registrymanagement/v1.0/registries/other/discovery").status_code == 404
    base = WORKSPACE.partition("/resourceGroups/")[0] + "/providers/Microsoft.MachineLearningServices"
    assert send("GET", f"{base}/locations/westeurope/mfeOperationsStatus/oe:1:2").status_code == 404


def test_unsupported_method_is_refused(send: Send) -> None:
    assert refused(send("DELETE"))[:2] == (405, "MethodNotAllowed")


def test_malformed_json_is_refused(azure: Azure, send: Send) -> None:
    answer = send("PUT", "onlineEndpoints/churn", data=b'{"location": ')
    assert refused(answer)[:2] == (400, "InvalidRequestContent")
    assert azure.endpoints.get("churn") is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"location": None}, "location is required"),
        ({"location": 3}, "location must be a string, not a number"),
        ({"properties": None}, "properties is required"),
        ({"properties": []}, "properties must be an object, not an array"),
        ({"properties": {}}, "properties.authMode is required"),
        ({"properties": {"authMode": "Password"}}, "'Password' is not one of AMLToken, Key, AADToken"),
        ({"properties": {"authMode": "Key", "trafic": {}}}, "properties.trafic is not a property"),
        ({"properties": {"authMode": "Key", "traffic": {"a": "100"}}}, "properties.traffic.a must be an integer"),
        ({"properties": {"authMode": "Key", "publicNetworkAccess": True}}, "True is not one of Enabled, Disabled"),
        ({"tags": {"a": 1}}, "tags.a must be a string"),
        ({"identity": {}}, "identity.type is required"),
        ({"sku": {"name": ""}}, "sku.name must have at least 1 character"),
        ({"location": "northeurope"}, "The location 'northeurope' is not that of the workspace"),
        ({"properties": {"authMode": "Key", "compute": "k8s"}}, "is not a Kubernetes compute"),
    ],
)
def test_invalid_endpoints_are_refused(azure: Azure, send: Send, change: dict[str, Any], problem: str) -> None:
    status, _, message = refused(send("PUT", "onlineEndpoints/churn", {**ENDPOINT, **change}))
    assert status == 400
    assert problem in message
    assert azure.endpoints.get("churn") is None


def test_each_problem_of_a_body_is_a_detail(send: Send) -> None:
    answer = send("PUT", "onlineEndpoints/churn", {"properties": {"authMode": 1, "traffic": 2}})
    messages = [detail["message"] for detail in answer.json()["error"]["details"]]
    assert [message.split(" ")[0] for message in messages] == ["location", "properties.authMode", "properties.traffic"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"endpointComputeType": None}, "properties.endpointComputeType is required"),
        ({"endpointComputeType": "Serverless"}, "'Serverless' is not one of Kubernetes, Managed"),
        ({"endpointComputeType": "Kubernetes"}, "The endpoint takes Managed deployments"),
        ({"codeConfiguration": {"codeId": "x"}}, "properties.codeConfiguration.scoringScript is required"),
        ({"requestSettings": {"requestTimeout": "30s"}}, "'30s' is not an ISO 8601 duration"),
        ({"scaleSettings": {"scaleType": "Auto"}}, "'Auto' is not one of Default, TargetUtilization"),
        ({"scaleSettings": {}}, "properties.scaleSettings.scaleType is required"),
        ({"scaleSettings": 1}, "properties.scaleSettings must be an object"),
        ({"appInsightsEnabled": "yes"}, "must be a boolean"),
        ({"dataCollector": {"collections": {"a": {"samplingRate": "1"}}}}, "samplingRate must be a number"),
        ({"dataCollector": {"collections": {}, "requestLogging": {"captureHeaders": "x"}}}, "must be an array"),
        ({"containerResourceRequirements": {}}, "is not a property"),
        ({"model": "churn:7"}, "The model 'churn:7' does not exist"),
        ({"model": "azureml://registries/acme/models/other/versions/1"}, "does not exist"),
        ({"model": "azureml://registries/other/models/churn/versions/1"}, "does not exist"),
        ({"model": None}, "must name a model"),
        ({"environmentId": "other"}, "The environment 'other' does not exist"),
        ({"codeConfiguration": {"codeId": "x", "scoringScript": "s.py"}}, "The code 'x' does not exist"),
        ({"instanceType": "Standard_Huge"}, "is not supported in westeurope"),
    ],
)
def test_invalid_deployments_are_refused(
    azure: Azure, send: Send, model: str, change: dict[str, Any], problem: str
) -> None:
    answer = send("PUT", "onlineEndpoints/churn/deployments/churn-7", deployment(model, **change))
    status, _, message = refused(answer)
    assert status == 400
    assert problem in message + str(answer.json()["error"]["details"])
    assert azure.endpoints.deployments("churn") == {}


@pytest.mark.parametrize(
    "sku", [None, {"name": "Default"}, {"name": "Default", "capacity": 0}, {"name": "D", "capacity": 21}]
)
def test_invalid_instance_counts_are_refused(azure: Azure, send: Send, model: str, sku: Any) -> None:
    answer = send("PUT", "onlineEndpoints/churn/deployments/churn-7", {**deployment(model), "sku": sku})
    assert "number of instances" in refused(answer)[2]
    assert azure.endpoints.deployments("churn") == {}


def test_custom_model_requires_environment_and_code(azure: Azure, send: Send, model: str) -> None:
    """An environment with routes needs no scoring script."""
    path, custom = "onlineEndpoints/churn/deployments/churn-7", azure.models.register("churn", "8", type="custom_model")
    assert "An environment is required" in refused(send("PUT", path, deployment(custom)))[2]
    plain, serving = (
        azure.assets.add_environment("plain", "1"),
        azure.assets.add_environment("serving", "1", serves=True),
    )
    assert "A scoring script is required" in refused(send("PUT", path, deployment(custom, environmentId=plain)))[2]
    assert send("PUT", path, deployment(custom, environmentId=serving)).status_code == 201
    assert send("PUT", path.replace("7", "9"), deployment(model)).status_code == 201


@pytest.mark.parametrize("name", ["ab", "a" * 33, "7up", "-up", "up-", "a--b", "a_b", "a.b"])
def test_invalid_names_of_endpoints_and_deployments_are_refused(
    azure: Azure, send: Send, model: str, name: str
) -> None:
    """A name begins with a letter and has 3 to 32 letters, digits and single dashes."""
    for path, body in (
        (f"onlineEndpoints/{name}", ENDPOINT),
        (f"batchEndpoints/{name}", ENDPOINT),
        (f"onlineEndpoints/churn/deployments/{name}", deployment(model)),
    ):
        status, code, message = refused(send("PUT", path, body))
        assert (status, code) == (400, "BadArgument")
        assert name in message


@pytest.mark.parametrize("name", ["abc", "a" * 32, "a-b", "A1-b2-c3"])
def test_names_at_the_limits_are_accepted(send: Send, name: str) -> None:
    assert send("PUT", f"onlineEndpoints/{name}", ENDPOINT).status_code == 201


@pytest.mark.parametrize(("name", "version"), [("-churn", "1"), ("a" * 256, "1"), ("ch urn", "1"), ("churn", "1 2")])
def test_invalid_names_and_versions_of_models_are_refused(azure: Azure, send: Send, name: str, version: str) -> None:
    with pytest.raises(ErrorResponse, match="is invalid"):
        azure.models.register(name, version)
    body = {"properties": {"modelUri": "azureml://x"}}
    assert refused(send("PUT", f"models/{name}/versions/{version}", body))[0] == 400
    assert azure.events.all == []


def test_model_version_is_registered_once(azure: Azure, model: str) -> None:
    with pytest.raises(ErrorResponse, match="exists already"):
        azure.models.register("churn", "7")


def test_endpoint_names_are_unique_in_a_region(azure: Azure, send: Send) -> None:
    """Managed ones only; an endpoint in another region or on Kubernetes may have the same name."""
    other = azure.workspaces.add(WORKSPACE.replace("churn-prod", "churn-dev"))
    far = azure.workspaces.add(WORKSPACE.replace("churn-prod", "churn-far"), "northeurope")
    azure.endpoints.add("churn", workspace="churn-dev")
    assert "unique within a region" in refused(send("PUT", "onlineEndpoints/churn", ENDPOINT))[2]
    body = {**ENDPOINT, "location": "northeurope"}
    assert send("PUT", f"{far}/onlineEndpoints/churn", body).status_code == 201
    assert azure.endpoints.get("churn", workspace=other)


@pytest.mark.parametrize(
    ("traffic", "problem"),
    [
        ({"blue": 99}, "sum of traffic has to be either 0 or 100; it is 99"),
        ({"blue": 60, "green": 41}, "it is 101"),
        ({"blue": 100, "green": 100}, "it is 200"),
        ({"blue": 120, "green": -20}, "must be from 0 to 100"),
        ({"yellow": 100}, "names the deployment 'yellow', which does not exist"),
        ({"red": 100}, "'red', which is in Failed provisioning state"),
    ],
)
def test_invalid_traffic_is_refused(
    azure: Azure, send: Send, model: str, traffic: dict[str, int], problem: str
) -> None:
    for name, state in (("blue", "Succeeded"), ("green", "Succeeded"), ("red", "Failed")):
        azure.endpoints.add_deployment("churn", name, model, state=state)
    body = {**ENDPOINT, "properties": {"authMode": "AADToken", "traffic": traffic}}
    status, code, message = refused(send("PUT", "onlineEndpoints/churn", body))
    assert (status, code) == (400, "BadArgument")
    assert problem in message
    assert azure.endpoints.traffic("churn") == {}


def test_valid_traffic_is_accepted(azure: Azure, send: Send, model: str) -> None:
    """A total of 100 or 0, with zero shares."""
    azure.operations.set_duration(polls=0)
    azure.endpoints.add_deployment("churn", "blue", model)
    azure.endpoints.add_deployment("churn", "green", model)
    for traffic in ({"blue": 60, "green": 40}, {"blue": 0, "green": 100}, {"blue": 0}, {}):
        body = {**ENDPOINT, "properties": {"authMode": "AADToken", "traffic": traffic}}
        assert send("PUT", "onlineEndpoints/churn", body).status_code == 200
        assert azure.endpoints.traffic("churn") == {name: share for name, share in traffic.items() if share}


@pytest.mark.parametrize(
    ("mirror", "problem"),
    [
        ({"green": 51}, "from 0 to 50"),
        ({"blue": 10}, "to none that has live traffic"),
        ({"other": 10}, "does not exist"),
    ],
)
def test_invalid_mirrored_traffic_is_refused(
    azure: Azure, send: Send, model: str, mirror: dict[str, int], problem: str
) -> None:
    azure.endpoints.add_deployment("churn", "blue", model)
    azure.endpoints.add_deployment("churn", "green", model)
    properties = {"authMode": "AADToken", "traffic": {"blue": 100}, "mirrorTraffic": mirror}
    assert problem in refused(send("PUT", "onlineEndpoints/churn", {**ENDPOINT, "properties": properties}))[2]
    properties["mirrorTraffic"] = {"green": 50}
    assert send("PUT", "onlineEndpoints/churn", {**ENDPOINT, "properties": properties}).status_code == 200


def test_put_replaces_the_whole_endpoint(azure: Azure, send: Send, model: str) -> None:
    """A PUT without traffic removes it."""
    azure.operations.set_duration(polls=0)
    azure.endpoints.add_deployment("churn", "blue", model)
    own = {"authMode": "AADToken", "traffic": {"blue": 100}}
    send("PUT", "onlineEndpoints/churn", {**ENDPOINT, "tags": {"a": "b"}, "properties": own})
    assert azure.endpoints.traffic("churn") == {"blue": 100}
    send("PUT", "onlineEndpoints/churn", ENDPOINT)
    assert azure.endpoints.traffic("churn") == {}


def test_endpoint_can_be_written_back_as_read(azure: Azure, send: Send, model: str) -> None:
    """With its read-only members; that is how clients change traffic at the newest api-version."""
    azure.operations.set_duration(polls=0)
    azure.endpoints.add_deployment("churn", "blue", model)
    body = send("GET", "onlineEndpoints/churn").json()
    changed = copy.deepcopy(body)
    changed["properties"]["traffic"] = {"blue": 100}
    assert send("PUT", "onlineEndpoints/churn", changed).status_code == 200
    after = send("GET", "onlineEndpoints/churn").json()
    assert after["properties"].pop("traffic") == {"blue": 100}
    body["properties"].pop("traffic")
    operations = after["properties"].pop("properties"), body["properties"].pop("properties")
    assert [set(one) for one in operations] == [
        {"azureml.onlineendpointid", "AzureAsyncOperationUri"},
        {"azureml.onlineendpointid"},
    ]
    assert {**after, "systemData": None} == {**body, "systemData": None}


def test_only_tags_and_identity_can_be_patched(azure: Azure, send: Send, model: str) -> None:
    azure.operations.set_duration(polls=0)
    assert refused(send("PATCH", "onlineEndpoints/churn", {"properties": {"traffic": {}}}))[0] == 400
    assert send("PATCH", "onlineEndpoints/churn", {"tags": {"a": "b"}}).status_code == 202
    endpoint = azure.endpoints.get("churn")
    assert endpoint
    assert endpoint["tags"] == {"a": "b"}


def test_deployment_with_traffic_cannot_be_deleted(azure: Azure, send: Send, model: str) -> None:
    azure.endpoints.add("price", traffic={"Blue": 100})
    azure.endpoints.add_deployment("price", "blue", model)
    status, _, message = refused(send("DELETE", "onlineEndpoints/price/deployments/blue"))
    assert (status, message) == (400, "Cannot delete deployment blue with 100% traffic: set it to 0 first.")
    assert list(azure.endpoints.deployments("price")) == ["blue"]


def test_change_during_another_one_is_a_conflict(azure: Azure, send: Send, model: str) -> None:
    """Of an endpoint, of a deployment, and of a deployment during a change of its endpoint."""
    azure.operations.set_duration(polls=9)
    path = "onlineEndpoints/churn/deployments/churn-7"
    assert send("PUT", path, deployment(model)).status_code == 201
    assert refused(send("PUT", path, deployment(model)))[:2] == (409, "Conflict")
    assert refused(send("DELETE", path))[:2] == (409, "Conflict")
    assert send("PUT", "onlineEndpoints/churn", ENDPOINT).status_code == 200
    assert refused(send("PUT", "onlineEndpoints/churn", ENDPOINT))[:2] == (409, "Conflict")
    assert refused(send("DELETE", "onlineEndpoints/churn"))[:2] == (409, "Conflict")
    status, _, message = refused(send("PUT", path.replace("7", "8"), deployment(model)))
    assert status == 409
    assert "in Updating provisioning state" in message


def test_deleting_a_missing_resource_succeeds(send: Send) -> None:
    paths = (
        "onlineEndpoints/churn",
        "onlineEndpoints/churn/deployments/a",
        "batchEndpoints/churn",
        "models/a/versions/1",
    )
    assert [send("DELETE", path).status_code for path in paths] == [204] * 4


def test_twenty_first_deployment_is_refused(azure: Azure, send: Send, model: str) -> None:
    for number in range(20):
        azure.endpoints.add_deployment("churn", f"churn-{number}", model)
    answer = send("PUT", "onlineEndpoints/churn/deployments/one-more", deployment(model))
    assert "has 20 deployments, and cannot have more" in refused(answer)[2]
    assert send("PUT", "onlineEndpoints/churn/deployments/churn-7", deployment(model)).status_code == 200


def test_invalid_batch_endpoints_and_deployments_are_refused(azure: Azure, send: Send, model: str) -> None:
    body: dict[str, Any] = {"location": "westeurope", "properties": {"authMode": "Key"}}
    assert "must be AADToken" in refused(send("PUT", "batchEndpoints/scores", body))[2]
    body["properties"] = {"authMode": "AADToken", "defaults": {"deploymentName": "blue"}}
    assert "'blue' does not exist" in refused(send("PUT", "batchEndpoints/scores", body))[2]
    azure.endpoints.add("scores", "Batch")
    reference = {"referenceType": "Id", "assetId": model}
    no_component = {"deploymentConfigurationType": "PipelineComponent"}
    for properties, problem in (
        ({"model": model}, "properties.model must be an object"),
        ({"model": {"referenceType": "Id"}}, "properties.model.assetId is required"),
        ({"model": {"referenceType": "DataPath", "path": "x"}}, "must refer to a model by its id"),
        ({"model": reference}, "The compute 'None' does not exist"),
        ({"model": reference, "loggingLevel": "Loud"}, "'Loud' is not one of Info, Warning, Debug"),
        ({"deploymentConfiguration": no_component}, "The component '' does not exist"),
    ):
        answer = send(
            "PUT", "batchEndpoints/scores/deployments/blue", {"location": "westeurope", "properties": properties}
        )
        assert problem in refused(answer)[2]
    assert azure.endpoints.deployments("scores") == {}


def test_keys_and_tokens_depend_on_the_authentication_mode(azure: Azure, send: Send) -> None:
    azure.endpoints.add("keyed", auth_mode="Key")
    azure.endpoints.add("tokens", auth_mode="AMLToken")
    assert send("POST", "onlineEndpoints/keyed/listKeys").json()["primaryKey"]
    assert send("POST", "onlineEndpoints/tokens/token").json()["accessToken"]
    assert send("POST", "onlineEndpoints/tokens/listKeys").status_code == 400
    assert send("POST", "onlineEndpoints/keyed/token").status_code == 400


def test_compute_type_of_an_endpoint_cannot_change(azure: Azure, send: Send, model: str) -> None:
    body = {**ENDPOINT, "properties": {"authMode": "Key", "compute": azure.workspaces.add_compute("k8s", "Kubernetes")}}
    assert "compute type of an endpoint cannot be changed" in refused(send("PUT", "onlineEndpoints/churn", body))[2]
    entra = {**ENDPOINT, "properties": {**body["properties"], "authMode": "AADToken"}}
    assert "take no Microsoft Entra tokens" in refused(send("PUT", "onlineEndpoints/other", entra))[2]
    azure.endpoints.add("cluster", "Kubernetes")
    answer = send("PUT", "onlineEndpoints/cluster/deployments/churn-7", deployment(model))
    assert "The endpoint takes Kubernetes deployments, not Managed ones" in refused(answer)[2]


def test_location_must_be_that_of_the_parent(azure: Azure, send: Send, model: str) -> None:
    azure.endpoints.add("scores", "Batch")
    for path, body in (
        ("onlineEndpoints/churn/deployments/churn-7", deployment(model)),
        ("batchEndpoints/scores", ENDPOINT),
    ):
        answer = send("PUT", path, {**body, "location": "East US"})
        assert "The location 'East US' is not that of the" in refused(answer)[2]
        assert (
            refused(send("PUT", path, {**body, "location": None}))[2] == "The request is invalid: location is required."
        )


def test_skip_must_be_a_number(send: Send) -> None:
    assert refused(send("GET", "onlineEndpoints", **{"$skip": "x"}))[0] == 400


def test_upload_without_a_storage_account_is_an_error(azure: Azure, send: Send) -> None:
    azure.state.storage = ""
    answer = send("POST", "codes/a/versions/1/startPendingUpload", {})
    assert refused(answer)[:2] == (500, "InternalServerError")
