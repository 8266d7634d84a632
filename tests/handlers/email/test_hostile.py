"""An event cannot add a header, a recipient or markup to a mail, over SMTP or over Azure.

Everyone who may tag a run or register a model can write these texts, and so can everyone who can post to the function.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from handlers.base import Action, CheckBack, Succeeded
from handlers.email.handler import Email
from schemas import Event, ModelDeployed, ModelRegistered, RunStatusChanged
from tests.handlers.content.hostile import HOSTILE, run_known_by, run_with
from tests.handlers.email.received import Page, ReceivedMail, assert_harmless_mail, is_visible
from tests.kit.acs import MailService
from tests.kit.any_input import one_in
from tests.kit.smtp import MailServer

pytestmark = pytest.mark.no_cover  # repeats lines that other tests cover

ALLOWED_HEADERS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "List-Id",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-AzureML-App",
    "X-AzureML-Rule",
    "X-AzureML-Event-Type",
    "X-AzureML-Workspace",
    "X-AzureML-Labels",
    "X-AzureML-Object",
    "X-AzureML-Outcome",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
}

DEFAULT = Email(to="ml-team@example.com")
OWN = Email(
    to=["ml-team@example.com", "{{ data.runTags.note | default('') }}"],
    cc="{{ data.runStatus | default('') }}",
    bcc="{{ data.runTags.note | default('') }}",
    reply_to="{{ data.runTags.note | default('') }}",
    allowed_domains=["example.com"],
    subject="{{ data.runStatus }} {{ data.runTags.note }}",
    body="{{ data.runTags.note }}\n{{ data.runTags | tojson }}",
)
OWN_HTML = Email(
    to="ml-team@example.com",
    html='<p title="{{ data.runTags.note }}">{{ data.runTags.note }}</p>{{ data.runTags | tojson }}',
)


def over_smtp(server: MailServer, email: Email, event: Event) -> ReceivedMail:
    server.accepted.clear()
    assert isinstance(email.run(event, Action()), Succeeded)
    [delivered] = server.accepted
    message = delivered.message
    assert set(message.keys()) <= ALLOWED_HEADERS
    assert len(message.keys()) == len(set(message.keys()))
    assert all(is_visible(" ".join(str(value).split())) and len(value) <= 300 for value in message.values())
    assert not message.defects
    assert delivered.content.isascii()
    assert [part.get_content_type() for part in message.iter_parts()] in (
        ["text/plain", "text/html"],
        ["text/plain"],
        [],
    )
    subject = " ".join(str(message["Subject"]).split())  # without the white space of folding
    return ReceivedMail(set(delivered.recipients), subject, delivered.part("plain"), delivered.part("html"))


def over_azure(service: MailService, email: Email, event: Event) -> ReceivedMail:
    service.sent.clear()
    assert isinstance(email.run(event, Action()), CheckBack)
    [message] = service.sent.values()
    assert set(message["headers"]) <= ALLOWED_HEADERS
    assert all(value.isascii() and value.isprintable() for value in message["headers"].values())
    recipients = {entry["address"] for entries in message["recipients"].values() for entry in entries}
    content = message["content"]
    return ReceivedMail(recipients, content["subject"], content["plainText"], content.get("html", ""))


@pytest.fixture
def text(name: str) -> str:
    return HOSTILE[name]


@pytest.mark.parametrize("email", [DEFAULT, OWN, OWN_HTML], ids=["default", "own templates", "own html"])
@pytest.mark.parametrize("name", one_in(4, HOSTILE))
def test_hostile_run_over_smtp(server: MailServer, text: str, email: Email) -> None:
    assert_harmless_mail(over_smtp(server, email, run_with(text)))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_facts_over_smtp(server: MailServer, text: str) -> None:
    assert_harmless_mail(over_smtp(server, DEFAULT, run_known_by(text)))


@pytest.mark.parametrize("email", [DEFAULT, OWN, OWN_HTML], ids=["default", "own templates", "own html"])
@pytest.mark.parametrize("name", one_in(4, HOSTILE))
def test_hostile_run_over_azure(service: MailService, text: str, email: Email) -> None:
    assert_harmless_mail(over_azure(service, email, run_with(text)))


@pytest.mark.parametrize("name", one_in(4, HOSTILE))
def test_hostile_part_of_an_address(server: MailServer, text: str) -> None:
    """Its words can add recipients in allowed domains, as a tag with several owners can, and no others."""
    email = Email(to=["ml-team@example.com", "{{ data.runTags.note }}@example.com"], allowed_domains="example.com")
    mail = over_smtp(server, email, run_with(text))
    assert "ml-team@example.com" in mail.recipients
    assert all(recipient.endswith("@example.com") for recipient in mail.recipients)
    assert not any("victim" in recipient for recipient in mail.recipients)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["<" * 1_000_000, "\u202e" * 1_000_000, "https://e.example " * 50_000])
def test_event_of_a_million_characters(server: MailServer, text: str) -> None:
    """Event Grid delivers events of up to 1 MB."""
    mail = over_smtp(server, OWN, run_with(text))
    assert_harmless_mail(mail)
    assert len(mail.text) <= 200_100
    assert len(mail.html) <= 1_100_000


@pytest.mark.parametrize("name", one_in(4, HOSTILE))
@pytest.mark.parametrize(
    "event",
    [
        lambda text: ModelRegistered.example(model_name=text, model_version=text, model_tags={text: text}),
        lambda text: ModelDeployed.example(service_name=text, model_ids=f"{text}:1", service_tags={text: text}),
        lambda text: RunStatusChanged.example(run_tags={"azureml_modelmonitor_threshold_breached": text}),
    ],
    ids=["model", "endpoint", "drift"],
)
def test_hostile_model_endpoint_and_drift(server: MailServer, text: str, event: Any) -> None:
    assert_harmless_mail(over_smtp(server, DEFAULT, event(text[:5_000].strip() or "x")))


def test_template_in_a_tag_is_not_evaluated(server: MailServer) -> None:
    mail = over_smtp(server, OWN, RunStatusChanged.example(run_status="s", run_tags={"note": "{{ id }} {{ 7 * 7 }}"}))
    assert mail.subject == "s {{ id }} {{ 7 * 7 }}"
    assert "{{ id }} {{ 7 * 7 }}" in mail.text
    assert "49" not in mail.text.replace("{{ 7 * 7 }}", "")


def test_encoded_word_in_a_tag_is_not_decoded(server: MailServer) -> None:
    """Decoded, it would add a header."""
    word = "=?utf-8?q?x=0D=0ABcc:_victim=40evil.example?="
    mail = over_smtp(server, OWN, RunStatusChanged.example(run_status="s", run_tags={"note": word}))
    assert mail.subject == "s = ?utf-8?q?x=0D=0ABcc:_victim=40evil.example?="


def test_html_in_a_tag_is_shown_as_text(server: MailServer) -> None:
    tag = "<b>bold</b> & <a href='https://evil.example'>x</a>"
    mail = over_smtp(server, OWN_HTML, RunStatusChanged.example(run_tags={"note": tag}))
    assert tag in Page(mail.html).text
    assert Page(mail.html).links == []


@pytest.mark.slow
@hypothesis_settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_text_in_a_tag(server: MailServer, text: str) -> None:
    """Exactly one mail goes out, with the app's own headers, and only to allowed domains."""
    for email in (DEFAULT, OWN, OWN_HTML):
        mail = over_smtp(server, email, run_with(text if text.strip() else "x"))
        assert "ml-team@example.com" in mail.recipients
        assert all(recipient.endswith("@example.com") for recipient in mail.recipients)
        assert is_visible(mail.subject)
