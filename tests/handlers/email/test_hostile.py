"""Nothing that an event contains can add a header, a recipient or markup to a mail: over SMTP and over Azure.

Whoever may tag a run or register a model writes these texts; so does anyone who can post to the function's URL.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from handlers.base import Action, CheckBack, Result, Succeeded
from handlers.email.handler import Email
from schemas import Context, Event, ModelDeployed, ModelRegistered, RunStatusChanged
from tests.handlers.conftest import SetSettings
from tests.handlers.email.test_content import Page
from tests.kit.acs import KEY, MailService, mail_service
from tests.kit.smtp import MailServer, mail_server

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

HOSTILE = {
    "a header": "x\r\nBcc: victim@evil.example\r\nX-Evil: 1",
    "a header after a lone line feed": "x\nBcc: victim@evil.example",
    "a header after a lone carriage return": "x\rBcc: victim@evil.example",
    "a header after other line ends": "x\x0bBcc: a\x0cBcc: b\x85Bcc: c\u2028Bcc: d\u2029Bcc: e",
    "a body": "x\r\n\r\n<h1>Your account</h1>",
    "the end of the data": "x\r\n.\r\nMAIL FROM:<victim@evil.example>\r\n",
    "an encoded word": "=?utf-8?q?x=0D=0ABcc:_victim=40evil.example?=",
    "a MIME boundary": "--===============0==\r\nContent-Type: text/html\r\n\r\n<script>",
    "a script": "<script>alert(1)</script>",
    "an attribute": "\"' onmouseover='alert(1)' x=\"",
    "an image": "<img src=https://evil.example/seen.png onerror=alert(1)>",
    "an entity": "&lt;script&gt;&#60;script&#62;",
    "the end of a cell": "</td></tr></table><form action=https://evil.example>",
    "a comment": "<!-- --><![CDATA[ <style>",
    "a link that runs": "javascript:alert(1)",
    "a link of data": "data:text/html,<script>alert(1)</script>",
    "a template": "{{ id }}{% for x in [1] %}{{ self }}{% endfor %}{{ ''.__class__ }}",
    "a format": "{0.__class__} %(x)s ${RULES_X}",
    "an address": '"Boss" <boss@evil.example>, victim@evil.example',
    "a NUL": "a\x00b",
    "escape sequences": "\x1b]0;owned\x07\x1b[2J",
    "an override of direction": "\u202egnp.exe\u2066x\u2069",
    "a lone surrogate": "a\ud800b\udfff\udc80",
    "a long line": "x" * 10_000,
    "spaces": " " * 10_000,
    "nothing": "",
}
ALLOWED_HEADERS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
}
FORBIDDEN_TAGS = {"script", "img", "form", "style", "iframe", "link", "object", "input", "base"}

DEFAULT = Email(to="ml-team@example.com")
OWN = Email(
    to=["ml-team@example.com", "{{ data.runTags.note | default('') }}"],
    cc="{{ data.runStatus | default('') }}",
    bcc="{{ data.runTags.note | default('') }}@example.com",
    allowed_domains=["example.com"],
    subject="{{ data.runStatus }} {{ data.runTags.note }}",
    body="{{ data.runTags.note }}\n{{ data.runTags | tojson }}",
)
OWN_HTML = Email(
    to="ml-team@example.com",
    html='<p title="{{ data.runTags.note }}">{{ data.runTags.note }}</p>{{ data.runTags | tojson }}',
)


@dataclass
class Seen:
    """A mail as it came out at the other end, whichever way it took."""

    recipients: set[str]
    subject: str
    text: str
    html: str


def run_with(text: str) -> Event:
    """A run whose every free text, and the names of whose tags, are hostile."""
    event = RunStatusChanged.example(
        id=text.strip() or "e",
        run_id=text[:5_000].strip() or "r",
        run_status=text.strip() or "Failed",
        experiment_name=text,
        run_type=text,
        run_tags={"note": text, text: text, "list": [text, {text: text}]},
        subject=text,
    )
    result = Result("a-rule", "failed", text, {"detail": text, text: text})
    return Context(event, {"name": text, "labels": {"team": text}}, result.view()).event_for_handler()


@pytest.fixture
def server(settings: SetSettings) -> Iterator[MailServer]:
    with mail_server() as server:
        settings(EMAIL_FROM="events@example.com", EMAIL_SMTP_HOST=server.host, EMAIL_SMTP_PORT=server.port)
        settings(EMAIL_SMTP_SECURITY="none")
        yield server


@pytest.fixture
def service(settings: SetSettings) -> Iterator[MailService]:
    with mail_service() as service:
        settings(EMAIL_FROM="events@example.com", EMAIL_ACS_ENDPOINT=service.url, EMAIL_ACS_KEY=KEY)
        yield service


def over_smtp(server: MailServer, email: Email, event: Event) -> Seen:
    server.taken.clear()
    assert isinstance(email.run(event, Action()), Succeeded)
    [mail] = server.taken
    message = mail.message
    assert set(message.keys()) <= ALLOWED_HEADERS
    assert len(message.keys()) == len(set(message.keys()))
    assert not message.defects
    assert mail.content.isascii()
    assert [part.get_content_type() for part in message.iter_parts()] in (
        ["text/plain", "text/html"],
        ["text/plain"],
        [],
    )
    subject = " ".join(str(message["Subject"]).split())  # without what folding added
    return Seen(set(mail.recipients), subject, mail.part("plain"), mail.part("html"))


def over_azure(service: MailService, email: Email, event: Event) -> Seen:
    service.sent.clear()
    assert isinstance(email.run(event, Action()), CheckBack)
    [message] = service.sent.values()
    assert set(message["headers"]) == {"Message-ID"}
    recipients = {a["address"] for some in message["recipients"].values() for a in some}
    content = message["content"]
    return Seen(recipients, content["subject"], content["plainText"], content.get("html", ""))


def is_visible(line: str) -> bool:
    """On one line, without what hides or turns round the rest of it."""
    hidden = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    return not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in hidden for c in line)


def is_harmless(seen: Seen) -> None:
    assert seen.recipients == {"ml-team@example.com"}
    assert len(seen.subject) <= 200
    assert is_visible(seen.subject)
    for part in (seen.text, seen.html):
        assert not set(part) & {*map(chr, range(0xD800, 0xE000)), "\x00", "\x1b", "\u202e", "\u2066", "\r"}
    page = Page(seen.html)
    assert not {tag for tag, _ in page.tags} & FORBIDDEN_TAGS
    attributes = {name for _, found in page.tags for name in found}
    assert not {name for name in attributes if name.startswith("on")}
    assert {"src", "action"}.isdisjoint(attributes)
    assert all(link and link.startswith(("https://", "http://")) for link in page.links)


@pytest.mark.parametrize("email", [DEFAULT, OWN, OWN_HTML], ids=["default", "own templates", "own html"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_run_over_smtp(server: MailServer, text: str, email: Email) -> None:
    is_harmless(over_smtp(server, email, run_with(text)))


@pytest.mark.parametrize("email", [DEFAULT, OWN, OWN_HTML], ids=["default", "own templates", "own html"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_run_over_azure(service: MailService, text: str, email: Email) -> None:
    is_harmless(over_azure(service, email, run_with(text)))


@pytest.mark.parametrize("text", ["<" * 1_000_000, "\u202e" * 1_000_000, "https://e.example " * 50_000])
def test_a_million_characters(server: MailServer, text: str) -> None:
    """As many as Event Grid delivers."""
    seen = over_smtp(server, OWN, run_with(text))
    is_harmless(seen)
    assert len(seen.text) <= 200_100
    assert len(seen.html) <= 1_100_000


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "event",
    [
        lambda text: ModelRegistered.example(model_name=text, model_version=text, model_tags={text: text}),
        lambda text: ModelDeployed.example(service_name=text, model_ids=f"{text}:1", service_tags={text: text}),
        lambda text: RunStatusChanged.example(run_tags={"azureml_modelmonitor_threshold_breached": text}),
    ],
    ids=["model", "endpoint", "drift"],
)
def test_other_hostile_events(server: MailServer, text: str, event: Any) -> None:
    is_harmless(over_smtp(server, DEFAULT, event(text[:5_000].strip() or "x")))


def test_a_template_inside_a_tag_is_told_and_not_evaluated(server: MailServer) -> None:
    seen = over_smtp(server, OWN, RunStatusChanged.example(run_status="s", run_tags={"note": "{{ id }} {{ 7 * 7 }}"}))
    assert seen.subject == "s {{ id }} {{ 7 * 7 }}"
    assert "{{ id }} {{ 7 * 7 }}" in seen.text
    assert "49" not in seen.text.replace("{{ 7 * 7 }}", "")


def test_an_encoded_word_in_a_tag_is_told_as_it_is(server: MailServer) -> None:
    """It is not decoded into something else, and then into headers."""
    word = "=?utf-8?q?x=0D=0ABcc:_victim=40evil.example?="
    seen = over_smtp(server, OWN, RunStatusChanged.example(run_status="s", run_tags={"note": word}))
    assert seen.subject == "s = ?utf-8?q?x=0D=0ABcc:_victim=40evil.example?="


def test_html_that_a_tag_holds_is_shown_as_text(server: MailServer) -> None:
    tag = "<b>bold</b> & <a href='https://evil.example'>x</a>"
    seen = over_smtp(server, OWN_HTML, RunStatusChanged.example(run_tags={"note": tag}))
    assert tag in Page(seen.html).text
    assert Page(seen.html).links == []


@hypothesis_settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_text_at_all(server: MailServer, text: str) -> None:
    """Whatever a tag holds, exactly one mail goes to exactly one recipient, with the headers that are ours."""
    for email in (DEFAULT, OWN, OWN_HTML):
        seen = over_smtp(server, email, run_with(text if text.strip() else "x"))
        assert "ml-team@example.com" in seen.recipients
        assert all(recipient.endswith("@example.com") for recipient in seen.recipients)
        assert is_visible(seen.subject)
