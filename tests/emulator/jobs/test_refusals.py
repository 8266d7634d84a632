"""Jobs that the service refuses, sent without a client."""

from typing import Any

import pytest

from emulator import WORKSPACE, Azure
from tests.emulator.conftest import Send, refused

COMMAND = {
    "jobType": "Command",
    "command": "python train.py",
    "environmentId": f"{WORKSPACE}/environments/train/versions/1",
    "computeId": f"{WORKSPACE}/computes/cluster",
}


@pytest.fixture(autouse=True)
def _there(azure: Azure) -> None:
    azure.assets.add_environment("train", "1")
    azure.workspaces.add_compute("cluster")


def put(send: Send, name: str = "job", **changes: Any) -> tuple[int, str, str]:
    return refused(send("PUT", f"jobs/{name}", {"properties": {**COMMAND, **changes}}))


def test_valid_job_is_accepted(send: Send) -> None:
    answer = send("PUT", "jobs/job", {"properties": COMMAND})
    assert (answer.status_code, answer.json()["properties"]["status"]) == (201, "NotStarted")
    assert answer.json()["properties"]["experimentName"] == "Default"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": None}, "properties.command is required"),
        ({"command": " "}, "properties.command ' ' does not match"),
        ({"environmentId": None}, "properties.environmentId is required"),
        ({"jobType": "Comand"}, "properties.jobType 'Comand' is not one of AutoML, Command, Pipeline"),
        ({"tags": {"n": 1}}, "properties.tags.n must be a string, not a number"),
        ({"inputs": {"data": {"jobInputType": "uri_folder"}}}, "properties.inputs.data.uri is required"),
        ({"inputs": {"data": {"value": "1"}}}, "properties.inputs.data.jobInputType is required"),
        (
            {"inputs": {"d": {"jobInputType": "uri_file", "uri": "u", "mode": "Mount"}}},
            "properties.inputs.d.mode 'Mount' is not one of ReadOnlyMount",
        ),
        ({"outputs": {"m": {"jobOutputType": "model"}}}, "properties.outputs.m.jobOutputType 'model' is not one of"),
        ({"experiment": "x"}, "properties.experiment is not a property of the schema"),
        ({"identity": {"identityType": "System"}}, "properties.identity.identityType 'System' is not one of AMLToken"),
        ({"queueSettings": {"jobTier": "Gold"}}, "properties.queueSettings.jobTier 'Gold' is not one of Null, Spot"),
    ],
)
def test_bodies_that_violate_the_schema_are_refused(
    send: Send, azure: Azure, changes: dict[str, Any], message: str
) -> None:
    status, code, text = put(send, **changes)
    assert (status, code) == (400, "ValidationError")
    assert message in text
    assert azure.jobs.all == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"computeId": f"{WORKSPACE}/computes/elsewhere"}, "The compute target 'elsewhere' was not found"),
        ({"environmentId": f"{WORKSPACE}/environments/train/versions/2"}, "train/versions/2' does not exist"),
        ({"tags": {f"tag{n}": "" for n in range(51)}}, "The job has 51 tags; a run can have 50"),
        ({"tags": {"text": "x" * 1001}}, "The tag 'text' is too long"),
        ({"tags": {"x" * 101: ""}}, "names have at most 100 characters"),
    ],
)
def test_missing_references_and_excessive_tags_are_refused(
    send: Send, azure: Azure, changes: dict[str, Any], message: str
) -> None:
    status, code, text = put(send, **changes)
    assert (status, code) == (400, "UserError")
    assert message in text
    assert azure.jobs.all == []


def test_node_with_a_missing_component_is_refused(send: Send) -> None:
    node = {"type": "command", "componentId": f"{WORKSPACE}/components/prepare/versions/9"}
    answer = send("PUT", "jobs/job", {"properties": {"jobType": "Pipeline", "jobs": {"prepare": node}}})
    assert refused(answer)[1] == "UserError"
    assert "prepare/versions/9' does not exist" in refused(answer)[2]


@pytest.mark.parametrize("name", ["-job", "a.b", "x" * 256, "job "])
def test_invalid_names_are_refused(send: Send, name: str) -> None:
    status, code, text = put(send, name)
    assert (status, code) == (400, "UserError")
    assert "The job name" in text


def test_unpublished_api_version_is_refused(send: Send) -> None:
    answer = send("PUT", "jobs/job", {"properties": COMMAND}, version="2020-08-01")
    assert refused(answer)[1] == "NoRegisteredProviderFound"


def test_running_job_cannot_be_deleted(send: Send, azure: Azure) -> None:
    name = azure.jobs.start("churn")
    assert "has not ended" in refused(send("DELETE", f"jobs/{name}"))[2]
    azure.jobs.end(name)
    assert send("DELETE", f"jobs/{name}").status_code == 202
    azure.jobs.end(name)
    assert send("DELETE", "jobs/elsewhere").status_code == 204


def test_missing_job_cannot_be_canceled_or_read(send: Send) -> None:
    assert refused(send("POST", "jobs/elsewhere/cancel"))[:2] == (404, "ResourceNotFound")
    path = f"/history/v1.0{WORKSPACE}/runs/elsewhere"
    assert refused(send("GET", path))[:2] == (404, "UserError")
