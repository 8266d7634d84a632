"""`AzureML` and its endpoints work around azure-ai-ml's bugs, and translate Azure ML's errors."""

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from emulator import Azure
from handlers.azure import cloud
from handlers.azure.errors import error_text, translated_errors
from handlers.azure.ml import workspace as gateway
from handlers.azure.ml.online_endpoints import OnlineEndpoints
from handlers.azure.ml.resources import Deployment, Endpoint, ModelRef, NewDeployment
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater
from handlers.errors import classify
from schemas import WorkspaceId
from tests.handlers.deploy.site import DEV, PROD

ROOT = Path(__file__).resolve().parents[4]
WORKSPACE = WorkspaceId.parse(PROD)


@pytest.fixture
def azureml(azure: Azure) -> AzureML:
    return gateway.connect(WORKSPACE)


@pytest.fixture
def endpoints(azureml: AzureML, azure: Azure) -> OnlineEndpoints:
    """Endpoints of a workspace with one endpoint and one model."""
    azure.endpoints.add("churn")
    azure.models.register("churn", "7")
    return OnlineEndpoints(azureml, instance_type="Standard_DS3_v2")


def new(name: str = "churn-7") -> NewDeployment:
    return NewDeployment("churn", name, f"{PROD}/models/churn/versions/7", {})


