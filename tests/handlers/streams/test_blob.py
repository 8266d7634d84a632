"""Append events to blobs: on Azurite, once in spite of deaths and lost answers."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError
from azure.storage.blob import ContainerClient
from jinja2 import TemplateError
from pydantic import ValidationError

from handlers.azure.transport import Transport
from handlers.base import Action, GiveUp, RetryLater, Succeeded
from handlers.errors import classify
from handlers.streams import blob
from handlers.streams.blob import Blob
from mlevents.local.azurite import Azurite
from mlevents.testing.server import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.handlers.streams.conftest import Token

pytestmark = pytest.mark.services

EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
PATH = "runs/{{ workspace.name }}/{{ eventTime | date('%Y') }}/{{ eventTime | date('%m-%d') }}.jsonl"
NAME = f"runs/{EVENT.workspace.name}/2026/11-22.jsonl"


@pytest.fixture
def container(azurite_connection: str) -> Iterator[ContainerClient]:
    """A new container."""
    with ContainerClient.from_connection_string(azurite_connection, f"c{uuid4().hex[:12]}") as container:
        container.create_container()
        yield container


@pytest.fixture
def lake(container: ContainerClient, azurite_connection: str) -> "Lake":
    return Lake(container, azurite_connection)


class Lake:
    """A container, and handlers that write into it."""

    def __init__(self, container: ContainerClient, connection: str) -> None:
        self.container, self.connection = container, connection

    def handler(self, **settings: Any) -> Blob:
        name = self.container.container_name
        return Blob.model_validate({"connection_string": self.connection, "container": name, "path": PATH, **settings})

    def lines(self, name: str = NAME) -> list[Any]:
        text = self.container.download_blob(name).readall().decode()
        assert text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    def names(self) -> list[str]:
        return [str(each.name) for each in self.container.list_blobs()]


def test_each_event_is_a_line(lake: Lake) -> None:
    outcome = lake.handler().run(EVENT, Action())
    lake.handler().run(RunStatusChanged.example(run_id="shy_crow", run_status="Failed"), Action())
    assert [line["data"]["runId"] for line in lake.lines()] == ["brave_kiwi", "shy_crow"]
    assert lake.lines()[0]["id"] == EVENT.id
    assert outcome == Succeeded(
        f"{EVENT.event_type} appended to {NAME}", {"container": lake.container.container_name, "blob": NAME}
    )


def test_lines_of_the_rules_own(lake: Lake) -> None:
    data = {"run": "{{ data.runId }}", "tags": "{{ data.runTags }}"}
    lake.handler(envelope="none", data=data, path="a.jsonl").run(EVENT, Action())
    assert lake.lines("a.jsonl") == [{"run": "brave_kiwi", "tags": EVENT.data.wire()["runTags"]}]


@pytest.mark.parametrize("end", ["\n", "\r", "\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_an_event_cannot_add_a_line(lake: Lake, end: str) -> None:
    """Not even for readers that end lines as Unicode does, such as Python's `splitlines`."""
    note = f'a{end}{{"forged": true}}{end}'
    lake.handler().run(RunStatusChanged.example(run_tags={"note": note}), Action())
    [line] = lake.lines()
    assert line["data"]["runTags"]["note"] == note


@pytest.mark.parametrize(
    "again", [{"interrupted": True}, {"failures": 1}], ids=["after a death", "after a lost answer"]
)
def test_a_line_that_is_there_is_not_appended_again(lake: Lake, again: dict[str, Any]) -> None:
    action = Action()
    lake.handler().run(EVENT, action)
    lake.handler().run(EVENT, Action())  # another action appends after it
    outcome = lake.handler().run(EVENT, replace(action, **again))
    assert isinstance(outcome, Succeeded)
    assert outcome.summary == f"{EVENT.event_type} was already in {NAME}"
    assert len(lake.lines()) == 2


def test_a_line_of_the_rule_as_it_was_is_not_appended_again(lake: Lake) -> None:
    """A rule may change between two calls of an action."""
    action = Action()
    lake.handler(data={"run": "{{ data.runId }}"}).run(EVENT, action)
    lake.handler(data={"run": "{{ data.runId }}", "more": 1}).run(EVENT, replace(action, failures=1))
    assert len(lake.lines()) == 1


def test_a_line_that_is_not_there_is_appended_after_a_death(lake: Lake) -> None:
    lake.handler().run(EVENT, Action(interrupted=True))
    lake.handler().run(EVENT, Action(interrupted=True))
    assert len(lake.lines()) == 2


