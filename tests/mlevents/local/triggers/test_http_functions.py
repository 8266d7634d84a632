"""HTTP functions over HTTP, with a real worker process behind them."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from tests.mlevents.conftest import APPS

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def local(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApp]:
    settings = {"AzureWebJobsStorage": azurite.connection_string, "AzureWebJobs.off.Disabled": "1"}
    folder = tmp_path_factory.mktemp("http")
    with LocalApp(APPS / "http", settings=settings, folder=folder, grace=0.5) as local:
        yield local


def send(local: LocalApp, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{local.url}/{path}", timeout=30, **options)


def test_a_function_gets_the_request(local: LocalApp) -> None:
    """Names of headers are in lower case, and repeated values are joined."""
    body = b'{"a": "\xc3\xa4"}\x00\xff'
    headers = {"X-Mine": "Yes", "Content-Type": "application/octet-stream"}
    query = [("a", "1"), ("a", "2"), ("b", "ü &"), ("none", "")]
    answer = send(local, "POST", "api/echo/Some%20name/7", params=query, headers=headers, data=body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    seen = answer.json()
    assert seen["method"] == "POST"
    assert seen["url"] == f"{local.url}/api/echo/Some%20name/7?a=1&a=2&b=%C3%BC+%26&none="
    assert (seen["headers"]["x-mine"], seen["headers"]["content-type"]) == ("Yes", "application/octet-stream")
    assert seen["params"] == {"a": "1,2", "b": "ü &"}
    assert seen["route"] == {"name": "Some name", "number": "7"}
    assert bytes.fromhex(seen["body"]) == body


def test_a_request_without_a_body_has_an_empty_one(local: LocalApp) -> None:
    assert send(local, "GET", "api/echo/x").json()["body"] == ""


def test_status_headers_cookies_and_bytes_are_those_of_the_function(local: LocalApp) -> None:
    answer = send(local, "GET", "api/answer")
    assert (answer.status_code, answer.content) == (418, bytes(range(256)))
    assert (answer.headers["Content-Type"], answer.headers["X-One"]) == ("image/png", "1")
    cookies = answer.raw.headers.getlist("Set-Cookie")
    assert cookies == [
        "token=a%2Fb; HttpOnly; Max-Age=60; Path=/; SameSite=Strict; Secure",
        "other=1; expires=Wed, 02 Dec 2026 09:00:00 GMT; Path=/web",
    ]


def test_a_returned_text_is_plain_text(local: LocalApp) -> None:
    answer = send(local, "PUT", "api/text")
    assert (answer.status_code, answer.text) == (200, "just a text")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_response_without_a_body_is_empty(local: LocalApp) -> None:
    answer = send(local, "DELETE", "api/empty")
    assert (answer.status_code, answer.content) == (202, b"")


def test_a_failing_function_is_answered_with_500_and_reported(local: LocalApp) -> None:
    """The caller learns nothing about the error."""
    answer = send(local, "GET", "api/fails")
    assert (answer.status_code, answer.content) == (500, b"")
    assert any("fails failed" in line and "no such thing" in line for line in local.lines)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "echo/x"),  # without the prefix
        ("PUT", "api/echo/x"),  # another method
        ("GET", "api/echo/x/seven"),  # not a number
        ("GET", "api/echo"),
        ("GET", "api/nothing"),
        ("GET", "api/off"),  # disabled
        ("GET", "api/admin/mine"),  # a reserved route
    ],
)
def test_other_requests_are_not_found(local: LocalApp, method: str, path: str) -> None:
    assert send(local, method, path).status_code == 404


def test_the_rest_of_a_path_is_one_parameter(local: LocalApp) -> None:
    assert send(local, "GET", "API/Files/a/b%2Fc/d.txt").text == "a/b/c/d.txt"
    assert send(local, "GET", "api/files").status_code == 500  # the function expects one


def test_routes_that_the_host_refuses_are_reported(local: LocalApp) -> None:
    reserved = "reserved is not served: its route 'admin/mine' begins like a route of the host"
    rival = "rival is not served: its route 'api/ECHO/{name}/{number:int?}' is also the route of echo"
    assert any(reserved in line for line in local.lines)
    assert any(rival in line for line in local.lines)


def test_pages_of_other_sites_cannot_call_a_function(local: LocalApp) -> None:
    assert send(local, "GET", "api/text", headers={"Origin": "https://evil.example"}).status_code == 403
