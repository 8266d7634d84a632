"""Data Factory: runs of pipelines, started, polled, queried, canceled, without a client."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator import Azure, ErrorResponse
from tests.emulator.conftest import Send, refused

VERSION = "2018-06-01"


@pytest.fixture
def factory(azure: Azure) -> str:
    return azure.factories.add(
        "adf-ml", {"copy-and-train": {"reason": "String", "rows": {"type": "Int", "defaultValue": 10}}, "clean-up": {}}
    )


def start(send: Send, factory: str, pipeline: str = "copy-and-train", **parameters: Any) -> str:
    answer = send("POST", f"{factory}/pipelines/{pipeline}/createRun", parameters, version=VERSION)
    assert answer.status_code == 200
    return str(answer.json()["runId"])


def query(send: Send, factory: str, *filters: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    query = {
        "lastUpdatedAfter": (now - timedelta(hours=1)).isoformat(),
        "lastUpdatedBefore": (now + timedelta(hours=1)).isoformat(),
        "filters": list(filters),
        **more,
    }
    answer = send("POST", f"{factory}/queryPipelineRuns", query, version=VERSION)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


def test_run_takes_time(send: Send, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(seconds=60)
    run = start(send, factory, reason="drift")
    statuses = []
    for _ in range(4):
        answer = send("GET", f"{factory}/pipelineruns/{run}", version=VERSION).json()
        statuses.append(answer["status"])
        azure.clock.forward(seconds=21)
    assert statuses == ["Queued", "InProgress", "InProgress", "Succeeded"]
    assert answer["parameters"] == {"reason": "drift", "rows": "10"}
    assert (answer["runId"], answer["pipelineName"]) == (run, "copy-and-train")
    assert answer["durationInMs"] // 1_000 == 60  # the emulator's clock goes on while requests are made


def test_equal_requests_start_two_runs(send: Send, azure: Azure, factory: str) -> None:
    assert start(send, factory, reason="drift") != start(send, factory, reason="drift")
    assert len(azure.factories.runs("adf-ml")) == 2


def test_failed_run_has_a_message(send: Send, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(polls=1)
    azure.jobs.fail("copy-*", "Operation on target Copy failed")
    run = start(send, factory, reason="drift")
    polls = [send("GET", f"{factory}/pipelineruns/{run}", version=VERSION).json() for _ in range(2)]
    assert [poll["status"] for poll in polls] == ["InProgress", "Failed"]
    assert polls[1]["message"] == "Operation on target Copy failed"


def test_run_is_canceled(send: Send, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(seconds=60)
    run = start(send, factory, reason="drift")
    assert send("POST", f"{factory}/pipelineruns/{run}/cancel", version=VERSION).status_code == 200
    assert azure.factories.runs(factory)[0]["status"] == "Canceling"
    azure.clock.forward(minutes=2)
    assert azure.factories.runs(factory)[0]["status"] == "Cancelled"
    assert "cannot be canceled" in refused(send("POST", f"{factory}/pipelineruns/{run}/cancel", version=VERSION))[2]


def test_queries_filter_by_pipeline_status_and_times_only(send: Send, azure: Azure, factory: str) -> None:
    azure.jobs.set_duration(seconds=0)
    one = start(send, factory, reason="drift")
    two = start(send, factory, "clean-up")
    azure.jobs.fail(times=1)
    three = start(send, factory, "clean-up")
    of_clean_up = {"operand": "PipelineName", "operator": "Equals", "values": ["clean-up"]}
    failed = {"operand": "Status", "operator": "In", "values": ["Failed", "Cancelled"]}
    newest_first = {"orderBy": [{"orderBy": "RunStart", "order": "DESC"}]}
    assert [run["runId"] for run in query(send, factory)] == [one, two, three]
    assert [run["runId"] for run in query(send, factory, of_clean_up, **newest_first)] == [three, two]
    assert [run["runId"] for run in query(send, factory, of_clean_up, failed)] == [three]
    assert [run["runId"] for run in query(send, factory, {**failed, "operator": "NotIn"})] == [one, two]
    assert query(send, factory, lastUpdatedAfter="2040-01-01T00:00:00Z", lastUpdatedBefore="2041-01-01") == []
    by_parameter = {"operand": "Parameters", "operator": "Equals", "values": ["drift"]}
    times = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "lastUpdatedBefore": "2041-01-01T00:00:00Z"}
    answer = send("POST", f"{factory}/queryPipelineRuns", {**times, "filters": [by_parameter]}, version=VERSION)
    assert "filters[0].operand 'Parameters' is not one of PipelineName, Status, RunStart, RunEnd" in refused(answer)[2]
    assert (
        "lastUpdatedAfter is required" in refused(send("POST", f"{factory}/queryPipelineRuns", {}, version=VERSION))[2]
    )


def test_query_results_come_in_pages(send: Send, azure: Azure, factory: str) -> None:
    azure.state.page = 2
    runs = [start(send, factory, "clean-up") for _ in range(3)]
    query = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "lastUpdatedBefore": "2041-01-01T00:00:00Z"}
    first = send("POST", f"{factory}/queryPipelineRuns", query, version=VERSION).json()
    query["continuationToken"] = first["continuationToken"]
    second = send("POST", f"{factory}/queryPipelineRuns", query, version=VERSION).json()
    assert [run["runId"] for run in (*first["value"], *second["value"])] == runs
    assert "continuationToken" not in second


def test_new_run_may_be_missing_from_query_results(send: Send, azure: Azure, factory: str) -> None:
    azure.factories.hide_new_runs(2)
    run = start(send, factory, reason="drift")
    assert [len(query(send, factory)) for _ in range(3)] == [0, 0, 1]
    assert send("GET", f"{factory}/pipelineruns/{run}", version=VERSION).status_code == 200


def test_pipeline_has_its_parameters(send: Send, factory: str) -> None:
    answer = send("GET", f"{factory}/pipelines/copy-and-train", version=VERSION).json()
    assert answer["type"] == "Microsoft.DataFactory/factories/pipelines"
    assert answer["properties"]["parameters"]["reason"] == {"type": "String"}
    assert send("GET", factory, version=VERSION).json()["name"] == "adf-ml"


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("pipelines/copy-and-train/createRun", {}, "parameter was not provided: reason"),
        ("pipelines/copy-and-train/createRun", {"reason": "x", "key": "y"}, "declares no parameter key"),
        ("pipelines/elsewhere/createRun", {}, "factories/pipelines/adf-ml/elsewhere' under resource group"),
    ],
)
def test_invalid_runs_are_refused(
    send: Send, factory: str, path: str, parameters: dict[str, Any], message: str
) -> None:
    assert message in refused(send("POST", f"{factory}/{path}", parameters, version=VERSION))[2]
    assert query(send, factory) == []


def test_invalid_names_types_and_times_are_refused(send: Send, azure: Azure, factory: str) -> None:
    with pytest.raises(ErrorResponse, match="The factory name 'adf_ml' is invalid"):
        azure.factories.add("adf_ml")
    with pytest.raises(ErrorResponse, match="The pipeline name 'copy/train' is invalid"):
        azure.factories.add("adf-one", {"copy/train": {}})
    with pytest.raises(ErrorResponse, match="The parameter 'rows' is of none of the types"):
        azure.factories.add("adf-two", {"copy": {"rows": "Number"}})
    times = {"lastUpdatedAfter": "yesterday", "lastUpdatedBefore": "2041-01-01T00:00:00Z"}
    answer = send("POST", f"{factory}/queryPipelineRuns", times, version=VERSION)
    assert "'yesterday' is not a time" in refused(answer)[2]


def test_only_the_published_api_version_is_accepted(send: Send, factory: str) -> None:
    assert refused(send("GET", factory, version="2017-09-01-preview"))[1] == "InvalidApiVersionParameter"
    assert refused(send("GET", factory, version=None))[1] == "MissingApiVersionParameter"


def test_missing_factories_pipelines_and_runs_are_not_found(send: Send, factory: str) -> None:
    assert refused(send("GET", f"{factory}/pipelineruns/none", version=VERSION))[:2] == (404, "PipelineRunNotFound")
    assert refused(send("GET", factory.replace("adf-ml", "elsewhere"), version=VERSION))[0] == 404
