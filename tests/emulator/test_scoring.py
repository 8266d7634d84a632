"""Scoring URIs: who may ask, which deployment answers, and what."""

from collections import Counter

import pytest
import requests

from emulator import Azure
from tests.emulator.conftest import Ask

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


def test_an_endpoint_with_entra_tokens(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.endpoints.add_deployment("churn", "blue", model)
    answer = score(azure)
    assert (answer.status_code, answer.json()) == (200, [0])
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert score(azure, azure.token("https://management.azure.com")).status_code == 401
    assert score(azure, "").status_code == 401
    assert [call.status for call in azure.scoring.calls] == [200, 401, 401]
    assert azure.scoring.calls[0].body == {"input_data": []}


def test_an_endpoint_with_keys(azure: Azure, ask: Ask, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100}, auth_mode="Key")
    azure.endpoints.add_deployment("churn", "blue", model)
    keys = ask("POST", "onlineEndpoints/churn/listKeys").json()
    assert [score(azure, key).status_code for key in keys.values()] == [200, 200]
    assert score(azure, azure.token(ML)).status_code == 401


def test_an_endpoint_with_azure_ml_s_tokens(azure: Azure, ask: Ask, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100}, auth_mode="AMLToken")
    azure.endpoints.add_deployment("churn", "blue", model)
    assert score(azure, ask("POST", "onlineEndpoints/churn/token").json()["accessToken"]).status_code == 200


def test_traffic_is_shared_exactly(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 90, "green": 10})
    azure.endpoints.add_deployment("churn", "blue", model)
    azure.endpoints.add_deployment("churn", "green", model)
    answers = Counter(score(azure).headers["azureml-model-deployment"] for _ in range(100))
    assert answers == {"blue": 90, "green": 10}


def test_a_header_names_the_deployment(azure: Azure, model: str) -> None:
    """Whatever its share: that is how one without any is tried out. One that is not there or not ready is not found."""
    azure.endpoints.add("churn", traffic={"blue": 100})
    for name, state in (("blue", "Succeeded"), ("green", "Succeeded"), ("red", "Failed")):
        azure.endpoints.add_deployment("churn", name, model, state=state)
    assert score(azure, deployment="Green").headers["azureml-model-deployment"] == "green"
    assert score(azure, deployment="red").status_code == 404
    assert score(azure, deployment="other").status_code == 404


def test_nobody_answers_without_traffic(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn")
    azure.endpoints.add_deployment("churn", "blue", model)
    answer = score(azure)
    assert answer.status_code == 404
    assert "valid deployment with positive weight" in answer.text


def test_no_endpoint_no_answer(azure: Azure, model: str, ask: Ask) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    uri = (azure.endpoints.get("churn") or {})["properties"]["scoringUri"].replace("churn", "other")
    assert requests.post(uri, verify=str(azure.own_ca_file), timeout=30).status_code == 404


def test_answers_are_as_told(azure: Azure, model: str) -> None:
    """By deployment; what was said last counts."""
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
    azure.scoring.set_response("churn", scorer=lambda asked: [sum(row) for row in asked["input_data"]])
    assert score(azure, data='{"input_data": [[1, 2], [3]]}').json() == [3, 3]


def test_what_is_not_json_is_the_model_s_error(azure: Azure, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.endpoints.add_deployment("churn", "blue", model)
    answer = score(azure, data="what?")
    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "400")


def test_a_deployment_falls_ill(azure: Azure, ask: Ask, model: str) -> None:
    azure.endpoints.add("churn", traffic={"blue": 100})
    azure.endpoints.add_deployment("churn", "blue", model)
    azure.endpoints.add_deployment("churn", "green", model)
    azure.faults.break_deployment(
        "churn", "green", status=502, message="crashed", state="Failed", logs="killed: out of memory"
    )
    path = "onlineEndpoints/churn/deployments/green"
    assert ask("GET", path).json()["properties"]["provisioningState"] == "Failed"
    assert ask("POST", f"{path}/getLogs", {"tail": 5}).json() == {"content": "killed: out of memory"}
    azure.faults.break_deployment("churn", "blue")
    assert score(azure).status_code == 503
