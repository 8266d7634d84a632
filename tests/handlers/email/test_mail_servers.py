"""The emulated mail services in tests/kit reject what the real services reject."""

import smtplib
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import pytest
import requests
from azure.communication.email import EmailClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.rest import HttpRequest

from emulator.identity.tokens import token
from tests.kit.acs import AUDIENCE, KEY, MailService, mail_service
from tests.kit.smtp import mail_server, scripted_server

MESSAGE = {
    "senderAddress": "events@example.com",
    "recipients": {"to": [{"address": "ml-team@example.com"}]},
    "content": {"subject": "s", "plainText": "t"},
}


def client(service: MailService, key: str = KEY) -> EmailClient:
    return EmailClient(service.url, AzureKeyCredential(key), retry_total=0)


def test_sdk_can_send_and_poll() -> None:
    """As the documentation of azure-communication-email shows."""
    with mail_service() as service, client(service) as sender:
        service.statuses = ["Running"]
        result = sender.begin_send(MESSAGE, polling_interval=0.01).result()
    assert result["status"] == "Succeeded"
    assert list(service.sent.values()) == [MESSAGE]


def test_known_operation_is_not_sent_again() -> None:
    operation = str(uuid4())
    with mail_service() as service, client(service) as sender:
        for subject in ("first", "second"):
            sender.begin_send(MESSAGE | {"content": {"subject": subject}}, operation_id=operation, polling=False)
    assert [message["content"]["subject"] for message in service.sent.values()] == ["first"]


def test_wrong_key_is_rejected() -> None:
    error = pytest.raises(ClientAuthenticationError, match="the signature is invalid")
    with mail_service() as service, client(service, "YW5vdGhlciBrZXk=") as sender, error:
        sender.begin_send(MESSAGE)
    assert service.sent == {}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("x-ms-date", timedelta(hours=-1), "old"),
        ("x-ms-date", timedelta(seconds=30), "signature"),
        ("x-ms-content-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "not the body's"),
        ("Host", "elsewhere.communication.azure.com", "signature"),
        ("Authorization", "", "signature"),
        ("Authorization", "Bearer nonsense", "no token for this service"),
    ],
)
def test_tampered_request_is_rejected(name: str, value: str | timedelta, reason: str) -> None:
    """The signature covers verb, path, date, host and body."""

    def change(request: PipelineRequest[HttpRequest]) -> None:
        request.http_request.headers[name] = text

    text = value if isinstance(value, str) else format_datetime(datetime.now(UTC) + value, usegmt=True)
    error = pytest.raises(ClientAuthenticationError, match=reason)
    with mail_service() as service, client(service) as sender, error:
        sender.begin_send(MESSAGE, polling=False, raw_request_hook=change)
    assert service.sent == {}


@pytest.mark.parametrize(
    ("resource", "status"), [("https://communication.azure.com/", 404), ("https://storage.azure.com/", 401)]
)
@pytest.mark.usefixtures("trusted")
def test_token_is_valid_for_one_service(server_tls: ssl.SSLContext, resource: str, status: int) -> None:
    """404 means that the token is valid: the operation does not exist."""
    with mail_service(server_tls) as service:
        url = f"{service.url}/emails/operations/x?api-version=2025-09-01"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token(resource)}"}, timeout=5)
    assert answer.status_code == status


def test_token_over_plain_http_is_rejected() -> None:
    with mail_service() as service:
        answer = requests.get(
            f"{service.url}/emails/x", headers={"Authorization": f"Bearer {token(AUDIENCE)}"}, timeout=5
        )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"recipients": {"to": [{"address": "a@example.com, b@example.com"}]}},
        {"recipients": {"to": [{"address": "ä@example.com"}]}},
        {"recipients": {"to": [{"address": f"a{n}@example.com"} for n in range(51)]}},
        {"recipients": {"cc": [{"address": "a@example.com"}]}},
        {"content": {"plainText": "without a subject"}},
        {"senderAddress": "Name <events@example.com>"},
        {"sender": "events@example.com"},
    ],
)
def test_invalid_message_is_rejected(change: dict[str, object]) -> None:
    with mail_service() as service, client(service) as sender, pytest.raises(HttpResponseError) as error:
        sender.begin_send(MESSAGE | change, operation_id=str(uuid4()))
    assert error.value.status_code == 400


def test_operation_id_must_be_a_guid() -> None:
    with mail_service() as service, client(service) as sender, pytest.raises(HttpResponseError, match="GUID"):
        sender.begin_send(MESSAGE, operation_id="mine")


def test_mail_server_requires_starttls_and_login() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with (
        mail_server(starttls=context, login=("mailer", "right")) as server,
        smtplib.SMTP(server.host, server.port, timeout=5) as plain,
    ):
        assert plain.ehlo()[0] == 250
        assert "auth" not in plain.esmtp_features
        assert plain.mail("a@example.com")[0] == 530


def test_scripted_server_sends_its_replies() -> None:
    with (
        scripted_server("220 hi", "250 hello", "221 bye") as server,
        smtplib.SMTP(server.host, server.port, timeout=5) as client,
    ):
        assert client.docmd("NOOP") == (250, b"hello")
