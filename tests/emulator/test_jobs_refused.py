"""Jobs that the service would not take, sent without a client."""

from typing import Any

import pytest

from emulator import WORKSPACE, Azure
from tests.emulator.conftest import Ask, refused

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


def put(ask: Ask, name: str = "job", **changes: Any) -> tuple[int, str, str]:
    return refused(ask("PUT", f"jobs/{name}", {"properties": {**COMMAND, **changes}}))


def test_what_it_takes(ask: Ask) -> None:
    answer = ask("PUT", "jobs/job", {"properties": COMMAND})
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
def test_bodies_are_as_published(ask: Ask, azure: Azure, changes: dict[str, Any], message: str) -> None:
    status, code, text = put(ask, **changes)
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
def test_what_it_refers_to_is_there_and_within_limits(
    ask: Ask, azure: Azure, changes: dict[str, Any], message: str
) -> None:
    status, code, text = put(ask, **changes)
    assert (status, code) == (400, "UserError")
    assert message in text
    assert azure.jobs.all == []


def test_nodes_refer_to_components_that_are_there(ask: Ask) -> None:
    node = {"type": "command", "componentId": f"{WORKSPACE}/components/prepare/versions/9"}
    answer = ask("PUT", "jobs/job", {"properties": {"jobType": "Pipeline", "jobs": {"prepare": node}}})
    assert refused(answer)[1] == "UserError"
    assert "prepare/versions/9' does not exist" in refused(answer)[2]


@pytest.mark.parametrize("name", ["-job", "a.b", "x" * 256, "job "])
def test_names_are_within_limits(ask: Ask, name: str) -> None:
    status, code, text = put(ask, name)
    assert (status, code) == (400, "UserError")
    assert "The job name" in text


def test_only_published_versions(ask: Ask) -> None:
    answer = ask("PUT", "jobs/job", {"properties": COMMAND}, version="2020-08-01")
    assert refused(answer)[1] == "NoRegisteredProviderFound"


def test_a_job_that_runs_cannot_be_deleted(ask: Ask, azure: Azure) -> None:
    name = azure.jobs.start("churn")
    assert "has not ended" in refused(ask("DELETE", f"jobs/{name}"))[2]
    azure.jobs.end(name)
    assert ask("DELETE", f"jobs/{name}").status_code == 202
    azure.jobs.end(name)
    assert ask("DELETE", "jobs/elsewhere").status_code == 204


def test_what_is_not_there_cannot_be_canceled_or_looked_up(ask: Ask) -> None:
    assert refused(ask("POST", "jobs/elsewhere/cancel"))[:2] == (404, "ResourceNotFound")
    path = f"/history/v1.0{WORKSPACE}/runs/elsewhere"
    assert refused(ask("GET", path))[:2] == (404, "UserError")
