"""What the gateway does about azure-ai-ml's flaws, and what it makes of Azure ML's errors."""

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
    """With an endpoint and a model."""
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


def test_what_is_begun_is_not_waited_for_and_not_looked_after(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """The client's poller ends at its first request, which is not sent."""
    azure.operations.set_duration(polls=1_000)
    operation = endpoints.create(new())
    before = [call.line for call in azure.calls.all]
    wait_for_pollers()
    assert [call.line for call in azure.calls.all] == before
    assert operation.startswith(azure.endpoint)
    found = endpoints.deployment("churn", "churn-7")
    assert found is not None
    assert found.state == "Creating"


def test_nothing_is_printed(
    endpoints: OnlineEndpoints, azure: Azure, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither dots nor "Check: endpoint churn exists"."""
    with caplog.at_level(logging.WARNING):
        endpoints.create(new())
        with pytest.raises(HttpResponseError):
            endpoints.delete("churn", "churn-7")  # which is being created
        wait_for_pollers()
    assert (capfd.readouterr(), caplog.messages) == (("", ""), [])


def test_a_change_of_traffic_sends_back_all_that_the_endpoint_has(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """At the newest api-version; what that has and azure-ai-ml's own does not know would be lost otherwise."""
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


def test_an_endpoint_that_does_not_say_where_it_is_is_where_the_workspace_is(
    endpoints: OnlineEndpoints, azure: Azure
) -> None:
    """The schema has the location as required of what is sent, and what is read may be without."""
    azure.endpoints.add_deployment("churn", "blue", f"{PROD}/models/churn/versions/7")
    endpoint = endpoints.endpoint("churn")
    assert endpoint is not None
    nowhere = {name: value for name, value in endpoint.body.items() if name != "location"}
    endpoints.set_traffic(replace(endpoint, body=nowhere), {"blue": 100})
    assert (azure.calls.all[-1].status, azure.calls.all[-1].body["location"]) == (200, "westeurope")


def test_an_endpoint_with_identities_keeps_them() -> None:
    """Without what may only be read of them."""
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


def test_a_smoke_test_leaves_no_trace_in_the_client(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """azure-ai-ml's `invoke` keeps the deployment's name in a global, for all later calls of the process."""
    assert endpoints.azureml.client
    from azure.ai.ml.constants._endpoint import EndpointInvokeFields

    azure.endpoints.add_deployment("churn", "blue", f"{PROD}/models/churn/versions/7")
    before = dict(EndpointInvokeFields.DEFAULT_HEADER)
    endpoint = endpoints.endpoint("churn")
    assert endpoint is not None
    assert endpoints.score(endpoint, "blue", b"{}").status == 200
    assert before == EndpointInvokeFields.DEFAULT_HEADER


def test_no_answer_is_an_answer_of_the_smoke_test(endpoints: OnlineEndpoints) -> None:
    endpoint = endpoints.endpoint("churn")
    assert endpoint is not None
    away = Endpoint("churn", "Succeeded", {}, scoring_uri="https://localhost:1/score", auth="AADToken")
    answer = endpoints.score(away, "blue", b"{}")
    assert answer.status == 0
    assert "ServiceRequestError" in answer.text


@pytest.mark.parametrize("url", ["https://evil.example.com/x", "https://localhost:1/x", "{arm}.evil.example.com/x", ""])
def test_our_token_goes_to_resource_manager_alone(azureml: AzureML, azure: Azure, url: str) -> None:
    """Whoever makes a deployment can write a URL into its properties."""
    assert azureml.arm.get_url(url.format(arm=azure.endpoint)) is None
    assert azure.calls.all == []


def test_a_collection_is_read_to_its_end(azureml: AzureML, azure: Azure) -> None:
    azure.endpoints.add("churn")
    for n in range(250):
        azure.endpoints.add_deployment("churn", f"blue-{n}", f"{PROD}/models/churn/versions/7")
    assert len(OnlineEndpoints(azureml).deployments("churn")) == 250


def test_what_is_not_there_is_none(azureml: AzureML, azure: Azure) -> None:
    endpoints = OnlineEndpoints(azureml)
    assert endpoints.endpoint("churn") is None
    assert endpoints.deployment("churn", "blue") is None
    assert endpoints.deployments("churn") == []
    assert azureml.model(ModelRef("churn", "7", workspace=PROD)) is None
    assert azureml.model(ModelRef("churn", "7", registry="acme")) is None


def test_a_workspace_has_one_gateway(azure: Azure) -> None:
    """Connections and tokens are kept; another workspace has another."""
    assert gateway.connect(WORKSPACE) is gateway.connect(WorkspaceId.parse(PROD.upper()))
    assert gateway.connect(WorkspaceId.parse(DEV)) is not gateway.connect(WORKSPACE)


def refusal(status: int, code: str, message: str, **more: Any) -> HttpResponseError:
    """As Resource Manager answers it."""

    class Response:
        status_code, reason, headers = status, "Refused", {"Content-Type": "application/json"}

        def text(self, encoding: str | None = None) -> str:
            return json.dumps({"error": {"code": code, "message": message, **more}})

        def body(self) -> bytes:
            return self.text().encode()

    return HttpResponseError(response=Response())  # type: ignore[arg-type]  # as much of one as is looked at


QUOTA = {"error": {"code": "Validation", "message": json.dumps({"errors": {"VmSize": ["Not enough quota available"]}})}}
MEANINGS: list[tuple[Exception, type[Exception], str]] = [
    (refusal(400, "BadRequest", "instanceType is missing"), GiveUp, "HTTP 400: BadRequest: instanceType is missing"),
    (refusal(400, "UserError", "Deployment blue not found in endpoint churn"), RetryLater, "not found in endpoint"),
    (refusal(400, "BadRequest", "An operation is already in progress"), RetryLater, "in progress"),
    (refusal(400, "BadRequest", "because it is in Updating provisioning state"), RetryLater, "Updating"),
    (refusal(409, "Conflict", "endpoint is in Updating state"), RetryLater, "Updating"),
    (refusal(409, "QuotaExceeded", "no"), GiveUp, "ask for more quota"),
    (refusal(409, "OperationNotAllowed", "exceeding approved standardDSv2Family Cores quota"), GiveUp, "ask for more"),
    (refusal(400, "OutOfQuota", "Not enough subscription CPU quota."), GiveUp, "ask for more quota"),
    (
        refusal(400, "BadRequest", "", details=[{"code": "X", "message": json.dumps(QUOTA)}]),
        GiveUp,
        "VmSize: Not enough",
    ),
    (refusal(403, "AuthorizationFailed", "no role"), RetryLater, "no role"),
    (refusal(404, "ResourceNotFound", "no such thing"), RetryLater, "no such thing"),
    (refusal(429, "TooManyRequests", "slow down"), RetryLater, "slow down"),
    (refusal(500, "InternalServerError", "oops"), RetryLater, "oops"),
    (ServiceRequestError("no route"), RetryLater, "no route"),
    (ValueError("a defect"), RetryLater, "a defect"),
    (GiveUp("no"), GiveUp, "no"),
    (RetryLater("later"), RetryLater, "later"),
]


@pytest.mark.parametrize(("error", "kind", "said"), MEANINGS, ids=lambda value: str(value)[:40])
def test_what_an_error_means(error: Exception, kind: type[Exception], said: str) -> None:
    """Together with handlers.errors, which judges by the status."""
    with pytest.raises(Exception) as raised, translated_errors():  # noqa: PT011 - which it is, is the question
        raise error
    judged = classify(raised.value)
    assert type(judged) is kind
    assert said in str(judged)


def test_what_the_client_refuses_by_itself_is_permanent(endpoints: OnlineEndpoints, azure: Azure) -> None:
    """Its messages come in colours."""
    with pytest.raises(GiveUp) as error:
        endpoints.create(new("a_name_that_cannot_be"))
    assert "The name for a deployment" in str(error.value)
    assert "\x1b" not in str(error.value)


def test_what_the_client_wraps_is_judged_by_what_is_inside(azureml: AzureML) -> None:
    assert azureml.client
    from azure.ai.ml.exceptions import MlException

    wrapped = MlException(message="upload failed", no_personal_data_message="")
    wrapped.__cause__ = ServiceRequestError("no route to the storage account")
    with pytest.raises(ServiceRequestError), translated_errors():
        raise wrapped


def test_an_error_s_details_are_told_once() -> None:
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
def test_which_azure_it_is(monkeypatch: pytest.MonkeyPatch, setting: str, name: str) -> None:
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
def test_what_tells_the_client_of_other_clouds_tells_us(
    monkeypatch: pytest.MonkeyPatch, setting: str, metadata: str, endpoint: str
) -> None:
    """ARM_CLOUD_METADATA_URL, unless our own setting says otherwise."""
    monkeypatch.setenv(cloud.SETTING, setting)
    monkeypatch.setenv(cloud.METADATA, metadata)
    assert cloud.arm_endpoint() == endpoint


@pytest.mark.parametrize("metadata", ["http://localhost:1/metadata/endpoints", "localhost:1", "https://"])
def test_tokens_are_not_sent_just_anywhere_that_describes_clouds(
    monkeypatch: pytest.MonkeyPatch, metadata: str
) -> None:
    monkeypatch.delenv(cloud.SETTING, raising=False)
    monkeypatch.setenv(cloud.METADATA, metadata)
    with pytest.raises(ValueError, match="ARM_CLOUD_METADATA_URL"):
        cloud.arm_endpoint()


def test_tokens_for_scoring_are_the_cloud_s_own() -> None:
    assert cloud.scoring_resource("https://management.azure.com") == "https://ml.azure.com"
    assert cloud.scoring_resource("https://management.usgovcloudapi.net") == "https://ml.azure.us"


@pytest.mark.parametrize(
    "setting", ["http://localhost:1", "management.azure.com", "https://", "https://a.example.com/x"]
)
def test_tokens_are_not_sent_just_anywhere(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
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
def test_a_rule_that_deploys_loads_nothing_heavy(tmp_path: Path) -> None:
    """Neither do its lock and its plan: azure.ai.ml and azure.identity come with the first step."""
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
class Nobody:
    def get_token(self, *scopes, **options):
        raise AssertionError("nothing is asked")
workspace = WorkspaceId.parse(sys.argv[1])
print(AzureML(workspace, "https://management.azure.com", Nobody()).client.workspace_name)
"""


@pytest.mark.services
def test_a_cloud_that_a_parent_process_used_is_not_taken() -> None:
    """azure-ai-ml leaves the name of its last cloud in the environment, and cannot be imported where it is unknown."""
    environment = {**os.environ, "AZUREML_CURRENT_CLOUD": "at https://localhost:1"}
    command = [sys.executable, "-W", "ignore", "-c", CONNECTING, DEV]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["churn-dev"]


def test_a_client_that_is_done_closes_nothing_that_others_use(azureml: AzureML, azure: Azure) -> None:
    with azureml.transport as transport:
        assert azureml.arm.get(f"{PROD}/onlineEndpoints/churn") is None
    transport.close()
    transport.open()
    assert azureml.arm.get(f"{PROD}/onlineEndpoints/churn") is None


def test_the_last_operation_is_found_among_the_properties() -> None:
    """For whoever did not live to remember it; as Azure/azure-cli#30154 shows it of an endpoint."""
    url = "https://management.azure.com/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/l/x"
    properties = {"properties": {"AzureAsyncOperationUri": url}, "provisioningState": "Failed"}
    assert Deployment.of({"name": "blue", "properties": properties}).operation == url
    assert Endpoint.online({"name": "churn", "properties": properties}).operation == url
    assert Endpoint.batch({"name": "churn", "properties": {"properties": None}}).operation == ""


def test_a_time_that_is_none_is_no_time() -> None:
    body = {"name": "blue", "properties": {}, "systemData": {"createdAt": "yesterday"}}
    assert Deployment.of(body).created is None
    assert Deployment.of(body | {"systemData": None}).created is None
