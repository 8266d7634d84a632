"""Publish to Event Grid: a server that takes what the published references describe, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from pydantic import ValidationError

from handlers.base import Action, GiveUp, RetryLater, Succeeded
from handlers.errors import classify
from handlers.lineage import MARKER
from handlers.streams.event_grid import MAX_EVENT, EventGrid
from mlevents.testing.server import Answer, RecordingServer, Request
from schemas import RunStatusChanged
from tests.handlers.streams.conftest import Token, service

EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
KEY = "VXbGWce53249Mt8wuotr0GPmyJ/nDT4hgdEj9DpBeRr38arnnm5OFg=="
CLOUD_EVENTS = "application/cloudevents-batch+json; charset=utf-8"
REQUIRED = {"id", "subject", "eventType", "eventTime", "data", "dataVersion"}


def is_authorized(request: Request, *, namespace: bool) -> bool:
    """By a key of the topic, or by a token for Event Grid."""
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        claims = jwt.decode(header.removeprefix("Bearer "), options={"verify_signature": False})
        return bool(claims["aud"] == "https://eventgrid.azure.net")
    return header == f"SharedAccessKey {KEY}" if namespace else request.headers.get("aeg-sas-key") == KEY


def custom_topic(request: Request) -> Answer:
    """A custom topic that takes either schema ("Publish events to Azure Event Grid custom topics")."""
    assert (request.method, request.path, request.query) == ("POST", "/api/events", {"api-version": "2018-01-01"})
    if not is_authorized(request, namespace=False):
        return Answer(401, {"error": {"code": "Unauthorized", "message": "The key is not valid."}})
    events = request.json()
    assert isinstance(events, list)
    if request.headers["Content-Type"] == CLOUD_EVENTS:
        for event in events:
            CloudEvent.from_dict(event)
    else:
        assert request.headers["Content-Type"] == "application/json; charset=utf-8"
        for event in events:
            assert event.keys() == REQUIRED
            assert all(event[name] for name in REQUIRED - {"data"})
            EventGridEvent.from_dict(event)
    return Answer(200)


def namespace_topic(request: Request) -> Answer:
    """A topic of a namespace ("Publish Cloud Events")."""
    assert request.path == "/topics/ml-events:publish"
    assert request.query == {"api-version": "2024-06-01"}
    if not is_authorized(request, namespace=True):
        return Answer(401, {"error": {"code": "Unauthorized", "message": "no"}})
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    CloudEvent.from_dict(request.json())
    return Answer(200, {})


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    with service(monkeypatch, custom_topic) as server:
        yield server


def handler(server: RecordingServer, path: str = "", **settings: Any) -> EventGrid:
    return EventGrid.model_validate({"endpoint": server.url(path), "allow_private": True, **settings})


@pytest.mark.parametrize("path", ["", "/", "/api/events"])
def test_a_cloud_event_is_published_to_a_custom_topic(topic: RecordingServer, path: str) -> None:
    action = Action(rule="share")
    outcome = handler(topic, path, key=KEY).run(EVENT, action)
    [event] = topic.requests[0].json()
    assert event["id"] == EVENT.id
    assert event[MARKER] == action.job_name
    assert outcome == Succeeded(f"published {EVENT.event_type} to localhost", {"event": EVENT.id})


def test_an_event_in_event_grids_schema_is_published(topic: RecordingServer) -> None:
    """Without the topic, which Event Grid sets."""
    handler(topic, key=KEY, envelope="event_grid").run(EVENT, Action())
    [event] = topic.requests[0].json()
    wire = EVENT.wire()
    assert event == {name: wire[name] for name in REQUIRED}


def test_members_that_event_grid_requires_have_a_value(topic: RecordingServer) -> None:
    event = RunStatusChanged.example(subject="", event_time=None, data_version="")
    action = Action()
    handler(topic, key=KEY, envelope="event_grid", data={}).run(event, action)
    [published] = topic.requests[0].json()
    assert published["subject"] == event.object
    assert published["eventTime"] == action.started.isoformat()
    assert published["data"] == {}


def test_an_event_of_the_rules_own_is_published(topic: RecordingServer) -> None:
    action = Action(rule="share")
    own: dict[str, Any] = {
        "type": "Acme.RunFailed",
        "subject": "runs/{{ data.runId }}",
        "data": {"run": "{{ data.runId }}"},
    }
    outcome = handler(topic, key=KEY, **own).run(EVENT, action)
    [event] = topic.requests[0].json()
    assert (event["id"], event["type"], event["subject"]) == (action.job_name, "Acme.RunFailed", "runs/brave_kiwi")
    assert event["data"] == {"run": "brave_kiwi"}
    assert outcome == Succeeded("published Acme.RunFailed to localhost", {"event": action.job_name})


@pytest.mark.parametrize("settings", [{"key": KEY}, {}], ids=["with a key", "with an identity"])
def test_a_cloud_event_is_published_to_a_topic_of_a_namespace(
    monkeypatch: pytest.MonkeyPatch, token: Token, settings: dict[str, str]
) -> None:
    with service(monkeypatch, namespace_topic) as server:
        handler(server, topic="ml-events", **settings).run(EVENT, Action())
        assert server.requests[0].json()["id"] == EVENT.id


def test_an_identity_needs_no_key(topic: RecordingServer, token: Token) -> None:
    assert isinstance(handler(topic).run(EVENT, Action()), Succeeded)


def test_a_wrong_key_is_tried_for_half_an_hour(topic: RecordingServer) -> None:
    """A new role or key takes so long to reach the service."""
    with pytest.raises(Exception, match="not valid") as error:
        handler(topic, key="d3Jvbmc=").run(EVENT, Action())
    verdict = classify(error.value)
    assert isinstance(verdict, RetryLater)
    assert verdict.max_elapsed is not None
    assert "d3Jvbmc" not in str(verdict)


def verdict_on(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> RetryLater | GiveUp:
    with service(monkeypatch, answer) as server:
        with pytest.raises(Exception) as error:  # noqa: PT011 - its meaning is what the test is about
            handler(server, key=KEY).run(EVENT, Action())
        assert len(server.requests) == 1
    return classify(error.value)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (Answer(400, {"error": {"code": "BadRequest", "message": "does not match the schema"}}), "--input-schema"),
        (Answer(410, {"error": {"code": "Gone", "message": "topic not found"}}), "create the topic"),
        (Answer(413, "too large"), "413"),
    ],
)
def test_permanent_answers_fail_the_action(answer: Answer, advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = verdict_on(answer, monkeypatch)
    assert isinstance(verdict, GiveUp)
    assert advice in str(verdict)


@pytest.mark.parametrize(
    "answer", [Answer(429, "slow", {"Retry-After": "7"}), Answer(503, "busy", {"Retry-After": "7"})]
)
def test_throttling_holds_all_actions_for_the_topic(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = verdict_on(answer, monkeypatch)
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled
    assert verdict.after is not None
    assert verdict.after.total_seconds() == 7


def test_a_page_in_place_of_the_service_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = verdict_on(Answer(200, b"<p>Sign in</p>", {"Content-Type": "text/html; charset=utf-8"}), monkeypatch)
    assert isinstance(verdict, RetryLater)
    assert "a page, as a gateway or a proxy sends it" in str(verdict)


def test_a_full_topic_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = verdict_on(Answer(403, {"error": {"code": "QuotaExceeded", "message": "Quota exceeded"}}), monkeypatch)
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled


def test_an_event_of_the_largest_size_is_sent(topic: RecordingServer) -> None:
    """The list around it counts, too."""

    def run(size: int) -> None:
        event = RunStatusChanged.example(run_tags={"note": "x" * size})
        handler(topic, key=KEY, data="{{ data.runTags.note }}").run(event, Action())

    run(1)
    left = MAX_EVENT - len(topic.requests[0].body)
    run(1 + left)
    assert len(topic.requests[1].body) == MAX_EVENT
    with pytest.raises(GiveUp, match="Event Grid takes at most 1,048,576"):
        run(2 + left)
    assert len(topic.requests) == 2


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "endpoint"),
        ({"endpoint": "http://acme.eventgrid.azure.net"}, "https"),
        ({"endpoint": "https://acme.eventgrid.azure.net/{{ data.runId }}"}, "the same for every event"),
        ({"endpoint": "https://{{ data.runId }}.example"}, "the host is the rule's"),
        ({"endpoint": "https://a.example", "topic": "t", "envelope": "event_grid"}, "CloudEvents only"),
        ({"endpoint": "https://a.example", "topic": "a/b"}, "topic"),
        ({"endpoint": "https://a.example", "envelope": "none"}, "envelope"),
        ({"endpoint": "https://a.example/api/events?x=1"}, "endpoint has no query"),
        ({"endpoint": "https://a.example/api/events", "topic": "t"}, "with topic no path"),
    ],
)
def test_settings_are_checked_as_rules_load(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        EventGrid.model_validate(settings)


def test_no_request_goes_to_a_private_address_unless_the_rule_permits_it(topic: RecordingServer) -> None:
    with pytest.raises(GiveUp, match="no request is sent to localhost"):
        handler(topic, key=KEY, allow_private=False).run(EVENT, Action())
    assert topic.requests == []


def test_the_plan_names_the_topic_and_no_secret() -> None:
    settings = {"endpoint": "https://acme.westeurope-1.eventgrid.azure.net", "key": KEY}
    plan = EventGrid.model_validate({**settings, "topic": "ml-events"}).plan(EVENT)
    assert plan.startswith(f"publish {EVENT.event_type} (")
    assert plan.endswith(" bytes) to ml-events of acme.westeurope-1.eventgrid.azure.net")
    size = len(json.dumps([json.loads(EventGrid.model_validate(settings).message(EVENT).body)]))
    assert f"({size:,} bytes)" in EventGrid.model_validate(settings).plan(EVENT)
    assert KEY not in repr(EventGrid.model_validate(settings))
