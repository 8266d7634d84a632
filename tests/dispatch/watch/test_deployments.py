"""Failed deployments and endpoints."""

from collections.abc import Callable
from typing import Any

from tests.dispatch.watch.azure import HOST, refusal
from tests.dispatch.watch.watching import WORKSPACE, Watching

Make = Callable[..., Watching]
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/churn"
DEPLOYMENT = f"{ENDPOINT}/deployments/churn-8"
OPERATION = f"{WORKSPACE}/operations/1"
BOTH = ("DeploymentFailed", "EndpointFailed")
TYPES = {"Mlevents.DeploymentFailed": "deployment", "Mlevents.EndpointFailed": "endpoint"}


def with_endpoint(made: Watching) -> Watching:
    made.azure.put(ENDPOINT, {"provisioningState": "Succeeded"})
    return made


def fail(made: Watching, path: str = DEPLOYMENT, **properties: Any) -> None:
    made.azure.put(OPERATION, {}, error={"code": "ResourceNotReady", "message": "User container has crashed."})
    operation = {"AzureAsyncOperationUri": f"{HOST}{OPERATION}"}
    made.azure.put(path, {"provisioningState": "Failed", "properties": operation, **properties}, tags={"team": "churn"})


def test_failed_deployment_is_raised_once_with_its_reason(watching: Make) -> None:
    found = with_endpoint(watching(*BOTH))
    found.look()
    model = f"{WORKSPACE}/models/churn/versions/8"
    fail(found, model=model, instanceType="Standard_DS3_v2")
    [event] = found.look()
    assert event["eventType"] == "Mlevents.DeploymentFailed"
    assert event["data"] == {
        "endpointName": "churn",
        "deploymentName": "churn-8",
        "model": model,
        "instanceType": "Standard_DS3_v2",
        "errorCode": "ResourceNotReady",
        "errorMessage": "User container has crashed.",
        "deploymentTags": {"team": "churn"},
    }
    assert found.look() == []


def test_failed_endpoint_is_raised(watching: Make) -> None:
    found = watching(*BOTH)
    found.look()
    fail(found, ENDPOINT)
    [event] = found.look()
    assert (TYPES[event["eventType"]], event["subject"]) == ("endpoint", "endpoints/churn")
    assert event["data"]["errorMessage"] == "User container has crashed."


def test_failures_before_the_first_look_are_not_raised(watching: Make) -> None:
    found = with_endpoint(watching(*BOTH))
    fail(found)
    assert found.look() == []
    assert found.look() == []


def test_deployment_that_fails_again_is_raised_again(watching: Make) -> None:
    found = with_endpoint(watching(*BOTH))
    found.look()
    fail(found)
    assert len(found.look()) == 1
    fail(found)
    assert len(found.look()) == 1
    found.azure.put(DEPLOYMENT, {"provisioningState": "Succeeded"})
    assert found.look() == []
    fail(found)
    assert len(found.look()) == 1


def test_failure_is_raised_without_a_reason_that_cannot_be_read(watching: Make) -> None:
    found = with_endpoint(watching(*BOTH))
    found.look()
    fail(found)
    found.azure.fault = lambda number, path: refusal(500) if path == OPERATION else None
    [event] = found.look()
    assert "errorMessage" not in event["data"]


def test_deployments_of_an_endpoint_that_is_being_deleted_are_left_out(watching: Make) -> None:
    found = with_endpoint(watching(*BOTH))
    found.look()
    listed = {
        "value": [{"name": "churn", "properties": {}}, {"name": "gone", "properties": {}}, {"name": ""}, None, {}]
    }
    fail(found)
    found.azure.fault = lambda number, path: listed if path.endswith("/onlineEndpoints") else None
    assert len(found.look()) == 1


def test_many_failures_are_raised_in_steps(watching: Make) -> None:
    found = watching(*BOTH)
    found.look()
    for number in range(50):
        found.azure.put(f"{WORKSPACE}/onlineEndpoints/e{number}", {"provisioningState": "Failed"})
    assert len(found.look()) == 50
    assert found.look() == []


def test_deployments_are_not_listed_for_a_rule_on_endpoints(watching: Make) -> None:
    found = with_endpoint(watching("EndpointFailed"))
    found.look()
    assert found.azure.calls == [f"{WORKSPACE}/onlineEndpoints"]
