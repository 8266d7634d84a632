"""The real azure-ai-ml client, unpatched, and online endpoints: its requests, and how it reads the responses."""

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import WORKSPACE, Azure

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ManagedOnlineDeployment


def managed(model: str, name: str = "churn-7", **more: Any) -> "ManagedOnlineDeployment":
    from azure.ai.ml.entities import ManagedOnlineDeployment

    more = {"instance_type": "Standard_DS3_v2", "instance_count": 1, **more}
    return ManagedOnlineDeployment(name=name, endpoint_name="churn", model=model, **more)


def targets(azure: Azure, match: str = "") -> list[str]:
    return [f"{call.target} {call.api_version}" for call in azure.calls.matching(match)]


def test_endpoint_is_created_with_one_put(azure: Azure, client: "MLClient") -> None:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    created = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="churn", auth_mode="aad_token", tags={"team": "churn"})
    ).result()
    assert (created.provisioning_state, created.auth_mode, created.location) == ("Succeeded", "aad_token", "westeurope")
    assert created.scoring_uri.startswith(azure.endpoint)
    assert created.identity.principal_id
    assert targets(azure) == [
        "GET workspaces/churn-prod 2024-10-01-preview",
        "PUT onlineEndpoints/churn 2022-02-01-preview",
        "GET onlineEndpoints/churn 2022-02-01-preview",
    ]
    assert [call.body for call in azure.calls.matching("PUT *")] == [
        {
            "location": "westeurope",
            "tags": {"team": "churn"},
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "AADToken", "properties": {}, "traffic": {}, "mirrorTraffic": {}},
        }
    ]


def test_client_polls_the_operation(azure: Azure, client: "MLClient") -> None:
    """At the interval in the responses, rather than every 30 seconds."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    azure.operations.set_duration(polls=3)
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="churn")).result()
    polls = azure.calls.matching("GET */mfeOperationsStatus/oe:*")
    assert [call.answer["status"] for call in polls] == ["Updating"] * 3 + ["Succeeded"]


def test_client_deploys_an_mlflow_model(azure: Azure, client: "MLClient", capfd: pytest.CaptureFixture[str]) -> None:
    """It needs no environment and no code."""
    azure.endpoints.add("churn")
    model = azure.models.register("churn", "7")
    created = client.online_deployments.begin_create_or_update(managed(model, tags={"by": "mlevents"})).result()
    assert (created.provisioning_state, created.model, created.instance_count) == ("Succeeded", model, 1)
    assert targets(azure) == [
        "GET onlineEndpoints/churn 2023-04-01-preview",
        "GET workspaces/churn-prod 2024-10-01-preview",
        "PUT onlineEndpoints/churn/deployments/churn-7 2023-04-01-preview",
        "GET onlineEndpoints/churn/deployments/churn-7 2023-04-01-preview",
    ]
    (put,) = azure.calls.matching("PUT *")
    assert put.status == 201
    assert put.body["sku"] == {"name": "Default", "capacity": 1}
    assert put.body["properties"]["endpointComputeType"] == "Managed"
    assert "environmentId" not in put.body["properties"]
    assert azure.endpoints.deployments("churn")["churn-7"]["tags"] == {"by": "mlevents"}
    capfd.readouterr()  # the client prints its progress


def test_client_deploys_a_registry_model(azure: Azure, client: "MLClient") -> None:
    """The client finds the registry by discovery, and reads the model there."""
    azure.endpoints.add("churn")
    model = azure.models.register("churn", "7", registry="acme")
    client.online_deployments.begin_create_or_update(managed(model)).result()
    assert azure.endpoints.deployments("churn")["churn-7"]["properties"]["model"] == model
    assert [call.line for call in azure.calls.matching("*/discovery")]
    assert azure.events.all[-1]["data"]["modelIds"] == "churn:7"


def test_client_deploys_a_custom_model_with_environment_and_code(azure: Azure, client: "MLClient") -> None:
    from azure.ai.ml.entities import CodeConfiguration

    azure.endpoints.add("churn")
    model = azure.models.register("churn", "7", type="custom_model")
    environment, code = azure.assets.add_environment("serving", "1"), azure.assets.add_code("scorer", "1")
    configuration = CodeConfiguration(code=code, scoring_script="score.py")
    deployment = managed(model, environment=environment, code_configuration=configuration)
    client.online_deployments.begin_create_or_update(deployment).result()
    properties = azure.endpoints.deployments("churn")["churn-7"]["properties"]
    assert properties["codeConfiguration"] == {"codeId": code, "scoringScript": "score.py"}
    assert properties["environmentId"] == environment


def test_failed_deployment_has_error_and_logs(azure: Azure, client: "MLClient") -> None:
    """The error is the operation's. The deployment stays, as Failed, and raises no event."""
    azure.endpoints.add("churn")
    model = azure.models.register("churn", "7")
    azure.faults.fail_deployment("churn-*", "the container has crashed", logs="loading\nno module named sklearn\n")
    with pytest.raises(HttpResponseError, match=r"(?s)ResourceNotReady.*the container has crashed"):
        client.online_deployments.begin_create_or_update(managed(model)).result()
    assert client.online_deployments.get("churn-7", "churn").provisioning_state == "Failed"
    assert client.online_deployments.get_logs("churn-7", "churn", 1) == "no module named sklearn"
    assert [event["eventType"].rpartition(".")[2] for event in azure.events.all] == ["ModelRegistered"]


