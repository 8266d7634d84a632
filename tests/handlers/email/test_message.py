"""The MIME message that recipients get."""

import random
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from uuid import uuid4

import pytest

from handlers.base import Action, Succeeded
from handlers.email.address import Mailbox
from handlers.email.handler import Email
from handlers.email.message import Mail
from handlers.email.text import header
from schemas import RunStatusChanged
from tests.handlers.conftest import SetSettings
from tests.kit.smtp import MailServer

EVENT = RunStatusChanged.example()
TEAM = Email(to="ml-team@example.com")


def test_message_has_headers_and_both_parts(server: MailServer) -> None:
    action = Action(rule="mail-failed-runs", source="rules/churn.yaml:12")
    outcome = Email(to="ml-team@example.com", cc=["boss@example.com"]).run(EVENT, action)
    assert isinstance(outcome, Succeeded)
    [mail] = server.accepted
    assert mail.sender == "azureml-events@example.com"
    assert mail.recipients == ("ml-team@example.com", "boss@example.com")
    message = mail.message
    assert (message["To"], message["Cc"]) == ("ml-team@example.com", "boss@example.com")
    assert message["Message-ID"] == f"<{action.key}@example.com>" == outcome.details["message_id"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    assert "failed" in message["Subject"]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "Sent by rule mail-failed-runs (rules/churn.yaml:12)" in mail.part("plain")
    assert outcome.details["to"] == "ml-team@example.com, boss@example.com"


def test_attempts_share_a_message_id_and_a_replay_has_another(server: MailServer) -> None:
    action, replay = Action(), Action()
    for attempt in (action, action, replay):
        TEAM.run(EVENT, attempt)
    first, second, third = (mail.message["Message-ID"] for mail in server.accepted)
    assert first == second != third


def test_mail_with_too_long_html_has_a_text_part_only(server: MailServer) -> None:
    Email(to="ml-team@example.com", html="{% for n in range(9999) %}" + "x" * 200 + "{% endfor %}").run(EVENT, Action())
    assert server.accepted[0].message.get_content_type() == "text/plain"


def test_message_does_not_contain_bcc_addresses(server: MailServer) -> None:
    Email(to="ml-team@example.com", bcc="archive@example.com").run(EVENT, Action())
    [mail] = server.accepted
    assert "archive@example.com" in mail.recipients
    assert b"archive@example.com" not in mail.content


def test_message_is_ascii_for_servers_without_8bitmime(server: MailServer) -> None:
    """Texts in other alphabets and long lines arrive unchanged."""
    body = "Grüße 模型 🚀\n" + "ü" * 2_000
    Email(to="ml-team@example.com", subject="Lauf „früh“ 🚀", body=body).run(EVENT, Action())
    [mail] = server.accepted
    assert mail.content.isascii()
    assert max(len(line) for line in mail.content.splitlines()) <= 998
    assert mail.message["Subject"] == "Lauf „früh“ 🚀"
    assert mail.part("plain").strip() == body
    assert "Grüße 模型 🚀" in mail.part("html")


WORDS = [
    "lauf",
    "früh",
    "模型模型",
    "🚀",
    "x" * 90,
    "ü" * 70,
    "a=b",
    "_",
    "?",
    "=20",
    "é",
    "-" * 40,
    ",",
    "(",
    "<a@b.c>",
]


@pytest.mark.parametrize("seed", range(50))
def test_subject_and_sender_arrive_as_written(seed: int) -> None:
    """Whatever the length of words, and their alphabet."""
    choose = random.Random(seed)
    subject = header(" ".join(choose.choices(WORDS, k=choose.randint(1, 20))), 200)
    name = header(" ".join(choose.choices(WORDS[:4], k=choose.randint(1, 8))), 100)
    content = Mail(uuid4(), Mailbox("a@example.com", name), ("b@example.com",), subject, "text").as_bytes()
    message = message_from_bytes(content, policy=default)
    assert message["Subject"] == subject
    sender = message_from_bytes(content)["From"]  # the new parser of Python adds spaces between encoded words
    assert str(make_header(decode_header(sender))).replace('"', "") == f"{name} <a@example.com>"
    head = content.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 78


def test_ordinary_subject_is_readable_in_the_source() -> None:
    subject = "[churn-prod] the run quick_lime_4 of the experiment churn-training has failed, after three hours"
    content = Mail(uuid4(), Mailbox("a@example.com"), ("b@example.com",), subject, "text").as_bytes()
    assert subject.encode() in content.replace(b"\r\n ", b" ")


def test_sender_has_a_display_name(server: MailServer, settings: SetSettings) -> None:
    settings(EMAIL_FROM="Azure ML – Ereignisse <azureml-events@bücher.example>")
    action = Action()
    TEAM.run(EVENT, action)
    [mail] = server.accepted
    assert mail.sender == "azureml-events@xn--bcher-kva.example"
    [address] = mail.message["From"].addresses
    assert (address.display_name, address.addr_spec) == ("Azure ML – Ereignisse", mail.sender)
    assert mail.message["Message-ID"] == f"<{action.key}@xn--bcher-kva.example>"


def test_line_of_one_dot_does_not_end_the_message(server: MailServer) -> None:
    Email(to="ml-team@example.com", body="before\n.\nafter").run(EVENT, Action())
    assert server.accepted[0].part("plain").splitlines() == ["before", ".", "after"]
