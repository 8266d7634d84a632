"""Paths: case, trailing slashes, encoded characters."""

import pytest

from emulator import WORKSPACE, Azure
from tests.emulator.conftest import Send, refused

MODEL = f"{WORKSPACE}/models/churn/versions/7"


@pytest.mark.parametrize(
    "path",
    [MODEL.upper(), MODEL.lower(), f"{MODEL}/", MODEL.replace("churn/", "%63hurn/"), MODEL.replace("/m", "/%6d")],
)
def test_paths_ignore_case_encoding_and_a_trailing_slash(azure: Azure, send: Send, path: str) -> None:
    azure.models.register("churn", "7")
    assert send("GET", path).json()["id"] == MODEL


def test_actions_ignore_case(azure: Azure, send: Send) -> None:
    azure.endpoints.add("churn", auth_mode="Key")
    assert send("POST", "ONLINEENDPOINTS/churn/LISTKEYS").json()["primaryKey"]


@pytest.mark.parametrize("path", [f"{MODEL}/more", f"{MODEL}//", f"{WORKSPACE}//models", "/"])
def test_other_paths_have_no_route(azure: Azure, send: Send, path: str) -> None:
    azure.models.register("churn", "7")
    assert refused(send("GET", path))[:2] == (404, "InvalidResourceType")


def test_unrouted_calls_are_logged_and_take_faults(azure: Azure, send: Send) -> None:
    azure.faults.fail("GET /nowhere", status=503)
    assert [send("GET", "/nowhere").status_code for _ in range(2)] == [503, 404]
    assert send("DELETE").status_code == 405
    assert [call.status for call in azure.calls.all] == [503, 404, 405]
