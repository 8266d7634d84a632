"""Cards are posted to a flow of Workflows, whose answers are those that Power Automate documents."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.base import Action, GiveUp, RetryLater, Succeeded
from handlers.content.fit import NOTE
from handlers.errors import PROPAGATION, classify
from handlers.file_field import FOLDERS
from handlers.teams.handler import OWN_LIMIT, Teams
from mlevents.testing import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.handlers.content.cases import ACTION, CASES
from tests.handlers.content.hostile import HOSTILE, run_with
from tests.handlers.teams.test_card import elements_of, problems_of

EVENT, _ = CASES["RunStatusChanged"]
FLOW = "https://prod-07.westeurope.logic.azure.com:443/workflows/0f/triggers/manual/paths/invoke?sp=%2Frun&sig=SECRET"
ACCEPTED = Answer(202, headers={"x-ms-workflow-run-id": "08585"})
OWN = {
    "type": "AdaptiveCard",
    "version": "1.5",
    "body": [
        {"type": "TextBlock", "text": "**{{ data.runId }}** in [{{ workspace.name }}]({{ studio_url }})", "wrap": True},
        {"type": "FactSet", "facts": [{"title": "note", "value": "{{ data.runTags.note | default('') }}"}]},
    ],
}


@pytest.fixture
def flow() -> Iterator[RecordingServer]:
    """A flow that accepts cards."""
    with RecordingServer(ACCEPTED) as server:
        yield server


def teams(server: RecordingServer, **settings: Any) -> Teams:
    return Teams.model_validate({"url": server.url("/flow?sig=SECRET"), "allow_private": True, **settings})


def posted(server: RecordingServer) -> Any:
    [request] = server.requests
    return request.json()["attachments"][0]["content"]


def test_card_is_posted(flow: RecordingServer) -> None:
    outcome = teams(flow).run(EVENT, ACTION)
    headline = "Run brave_kiwi_t5m0xr7c4d failed (experiment churn-training)"
    assert outcome == Succeeded(f"posted a card: {headline}", {"status": "202", "run": "08585"})
    [request] = flow.requests
    assert (request.method, request.path, request.query) == ("POST", "/flow", {"sig": "SECRET"})
    assert request.headers["Content-Type"] == "application/json"
    assert elements_of(posted(flow))[0]["type"] == "AdaptiveCard"


def test_flow_that_ends_with_its_request_is_a_success() -> None:
    """A flow with a response of its own answers 200."""
    with RecordingServer(Answer(200)) as server:
        assert isinstance(teams(server).run(EVENT, ACTION), Succeeded)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "WorkflowTriggerIsNotEnabled", "the flow is turned off or deleted"),
        (400, "TriggerInputSchemaMismatch", "TriggerInputSchemaMismatch"),
        (401, "DirectApiAuthorizationRequired", "the flow admits users only"),
        (404, "WorkflowNotFound", "the flow is deleted"),
        (413, "RequestEntityTooLarge", "RequestEntityTooLarge"),
    ],
)
def test_permanent_answers_fail_the_action(status: int, code: str, reason: str) -> None:
    with RecordingServer(Answer(status, {"error": {"code": code, "message": "…"}})) as server:
        with pytest.raises(Exception, match=code) as error:
            teams(server).run(EVENT, ACTION)
        outcome = classify(error.value)
    assert isinstance(outcome, GiveUp)
    assert reason in str(outcome)
    assert "SECRET" not in str(outcome)


def test_throttling_waits_as_long_as_the_flow_says() -> None:
    with RecordingServer(Answer(429, {"error": {"code": "x"}}, headers={"Retry-After": "17"})) as server:
        with pytest.raises(Exception, match="localhost answered") as error:
            teams(server).run(EVENT, ACTION)
        outcome = classify(error.value)
    assert isinstance(outcome, RetryLater)
    assert outcome.throttled
    assert outcome.after is not None
    assert outcome.after.total_seconds() == 17


@pytest.mark.parametrize("status", [401, 403])
def test_signature_that_is_refused_is_retried_for_a_while(status: int) -> None:
    """The setting with the URL can be fixed in the meantime."""
    with RecordingServer(Answer(status, {"error": {"code": "AuthorizationFailed"}})) as server:
        with pytest.raises(Exception, match="AuthorizationFailed") as error:
            teams(server).run(EVENT, ACTION)
        outcome = classify(error.value)
    assert isinstance(outcome, RetryLater)
    assert outcome.max_elapsed == PROPAGATION


def test_action_that_was_interrupted_posts_again(flow: RecordingServer) -> None:
    """Workflows has no key by which it could know the first card."""
    action = Action(rule="post-failed-runs", interrupted=True)
    assert isinstance(teams(flow).run(EVENT, action), Succeeded)
    assert len(flow.requests) == 1


# The URL


@pytest.mark.parametrize(
    "host",
    [
        "prod-07.westeurope.logic.azure.com:443",
        "default0f2c.0d.environment.api.powerplatform.com",
        "emea.api.powerautomate.com",
        "flow.microsoft.com",
    ],
)
def test_hosts_of_workflows_are_accepted(host: str) -> None:
    assert Teams.model_validate({"url": f"https://{host}/x?sig=s"}).destination(EVENT) == f"https://{host}"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://contoso.webhook.office.com/webhookb2/x", "connectors of Office 365 are retired"),
        ("https://outlook.office.com/webhook/x", "connectors of Office 365 are retired"),
        ("https://evil.example/x?sig=s", "evil.example is not a host of Workflows"),
        ("https://logic.azure.com.evil.example/x", "is not a host of Workflows"),
        ("https://evillogic.azure.com/x", "is not a host of Workflows"),
        ("http://prod-07.westeurope.logic.azure.com/x", "https"),
        ("https://prod-07.westeurope.logic.azure.com/{{ data.runId }}", "is a secret, and no template"),
    ],
)
def test_other_urls_are_errors_when_rules_load(url: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Teams.model_validate({"url": url})


def test_retired_connectors_stay_errors_in_private_networks() -> None:
    with pytest.raises(ValidationError, match="retired"):
        Teams.model_validate({"url": "https://contoso.webhook.office.com/x", "allow_private": True})


def test_gateway_of_ones_own_is_allowed() -> None:
    assert Teams.model_validate({"url": "https://gateway.example/x", "allow_private": True})


def test_plan_does_not_show_the_secret() -> None:
    plan = Teams.model_validate({"url": FLOW}).plan(EVENT)
    assert plan == (
        "post a card to https://prod-07.westeurope.logic.azure.com:443: "
        "'Run brave_kiwi_t5m0xr7c4d failed (experiment churn-training)'"
    )


# Cards of one's own


def test_own_card_is_filled_in(flow: RecordingServer) -> None:
    teams(flow, card=OWN).run(EVENT, ACTION)
    text, facts = posted(flow)["body"]
    assert text["text"] == f"**brave_kiwi_t5m0xr7c4d** in [churn-prod]({EVENT.studio_url})"
    assert facts["facts"] == [{"title": "note", "value": ""}]


def test_own_card_is_read_from_a_file(flow: RecordingServer, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(json.dumps(OWN))
    settings = {"url": flow.url("/flow"), "allow_private": True, "card": "card.json"}
    Teams.model_validate(settings, context={FOLDERS: (tmp_path,)}).run(EVENT, ACTION)
    assert posted(flow)["version"] == "1.5"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("missing.json", "'missing.json' cannot be read"),
        ("broken.json", "broken.json, line 2: not JSON: "),
        ("deep.json", "deep.json: not JSON: too many levels"),
        ([], "should be an Adaptive Card"),
        ({"type": "MessageCard"}, "should be an Adaptive Card"),
        ({**OWN, "version": "1.6"}, 'from "1.0" to "1.5"'),
        ({**OWN, "body": "text"}, "a list of elements"),
        ({**OWN, "body": [{"type": "TextBlock", "text": "{{ x"}]}, "bad template"),
    ],
)
def test_card_that_is_none_is_an_error_when_rules_load(card: Any, reason: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{\n"type": }')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(ValidationError, match=reason):
        Teams.model_validate({"url": FLOW, "card": card}, context={FOLDERS: (tmp_path,)})


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_event_adds_no_link_to_an_own_card(flow: RecordingServer, text: str) -> None:
    teams(flow, card=OWN).run(run_with(text), ACTION)
    _, facts, *_ = posted(flow)["body"]
    assert not any(mark in facts["facts"][0]["value"].lower() for mark in ("](", "]:", "][", "<h", "<at", "</at", "{{"))


@pytest.mark.services
def test_own_cards_stay_valid(flow: RecordingServer) -> None:
    for text in HOSTILE.values():
        teams(flow, card=OWN).run(run_with(text), ACTION)
    sent = {str(number): request.json()["attachments"][0]["content"] for number, request in enumerate(flow.requests)}
    assert problems_of(sent) == {name: [] for name in sent}


def test_own_card_that_is_too_long_is_cut(flow: RecordingServer) -> None:
    event = RunStatusChanged.example(run_tags={"note": "\u6a21" * 50_000})
    teams(flow, card=OWN).run(event, ACTION)
    assert len(json.dumps(flow.requests[0].json())) <= OWN_LIMIT
    first, facts, note = posted(flow)["body"]
    assert first["text"].startswith("**brave_kiwi")
    assert facts["facts"][0]["value"] == "\u6a21" * 3_999 + "…"
    assert note["text"] == NOTE


def test_own_card_that_cannot_be_cut_fails(flow: RecordingServer) -> None:
    card = {**OWN, "body": [{"type": "Image", "url": "https://x.example/" + "x" * 40_000}]}
    with pytest.raises(GiveUp, match="although its texts are cut"):
        teams(flow, card=card).run(EVENT, ACTION)
    with pytest.raises(GiveUp):
        teams(flow, card=card).plan(EVENT)
