"""Data Factory: runs of pipelines, started, followed, searched, canceled, without a client."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator import Azure, ErrorResponse
from tests.emulator.conftest import Ask, refused

VERSION = "2018-06-01"


@pytest.fixture
def factory(azure: Azure) -> str:
    return azure.factories.add(
        "adf-ml", {"copy-and-train": {"reason": "String", "rows": {"type": "Int", "defaultValue": 10}}, "clean-up": {}}
    )


def start(ask: Ask, factory: str, pipeline: str = "copy-and-train", **parameters: Any) -> str:
    answer = ask("POST", f"{factory}/pipelines/{pipeline}/createRun", parameters, version=VERSION)
    assert answer.status_code == 200
    return str(answer.json()["runId"])


def query(ask: Ask, factory: str, *filters: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    asked = {
        "lastUpdatedAfter": (now - timedelta(hours=1)).isoformat(),
        "lastUpdatedBefore": (now + timedelta(hours=1)).isoformat(),
        "filters": list(filters),
        **more,
    }
    answer = ask("POST", f"{factory}/queryPipelineRuns", asked, version=VERSION)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


def test_a_run_takes_its_time(ask: Ask, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(seconds=60)
    run = start(ask, factory, reason="drift")
    seen = []
    for _ in range(4):
        answer = ask("GET", f"{factory}/pipelineruns/{run}", version=VERSION).json()
        seen.append(answer["status"])
        azure.clock.forward(seconds=21)
    assert seen == ["Queued", "InProgress", "InProgress", "Succeeded"]
    assert answer["parameters"] == {"reason": "drift", "rows": "10"}
    assert (answer["runId"], answer["pipelineName"]) == (run, "copy-and-train")
    assert answer["durationInMs"] == 60_000


def test_equal_requests_are_runs_of_their_own(ask: Ask, azure: Azure, factory: str) -> None:
    assert start(ask, factory, reason="drift") != start(ask, factory, reason="drift")
    assert len(azure.factories.runs("adf-ml")) == 2


def test_a_run_fails_with_a_message(ask: Ask, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(polls=1)
    azure.jobs.fail("copy-*", "Operation on target Copy failed")
    run = start(ask, factory, reason="drift")
    looks = [ask("GET", f"{factory}/pipelineruns/{run}", version=VERSION).json() for _ in range(2)]
    assert [look["status"] for look in looks] == ["InProgress", "Failed"]
    assert looks[1]["message"] == "Operation on target Copy failed"


def test_a_run_is_canceled(ask: Ask, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(seconds=60)
    run = start(ask, factory, reason="drift")
    assert ask("POST", f"{factory}/pipelineruns/{run}/cancel", version=VERSION).status_code == 200
    assert azure.factories.runs(factory)[0]["status"] == "Canceling"
    azure.clock.forward(minutes=2)
    assert azure.factories.runs(factory)[0]["status"] == "Cancelled"
    assert "cannot be canceled" in refused(ask("POST", f"{factory}/pipelineruns/{run}/cancel", version=VERSION))[2]


def test_runs_are_searched_by_pipeline_status_and_times_only(ask: Ask, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(seconds=0)
    one = start(ask, factory, reason="drift")
    two = start(ask, factory, "clean-up")
    azure.jobs.fail(times=1)
    three = start(ask, factory, "clean-up")
    of_clean_up = {"operand": "PipelineName", "operator": "Equals", "values": ["clean-up"]}
    failed = {"operand": "Status", "operator": "In", "values": ["Failed", "Cancelled"]}
    newest_first = {"orderBy": [{"orderBy": "RunStart", "order": "DESC"}]}
    assert [run["runId"] for run in query(ask, factory)] == [one, two, three]
    assert [run["runId"] for run in query(ask, factory, of_clean_up, **newest_first)] == [three, two]
    assert [run["runId"] for run in query(ask, factory, of_clean_up, failed)] == [three]
    assert [run["runId"] for run in query(ask, factory, {**failed, "operator": "NotIn"})] == [one, two]
    assert query(ask, factory, lastUpdatedAfter="2040-01-01T00:00:00Z", lastUpdatedBefore="2041-01-01") == []
    by_parameter = {"operand": "Parameters", "operator": "Equals", "values": ["drift"]}
    times = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "lastUpdatedBefore": "2041-01-01T00:00:00Z"}
    answer = ask("POST", f"{factory}/queryPipelineRuns", {**times, "filters": [by_parameter]}, version=VERSION)
    assert "filters[0].operand 'Parameters' is not one of PipelineName, Status, RunStart, RunEnd" in refused(answer)[2]
    assert (
        "lastUpdatedAfter is required" in refused(ask("POST", f"{factory}/queryPipelineRuns", {}, version=VERSION))[2]
    )


def test_the_search_goes_page_by_page(ask: Ask, azure: Azure, factory: str) -> None:
    azure.state.page = 2
    runs = [start(ask, factory, "clean-up") for _ in range(3)]
    asked = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "lastUpdatedBefore": "2041-01-01T00:00:00Z"}
    first = ask("POST", f"{factory}/queryPipelineRuns", asked, version=VERSION).json()
    asked["continuationToken"] = first["continuationToken"]
    second = ask("POST", f"{factory}/queryPipelineRuns", asked, version=VERSION).json()
    assert [run["runId"] for run in (*first["value"], *second["value"])] == runs
    assert "continuationToken" not in second


def test_a_new_run_may_not_be_listed_yet(ask: Ask, azure: Azure, factory: str) -> None:
    azure.factories.hide_new_runs(2)
    run = start(ask, factory, reason="drift")
    assert [len(query(ask, factory)) for _ in range(3)] == [0, 0, 1]
    assert ask("GET", f"{factory}/pipelineruns/{run}", version=VERSION).status_code == 200


def test_a_pipeline_tells_its_parameters(ask: Ask, factory: str) -> None:
    answer = ask("GET", f"{factory}/pipelines/copy-and-train", version=VERSION).json()
    assert answer["type"] == "Microsoft.DataFactory/factories/pipelines"
    assert answer["properties"]["parameters"]["reason"] == {"type": "String"}
    assert ask("GET", factory, version=VERSION).json()["name"] == "adf-ml"


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("pipelines/copy-and-train/createRun", {}, "parameter was not provided: reason"),
        ("pipelines/copy-and-train/createRun", {"reason": "x", "key": "y"}, "declares no parameter key"),
        ("pipelines/elsewhere/createRun", {}, "factories/pipelines/adf-ml/elsewhere' under resource group"),
    ],
)
def test_runs_that_are_refused(ask: Ask, factory: str, path: str, parameters: dict[str, Any], message: str) -> None:
    assert message in refused(ask("POST", f"{factory}/{path}", parameters, version=VERSION))[2]
    assert query(ask, factory) == []


def test_names_types_and_times_are_within_limits(ask: Ask, azure: Azure, factory: str) -> None:
    with pytest.raises(ErrorResponse, match="The factory name 'adf_ml' is invalid"):
        azure.factories.add("adf_ml")
    with pytest.raises(ErrorResponse, match="The pipeline name 'copy/train' is invalid"):
        azure.factories.add("adf-one", {"copy/train": {}})
    with pytest.raises(ErrorResponse, match="The parameter 'rows' is of none of the types"):
        azure.factories.add("adf-two", {"copy": {"rows": "Number"}})
    times = {"lastUpdatedAfter": "yesterday", "lastUpdatedBefore": "2041-01-01T00:00:00Z"}
    answer = ask("POST", f"{factory}/queryPipelineRuns", times, version=VERSION)
    assert "'yesterday' is not a time" in refused(answer)[2]


def test_only_the_published_version(ask: Ask, factory: str) -> None:
    assert refused(ask("GET", factory, version="2017-09-01-preview"))[1] == "InvalidApiVersionParameter"
    assert refused(ask("GET", factory, version=None))[1] == "MissingApiVersionParameter"


def test_what_is_not_there(ask: Ask, factory: str) -> None:
    assert refused(ask("GET", f"{factory}/pipelineruns/none", version=VERSION))[:2] == (404, "PipelineRunNotFound")
    assert refused(ask("GET", factory.replace("adf-ml", "elsewhere"), version=VERSION))[0] == 404
