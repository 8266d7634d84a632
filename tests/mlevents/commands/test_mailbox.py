"""The mailbox, over SMTP."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from emulator.background import Background
from mlevents.local.mailbox import Mail, Mailbox, is_configured

LOCALHOST = {"EMAIL_SMTP_HOST": "localhost", "EMAIL_SMTP_PORT": "1025"}


@pytest.fixture
def received() -> list[Mail]:
    return []


@pytest.fixture
def mailbox(tmp_path: Path, received: list[Mail]) -> Iterator[Mailbox]:
    with Background() as background:
        mailbox = Mailbox(tmp_path / "mails", received.append)
        background.run(mailbox.start())
        yield mailbox
        background.run(mailbox.stop())


def send(mailbox: Mailbox, subject: str = "Run failed", text: str = "It failed.", to: str = "a@example.com") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "app@example.com", to, subject
    mail.set_content(text)
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as client:
        client.send_message(mail)


def test_a_mail_is_kept_as_a_file_and_reported(mailbox: Mailbox, received: list[Mail]) -> None:
    send(mailbox, "Rün failed", "It failed. ✗\n", "a@example.com, b@example.com")
    (mail,) = received
    assert (mail.sender, mail.recipients) == ("app@example.com", ("a@example.com", "b@example.com"))
    assert (mail.subject, mail.text) == ("Rün failed", "It failed. ✗\n")
    assert mail.path == mailbox.folder / "0001-r-n-failed.eml"
    assert b"Subject:" in mail.path.read_bytes()
    assert list(mailbox.mails) == received


def test_numbers_continue_after_the_mails_in_the_folder(mailbox: Mailbox, received: list[Mail]) -> None:
    (mailbox.folder / "0041-earlier.eml").write_text("")
    send(mailbox)
    send(mailbox)
    assert [mail.path.name for mail in received] == ["0001-run-failed.eml", "0002-run-failed.eml"]
    with Background() as background:
        later = Mailbox(mailbox.folder, received.append)
        background.run(later.start())
        send(later)
        background.run(later.stop())
    assert received[-1].path.name == "0042-run-failed.eml"


def test_no_mail_overwrites_another(tmp_path: Path, received: list[Mail]) -> None:
    """Not after ten thousand mails, and not when another mailbox uses the folder."""
    (tmp_path / "10000-earlier.eml").write_text("")
    with Background() as background:
        mailbox = Mailbox(tmp_path, received.append)
        background.run(mailbox.start())
        (tmp_path / "10001-run-failed.eml").write_text("another mailbox's")
        send(mailbox)
        background.run(mailbox.stop())
    assert received[0].path.name == "10002-run-failed.eml"
    assert (tmp_path / "10001-run-failed.eml").read_text() == "another mailbox's"


def test_only_the_latest_mails_are_remembered_if_a_limit_is_set(tmp_path: Path, received: list[Mail]) -> None:
    with Background() as background:
        mailbox = Mailbox(tmp_path, received.append, remember=1)
        background.run(mailbox.start())
        send(mailbox, "first")
        send(mailbox, "second")
        background.run(mailbox.stop())
    assert [mail.subject for mail in mailbox.mails] == ["second"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("subject", ["", "../../etc/passwd", "a" * 300, "…"])
def test_a_subject_cannot_choose_the_folder(mailbox: Mailbox, received: list[Mail], subject: str) -> None:
    send(mailbox, subject)
    path = received[0].path
    assert path.parent == mailbox.folder
    assert len(path.name) < 70
    assert path.exists()


def test_a_malformed_mail_is_kept(mailbox: Mailbox, received: list[Mail]) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as client:
        client.sendmail("app@example.com", ["a@example.com"], b"Content-Type: text/html\r\n\r\n<p>\xff\r\n")
    assert (received[0].subject, received[0].text) == ("", "")
    assert received[0].path.read_bytes().endswith(b"<p>\xff\r\n")


def test_settings_of_the_mailbox_send_mail_to_it(mailbox: Mailbox) -> None:
    settings = mailbox.settings()
    assert settings["EMAIL_SMTP_PORT"] == str(mailbox.port)
    assert (settings["EMAIL_SMTP_HOST"], settings["EMAIL_SMTP_SECURITY"]) == ("127.0.0.1", "none")


@pytest.mark.parametrize(
    ("settings", "configured"),
    [
        (LOCALHOST, True),
        (LOCALHOST | {"EMAIL_SMTP_HOST": "127.0.0.1"}, True),
        (LOCALHOST | {"EMAIL_SMTP_PORT": "25"}, False),
        (LOCALHOST | {"EMAIL_SMTP_HOST": "smtp.example.com"}, False),
        ({}, False),
    ],
)
def test_mailbox_is_used_only_if_the_settings_send_mail_to_localhost_1025(
    settings: dict[str, str], *, configured: bool
) -> None:
    """A real mail server in the settings is used."""
    assert is_configured(settings) is configured
