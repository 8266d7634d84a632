"""docs/handlers/webhook.md: its rules and recipes run, and services that check the published schemas accept them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from handlers.errors import PERMANENT, PROPAGATING, THROTTLED
from handlers.http.transport import MAX_SECONDS
from handlers.http.url import MAX_LENGTH
from handlers.json_template import MAX_BYTES, MAX_LEAVES
from handlers.webhook import Webhook
from mlevents.testing import Answer, Ended, RecordingServer, Request, run_rules
from schemas import Event, ModelRegistered, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH

PAGE = (Path(__file__).resolve().parents[3] / "docs/handlers/webhook.md").read_text(encoding="utf-8")
RULES = re.findall(r"^```yaml\n(- name: ([\w-]+)\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
FAILED = RunStatusChanged.example(run_status="Failed", run_tags={"note": '", "x": "{{ id }}', "long": "y" * 2_000})
SETTINGS = {
    "RULES_PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
    "RULES_OPSGENIE_KEY": "opsgenie-key-1234",
    "RULES_JIRA_LOGIN": "bWFpbEBleGFtcGxlLmNvbTp0b2tlbg==",
    "RULES_TRACKER_TOKEN": "tracker-token-1234",
    "RULES_HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "RULES_HOOK_SECRET_BEFORE": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSv",
}


def text(most: int = 10_000, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most, **more}


def closed(required: str, optional: str = "", **properties: Any) -> dict[str, Any]:
    """An object with these members, texts unless something else is given, and no others."""
    names = {name: properties.get(name, text()) for name in f"{required} {optional}".split()}
    return {"type": "object", "properties": names, "required": required.split(), "additionalProperties": False}


# PagerDuty/developer-docs, docs/events-API-v2/02-Trigger-Events.md.
PAGERDUTY = closed(
    "routing_key event_action payload",
    "dedup_key links images client client_url",
    routing_key=text(32, minLength=32),
    event_action={"enum": ["trigger", "acknowledge", "resolve"]},
    dedup_key=text(255),
    payload=closed(
        "summary source severity",
        "timestamp component group class custom_details",
        summary=text(1024),
        severity={"enum": ["critical", "error", "warning", "info"]},
        custom_details={"type": "object"},
    ),
    links={"type": "array", "items": closed("href", "text")},
)
# opsgenie/opsgenie-oas, definitions/alert.yaml, CreateAlertPayload; the lengths are those of docs.opsgenie.com/docs/
# alert-api, "Create Alert".
OPSGENIE = closed(
    "message",
    "alias description responders visibleTo actions tags details entity source priority user note",
    message=text(130),
    alias=text(512),
    description=text(15_000),
    tags={"type": "array", "maxItems": 20, "items": text(50)},
    details={"type": "object", "additionalProperties": text(8_000)},
    priority={"enum": ["P1", "P2", "P3", "P4", "P5"]},
)
# developer.atlassian.com/cloud/jira/platform/rest/v2, "Create issue". A label has no spaces, a summary no line ends.
JIRA = closed(
    "fields",
    fields=closed(
        "project issuetype summary",
        "description labels",
        project=closed("key"),
        issuetype=closed("name"),
        summary=text(255, pattern=r"^[^\r\n]*$"),
        description=text(32_767),
        labels={"type": "array", "items": text(255, pattern=r"^\S+$")},
    ),
)


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(https=True) as server:
        yield server


def block(name: str) -> str:
    [found] = [block for block, each in RULES if each == name]
    return str(found)


def sent_to(server: RecordingServer, name: str, *events: Event, dies_after: tuple[int, ...] = ()) -> list[Ended]:
    """Run one rule of the page, with the server in place of the service."""
    origin = server.url("").rstrip("/")
    here = re.sub(r"https://(?!learn)[\w.-]+(?=/)", origin, block(name), count=1)
    here = here.replace("  with:\n", "  with:\n    allow_private: true\n")
    here = here.replace("with: { url", "with: { allow_private: true, url")
    settings = SETTINGS | server.environment | {"RULES_APPROVAL_FLOW_URL": server.url(FLOW)}
    labelled = here.replace("workspace.labels.team", "workspace.labels.env")
    return run_rules(f"rules:\n{labelled}", *events, settings=settings, dies_after=dies_after)


FLOW = "/workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-10-01&sp=%2Ftriggers&sv=1.0&sig=SECRETSIG1"


def service(status: int, schema: Any, body: Any = "", **headers: str) -> Any:
    """A service that answers 400 to a request without these headers or with a body that its schema refuses."""

    def answer(request: Request) -> Answer:
        missing = [name for name, value in headers.items() if request.headers.get(name.replace("_", "-")) != value]
        errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(request.json())]
        return Answer(400, {"errors": missing + errors}) if missing or errors else Answer(status, body)

    return answer


def test_pagerduty_takes_the_alert_and_repeats_have_one_key(server: RecordingServer) -> None:
    accepted = {"status": "success", "message": "Event processed", "dedup_key": "x"}
    server.answers[:] = [service(202, PAGERDUTY, accepted, Content_Type="application/json")]
    [ended] = sent_to(server, "page-on-failed-runs", FAILED, dies_after=(1,))
    assert ended.status == "succeeded", ended.note
    first, second = server.requests
    assert (first.method, first.path) == ("POST", "/v2/enqueue")
    body = first.json()
    assert body["dedup_key"] == second.json()["dedup_key"]
    assert body["payload"]["custom_details"] == {"note": '", "x": "{{ id }}', "long": "y" * 2_000}
    assert SETTINGS["RULES_PAGERDUTY_KEY"] == body["routing_key"]


def test_pagerduty_can_throttle(server: RecordingServer) -> None:
    server.answers[:] = [Answer(429), service(202, PAGERDUTY)]
    [ended] = sent_to(server, "page-on-failed-runs", FAILED)
    assert (ended.status, len(server.requests)) == ("succeeded", 2)


def test_opsgenie_takes_the_alert_and_repeats_have_one_alias(server: RecordingServer) -> None:
    accepted = {"result": "Request will be processed", "took": 0.1, "requestId": "43a29c5c"}
    server.answers[:] = [service(202, OPSGENIE, accepted, Authorization="GenieKey opsgenie-key-1234")]
    event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    [ended] = sent_to(server, "alert-on-drift", event, dies_after=(1,))
    assert ended.status == "succeeded", ended.note
    first, second = server.requests
    assert first.path == "/v2/alerts"
    assert first.json()["alias"] == second.json()["alias"]
    assert ended.details["body.requestId"] == "43a29c5c"


def test_jira_opens_the_issue(server: RecordingServer) -> None:
    created = {"id": "10000", "key": "ML-24", "self": "https://example.atlassian.net/rest/api/2/issue/10000"}
    login = f"Basic {SETTINGS['RULES_JIRA_LOGIN']}"
    server.answers[:] = [service(201, JIRA, created, Authorization=login)]
    [ended] = sent_to(server, "open-jira-issue", FAILED)
    assert ended.status == "succeeded", ended.note
    assert (server.requests[0].path, ended.details["body.key"]) == ("/rest/api/2/issue", "ML-24")
    assert login not in json.dumps(dict(ended.details))


def test_jira_refuses_a_field_for_good(server: RecordingServer) -> None:
    server.answers[:] = [Answer(400, {"errors": {"project": "project is required"}})]
    [ended] = sent_to(server, "open-jira-issue", FAILED)
    assert (ended.status, len(server.requests)) == ("failed", 1)
    assert "project is required" in ended.note


def test_logic_apps_take_the_body_of_the_schema_on_the_page(server: RecordingServer) -> None:
    [schema] = map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    server.answers[:] = [service(202, schema, Content_Type="application/json")]
    [ended] = sent_to(server, "start-approval-flow", ModelRegistered.example(model_tags={"a": "b"}), dies_after=(1,))
    assert ended.status == "succeeded", ended.note
    first, second = server.requests
    assert f"{first.path}?" in FLOW
    assert first.query["sig"] == "SECRETSIG1"
    name = "x-ms-client-tracking-id"
    assert first.headers[name] == second.headers[name]
    assert "SECRETSIG1" not in ended.note


@pytest.mark.parametrize(
    ("name", "event"),
    [("pass-on-models", ModelRegistered.example()), ("report-failed-runs", FAILED)],
)
def test_the_other_rules_on_the_page_work(server: RecordingServer, name: str, event: Event) -> None:
    [ended] = sent_to(server, name, event)
    assert ended.status == "succeeded", ended.note
    assert len(server.requests) == 1


def test_each_rule_on_the_page_is_tested() -> None:
    tested = {"page-on-failed-runs", "alert-on-drift", "open-jira-issue", "start-approval-flow"}
    assert {name for _, name in RULES} == tested | {"pass-on-models", "report-failed-runs", "mail-the-issue"}


def test_the_table_has_the_settings_of_the_handler() -> None:
    names = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert names == [name for name in NAMES if name in Webhook.model_fields]
    assert set(names) == set(Webhook.model_fields)


NAMES = ("url", "method", "headers", "body", "text", "secrets", "sign_with", "entra_scope", "allow_private")


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    flat = " ".join(PAGE.split())
    assert f"at most {MAX_BYTES:,} bytes, a URL {MAX_LENGTH:,} characters, `body` {MAX_LEAVES:,} templates" in flat
    assert MAX_SECONDS == 60
    *some, last = sorted(PERMANENT)
    assert f"answers {', '.join(map(str, some))} or {last} | fails" in flat
    assert {401, 403, 404} == PROPAGATING
    assert {429, 503} == THROTTLED
