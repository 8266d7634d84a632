"""The app settings `EMAIL_*`: defaults, and the errors for invalid values."""

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
def test_default_port_depends_on_the_security(settings: SetSettings, security: str | None, port: int) -> None:
    """STARTTLS is the default."""
    transport = read(settings, **SMTP, **({"EMAIL_SMTP_SECURITY": security} if security else {}))
    assert transport == SmtpServer("mail.example.com", port, security or "starttls")  # type: ignore[arg-type]  # one of three


def test_port_can_be_set(settings: SetSettings) -> None:
    transport = read(settings, **SMTP, EMAIL_SMTP_PORT="2525")
    assert isinstance(transport, SmtpServer)
    assert transport.port == 2525


def test_empty_setting_counts_as_not_set(settings: SetSettings) -> None:
    """In the portal, it is easier to empty a setting than to remove it."""
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
def test_endpoint_url_is_normalized(settings: SetSettings, endpoint: str, url: str) -> None:
    assert read(settings, **(ACS | {"EMAIL_ACS_ENDPOINT": endpoint})) == AcsService(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "LOCALHOST"])
def test_login_without_encryption_is_allowed_on_loopback(settings: SetSettings, host: str) -> None:
    transport = read(settings, **(SMTP | LOGIN | {"EMAIL_SMTP_HOST": host, "EMAIL_SMTP_SECURITY": "none"}))
    assert isinstance(transport, SmtpServer)
    assert transport.username == "mailer"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "EMAIL_FROM is not set"),
        ({"EMAIL_SMTP_HOST": "mail.example.com"}, "EMAIL_FROM is not set"),
        (FROM, "no server is set; set either EMAIL_SMTP_HOST .* or EMAIL_ACS_ENDPOINT"),
        (SMTP | ACS, "both EMAIL_SMTP_HOST and EMAIL_ACS_ENDPOINT are set"),
        (SMTP | {"EMAIL_FROM": "events"}, "EMAIL_FROM: 'events' is not one mail address"),
        (SMTP | {"EMAIL_SMTP_PORT": "smtp"}, "EMAIL_SMTP_PORT: should be a port from 1 to 65535"),
        (SMTP | {"EMAIL_SMTP_PORT": "0"}, "EMAIL_SMTP_PORT: should be a port from 1 to 65535"),
        (SMTP | {"EMAIL_SMTP_SECURITY": "ssl"}, "EMAIL_SMTP_SECURITY: should be starttls, tls or none"),
        (SMTP | {"EMAIL_SMTP_USERNAME": "mailer"}, "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD belong together"),
        (SMTP | {"EMAIL_SMTP_PASSWORD": "s3cret"}, "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD belong together"),
        (
            SMTP | LOGIN | {"EMAIL_SMTP_SECURITY": "none"},
            "EMAIL_SMTP_SECURITY is none: the password would be sent unencrypted",
        ),
        (SMTP | LOGIN | {"EMAIL_SMTP_PASSWORD": "s3crét"}, "must be ASCII"),
        (ACS | {"EMAIL_ACS_ENDPOINT": "http://mail.example.com"}, "EMAIL_ACS_ENDPOINT: should be the resource's URL"),
        (ACS | {"EMAIL_ACS_ENDPOINT": "ftp://mail.example.com"}, "EMAIL_ACS_ENDPOINT: should be the resource's URL"),
        (ACS | {"EMAIL_ACS_ENDPOINT": "my resource"}, "EMAIL_ACS_ENDPOINT: should be the resource's URL"),
        (ACS | {"EMAIL_ACS_ENDPOINT": "https://"}, "EMAIL_ACS_ENDPOINT: should be the resource's URL"),
        (ACS | {"EMAIL_ACS_KEY": "@Microsoft.KeyVault(SecretUri=s3cret)"}, "EMAIL_ACS_KEY: is a Key Vault reference"),
    ],
)
def test_invalid_setting_is_named_and_the_mail_waits(
    settings: SetSettings, values: dict[str, str], reason: str
) -> None:
    """The reason repeats no secret, and the action is retried for as long as `retry.for` says."""
    settings(**values)
    with pytest.raises(RetryLater, match=f"mail cannot be sent: .*{reason}") as error:
        Email(to="ml-team@example.com").run(RunStatusChanged.example(), Action())
    assert "s3c" not in str(error.value)
    assert error.value.max_elapsed is None


def test_all_invalid_settings_are_reported_at_once(settings: SetSettings) -> None:
    settings(EMAIL_SMTP_PORT="x", EMAIL_SMTP_SECURITY="y")
    with pytest.raises(RetryLater, match=r"EMAIL_FROM.*EMAIL_SMTP_PORT.*EMAIL_SMTP_SECURITY"):
        EmailSettings.read()


def test_settings_are_read_for_each_mail(settings: SetSettings) -> None:
    settings(**SMTP)
    first = EmailSettings.read()
    settings(EMAIL_SMTP_HOST="other.example.com")
    assert EmailSettings.read() != first


def test_secrets_are_not_logged(settings: SetSettings, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the settings nor the transport show them."""
    transport = read(settings, **SMTP, **LOGIN)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").info("%r %s %r", EmailSettings.read(), EmailSettings.read(), transport)
    assert "mailer" in caplog.text
    assert "s3cret" not in caplog.text
