"""The app settings `EMAIL_*`: good ones, and what is said of wrong ones."""

import logging

import pytest

from handlers.base import Action, RetryLater
from handlers.email.handler import Email
from handlers.email.settings import AcsService, EmailSettings, SmtpServer
from schemas import RunStatusChanged
from tests.handlers.conftest import SetSettings

FROM = {"EMAIL_FROM": "events@example.com"}
SMTP = FROM | {"EMAIL_SMTP_HOST": "mail.example.com"}
ACS = FROM | {"EMAIL_ACS_ENDPOINT": "https://mail.communication.azure.com"}
LOGIN = {"EMAIL_SMTP_USERNAME": "mailer", "EMAIL_SMTP_PASSWORD": "s3cret"}


def read(settings: SetSettings, **values: str) -> SmtpServer | AcsService:
    settings(**values)
    return EmailSettings.read().transport


@pytest.mark.parametrize(("security", "port"), [(None, 587), ("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_the_security(settings: SetSettings, security: str | None, port: int) -> None:
    """STARTTLS is the default."""
    way = read(settings, **SMTP, **({"EMAIL_SMTP_SECURITY": security} if security else {}))
    assert way == SmtpServer("mail.example.com", port, security or "starttls")  # type: ignore[arg-type]  # one of three


def test_a_port_can_be_set(settings: SetSettings) -> None:
    way = read(settings, **SMTP, EMAIL_SMTP_PORT="2525")
    assert isinstance(way, SmtpServer)
    assert way.port == 2525


def test_an_empty_setting_is_as_if_not_set(settings: SetSettings) -> None:
    """In the portal a setting is sooner emptied than removed."""
    empty = {"EMAIL_SMTP_HOST": "", "EMAIL_SMTP_PORT": "", "EMAIL_SMTP_SECURITY": "", "EMAIL_ACS_KEY": ""}
    assert read(settings, **ACS, **empty) == AcsService("https://mail.communication.azure.com")


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://mail.communication.azure.com/", "https://mail.communication.azure.com"),
        ("mail.communication.azure.com", "https://mail.communication.azure.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_the_resources_url(settings: SetSettings, endpoint: str, url: str) -> None:
    assert read(settings, **(ACS | {"EMAIL_ACS_ENDPOINT": endpoint})) == AcsService(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "LOCALHOST"])
def test_a_login_without_encryption_stays_on_this_machine(settings: SetSettings, host: str) -> None:
    way = read(settings, **(SMTP | LOGIN | {"EMAIL_SMTP_HOST": host, "EMAIL_SMTP_SECURITY": "none"}))
    assert isinstance(way, SmtpServer)
    assert way.username == "mailer"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "EMAIL_FROM is not set"),
        ({"EMAIL_SMTP_HOST": "mail.example.com"}, "EMAIL_FROM is not set"),
        (FROM, "no server is set; set EMAIL_SMTP_HOST .* or EMAIL_ACS_ENDPOINT"),
        (SMTP | ACS, "both EMAIL_SMTP_HOST and EMAIL_ACS_ENDPOINT are set"),
        (SMTP | {"EMAIL_FROM": "events"}, "EMAIL_FROM: 'events' is not one mail address"),
        (SMTP | {"EMAIL_SMTP_PORT": "smtp"}, "EMAIL_SMTP_PORT: .*integer"),
        (SMTP | {"EMAIL_SMTP_PORT": "0"}, "EMAIL_SMTP_PORT: .*greater than or equal to 1"),
        (SMTP | {"EMAIL_SMTP_SECURITY": "ssl"}, "EMAIL_SMTP_SECURITY: .*'starttls', 'tls' or 'none'"),
        (SMTP | {"EMAIL_SMTP_USERNAME": "mailer"}, "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD go together"),
        (SMTP | {"EMAIL_SMTP_PASSWORD": "s3cret"}, "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD go together"),
        (SMTP | LOGIN | {"EMAIL_SMTP_SECURITY": "none"}, "EMAIL_SMTP_SECURITY is none: the password would cross"),
        (SMTP | LOGIN | {"EMAIL_SMTP_PASSWORD": "s3crét"}, "may hold ASCII characters only"),
        (ACS | {"EMAIL_ACS_ENDPOINT": "http://mail.example.com"}, "EMAIL_ACS_ENDPOINT: should be the resource's URL"),
        (ACS | {"EMAIL_ACS_ENDPOINT": "ftp://mail.example.com"}, "EMAIL_ACS_ENDPOINT: should be the resource's URL"),
        (ACS | {"EMAIL_ACS_ENDPOINT": "https://"}, "EMAIL_ACS_ENDPOINT: should be the resource's URL"),
        (ACS | {"EMAIL_ACS_KEY": "@Microsoft.KeyVault(SecretUri=s3cret)"}, "EMAIL_ACS_KEY: is a Key Vault reference"),
    ],
)
def test_a_mistake_is_named_and_waits_to_be_mended(settings: SetSettings, values: dict[str, str], reason: str) -> None:
    """Without repeating what may be secret; the mail is not lost meanwhile."""
    settings(**values)
    with pytest.raises(RetryLater, match=f"mail cannot be sent: .*{reason}") as refused:
        Email(to="ml-team@example.com").run(RunStatusChanged.example(), Action())
    assert "s3c" not in str(refused.value)
    assert refused.value.max_elapsed is None


def test_all_that_is_wrong_is_told_at_once(settings: SetSettings) -> None:
    settings(EMAIL_SMTP_PORT="x", EMAIL_SMTP_SECURITY="y")
    with pytest.raises(RetryLater, match=r"EMAIL_FROM.*EMAIL_SMTP_PORT.*EMAIL_SMTP_SECURITY"):
        EmailSettings.read()


def test_settings_are_read_whenever_a_mail_is_sent(settings: SetSettings) -> None:
    settings(**SMTP)
    first = EmailSettings.read()
    settings(EMAIL_SMTP_HOST="other.example.com")
    assert EmailSettings.read() != first


def test_secrets_are_not_shown(settings: SetSettings, caplog: pytest.LogCaptureFixture) -> None:
    """Neither by the settings, nor by the handler that uses them."""
    way = read(settings, **SMTP, **LOGIN)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").info("%r %s %r", EmailSettings.read(), EmailSettings.read(), way)
    assert "mailer" in caplog.text
    assert "s3cret" not in caplog.text
