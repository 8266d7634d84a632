"""The smoke test of a new deployment."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from emulator import Azure
from handlers.azure.ml.resources import Answer
from handlers.deploy.checks.smoke_test import SmokeTest, Verdict
from handlers.file_field import FOLDERS
from schemas import ModelRegistered
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import DELETE_EIGHT, EIGHT, PUT_EIGHT, REQUEST, SEVEN, deploy_eight, is_unchanged

FAILURES: list[tuple[dict[str, Any], Any, str]] = [
    ({"status": 400, "body": {"message": "unknown column"}}, REQUEST, "unknown column"),
    ({"status": 503, "body": "no healthy upstream"}, REQUEST, "no healthy upstream"),
    ({"status": 401}, REQUEST, "HTTP 401"),
    ({"body": [1]}, {"request": REQUEST, "expect": "{{ answer == [0] }}"}, "not as expected: [1]"),
    ({"body": []}, {"request": REQUEST, "expect": "{{ answer[0].score > 0 }}"}, "UndefinedError"),
]


@pytest.mark.parametrize(("answer", "test", "said"), FAILURES, ids=["400", "503", "401", "unexpected", "undefined"])
def test_deployment_that_fails_the_smoke_test_gets_no_traffic(
    serving: MakeSite, azure: Azure, answer: dict[str, Any], test: Any, said: str
) -> None:
    azure.scoring.set_response("churn", EIGHT, **answer)
    site = serving(smoke_test=test)
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "the smoke test failed" in note
    assert said in note
    assert is_unchanged(site)
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "NaN", "[-Infinity]", "9" * 10_000], ids=["nested", "nan", "inf", "int"]
)
def test_answer_that_is_not_json_fails_the_smoke_test(text: str) -> None:
    """Also where Python's parser raises RecursionError, or accepts what JSON does not have."""
    test = SmokeTest.model_validate({"request": REQUEST, "expect": "{{ answer | length }}"})
    result = test.classify(Answer(200, text), ModelRegistered.example())
    assert result.verdict is Verdict.FAILED
    assert result.reason.startswith("the answer is not JSON: ")


def test_request_nested_too_deeply_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text("[" * 100_000)
    with pytest.raises(ValidationError, match=r"'request.json' is not JSON: the values are nested too deeply"):
        SmokeTest.model_validate("request.json", context={FOLDERS: [tmp_path]})


def test_smoke_test_goes_to_the_new_deployment_only(serving: MakeSite, azure: Azure) -> None:
    azure.scoring.set_response("churn", SEVEN, status=500)
    site = serving(smoke_test=REQUEST, traffic=[100])
    assert deploy_eight(site)[0] == "succeeded"
    assert [call.status for call in azure.scoring.calls] == [200, 200]
    assert azure.scoring.calls[0].body["input_data"]["columns"][0] == "tenure_months"


def test_smoke_test_is_retried_while_the_deployment_is_not_ready(serving: MakeSite, azure: Azure) -> None:
    """A deployment may not accept requests right after it is provisioned."""
    azure.faults.fail("POST */score*", status=503, times=2)
    site = serving(smoke_test=REQUEST, traffic=[100])
    assert deploy_eight(site)[0] == "succeeded"


@pytest.mark.parametrize("mode", ["Key", "AMLToken", "AADToken"])
def test_smoke_test_authenticates_as_the_endpoint_requires(make: MakeSite, azure: Azure, mode: str) -> None:
    azure.endpoints.add("churn", auth_mode=mode)
    site = make(smoke_test=REQUEST)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    assert [call.status for call in azure.scoring.calls] == [200, 200]


def test_denied_answers_do_not_shorten_the_time_to_become_ready(serving: MakeSite, azure: Azure) -> None:
    """403 five times, then 503 once."""
    azure.faults.fail("POST */score", status=503, times=1)
    azure.faults.fail("POST */score", status=403, times=5)
    site = serving(smoke_test=REQUEST, traffic=[100])
    status, note = deploy_eight(site)
    assert (status, site.traffic()) == ("succeeded", {"8": 100}), note
