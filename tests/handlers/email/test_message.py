"""The MIME message that recipients get."""

from handlers.base import Action, Succeeded
from handlers.email.handler import Email
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