def test_an_answer_that_is_lost_leaves_one_line(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service appends; the connection breaks before its answer."""
    action, send = Action(), Transport._send

    def lose(self: Transport, request: Any, **options: Any) -> Any:
        response = send(self, request, **options)
        if "comp=appendblock" in request.url and response.status_code == 201:
            raise ServiceResponseError("connection reset")
        return response

    with monkeypatch.context() as patch:
        patch.setattr(Transport, "_send", lose)
        with pytest.raises(ServiceResponseError) as error:
            lake.handler().run(EVENT, action)
    assert isinstance(classify(error.value), RetryLater)
    lake.handler().run(EVENT, replace(action, failures=1))
    assert len(lake.lines()) == 1


@pytest.mark.parametrize(("code", "throttled"), [("ServerBusy", True), (None, False)])
def test_only_the_service_itself_throttles(
    lake: Lake, code: str | None, throttled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway's 503 counts as a failure, after which the line is searched for."""
    send = Transport._send
    headers = {"x-ms-error-code": code} if code else {}
    with RecordingServer(Answer(503, "busy", headers)) as server, monkeypatch.context() as patch:

        def lose(self: Transport, request: Any, **options: Any) -> Any:
            if "comp=appendblock" in request.url:
                request.url = server.url()
            return send(self, request, **options)

        patch.setattr(Transport, "_send", lose)
        with pytest.raises((RetryLater, HttpResponseError)) as error:
            lake.handler().run(EVENT, Action())
    verdict = classify(error.value)
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled is throttled


def test_a_line_without_the_key_is_appended_again(lake: Lake) -> None:
    """Equal lines of two actions cannot be told apart, and no event may be lost."""
    handler = lake.handler(envelope="none", data={"run": "{{ data.runId }}"})
    action = Action()
    handler.run(EVENT, action)
    handler.run(EVENT, replace(action, interrupted=True))
    assert len(lake.lines()) == 2
    handler = lake.handler(envelope="none", data={"run": "{{ data.runId }}", "key": "{{ key }}"}, path="keyed")
    handler.run(EVENT, action)
    handler.run(EVENT, replace(action, interrupted=True))
    assert len(lake.lines("keyed")) == 1


def test_a_long_blob_is_searched_in_pieces(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a line lies across two pieces, and only to its limit."""
    actions = [Action() for _ in range(4)]
    for action in actions:
        lake.handler().run(EVENT, action)
    size = len(json.dumps(lake.lines()[0])) + 1
    monkeypatch.setattr(blob, "_PIECE", size // 3 + 1)
    for action in actions:
        lake.handler().run(EVENT, replace(action, interrupted=True))
    assert len(lake.lines()) == 4
    monkeypatch.setattr(blob, "SEARCHED", size * 2)
    lake.handler().run(EVENT, replace(actions[-1], interrupted=True))
    assert len(lake.lines()) == 4
    lake.handler().run(EVENT, replace(actions[0], interrupted=True))
    assert len(lake.lines()) == 5  # it was too far from the end


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The ends of the names of blobs that have 50,000 blocks: their appends get the service's documented answer."""
    names: list[str] = []
    send = Transport._send
    code = "BlockCountExceedsLimit"
    with RecordingServer(Answer(409, f"<Error><Code>{code}</Code></Error>", {"x-ms-error-code": code})) as server:

        def refuse(self: Transport, request: Any, **options: Any) -> Any:
            if "comp=appendblock" in request.url and request.url.partition("?")[0].endswith(tuple(names)):
                request.url = server.url()
            return send(self, request, **options)

        monkeypatch.setattr(Transport, "_send", refuse)
        yield names


def test_a_full_blob_is_followed_by_the_next_one(lake: Lake, full: list[str]) -> None:
    action, other = Action(), Action()
    lake.handler().run(EVENT, action)
    full.append("/11-22.jsonl")
    outcome = lake.handler().run(EVENT, other)
    second = NAME.replace("22.jsonl", "22-1.jsonl")
    assert isinstance(outcome, Succeeded)
    assert outcome.details["blob"] == second
    assert len(lake.lines(second)) == 1
    for each in (action, other):  # both are found, wherever they are
        lake.handler().run(EVENT, replace(each, interrupted=True))
    assert (len(lake.lines()), len(lake.lines(second))) == (1, 1)


def test_a_path_whose_blobs_are_all_full_fails_the_action(
    lake: Lake, full: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.handler(path="a.jsonl").run(EVENT, Action())
    monkeypatch.setattr(blob, "_MAX_BLOBS", 1)
    full += ["/a.jsonl"]
    with pytest.raises(GiveUp, match="a path with a date"):
        lake.handler(path="a.jsonl").run(EVENT, Action(interrupted=True))


def test_a_blob_of_another_kind_fails_the_action(lake: Lake) -> None:
    lake.container.upload_blob(NAME, b"{}\n")
    with pytest.raises(GiveUp, match=f"{NAME} is no append blob"):
        lake.handler().run(EVENT, Action())
    assert lake.lines() == [{}]


def test_a_blob_that_another_action_creates_meanwhile_is_used(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Transport._send

    def race(self: Transport, request: Any, **options: Any) -> Any:
        response = send(self, request, **options)
        if response.headers.get("x-ms-error-code") == "BlobNotFound":
            with monkeypatch.context() as patch:
                patch.setattr(Transport, "_send", send)
                lake.handler().run(EVENT, Action())
        return response

    monkeypatch.setattr(Transport, "_send", race)
    lake.handler().run(EVENT, Action())
    assert len(lake.lines()) == 2


def test_a_missing_container_is_retried_for_half_an_hour(lake: Lake) -> None:
    with pytest.raises(ResourceNotFoundError) as error:
        lake.handler(container="missing").run(EVENT, Action())
    verdict = classify(error.value)
    assert isinstance(verdict, RetryLater)
    assert verdict.max_elapsed is not None


def test_with_an_identity_no_key_is_needed(entra_account: Azurite, trusted: None, token: Token) -> None:
    """Over HTTPS, with a bearer token."""
    handler = Blob.model_validate({"account_url": entra_account.blob_url, "container": "lake", "path": "a.jsonl"})
    with ContainerClient(entra_account.blob_url, "lake", token) as container:
        container.create_container()
        handler.run(EVENT, Action())
        assert json.loads(container.download_blob("a.jsonl").readall())["id"] == EVENT.id


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("../../x", "a/..%2F..%2Fx/b"),
        ("a/b\\c?d#e%2F", "a/a%2Fb%5Cc%3Fd%23e%252F/b"),
        ("\0\r\nü", "a/%00%0D%0A%C3%BC/b"),
    ],
)
def test_a_value_stays_in_its_segment(lake: Lake, value: str, name: str) -> None:
    handler = lake.handler(path="a/{{ data.runTags.v }}/b")
    handler.run(RunStatusChanged.example(run_tags={"v": value}), Action())
    assert lake.names() == [name]


@pytest.mark.parametrize("value", ["", ".", "..", "x.", "x" * 1_100])
def test_a_value_that_cannot_be_a_segment_fails_the_action(lake: Lake, value: str) -> None:
    event = RunStatusChanged.example(run_tags={"v": value})
    handler = lake.handler(path="a/{{ data.runTags.v }}/b")
    with pytest.raises(GiveUp, match="the path 'a/"):
        handler.run(event, Action())
    with pytest.raises(GiveUp, match="the path 'a/"):
        handler.plan(event)
    assert lake.names() == []


def test_a_missing_value_is_an_error_of_the_template(lake: Lake) -> None:
    with pytest.raises(TemplateError, match="nowhere"):
        lake.handler(path="a/{{ data.nowhere }}/b").run(EVENT, Action())


@pytest.mark.parametrize(
    "path", ["/a", "a//b", "a/../b", "a/", "a.", "", "x" * 1_100, "{% if data %}a{% endif %}", "{{ data.runId"]
)
def test_a_path_that_names_no_file_is_an_error_in_the_rule(path: str) -> None:
    settings = {"account_url": "https://acme.blob.core.windows.net", "container": "lake", "path": path}
    with pytest.raises(ValidationError, match="path"):
        Blob.model_validate(settings)


def test_the_endpoint_of_a_data_lake_is_an_error_in_the_rule() -> None:
    """A data lake has two endpoints, and blobs are appended at one of them."""
    settings = {"account_url": "https://blob.dfs.core.windows.net", "container": "lake", "path": "a"}
    with pytest.raises(ValidationError, match=r"write https://blob\.blob\.core\.windows\.net"):
        Blob.model_validate(settings)


def test_the_plan_names_the_blob_and_the_account(lake: Lake) -> None:
    plan = lake.handler(account_url="https://acme.blob.core.windows.net", connection_string=None).plan(EVENT)
    where = f"{NAME} in {lake.container.container_name} of acme.blob.core.windows.net"
    assert plan.startswith(f"append {EVENT.event_type} (")
    assert plan.endswith(f" bytes) to {where}")
