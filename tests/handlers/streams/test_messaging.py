"""Event Hubs and Service Bus: a server that takes the documented requests, and verifies signatures by itself."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus
from uuid import UUID

import jwt
import pytest
from azure.core.messaging import CloudEvent
from pydantic import ValidationError

from handlers.base import Action, GiveUp, RetryLater, Succeeded
from handlers.errors import classify
from handlers.streams.event_hub import EventHub
from handlers.streams.messaging import MAX_BODY, MessagingHandler
from handlers.streams.service_bus import ServiceBus
from mlevents.testing.server import Answer, RecordingServer, Request
from schemas import RunStatusChanged
from tests.handlers.streams.conftest import Token, service

EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ACTION = Action(rule="share", key=UUID(int=7), now=NOW)
NAME, KEY = "send-policy", "c2VjcmV0LWtleQ=="


class Namespace:
    """A namespace at a point in time, which keeps the messages that it accepts by their path."""

    def __init__(self, audience: str) -> None:
        self.audience = audience
        self.sent: list[tuple[str, dict[str, Any], bytes]] = []

    def __call__(self, request: Request) -> Answer:
        """ "Send event" and "Send Message"."""
        assert request.method == "POST"
        assert request.path.endswith("/messages")
        assert request.query["api-version"] == "2014-01"
        assert 0 < int(request.query["timeout"]) <= 60
        if not self.is_authorized(request):
            return Answer(401, "<Error><Code>401</Code><Detail>InvalidSignature</Detail></Error>")
        properties = json.loads(request.headers["BrokerProperties"])
        assert all(isinstance(value, str) and len(value) <= 128 for value in properties.values())
        self.sent.append((request.path.removesuffix("/messages"), properties, request.body))
        return Answer(201)

    def is_authorized(self, request: Request) -> bool:
        """By a token of Entra ID for the service, or a signature of this entity that has not expired."""
        kind, _, token = request.headers["Authorization"].partition(" ")
        if kind == "Bearer":
            claims = jwt.decode(token, options={"verify_signature": False})
            return bool(claims["aud"] == self.audience)
        assert kind == "SharedAccessSignature"
        fields = {name: values[0] for name, values in parse_qs(token, strict_parsing=True).items()}
        assert fields.keys() == {"sr", "sig", "se", "skn"}
        resource = token.partition("sr=")[2].partition("&")[0]
        assert unquote_plus(resource) == f"https://{request.headers['Host']}{request.path.removesuffix('/messages')}"
        expected = hmac.new(KEY.encode(), f"{resource}\n{fields['se']}".encode(), hashlib.sha256).digest()
        is_valid = fields["skn"] == NAME and base64.b64decode(fields["sig"]) == expected
        return is_valid and NOW.timestamp() < int(fields["se"]) < (NOW + timedelta(hours=1)).timestamp()


@pytest.fixture
def event_hubs() -> Namespace:
    return Namespace("https://eventhubs.azure.net")


@pytest.fixture
def service_bus() -> Namespace:
    return Namespace("https://servicebus.azure.net")


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch, event_hubs: Namespace) -> Iterator[RecordingServer]:
    with service(monkeypatch, event_hubs) as server:
        yield server


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, service_bus: Namespace) -> Iterator[RecordingServer]:
    with service(monkeypatch, service_bus) as server:
        yield server


def connection(server: RecordingServer, key: str = KEY) -> str:
    return f"Endpoint=sb://localhost:{server.port}/;SharedAccessKeyName={NAME};SharedAccessKey={key}"


def hub(server: RecordingServer, **settings: Any) -> EventHub:
    own = {} if "namespace" in settings else {"connection_string": connection(server)}
    return EventHub.model_validate({"hub": "ml", "allow_private": True, **own, **settings})


def queue(server: RecordingServer, **settings: Any) -> ServiceBus:
    entity = {} if "topic" in settings else {"queue": "ml"}
    own = {} if "namespace" in settings else {"connection_string": connection(server)}
    return ServiceBus.model_validate({"allow_private": True, **entity, **own, **settings})


def test_an_event_is_sent_to_an_event_hub(hubs: RecordingServer, event_hubs: Namespace) -> None:
    """The events of an object have one partition key, so that they stay in order."""
    outcome = hub(hubs).run(EVENT, ACTION)
    [(path, properties, body)] = event_hubs.sent
    assert (path, properties) == ("/ml", {"PartitionKey": "brave_kiwi"})
    assert CloudEvent.from_dict(json.loads(body)).id == EVENT.id
    assert hubs.requests[0].headers["Content-Type"] == "application/atom+xml;type=entry;charset=utf-8"
    assert outcome == Succeeded(f"sent {EVENT.event_type} to the event hub ml", {"partition_key": "brave_kiwi"})


@pytest.mark.parametrize(
    ("template", "properties"),
    [
        ("{{ data.experimentName }}", {"PartitionKey": "churn-training"}),
        ("", {}),
        ("ü\n{{ data.runTags.none | default('\"') }}", {"PartitionKey": 'ü\n"'}),
        ("x" * 200, {"PartitionKey": "x" * 128}),
    ],
)
def test_the_partition_key_is_a_template(
    hubs: RecordingServer, event_hubs: Namespace, template: str, properties: dict[str, str]
) -> None:
    hub(hubs, partition_key=template).run(EVENT, ACTION)
    assert event_hubs.sent[0][1] == properties


def test_a_message_is_sent_to_a_queue(bus: RecordingServer, service_bus: Namespace) -> None:
    """Its id is the action's key, by which duplicate detection knows it."""
    outcome = queue(bus).run(EVENT, ACTION)
    queue(bus).run(EVENT, replace(ACTION, interrupted=True))
    (path, properties, body), again = service_bus.sent
    assert path == "/ml"
    assert properties == {"MessageId": str(ACTION.key), "Label": EVENT.event_type}
    assert CloudEvent.from_dict(json.loads(body)).id == EVENT.id
    assert again == (path, properties, body)
    assert bus.requests[0].headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert outcome == Succeeded(f"sent {EVENT.event_type} to the queue ml", {"message": str(ACTION.key)})


