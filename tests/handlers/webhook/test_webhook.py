"""``do: webhook``: what is sent, how it is signed, what the record keeps, and what happens to duplicates."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from jinja2 import UndefinedError
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from dispatch.secrets import NO_SECRETS
from emulator.identity.identity import identity_endpoint
from handlers.base import Action, GiveUp, RetryLater, Succeeded
from handlers.errors import PROPAGATION, classify
from handlers.http.auth import signature
from handlers.json_template import MAX_BYTES
from handlers.template import Template
from handlers.webhook import Webhook
from mlevents.testing import Answer, RecordingServer, Request, run_handler
from schemas import ModelRegistered, RunStatusChanged, parse_event
from schemas.alert import Alert
from tests.handlers.conftest import SetSettings
from tests.kit.rule_files import loaded, rule

EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
KEY = UUID("0d5f9a16-5b4e-4a57-9d0e-2f5f3f7c9a10")
ACTION = Action(key=KEY, now=datetime(2026, 12, 1, 12, tzinfo=UTC))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the published vector
OTHER = "whsec_c2Vjb25kLXNlY3JldC1vZi10aGUtcm90YXRpb24="


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    with RecordingServer(https=True) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


Hook = Callable[..., Webhook]


@pytest.fixture
def hook(server: RecordingServer) -> Hook:
    """A function that makes a webhook to a path of the server."""

    def make(path: str = "/hook", **settings: Any) -> Webhook:
        return Webhook.model_validate({"url": server.url(path), "allow_private": True, **settings})

    return make


def sent(server: RecordingServer) -> Request:
    [request] = server.requests
    return request


def test_the_default_body_is_the_event_as_a_cloud_event(server: RecordingServer, hook: Hook) -> None:
    hook().run(EVENT, ACTION)
    request = sent(server)
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    body = request.json()
    assert body["specversion"] == "1.0"
    assert (body["id"], body["source"], body["type"]) == (EVENT.id, EVENT.topic, EVENT.event_type)
    assert parse_event(request.body) == as_cloud_event(EVENT)


def as_cloud_event(event: RunStatusChanged) -> Any:
    """The event without what CloudEvents has no place for."""
    kept = {name: value for name, value in event.wire().items() if name not in ("dataVersion", "metadataVersion")}
    return parse_event({**kept, "datacontenttype": "application/json"})


def test_attributes_of_a_cloud_event_are_passed_on_where_they_are_valid(server: RecordingServer, hook: Hook) -> None:
    raw = json.loads(hook_body(server, hook, EVENT)) | {"traceparent": "00-1", "partitionkey": 7, "dataschema": "x"}
    again = json.loads(hook_body(server, hook, parse_event({**raw, "bad-name": "a", "nested": {"a": 1}})))
    assert (again["traceparent"], again["partitionkey"]) == ("00-1", 7)
    assert not {"dataschema", "bad-name", "nested"} & again.keys()


def hook_body(server: RecordingServer, hook: Hook, event: Any) -> bytes:
    hook().run(event, ACTION)
    return server.requests[-1].body


def test_an_alert_has_no_time(server: RecordingServer, hook: Hook) -> None:
    body = json.loads(hook_body(server, hook, Alert.of("refused rules", "rules/a.yaml", "A file is invalid")))
    assert "time" not in body
    assert body["data"]["summary"] == "A file is invalid"


def test_a_body_of_ones_own_is_json(server: RecordingServer, hook: Hook) -> None:
    tags = {"note": '", "admin": true'}
    event = RunStatusChanged.example(run_id="brave_kiwi", run_tags=tags)
    body = {"text": "{{ data.runId }} failed", "tags": "{{ data.runTags }}", "key": "{{ key }}", "n": 7}
    hook(body=body, method="PUT").run(event, ACTION)
    request = sent(server)
    assert (request.method, request.headers["Content-Type"]) == ("PUT", "application/json")
    assert request.json() == {"text": "brave_kiwi failed", "tags": tags, "key": str(KEY), "n": 7}


def test_a_text_has_the_type_that_the_rule_says(server: RecordingServer, hook: Hook) -> None:
    hook(text="<run>{{ data.runId | e }}ü</run>", method="PATCH", headers={"content-type": "text/xml"}).run(
        EVENT, ACTION
    )
    request = sent(server)
    assert request.body == "<run>brave_kiwiü</run>".encode()
    assert request.headers.getall("Content-Type") == ["text/xml"]


def test_headers_and_url_are_templates(server: RecordingServer, hook: Hook) -> None:
    path = "/runs/{{ data.runTags.team }}?note={{ data.runTags.note }}"
    event = RunStatusChanged.example(run_tags={"team": "a/../b c", "note": "&x=1#"})
    with pytest.raises(GiveUp, match="a segment"):
        hook(path).run(event, ACTION)
    event = RunStatusChanged.example(run_tags={"team": "a/b c", "note": "&x=1#"})
    hook(path, headers={"X-Team": "{{ data.runTags.team }}", "Idempotency-Key": "{{ key }}"}).run(event, ACTION)
    request = sent(server)
    assert request.path == "/runs/a%2Fb%20c"
    assert request.query == {"note": "&x=1#"}
    assert (request.headers["X-Team"], request.headers["Idempotency-Key"]) == ("a/b c", str(KEY))


def test_an_event_cannot_add_a_header(server: RecordingServer, hook: Hook) -> None:
    event = RunStatusChanged.example(run_tags={"team": "a\r\nX-Evil: 1"})
    with pytest.raises(GiveUp, match="the header x-team would have line ends"):
        hook(headers={"X-Team": "{{ data.runTags.team }}"}).run(event, ACTION)
    assert server.requests == []


def test_secrets_fill_url_headers_and_body(server: RecordingServer, hook: Hook) -> None:
    secrets = {"key": "KEY-12345", "sig": "SIG+/12345"}
    handler = hook(
        "/a?sig={{ secrets.sig }}",
        headers={"Authorization": "GenieKey {{ secrets.key }}"},
        body={"routing_key": "{{ secrets.key }}"},
        secrets=secrets,
    )
    handler.run(EVENT, ACTION)
    request = sent(server)
    assert request.query == {"sig": "SIG+/12345"}
    assert request.headers["Authorization"] == "GenieKey KEY-12345"
    assert request.json() == {"routing_key": "KEY-12345"}
    for shown in (handler.plan(EVENT), repr(handler), handler.model_dump_json()):
        assert "12345" not in shown
    assert NO_SECRETS.including(handler).mask("KEY-12345 SIG+/12345 SIG%2B%2F12345") == "*** *** ***"


def test_the_published_vector_of_standard_webhooks() -> None:
    """Of its specification and libraries."""
    found = signature(
        b'{"test": 2432232314}',
        [SecretStr(SECRET)],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, tz=UTC),
    )
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_time_in_another_zone_is_signed_as_utc() -> None:
    moment = datetime.fromtimestamp(1614265330, tz=timezone(timedelta(hours=5)))
    utc = moment.astimezone(UTC)
    assert signature(b"{}", [SecretStr(SECRET)], "m", moment) == signature(b"{}", [SecretStr(SECRET)], "m", utc)


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_a_receiver_accepts_either_secret_during_a_rotation(server: RecordingServer, hook: Hook, secret: str) -> None:
    action = Action(key=KEY)
    hook(sign_with=[SECRET, OTHER], body={"run": "{{ data.runId }}ü"}).run(EVENT, action)
    request = sent(server)
    headers = dict(request.headers)
    assert headers["webhook-id"] == str(KEY)
    assert Verifier(secret).verify(request.body, headers) == {"run": "brave_kiwiü"}
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(request.body + b" ", headers)


def test_one_secret_needs_no_list(server: RecordingServer, hook: Hook) -> None:
    hook(sign_with=SECRET).run(EVENT, Action())
    assert len(sent(server).headers["webhook-signature"].split(" ")) == 1


@pytest.mark.services
def test_a_token_of_the_apps_identity_is_sent(server: RecordingServer, hook: Hook, settings: SetSettings) -> None:
    with identity_endpoint() as identity:
        settings(**identity.settings)
        hook(entra_scope="api://flow/.default").run(EVENT, ACTION)
    assert sent(server).headers["Authorization"].startswith("Bearer ")


def test_the_record_has_the_answer_and_rules_that_follow_read_it(server: RecordingServer, hook: Hook) -> None:
    server.answers[:] = [Answer(201, {"id": 7, "self": "https://jira.example/7"})]
    outcome = hook().run(EVENT, ACTION)
    assert isinstance(outcome, Succeeded)
    assert outcome.summary == "localhost answered 201"
    assert outcome.details["body.id"] == "7"
    event = EVENT.for_handler(None, {"details": dict(outcome.details)})
    text = "{{ result.details.body.id }} {{ result.details.body.self }} {{ result.details.status }}"
    assert Template(text).render(event) == "7 https://jira.example/7 201"
    assert json.loads(Template("{{ result.details.body }}").render(event)) == {
        "id": 7,
        "self": "https://jira.example/7",
    }


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_later_means_later(server: RecordingServer, hook: Hook, status: int) -> None:
    server.answers[:] = [Answer(status, headers={"Retry-After": "90"})]
    with pytest.raises(Exception) as error:  # noqa: PT011 - classified below
        hook().run(EVENT, ACTION)
    found = classify(error.value)
    assert isinstance(found, RetryLater)
    assert (found.after, found.throttled) == (timedelta(seconds=90), status in (429, 503))


def test_a_throttled_request_is_sent_once_more(server: RecordingServer, hook: Hook) -> None:
    server.answers[:] = [Answer(429, headers={"Retry-After": "90"}), Answer(200)]
    ended = run_handler(hook(), EVENT)
    assert (ended.status, len(server.requests)) == ("succeeded", 2)
    assert ended.delays[0] >= timedelta(seconds=90)


@pytest.mark.parametrize("status", [400, 405, 406, 410, 411, 413, 414, 415, 422, 431])
def test_no_means_no(server: RecordingServer, hook: Hook, status: int) -> None:
    server.answers[:] = [Answer(status, {"error": "bad field"})]
    ended = run_handler(hook(), EVENT)
    assert (ended.status, len(server.requests)) == ("failed", 1)
    assert f"HTTP {status}: localhost answered" in ended.note
    assert "bad field" in ended.note


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_denied_request_is_tried_for_half_an_hour(server: RecordingServer, hook: Hook, status: int) -> None:
    server.answers[:] = [Answer(status)]
    ended = run_handler(hook(), EVENT)
    assert ended.status == "failed"
    assert sum(ended.delays, timedelta()) <= PROPAGATION + timedelta(hours=1)


def test_a_redirect_to_the_metadata_service_is_not_followed(server: RecordingServer, hook: Hook) -> None:
    server.answers[:] = [Answer.redirect("http://169.254.169.254/metadata/identity/oauth2/token")]
    ended = run_handler(hook(), EVENT)
    assert (ended.status, len(server.requests)) == ("failed", 1)
    assert "redirects are not followed" in ended.note


def test_a_call_after_a_death_has_the_same_key(server: RecordingServer, hook: Hook) -> None:
    """The receiver can drop the second: webhook-id and `key` are the same."""
    ended = run_handler(hook(sign_with=SECRET, body={"key": "{{ key }}"}), EVENT, dies_after=[1])
    assert ended.status == "succeeded"
    first, second = server.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.json()["key"]
    assert ended.calls[1].action.interrupted


def test_the_record_masks_what_the_server_echoes(server: RecordingServer, hook: Hook) -> None:
    def echo(request: Request) -> Answer:
        return Answer(200, {"url": request.path, "query": request.query, "auth": request.headers["Authorization"]})

    server.answers[:] = [echo]
    settings = {"Authorization": "Bearer {{ secrets.token }}"}
    handler = hook("/T0/PATHSECRET99?sig=QUERYSECRET99", headers=settings, secrets={"token": "TOKENSECRET99"})
    ended = run_handler(handler, EVENT)
    assert ended.status == "succeeded"
    assert "SECRET99" not in json.dumps([ended.note, dict(ended.details), ended.notes])


@pytest.mark.parametrize("status", [200, 302, 400])
@pytest.mark.parametrize("before", [0, 230, 270, 980])
def test_a_secret_of_unusual_characters_is_masked_where_the_record_cuts_an_answer(
    status: int, before: int, server: RecordingServer, hook: Hook
) -> None:
    secret = "SECRET-tok/en+1=&\u00dc<x>'\"\\-SECRET"
    server.answers[:] = [lambda request: Answer(status, "x" * before + json.dumps(request.json()))]
    ended = run_handler(hook(secrets={"token": secret}, body=["{{ secrets.token }}"]), EVENT)
    assert "SECRET" not in json.dumps([ended.note, dict(ended.details), ended.notes])


def test_the_text_of_an_answer_cannot_forge_a_line(server: RecordingServer, hook: Hook) -> None:
    server.answers[:] = [Answer(400, b"no\r\nINFO action.settled status=succeeded \x1b[2K")]
    assert run_handler(hook(), EVENT).note.isprintable()


def test_the_plan_has_method_origin_and_body() -> None:
    handler = Webhook.model_validate(
        {
            "url": "https://example.com/S/x",
            "body": {"k": "{{ secrets.k }}", "r": "{{ data.runId }}"},
            "secrets": {"k": "s"},
        }
    )
    assert handler.plan(EVENT) == 'POST https://example.com/…: {"k": "***", "r": "brave_kiwi"}'
    plain = Webhook.model_validate({"url": "https://example.com/hook"}).plan(EVENT)
    assert re.fullmatch(r"POST https://example\.com/…: the event as a CloudEvent, \d{3} bytes", plain)
    hostile = RunStatusChanged.example(run_tags={"team": ".."})
    bad = Webhook.model_validate({"url": "https://example.com/{{ data.runTags.team }}"})
    assert bad.plan(hostile).startswith("give up: the URL of https://example.com is refused")


def test_the_plan_renders_the_headers() -> None:
    """A template that fails in a header is found before an event comes."""
    url = "https://example.com/hook"
    handler = Webhook.model_validate({"url": url, "headers": {"X-Team": "{{ data.runTags.nope }}"}})
    with pytest.raises(UndefinedError, match="'nope'"):
        handler.plan(EVENT)
    good = Webhook.model_validate({"url": url, "headers": {"Idempotency-Key": "{{ key }}"}})
    assert good.plan(EVENT).startswith("POST")
    bad = Webhook.model_validate({"url": url, "headers": {"X-Team": "ü"}})
    assert bad.plan(EVENT).startswith("give up: the header x-team")


def test_bodies_are_limited(server: RecordingServer, hook: Hook) -> None:
    event = ModelRegistered.example(model_tags={"n": "x" * (MAX_BYTES + 1)})
    for body in ({"text": "{{ data.modelTags.n }}"}, {"body": ["{{ data.modelTags.n }}"]}, {}):
        with pytest.raises(GiveUp, match="at most 1,000,000"):
            hook(**body).run(event, ACTION)
    assert server.requests == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"method": "GET"}, "'POST', 'PUT' or 'PATCH'"),
        ({"body": {}, "text": "a"}, "write one of them"),
        ({"body": "a text"}, "write a text under text"),
        ({"body": "{{ data.runId }} and more"}, "write a text under text"),
        ({"headers": {"X Y": "a"}}, "not the name of a header"),
        ({"headers": {"Host": "a"}}, "set by the app"),
        ({"headers": {"X-A": "a", "x-a": "b"}}, "written twice"),
        ({"headers": {"{{ data.runId }}": "a"}}, "is not a template"),
        ({"headers": {"X-A": "{{ secrets.none }}"}}, "there is no secret 'none'"),
        ({"body": ["{{ secrets['none'] }}"]}, "there is no secret 'none'"),
        ({"text": "{{ secrets.none }}"}, "there is no secret 'none'"),
        ({"url": "https://example.com/{{ secrets.none }}"}, "there is no secret 'none'"),
        ({"sign_with": SECRET, "headers": {"Webhook-Id": "mine"}}, "Webhook-Id is written by sign_with"),
        ({"entra_scope": "api://x/.default", "headers": {"authorization": "x"}}, "is written by entra_scope"),
        ({"secrets": {"token": " "}}, "no value for token: set its app setting"),
        ({"sign_with": "not base64!"}, "should be Base64"),
        ({"sign_with": [SECRET] * 5}, "at most 4"),
        ({"url": "http://example.com", "allow_private": True, "entra_scope": "api://x/.default"}, "over https only"),
    ],
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Webhook.model_validate({"url": "https://example.com/", **settings})


def test_a_body_that_is_one_expression_has_its_type(server: RecordingServer, hook: Hook) -> None:
    hook(body="{{ data }}").run(EVENT, ACTION)
    assert sent(server).json() == EVENT.data.wire()


RULE = rule(
    do="webhook",
    **{
        "with": """
      url: https://example.com/{{ data.runIdd }}
      headers: { X-Run: "{{ data.experimentNme }}" }
      body: { a: ["{{ data.runStats }}"], key: "{{ key }}" }"""
    },
)


def test_check_knows_the_keys_in_url_headers_and_body(tmp_path: Any) -> None:
    rules = loaded(tmp_path, a=f"rules:\n{RULE}")
    found = {str(error) for error in rules.errors}
    assert len(found) == 3
    for name in ("runIdd", "experimentNme", "runStats"):
        assert any(name in text for text in found)


def test_an_error_in_a_body_has_the_line_of_its_leaf(tmp_path: Any) -> None:
    text = rule(
        do="webhook",
        **{
            "with": """
      url: https://example.com/
      body:
        runs:
          - "{{ data.runId }}"
          - "{{ data.runId | upperr }}"
        "{{ data.runId }}": 1"""
        },
    )
    lines = f"rules:\n{text}".splitlines()
    found = {lines[error.line - 1].strip(): error.message for error in loaded(tmp_path, a=f"rules:\n{text}").errors}
    assert set(found) == {'- "{{ data.runId | upperr }}"', '"{{ data.runId }}": 1'}
    assert "upperr" in found['- "{{ data.runId | upperr }}"']


def test_rules_that_follow_may_read_the_answer(tmp_path: Any) -> None:
    first = rule(name="hook", do="webhook", **{"with": "{ url: 'https://example.com/' }"})
    then = rule(
        name="then",
        after="{ rules: hook, outcome: succeeded }",
        when='["result.details.body.state StringIn open"]',
        **{"with": "{ message: '{{ result.details.body.id }} {{ result.details.body }}' }"},
    )
    assert loaded(tmp_path, a=f"rules:\n{first}{then}").errors == ()


def test_a_rule_with_the_same_settings_has_the_same_hash() -> None:
    one, other = (Webhook.model_validate({"url": "https://example.com/", "body": {"a": "{{ id }}"}}) for _ in "ab")
    assert one == other
