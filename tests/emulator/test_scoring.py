"""Scoring URIs: authorization, the deployment that answers, and its answer."""

from collections import Counter

import pytest
import requests

from emulator import Azure
from tests.emulator.conftest import Send

ML = "https://ml.azure.com"
ROWS = '{"input_data": []}'


@pytest.fixture
def model(azure: Azure) -> str:
    return azure.models.register("churn", "7")


def score(azure: Azure, bearer: str | None = None, *, deployment: str = "", data: str = ROWS) -> requests.Response:
    endpoint = azure.endpoints.get("churn")
    assert endpoint
    headers = {"azureml-model-deployment": deployment} if deployment else {}
    token = azure.token(ML) if bearer is None else bearer
    return requests.post(
        endpoint["properties"]["scoringUri"],
        data=data,
        headers={"Authorization": f"Bearer {token}", **headers},
        verify=str(azure.own_ca_file),
        timeout=30,
    )


def test_endpoint_with_auth_mode_aadtoken_accepts_entra_tokens_only(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.endpoints.add_deployment("churn", "blue", model)
    answer = score(azure)
    assert (answer.status_code, answer.json()) == (200, [0])
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert score(azure, azure.token("https://management.azure.com")).status_code == 401
    assert score(azure, "").status_code == 401
    assert [call.status for call in azure.scoring.calls] == [200, 401, 401]
    assert azure.scoring.calls[0].body == {"input_data": []}


def test_endpoint_with_auth_mode_key_accepts_its_keys_only(azure: Azure, send: Send, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100}, auth_mode="Key")
    azure.endpoints.add_deployment("churn", "blue", model)
    keys = send("POST", "onlineEndpoints/churn/listKeys").json()
    assert [score(azure, key).status_code for key in keys.values()] == [200, 200]
    assert score(azure, azure.token(ML)).status_code == 401


def test_endpoint_with_auth_mode_amltoken_accepts_its_tokens(azure: Azure, send: Send, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100}, auth_mode="AMLToken")
    azure.endpoints.add_deployment("churn", "blue", model)
    assert score(azure, send("POST", "onlineEndpoints/churn/token").json()["accessToken"]).status_code == 200


def test_traffic_is_split_exactly(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 90, "green": 10})
    azure.endpoints.add_deployment("churn", "blue", model)
    azure.endpoints.add_deployment("churn", "green", model)
    answers = Counter(score(azure).headers["azureml-model-deployment"] for _ in range(100))
    assert answers == {"blue": 90, "green": 10}


def test_header_selects_the_deployment(azure: Azure, model: str) -> None:
    """Whatever its share, even none. A missing or failed deployment is not found."""
    azure.endpoints.add("churn", traffic={"blue": 100})
    for name, state in (("blue", "Succeeded"), ("green", "Succeeded"), ("red", "Failed")):
        azure.endpoints.add_deployment("churn", name, model, state=state)
    assert score(azure, deployment="Green").headers["azureml-model-deployment"] == "green"
    assert score(azure, deployment="red").status_code == 404
    assert score(azure, deployment="other").status_code == 404


def test_request_without_traffic_is_not_found(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn")
    azure.endpoints.add_deployment("churn", "blue", model)
    answer = score(azure)
    assert answer.status_code == 404
    assert "valid deployment with positive weight" in answer.text


def test_missing_endpoint_is_not_found(azure: Azure, model: str, send: Send) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    uri = (azure.endpoints.get("churn") or {})["properties"]["scoringUri"].replace("churn", "other")
    assert requests.post(uri, verify=str(azure.own_ca_file), timeout=30).status_code == 404


def test_responses_are_set_by_deployment(azure: Azure, model: str) -> None:
    """The latest matching one applies."""
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.endpoints.add_deployment("churn", "blue", model)
    azure.endpoints.add_deployment("churn", "green", model)
    azure.scoring.set_response(body={"predictions": [1]})
    azure.scoring.set_response(
        "churn", "green", status=424, body={"error": "model"}, headers={"ms-azureml-model-error-reason": "x"}
    )
    azure.scoring.set_response("other", body=[9])
    assert score(azure).json() == {"predictions": [1]}
    failed = score(azure, deployment="green")
    assert (failed.status_code, failed.headers["ms-azureml-model-error-reason"]) == (424, "x")
    azure.scoring.set_response("churn", scorer=lambda data: [sum(row) for row in data["input_data"]])
    assert score(azure, data='{"input_data": [[1, 2], [3]]}').json() == [3, 3]


def test_input_that_is_not_json_is_an_error_of_the_model(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.endpoints.add_deployment("churn", "blue", model)
    answer = score(azure, data="what?")
    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "400")


def test_broken_deployment_answers_with_an_error(azure: Azure, send: Send, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.endpoints.add_deployment("churn", "blue", model)
    azure.endpoints.add_deployment("churn", "green", model)
    azure.faults.break_deployment(
        "churn", "green", status=502, message="crashed", state="Failed", logs="killed: out of memory"
    )
    path = "onlineEndpoints/churn/deployments/green"
    assert send("GET", path).json()["properties"]["provisioningState"] == "Failed"
    assert send("POST", f"{path}/getLogs", {"tail": 5}).json() == {"content": "killed: out of memory"}
    azure.faults.break_deployment("churn", "blue")
    assert score(azure).status_code == 503