def test_a_message_is_sent_to_a_topic_with_a_session(bus: RecordingServer, service_bus: Namespace) -> None:
    settings = {"topic": "ml/events", "session_id": "{{ data.runId }}", "type": "Acme.RunFailed", "envelope": "none"}
    outcome = queue(bus, **settings).run(EVENT, ACTION)
    [(path, properties, body)] = service_bus.sent
    assert path == "/ml/events"
    assert properties == {"MessageId": str(ACTION.key), "Label": "Acme.RunFailed", "SessionId": "brave_kiwi"}
    assert json.loads(body) == EVENT.data.wire()
    assert bus.requests[0].headers["Content-Type"] == "application/json; charset=utf-8"
    assert isinstance(outcome, Succeeded)
    assert outcome.summary == "sent Acme.RunFailed to the topic ml/events"


def test_an_identity_needs_no_connection_string(
    hubs: RecordingServer, event_hubs: Namespace, monkeypatch: pytest.MonkeyPatch, token: Token, service_bus: Namespace
) -> None:
    hub(hubs, namespace=f"localhost:{hubs.port}").run(EVENT, ACTION)
    assert len(event_hubs.sent) == 1
    with service(monkeypatch, service_bus) as server:
        queue(server, namespace=f"localhost:{server.port}").run(EVENT, ACTION)
    assert len(service_bus.sent) == 1


def test_a_ready_signature_is_sent_as_it_is(hubs: RecordingServer) -> None:
    text = f"Endpoint=sb://localhost:{hubs.port}/;SharedAccessSignature=SharedAccessSignature sr=a&sig=b&se=1&skn=c"
    hub(hubs, connection_string=text)._authorization("https://localhost/ml", ACTION)
    assert hub(hubs, connection_string=text)._authorization("", ACTION) == "SharedAccessSignature sr=a&sig=b&se=1&skn=c"


def test_a_wrong_key_is_tried_for_half_an_hour(hubs: RecordingServer) -> None:
    with pytest.raises(Exception, match="InvalidSignature") as error:
        hub(hubs, connection_string=connection(hubs, "d3Jvbmc=")).run(EVENT, ACTION)
    verdict = classify(error.value)
    assert isinstance(verdict, RetryLater)
    assert verdict.max_elapsed is not None
    assert "d3Jvbmc" not in str(verdict)


HANDLERS = pytest.mark.parametrize("of", [hub, queue])
BUSY = "The request was terminated because the namespace acme is being throttled. Error code : {}."


LONG = {"envelope": "none", "data": "{{ data.runTags.note }}"}  # the message is this text in quotes


def long_event(size: int) -> RunStatusChanged:
    """An event whose message has this many bytes."""
    return RunStatusChanged.example(run_tags={"note": "x" * (size - 2)})


def verdict_on(of: Any, answer: Answer, monkeypatch: pytest.MonkeyPatch, size: int = 1_000) -> RetryLater | GiveUp:
    with service(monkeypatch, answer) as server:
        with pytest.raises(Exception) as error:  # noqa: PT011 - its meaning is what the test is about
            of(server, **LONG).run(long_event(size), ACTION)
        assert len(server.requests) == 1
    return classify(error.value)


