"""The facts about endpoints, from an emulated Azure."""

from emulator import Azure
from tests.handlers.azure.facts.conftest import EndpointOf


def test_online_endpoint_has_traffic_and_deployments(azure: Azure, endpoint_of: EndpointOf) -> None:
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn", traffic={"blue": 90, "green": 10, "red": 0}, tags={"team": "churn"})
    azure.endpoints.add_deployment("churn", "green", model, state="Updating", instances=3)
    azure.endpoints.add_deployment("churn", "blue", "azureml:churn:6", instance_type="Standard_F4s_v2")
    facts = endpoint_of("churn")
    assert (facts.unavailable, facts.missing) == (None, ())
    assert (facts.name, facts.kind, facts.state, facts.tags) == ("churn", "online", "Succeeded", {"team": "churn"})
    assert facts.traffic == {"blue": 90, "green": 10}
    assert [(each.name, each.state, each.traffic, each.model, each.size) for each in facts.deployments] == [
        ("blue", "Succeeded", 90, "churn:6", "Standard_F4s_v2"),
        ("green", "Updating", 10, "churn:7", "Standard_DS3_v2"),
    ]
    assert facts.deployments[1].instances == 3
    assert facts.url
    assert facts.url.startswith("https://ml.azure.com/endpoints/realtime/churn/detail?wsid=")


def test_default_deployment_of_a_batch_endpoint_has_all_traffic(azure: Azure, endpoint_of: EndpointOf) -> None:
    azure.models.register("churn", "7")
    azure.endpoints.add_batch("churn-batch", "nightly", model="churn:7")
    facts = endpoint_of("churn-batch")
    assert (facts.kind, facts.traffic) == ("batch", {"nightly": 100})
    assert [(each.model, each.traffic) for each in facts.deployments] == [("churn:7", 100)]


def test_forbidden_deployments_are_missing(azure: Azure, endpoint_of: EndpointOf) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.faults.fail("GET onlineEndpoints/churn/deployments", status=429, code="TooMany", message="later", times=None)
    facts = endpoint_of("churn")
    assert (facts.traffic, facts.deployments) == ({"blue": 100}, ())
    assert facts.missing == ("the deployments: HTTP 429 from localhost: TooMany: later",)
    assert facts.transient


def test_endpoint_that_does_not_exist_is_unavailable(endpoint_of: EndpointOf) -> None:
    assert endpoint_of("churn").unavailable