def wait_for_pollers() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("LROPoller("):
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_started_operation_is_not_polled(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """The client's polling thread ends at its first request, which is not sent."""
    azure.operations.set_duration(polls=1_000)
    operation = endpoints.create(new())
    before = [call.line for call in azure.calls.all]
    wait_for_pollers()
    assert [call.line for call in azure.calls.all] == before
    assert operation.startswith(azure.endpoint)
    found = endpoints.deployment("churn", "churn-7")
    assert found is not None
    assert found.state == "Creating"


def test_client_prints_nothing(
    endpoints: OnlineEndpoints, azure: Azure, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither dots nor "Check: endpoint churn exists"."""
    with caplog.at_level(logging.WARNING):
        endpoints.create(new())
        with pytest.raises(HttpResponseError):
            endpoints.delete("churn", "churn-7")  # which is being created
        wait_for_pollers()
    assert (capfd.readouterr(), caplog.messages) == (("", ""), [])


def test_traffic_change_keeps_all_properties_of_the_endpoint(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """With the newest api-version: azure-ai-ml's own drops the properties that it does not know."""
    azure.endpoints.add_deployment("churn", "blue", f"{PROD}/models/churn/versions/7")
    azure.endpoints.add_deployment("churn", "green", f"{PROD}/models/churn/versions/7")
    there = azure.endpoints.get("churn")
    assert there is not None
    resource = azure.state.find(f"{PROD}/onlineEndpoints/churn")
    assert resource is not None
    resource.body |= {"tags": {"team": "churn"}, "identity": {"type": "SystemAssigned", "principalId": "p"}}
    more = {"description": "for churn", "mirrorTraffic": {"green": 10}, "publicNetworkAccess": "Disabled"}
    resource.properties.update(more)
    endpoint = endpoints.endpoint("churn")
    assert endpoint is not None
    endpoints.set_traffic(endpoint, {"blue": 100})
    put = azure.calls.all[-1]
    assert (put.api_version, put.status) == ("2025-12-01", 200)
    assert put.body["tags"] == {"team": "churn"}
    assert put.body["identity"] == {"type": "SystemAssigned"}
    sent = put.body["properties"]
    assert sent["traffic"] == {"blue": 100}
    assert sent["mirrorTraffic"] == {"green": 10}
    assert (sent["description"], sent["publicNetworkAccess"]) == ("for churn", "Disabled")
    assert not {"provisioningState", "scoringUri", "swaggerUri"} & set(sent)
    assert None not in sent.values()


def test_endpoint_without_a_location_gets_the_workspace_s(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """The schema requires a location in requests, and responses may lack it."""
    azure.endpoints.add_deployment("churn", "blue", f"{PROD}/models/churn/versions/7")
    endpoint = endpoints.endpoint("churn")
    assert endpoint is not None
    nowhere = {name: value for name, value in endpoint.body.items() if name != "location"}
    endpoints.set_traffic(replace(endpoint, body=nowhere), {"blue": 100})
    assert (azure.calls.all[-1].status, azure.calls.all[-1].body["location"]) == (200, "westeurope")


def test_traffic_change_keeps_identities() -> None:
    """Without their read-only properties."""
    user = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/churn"
    body = {
        "name": "churn",
        "location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {user: {"clientId": "c", "principalId": "p"}}},
        "properties": {"provisioningState": "Succeeded", "authMode": "Key", "traffic": {}, "compute": None},
        "systemData": {},
    }
    assert Endpoint.online(body).writable(traffic={}) == {
        "location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {user: {}}},
        "properties": {"authMode": "Key", "traffic": {}},
    }


def test_scoring_does_not_change_the_client_s_global_headers(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """azure-ai-ml's `invoke` stores the deployment's name there, for all later calls of the process."""
    assert endpoints.azureml.client
    from azure.ai.ml.constants._endpoint import EndpointInvokeFields

    azure.endpoints.add_deployment("churn", "blue", f"{PROD}/models/churn/versions/7")
    before = dict(EndpointInvokeFields.DEFAULT_HEADER)
    endpoint = endpoints.endpoint("churn")
    assert endpoint is not None
    assert endpoints.score(endpoint, "blue", b"{}").status == 200
    assert before == EndpointInvokeFields.DEFAULT_HEADER


def test_scoring_without_a_response_has_status_zero(endpoints: OnlineEndpoints) -> None:
    endpoint = endpoints.endpoint("churn")
    assert endpoint is not None
    away = Endpoint("churn", "Succeeded", {}, scoring_uri="https://localhost:1/score", auth="AADToken")
    answer = endpoints.score(away, "blue", b"{}")
    assert answer.status == 0
    assert "ServiceRequestError" in answer.text


@pytest.mark.parametrize("url", ["https://evil.example.com/x", "https://localhost:1/x", "{arm}.evil.example.com/x", ""])
def test_token_is_sent_to_resource_manager_only(azureml: AzureML, azure: Azure, url: str) -> None:
    """The user who creates a deployment can write a URL into its properties."""
    assert azureml.arm.get_url(url.format(arm=azure.endpoint)) is None
    assert azure.calls.all == []


def test_all_pages_of_a_list_are_read(azureml: AzureML, azure: Azure) -> None:
    azure.endpoints.add("churn")
    for n in range(250):
        azure.endpoints.add_deployment("churn", f"blue-{n}", f"{PROD}/models/churn/versions/7")
    assert len(OnlineEndpoints(azureml).deployments("churn")) == 250


def test_missing_resource_is_none(azureml: AzureML, azure: Azure) -> None:
    endpoints = OnlineEndpoints(azureml)
    assert endpoints.endpoint("churn") is None
    assert endpoints.deployment("churn", "blue") is None
    assert endpoints.deployments("churn") == []
    assert azureml.model(ModelRef("churn", "7", workspace=PROD)) is None
    assert azureml.model(ModelRef("churn", "7", registry="acme")) is None


def test_each_workspace_has_one_client(azure: Azure) -> None:
    """It keeps connections and tokens. The case of the workspace's id does not matter."""
    assert gateway.connect(WORKSPACE) is gateway.connect(WorkspaceId.parse(PROD.upper()))
    assert gateway.connect(WorkspaceId.parse(DEV)) is not gateway.connect(WORKSPACE)


def error_response(status: int, code: str, message: str, **more: Any) -> HttpResponseError:
    """An error of azure-core with Resource Manager's error object."""

    class Response:
        status_code, reason, headers = status, "Refused", {"Content-Type": "application/json"}

        def text(self, encoding: str | None = None) -> str:
            return json.dumps({"error": {"code": code, "message": message, **more}})

        def body(self) -> bytes:
            return self.text().encode()

    return HttpResponseError(response=Response())  # type: ignore[arg-type]  # the part of a response that is read


QUOTA = {"error": {"code": "Validation", "message": json.dumps({"errors": {"VmSize": ["Not enough quota available"]}})}}
TRANSLATIONS: list[tuple[Exception, type[Exception], str]] = [
    (
        error_response(400, "BadRequest", "instanceType is missing"),
        GiveUp,
        "HTTP 400: BadRequest: instanceType is missing",
    ),
    (
        error_response(400, "UserError", "Deployment blue not found in endpoint churn"),
        RetryLater,
        "not found in endpoint",
    ),
    (error_response(400, "BadRequest", "An operation is already in progress"), RetryLater, "in progress"),
    (error_response(400, "BadRequest", "because it is in Updating provisioning state"), RetryLater, "Updating"),
    (error_response(409, "Conflict", "endpoint is in Updating state"), RetryLater, "Updating"),
    (error_response(409, "QuotaExceeded", "no"), GiveUp, "ask for more quota"),
    (
        error_response(409, "OperationNotAllowed", "exceeding approved standardDSv2Family Cores quota"),
        GiveUp,
        "ask for more",
    ),
    (error_response(400, "OutOfQuota", "Not enough subscription CPU quota."), GiveUp, "ask for more quota"),
    (
        error_response(400, "BadRequest", "", details=[{"code": "X", "message": json.dumps(QUOTA)}]),
        GiveUp,
        "VmSize: Not enough",
    ),
    (error_response(403, "AuthorizationFailed", "no role"), RetryLater, "no role"),
    (error_response(404, "ResourceNotFound", "no such thing"), RetryLater, "no such thing"),
    (error_response(429, "TooManyRequests", "slow down"), RetryLater, "slow down"),
    (error_response(500, "InternalServerError", "oops"), RetryLater, "oops"),
    (ServiceRequestError("no route"), RetryLater, "no route"),
    (ValueError("a defect"), RetryLater, "a defect"),
    (GiveUp("no"), GiveUp, "no"),
    (RetryLater("later"), RetryLater, "later"),
]


@pytest.mark.parametrize(("error", "kind", "text"), TRANSLATIONS, ids=lambda value: str(value)[:40])
def test_error_is_translated_and_classified(error: Exception, kind: type[Exception], text: str) -> None:
    """handlers.errors classifies it by its status after the translation."""
    with pytest.raises(Exception) as raised, translated_errors():  # noqa: PT011 - `classify` decides which it is
        raise error
    verdict = classify(raised.value)
    assert type(verdict) is kind
    assert text in str(verdict)


def test_validation_error_of_the_client_gives_up(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """Without the colors in its message."""
    with pytest.raises(GiveUp) as error:
        endpoints.create(new("a_name_that_cannot_be"))
    assert "The name for a deployment" in str(error.value)
    assert "\x1b" not in str(error.value)


def test_error_that_the_client_wraps_is_unwrapped(azureml: AzureML) -> None:
    assert azureml.client
    from azure.ai.ml.exceptions import MlException

    wrapped = MlException(message="upload failed", no_personal_data_message="")
    wrapped.__cause__ = ServiceRequestError("no route to the storage account")
    with pytest.raises(ServiceRequestError), translated_errors():
        raise wrapped


def test_error_text_names_each_detail_once() -> None:
    error = {
        "code": "A",
        "message": "one",
        "details": [{"code": "A", "message": "one"}, {"code": "B", "message": "two"}],
    }
    assert error_text(error) == "A: one; B: two"
    assert error_text(None) == ""
    assert error_text({"message": "[1, 2]"}) == "[1, 2]"


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("", "AzureCloud"),
        ("https://management.azure.com/", "AzureCloud"),
        ("https://management.usgovcloudapi.net", "AzureUSGovernment"),
        ("https://management.chinacloudapi.cn", "AzureChinaCloud"),
        ("https://localhost:1234", "at https://localhost:1234"),
    ],
)
def test_setting_selects_the_cloud(monkeypatch: pytest.MonkeyPatch, setting: str, name: str) -> None:
    monkeypatch.setenv(cloud.SETTING, setting)
    assert cloud.client_options(cloud.arm_endpoint())["cloud"] == name


@pytest.mark.parametrize(
    ("setting", "metadata", "endpoint"),
    [
        ("", "https://localhost:1234/metadata/endpoints?api-version=2019-05-01", "https://localhost:1234"),
        ("", "https://management.azure.com/metadata/endpoints?api-version=2019-05-01", cloud.PUBLIC),
        ("", "https://Management.usgovcloudapi.net/metadata/endpoints", cloud.PUBLIC),
        ("https://localhost:5678", "https://localhost:1234/metadata/endpoints", "https://localhost:5678"),
    ],
)
def test_metadata_url_selects_the_cloud(
    monkeypatch: pytest.MonkeyPatch, setting: str, metadata: str, endpoint: str
) -> None:
    """ARM_CLOUD_METADATA_URL, unless MLEVENTS_ARM_ENDPOINT is set, too."""
    monkeypatch.setenv(cloud.SETTING, setting)
    monkeypatch.setenv(cloud.METADATA, metadata)
    assert cloud.arm_endpoint() == endpoint


@pytest.mark.parametrize("metadata", ["http://localhost:1/metadata/endpoints", "localhost:1", "https://"])
def test_metadata_url_without_https_is_an_error(monkeypatch: pytest.MonkeyPatch, metadata: str) -> None:
    monkeypatch.delenv(cloud.SETTING, raising=False)
    monkeypatch.setenv(cloud.METADATA, metadata)
    with pytest.raises(ValueError, match="ARM_CLOUD_METADATA_URL"):
        cloud.arm_endpoint()


def test_resource_of_scoring_tokens_depends_on_the_cloud() -> None:
    assert cloud.scoring_resource("https://management.azure.com") == "https://ml.azure.com"
    assert cloud.scoring_resource("https://management.usgovcloudapi.net") == "https://ml.azure.us"


@pytest.mark.parametrize(
    "setting", ["http://localhost:1", "management.azure.com", "https://", "https://a.example.com/x"]
)
def test_endpoint_setting_that_is_no_https_url_is_an_error(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(cloud.SETTING, setting)
    with pytest.raises(ValueError, match="MLEVENTS_ARM_ENDPOINT"):
        cloud.arm_endpoint()


LOADING = """
import sys
from pathlib import Path
from dispatch.rules import load
from schemas import ModelRegistered
rules = load(Path(sys.argv[1]), {"RULES_WS_CHURN_DEV": sys.argv[2], "RULES_WS_CHURN_PROD": sys.argv[3]})
assert not rules.errors, rules.errors
handler = rules.by_name["deploy-it"].handler
event = ModelRegistered.example()
print(handler.plan(event), handler.lock(event), handler.destination(event))
print([name for name in sys.modules if name.startswith(("azure.ai", "azure.identity", "marshmallow"))])
"""


@pytest.mark.services
def test_loading_a_deploy_rule_imports_no_azure_client(tmp_path: Path) -> None:
    """Nor do its plan, lock and destination: the first step imports azure.ai.ml and azure.identity."""
    (tmp_path / "workspaces.yaml").write_text('workspaces: { churn-prod: { id: "${RULES_WS_CHURN_PROD}" } }')
    rule = "rules: [{ name: deploy-it, on: ModelRegistered, do: deploy, with: { endpoint: churn } }]"
    (tmp_path / "churn.yaml").write_text(rule)
    command = [sys.executable, "-c", LOADING, str(tmp_path), DEV, PROD]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


CONNECTING = """
import sys
from handlers.azure.ml.workspace import AzureML
from schemas import WorkspaceId
class UnusedCredential:
    def get_token(self, *scopes, **options):
        raise AssertionError("no token is needed")
workspace = WorkspaceId.parse(sys.argv[1])
print(AzureML(workspace, "https://management.azure.com", UnusedCredential()).client.workspace_name)
"""


@pytest.mark.services
def test_cloud_of_a_parent_process_is_ignored() -> None:
    """azure-ai-ml leaves its last cloud in the environment, and cannot be imported if that cloud is unknown."""
    environment = {**os.environ, "AZUREML_CURRENT_CLOUD": "at https://localhost:1"}
    command = [sys.executable, "-W", "ignore", "-c", CONNECTING, DEV]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["churn-dev"]


def test_closing_the_transport_keeps_connections_for_other_clients(azureml: AzureML, azure: Azure) -> None:
    with azureml.transport as transport:
        assert azureml.arm.get(f"{PROD}/onlineEndpoints/churn") is None
    transport.close()
    transport.open()
    assert azureml.arm.get(f"{PROD}/onlineEndpoints/churn") is None


def test_last_operation_is_read_from_the_properties() -> None:
    """It finds an operation whose start was not recorded. Azure/azure-cli#30154 shows the property of an endpoint."""
    url = "https://management.azure.com/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/l/x"
    properties = {"properties": {"AzureAsyncOperationUri": url}, "provisioningState": "Failed"}
    assert Deployment.of({"name": "blue", "properties": properties}).operation == url
    assert Endpoint.online({"name": "churn", "properties": properties}).operation == url
    assert Endpoint.batch({"name": "churn", "properties": {"properties": None}}).operation == ""


def test_invalid_time_is_none() -> None:
    body = {"name": "blue", "properties": {}, "systemData": {"createdAt": "yesterday"}}
    assert Deployment.of(body).created is None
    assert Deployment.of(body | {"systemData": None}).created is None