@HANDLERS
@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Answer(429, "", {"Retry-After": "7"}), 7),
        (Answer(503, BUSY.format(50008) + " Please wait 10 seconds and try again.", {"Retry-After": "7"}), 10),
        (Answer(500, BUSY.format(50009) + " Please wait 2 seconds and try again."), 2),
        (Answer(500, "ServerBusy", {"Retry-After": "7"}), 7),
        (Answer(403, BUSY.format(50002)), None),
    ],
)
def test_throttling_holds_all_actions_for_the_namespace(
    of: Any, answer: Answer, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = verdict_on(of, answer, monkeypatch)
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled
    assert verdict.after == (None if seconds is None else timedelta(seconds=seconds))


@HANDLERS
def test_a_missing_entity_fails_the_action(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = verdict_on(of, Answer(410, "<Error><Code>410</Code></Error>"), monkeypatch)
    assert isinstance(verdict, GiveUp)
    assert str(verdict).endswith("; create ml")


@HANDLERS
def test_a_page_in_place_of_the_service_is_no_success(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = verdict_on(of, Answer(200, b"<p>Sign in</p>", {"Content-Type": "text/html"}), monkeypatch)
    assert isinstance(verdict, RetryLater)
    assert not verdict.throttled


@HANDLERS
def test_a_full_entity_is_waited_for(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "The maximum entity size has been reached or exceeded for Topic: 'ml'. Size of entity in bytes: 1073742326"
    verdict = verdict_on(of, Answer(403, text), monkeypatch)
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled
    assert str(verdict).endswith("ml is full")


@HANDLERS
def test_a_refusal_because_of_a_missing_role_is_retried_for_half_an_hour(
    of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = verdict_on(of, Answer(403, "Send claim is required"), monkeypatch)
    assert isinstance(verdict, RetryLater)
    assert not verdict.throttled
    assert verdict.max_elapsed is not None


@HANDLERS
def test_a_message_that_is_too_large_for_the_tier_fails_the_action(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """403 is "Quota exceeded or message too large"."""
    verdict = verdict_on(of, Answer(403, "Quota exceeded"), monkeypatch, 262_145)
    assert isinstance(verdict, GiveUp)
    assert "the message has 262,145 bytes" in str(verdict)
    assert "takes at most 262,144 in its lowest tier" in str(verdict)


@HANDLERS
def test_a_message_of_the_largest_size_is_sent(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with service(monkeypatch, Answer(201)) as server:
        of(server, **LONG).run(long_event(MAX_BODY), ACTION)
        assert len(server.requests[0].body) == MAX_BODY
        with pytest.raises(GiveUp, match="takes at most 1,048,576"):
            of(server, **LONG).run(long_event(MAX_BODY + 1), ACTION)


ENDPOINT = "Endpoint=sb://acme.servicebus.windows.net/"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "write namespace"),
        ({"namespace": "a.example", "connection_string": ENDPOINT}, "write namespace"),
        ({"namespace": "{{ data.runId }}.example"}, "not a template"),
        ({"namespace": "user@a.example"}, "no user name"),
        ({"namespace": "127.1"}, "not an IPv4 address"),
        ({"connection_string": "SECRET"}, "is no connection string"),
        ({"connection_string": f"{ENDPOINT};SharedAccessKey=SECRET"}, "has no Endpoint, or no SharedAccessKeyName"),
        ({"connection_string": "SharedAccessKeyName=n;SharedAccessKey=SECRET"}, "has no Endpoint"),
        ({"connection_string": "Endpoint=sb://a b;SharedAccessKeyName=n;SharedAccessKey=SECRET"}, "a name in ASCII"),
        ({"connection_string": f"{ENDPOINT};SharedAccessKeyName=n;SharedAccessKey=SECRET;EntityPath=b"}, "is for b"),
        ({"namespace": "acme"}, "namespace is a host name"),
        ({"namespace": "acme.servicebus.windows.net/ml"}, "namespace is a host name"),
        ({"namespace": "a.example", "hub": "a/../b"}, "hub"),
        ({"namespace": "a.example", "hub": ""}, "hub"),
    ],
)
def test_settings_are_checked_as_rules_load(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as error:
        EventHub.model_validate({"hub": "ml", **settings})
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("settings", [{}, {"queue": "a", "topic": "b"}, {"queue": "a/../b"}, {"topic": "/a"}])
def test_a_queue_or_a_topic_is_needed(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ServiceBus.model_validate({"namespace": "acme.servicebus.windows.net", **settings})


def test_check_reports_an_address_that_gets_no_request_and_what_allow_private_means() -> None:
    private = EventHub.model_validate({"namespace": "10.0.0.7", "hub": "ml"})
    assert [each.message for each in private.findings()] == [
        "no request is sent to 10.0.0.7: it is not an address of the public internet"
    ]
    allowed = EventHub.model_validate({"namespace": "10.0.0.7", "hub": "ml", "allow_private": True})
    assert [each.severity for each in allowed.findings()] == ["warning"]
    assert list(EventHub.model_validate({"namespace": "acme.servicebus.windows.net", "hub": "ml"}).findings()) == []


def test_plans_and_destinations_name_the_namespace_and_no_secret() -> None:
    text = f"{ENDPOINT};SharedAccessKeyName={NAME};SharedAccessKey={KEY};EntityPath=ml"
    plans: list[tuple[MessagingHandler, str]] = [
        (EventHub.model_validate({"connection_string": text, "hub": "ml"}), "the event hub ml"),
        (ServiceBus.model_validate({"connection_string": text, "queue": "ml"}), "the queue ml"),
        (ServiceBus.model_validate({"namespace": "acme.servicebus.windows.net", "topic": "ml"}), "the topic ml"),
    ]
    for handler, where in plans:
        assert handler.destination(EVENT) == "https://acme.servicebus.windows.net"
        assert handler.plan(EVENT).startswith(f"send {EVENT.event_type} (")
        assert handler.plan(EVENT).endswith(f" bytes) to {where} of acme.servicebus.windows.net")
        assert KEY not in repr(handler)
