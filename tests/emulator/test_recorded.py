"""The emulator answers as Azure does in the recordings of azure-ai-ml's own tests.

Azure/azure-sdk-assets, python/sdk/ml/azure-ai-ml/tests/recordings/online_services, of 2025 and 2026.
"""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from emulator import WORKSPACE, Azure
from tests.emulator.conftest import VERSION, Send

PATH = "onlineEndpoints/churn"
BODY = {"location": "westeurope", "properties": {"authMode": "AADToken"}}
BEFORE_THE_END = "0001-01-01T00:00:00+00:00"


@pytest.fixture(autouse=True)
def slow(azure: Azure) -> None:
    """Operations take a number of polls."""
    azure.operations.set_duration(polls=2)


def recorded_url(response: requests.Response) -> str:
    """The URL of the operation in the properties of the resource."""
    return str(response.json()["properties"]["properties"]["AzureAsyncOperationUri"])


def test_operation_urls_are_signed_except_in_the_properties(send: Send) -> None:
    answer = send("PUT", PATH, BODY)
    signed = answer.headers["Azure-AsyncOperation"]
    assert 3_000 < len(signed) < 4_000
    assert set(parse_qs(urlsplit(signed).query)) == {"api-version", "t", "c", "s", "h"}
    assert recorded_url(answer) == signed.partition("&")[0]
    assert answer.headers["x-ms-async-operation-timeout"] == "PT30M"


@pytest.mark.parametrize("collection", ["onlineEndpoints", "batchEndpoints"])
def test_new_endpoint_has_its_location_and_no_uris_yet(azure: Azure, send: Send, collection: str) -> None:
    answer = send("PUT", f"{collection}/churn", BODY)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{azure.endpoint}{WORKSPACE}/{collection}/churn?api-version={VERSION}"
    for properties in (answer.json()["properties"], send("GET", f"{collection}/churn").json()["properties"]):
        assert (properties["provisioningState"], properties["scoringUri"]) == ("Creating", None)
    for _ in range(3):
        properties = send("GET", f"{collection}/churn").json()["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["scoringUri"].startswith(azure.endpoint)


def test_operation_is_updating_until_its_end(azure: Azure, send: Send) -> None:
    """Also that of a creation or of a deletion."""
    for method, body in (("PUT", BODY), ("DELETE", None)):
        signed = send(method, PATH, body).headers["Azure-AsyncOperation"].removeprefix(azure.endpoint)
        polls = [send("GET", signed, version=None).json() for _ in range(3)]
        assert [poll["status"] for poll in polls] == ["Updating", "Updating", "Succeeded"]
        assert [poll["endTime"] for poll in polls[:2]] == [BEFORE_THE_END] * 2
        assert polls[2]["endTime"] > polls[2]["startTime"]
        assert [poll["percentComplete"] for poll in polls] == [0.0] * 3


def test_deletion_answers_with_null(azure: Azure, send: Send) -> None:
    azure.endpoints.add("churn")
    answer = send("DELETE", PATH)
    assert (answer.status_code, answer.text) == (202, "null")
    assert "/mfeOperationResults/" in answer.headers["Location"]
    assert 3_000 < len(answer.headers["Location"]) < 4_000


def test_change_of_the_traffic_answers_with_the_old_traffic(azure: Azure, send: Send) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    model = azure.models.register("churn", "7")
    for name in ("blue", "green"):
        azure.endpoints.add_deployment("churn", name, model)
    change = {**BODY, "properties": {"authMode": "AADToken", "traffic": {"green": 100}}}
    answer = send("PUT", PATH, change)
    properties = answer.json()["properties"]
    assert answer.status_code == 200
    assert (properties["provisioningState"], properties["traffic"]) == ("Updating", {"blue": 100})
    for _ in range(3):
        properties = send("GET", PATH).json()["properties"]
    assert (properties["provisioningState"], properties["traffic"]) == ("Succeeded", {"green": 100})