def test_traffic_is_changed_by_writing_the_endpoint_back(azure: Azure, client: "MLClient") -> None:
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn", tags={"team": "churn"})
    azure.endpoints.add_deployment("churn", "churn-6", model)
    azure.endpoints.add_deployment("churn", "churn-7", model)
    endpoint = client.online_endpoints.get("churn")
    assert endpoint.traffic == {"churn-6": 0, "churn-7": 0}  # the client reads the deployments and adds them
    endpoint.traffic = {"churn-6": 90, "churn-7": 10}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    assert azure.endpoints.traffic("churn") == {"churn-6": 90, "churn-7": 10}
    assert client.online_endpoints.get("churn").traffic == {"churn-6": 90, "churn-7": 10}
    changed = azure.endpoints.get("churn")
    assert changed
    assert changed["tags"] == {"team": "churn"}


def test_deployments_and_endpoints_are_listed_in_pages(azure: Azure, client: "MLClient") -> None:
    model = azure.models.register("churn", "7")
    azure.state.page = 2
    for name in ("churn", "fraud", "price"):
        azure.endpoints.add(name)
    for number in range(5):
        azure.endpoints.add_deployment("churn", f"churn-{number}", model)
    assert [endpoint.name for endpoint in client.online_endpoints.list()] == ["churn", "fraud", "price"]
    assert [d.name for d in client.online_deployments.list("churn")] == [f"churn-{n}" for n in range(5)]


def test_deleted_deployments_and_endpoints_are_not_found(azure: Azure, client: "MLClient") -> None:
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn")
    azure.endpoints.add_deployment("churn", "churn-7", model)
    client.online_deployments.begin_delete("churn-7", "churn").result()
    assert azure.endpoints.deployments("churn") == {}
    client.online_endpoints.begin_delete("churn").result()
    with pytest.raises(ResourceNotFoundError, match="onlineEndpoints/churn"):
        client.online_endpoints.get("churn")
    assert {call.status for call in azure.calls.matching("DELETE *")} == {202}


def test_client_reads_the_logs_of_both_containers(azure: Azure, client: "MLClient") -> None:
    azure.endpoints.add("churn")
    azure.endpoints.add_deployment("churn", "churn-7", azure.models.register("churn", "7"))
    azure.endpoints.set_logs("churn", "churn-7", "one\ntwo\nthree")
    azure.endpoints.set_logs("churn", "churn-7", "downloading", container="StorageInitializer")
    assert client.online_deployments.get_logs("churn-7", "churn", 2) == "two\nthree"
    logs = client.online_deployments.get_logs("churn-7", "churn", 9, container_type="storage-initializer")
    assert logs == "downloading"


@pytest.mark.parametrize("mode", ["key", "aml_token"])
def test_client_reads_keys_and_tokens_of_endpoints(azure: Azure, client: "MLClient", mode: str) -> None:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="churn", auth_mode=mode)).result()
    found = client.online_endpoints.get_keys("churn")
    assert getattr(found, "primary_key" if mode == "key" else "access_token")


def test_client_creates_endpoints_on_kubernetes(azure: Azure, client: "MLClient") -> None:
    from azure.ai.ml.entities import KubernetesOnlineDeployment, KubernetesOnlineEndpoint

    compute = azure.workspaces.add_compute("k8s", "Kubernetes")
    model = azure.models.register("churn", "7")
    client.online_endpoints.begin_create_or_update(
        KubernetesOnlineEndpoint(name="churn", compute="k8s", auth_mode="aml_token")
    ).result()
    created = client.online_deployments.begin_create_or_update(
        KubernetesOnlineDeployment(name="churn-7", endpoint_name="churn", model=model, instance_count=1)
    ).result()
    assert created.provisioning_state == "Succeeded"
    endpoint = azure.endpoints.get("churn")
    assert endpoint
    assert endpoint["properties"]["compute"] == compute
    assert azure.endpoints.deployments("churn")["churn-7"]["properties"]["endpointComputeType"] == "Kubernetes"


def test_quota_is_listed_and_enforced(azure: Azure, client: "MLClient") -> None:
    """A deployment needs 20 % more than it runs, for upgrades."""
    azure.workspaces.set_quota("DSv2", 12)
    azure.endpoints.add("churn")
    model = azure.models.register("churn", "7")
    client.online_deployments.begin_create_or_update(managed(model, "churn-6")).result()  # 2 × 4 cores
    usage = {usage.name["value"]: usage for usage in client.compute.list_usage()}
    family = usage["Standard DSv2 Family Cluster Dedicated vCPUs"]
    assert (vars(family)["currentValue"], family.limit) == (
        8,
        12,
    )  # the client leaves its attribute current_value empty
    (size,) = [size for size in client.compute.list_sizes() if size.name == "Standard_DS3_v2"]
    assert size.family == "standardDSv2Family"
    with pytest.raises(HttpResponseError, match="Not enough quota available for Standard_DS3_v2") as refusal:
        client.online_deployments.begin_create_or_update(managed(model, "churn-7"))
    assert refusal.value.status_code == 400
    assert list(azure.endpoints.deployments("churn")) == ["churn-6"]


def test_completed_deployment_raises_model_deployed(azure: Azure, client: "MLClient") -> None:
    azure.endpoints.add("churn", tags={"Team": "churn"})
    received: list[dict[str, Any]] = []
    azure.events.subscribe(received.append)
    model = azure.models.register("churn", "7")
    client.online_deployments.begin_create_or_update(managed(model)).result()
    assert [event["eventType"].rpartition(".")[2] for event in received] == ["ModelRegistered", "ModelDeployed"]
    assert (received[1]["topic"], received[1]["subject"]) == (WORKSPACE, "endpoints/churn")
    data = received[1]["data"]
    assert (data["serviceName"], data["serviceComputeType"], data["modelIds"]) == ("churn", "Managed", "churn:7")
    assert data["serviceTags"] == {"team": "churn"}
