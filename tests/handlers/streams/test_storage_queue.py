"""Put events into a storage queue: on Azurite, with a key and with an identity."""

import base64
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.storage.queue import QueueClient, TextBase64DecodePolicy
from pydantic import ValidationError

from handlers.base import Action, GiveUp, RetryLater, Succeeded
from handlers.errors import classify
from handlers.streams.storage_queue import MAX_MESSAGE, StorageQueue
from mlevents.local.azurite import Azurite
from mlevents.testing.server import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.handlers.streams.conftest import Token

pytestmark = pytest.mark.services

EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
ACCOUNT = "AccountName=acme;AccountKey=a2V5;QueueEndpoint={}"


@pytest.fixture
def queue(azurite_connection: str) -> Iterator[QueueClient]:
    """A new queue, read as Azure Functions does."""
    name = f"q{uuid4().hex[:12]}"
    with QueueClient.from_connection_string(
        azurite_connection, name, message_decode_policy=TextBase64DecodePolicy()
    ) as queue:
        queue.create_queue()
        yield queue


def test_the_event_is_in_the_queue(queue: QueueClient, azurite_connection: str) -> None:
    handler = StorageQueue.model_validate({"connection_string": azurite_connection, "queue": queue.queue_name})
    outcome = handler.run(EVENT, Action())
    [message] = queue.receive_messages()
    assert CloudEvent.from_dict(json.loads(message.content)).id == EVENT.id
    assert outcome == Succeeded(
        f"put {EVENT.event_type} into the queue {queue.queue_name}", {"queue": queue.queue_name, "message": message.id}
    )
    assert message.expires_on is not None
    assert message.expires_on.year > 9000  # never


@pytest.mark.parametrize("text", ["plain", "<a>&amp;\x7f\ufffe\uffff\x00\U0001fffe é"])
def test_text_without_base64_is_what_was_sent(queue: QueueClient, azurite_connection: str, text: str) -> None:
    """XML cannot have every character."""
    handler = StorageQueue.model_validate(
        {
            "connection_string": azurite_connection,
            "queue": queue.queue_name,
            "base64": False,
            "envelope": "none",
            "data": {"text": "{{ data.runTags.text }}"},
        }
    )
    handler.run(RunStatusChanged.example(run_tags={"text": text}), Action())
    with QueueClient.from_connection_string(azurite_connection, queue.queue_name) as plain:
        [message] = plain.receive_messages()
    assert json.loads(message.content) == {"text": text}


def test_the_limit_applies_to_the_encoded_message(queue: QueueClient, azurite_connection: str) -> None:
    """64 KiB: three quarters of it in Base64."""

    def run(size: int, *, base64: bool) -> None:
        settings = {"connection_string": azurite_connection, "queue": queue.queue_name, "envelope": "none"}
        handler = StorageQueue.model_validate({**settings, "data": "x" * (size - 2), "base64": base64})
        handler.run(EVENT, Action())

    largest = MAX_MESSAGE // 4 * 3
    run(largest, base64=True)
    run(MAX_MESSAGE, base64=False)
    assert len(base64.b64decode(base64.b64encode(b"x" * largest))) == largest
    for size, encoded in ((largest + 1, True), (MAX_MESSAGE + 1, False)):
        with pytest.raises(GiveUp, match="a storage queue takes at most 65,536"):
            run(size, base64=encoded)


def test_a_missing_queue_is_retried_for_half_an_hour(azurite_connection: str) -> None:
    handler = StorageQueue.model_validate({"connection_string": azurite_connection, "queue": "missing"})
    with pytest.raises(ResourceNotFoundError) as error:
        handler.run(EVENT, Action())
    verdict = classify(error.value)
    assert isinstance(verdict, RetryLater)
    assert verdict.max_elapsed is not None


def test_a_throttled_account_is_left_alone_and_asked_once() -> None:
    busy = Answer(503, "<Error><Code>ServerBusy</Code></Error>", {"Retry-After": "7", "x-ms-error-code": "ServerBusy"})
    with RecordingServer(busy) as server:
        handler = StorageQueue.model_validate({"connection_string": ACCOUNT.format(server.url()), "queue": "events"})
        with pytest.raises(HttpResponseError) as error:
            handler.run(EVENT, Action())
        assert len(server.requests) == 1
    verdict = classify(error.value)
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled
    assert verdict.after is not None
    assert verdict.after.total_seconds() == 7


def test_with_an_identity_no_key_is_needed(entra_account: Azurite, trusted: None, token: Token) -> None:
    """Over HTTPS, with a bearer token."""
    url = entra_account.queue_url
    handler = StorageQueue.model_validate({"account_url": url, "queue": "identity"})
    with QueueClient(url, "identity", token) as queue:
        queue.create_queue()
        handler.run(EVENT, Action())
        [message] = queue.receive_messages()
    assert json.loads(base64.b64decode(message.content))["id"] == EVENT.id


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "write account_url"),
        ({"account_url": "https://a.example", "connection_string": "AccountName=a"}, "write account_url"),
        ({"account_url": "http://acme.queue.core.windows.net"}, "the https URL"),
        ({"account_url": "https://acme.queue.core.windows.net?sig=SECRET"}, "without a query"),
        ({"account_url": "https://user@acme.queue.core.windows.net"}, "the https URL"),
        ({"account_url": "acme"}, "the https URL"),
        ({"account_url": "https://{{ data.runId }}.example"}, "not a template"),
        ({"connection_string": "SECRET"}, "is no connection string"),
        ({"connection_string": ""}, "write account_url"),
        ({"connection_string": "Some=SECRET"}, "has no AccountName and no QueueEndpoint"),
        ({"connection_string": "BlobEndpoint=https://a.example;SharedAccessSignature=SECRET"}, "no QueueEndpoint"),
        ({"connection_string": "Endpoint=sb://a.example;SharedAccessKey=SECRET"}, "no QueueEndpoint"),
        ({"connection_string": "AccountName=a"}, "no AccountName with AccountKey"),
        ({"account_url": "https://queue.blob.core.windows.net"}, "write https://queue.queue.core.windows.net"),
        ({"account_url": "https://a.example", "queue": "UPPER"}, "queue"),
        ({"account_url": "https://a.example", "queue": "a--b"}, "queue"),
        ({"account_url": "https://a.example", "queue": "-ab"}, "queue"),
    ],
)
def test_settings_are_checked_as_rules_load(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as error:
        StorageQueue.model_validate({"queue": "events", **settings})
    assert "SECRET" not in str(error.value)


def test_the_plan_and_the_destination_name_the_account_and_no_secret() -> None:
    sas = "QueueEndpoint=https://acme.queue.core.windows.net/;SharedAccessSignature=sv=1&sig=SECRET"
    for text, account in ((ACCOUNT.format("http://localhost"), "acme"), (sas, "acme.queue.core.windows.net")):
        handler = StorageQueue.model_validate({"connection_string": text, "queue": "events"})
        assert handler.destination(EVENT) == f"storage queue events of {account}"
        assert handler.plan(EVENT).startswith(f"put {EVENT.event_type} (")
        assert handler.plan(EVENT).endswith(f" bytes) into the queue events of {account}")
