"""A mail server and an email service of Azure on loopback, with app settings that point to them."""

from collections.abc import Callable, Iterator

import pytest

from tests.handlers.conftest import SetSettings
from tests.kit.acs import KEY, MailService, mail_service
from tests.kit.smtp import MailServer, mail_server

UseServer = Callable[..., None]


@pytest.fixture
def use_server(settings: SetSettings) -> UseServer:
    """A function that sets the app settings for a mail server; without encryption unless `security` says otherwise."""

    def use(server: MailServer, security: str = "none", **more: str) -> None:
        settings(
            EMAIL_FROM="azureml-events@example.com",
            EMAIL_SMTP_HOST=server.host,
            EMAIL_SMTP_PORT=server.port,
            EMAIL_SMTP_SECURITY=security,
            **more,
        )

    return use


@pytest.fixture
def server(use_server: UseServer) -> Iterator[MailServer]:
    """A mail server without encryption and login, which the settings point to."""
    with mail_server() as server:
        use_server(server)
        yield server


@pytest.fixture
def service(settings: SetSettings) -> Iterator[MailService]:
    """An email service that accepts `KEY`, which the settings point to."""
    with mail_service() as service:
        settings(EMAIL_FROM="Azure ML <donotreply@mail.example.com>")
        settings(EMAIL_ACS_ENDPOINT=service.url, EMAIL_ACS_KEY=KEY)
        yield service
