"""A request that a service denies is retried as long as a new role needs, and the error says what may be missing."""

from typing import Any

import pytest

from handlers.base import Action, RetryLater
from handlers.errors import PROPAGATION
from handlers.streams.blob import Blob
from handlers.streams.event_grid import EventGrid
from handlers.streams.event_hub import EventHub
from handlers.streams.message import StreamHandler
from handlers.streams.service_bus import ServiceBus
from handlers.streams.storage_queue import StorageQueue
from mlevents.testing.server import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.handlers.streams.conftest import Token, service

EVENT = RunStatusChanged.example()
KEY = "c2VjcmV0LWtleQ=="
PUBLIC = {"allow_private": True}
EACH = pytest.mark.parametrize("kind", [EventGrid, EventHub, ServiceBus, StorageQueue, Blob])


def settings(kind: type[StreamHandler], server: RecordingServer, *, is_identity: bool) -> dict[str, Any]:
    """Those of a rule that sends to a server, with a key or as the app's identity."""
    host = f"localhost:{server.port}"
    if kind is EventGrid:
        return {"endpoint": f"https://{host}", **PUBLIC, **({} if is_identity else {"key": KEY})}
    if kind in (EventHub, ServiceBus):
        text = f"Endpoint=sb://{host};SharedAccessKeyName=n;SharedAccessKey={KEY}"
        login = {"namespace": host} if is_identity else {"connection_string": text}
        return {"hub" if kind is EventHub else "queue": "ml", **PUBLIC, **login}
    target = {"queue": "events"} if kind is StorageQueue else {"container": "lake", "path": "a.jsonl"}
    url = f"https://{host}/acme"
    text = f"AccountName=acme;AccountKey={KEY};QueueEndpoint={url};BlobEndpoint={url}"
    return {**target, **({"account_url": url} if is_identity else {"connection_string": text})}


@EACH
@pytest.mark.parametrize("status", [401, 403])
def test_the_error_names_the_role(
    kind: type[StreamHandler], status: int, monkeypatch: pytest.MonkeyPatch, token: Token
) -> None:
    with service(monkeypatch, Answer(status, "<Error><Code>AuthorizationPermissionMismatch</Code></Error>")) as server:
        handler = kind.model_validate(settings(kind, server, is_identity=True))
        with pytest.raises(RetryLater, match=f"HTTP {status}: .*check that the app's identity has") as error:
            handler.run(EVENT, Action())
    [role] = kind.roles
    assert f"has the role {role.name} on {role.where}, and the network rules" in str(error.value)
    assert error.value.max_elapsed == PROPAGATION


@EACH
def test_the_error_names_the_key(kind: type[StreamHandler], monkeypatch: pytest.MonkeyPatch) -> None:
    with service(monkeypatch, Answer(403, "denied")) as server:
        handler = kind.model_validate(settings(kind, server, is_identity=False))
        with pytest.raises(RetryLater, match="check that the rule's key or connection string permits to send"):
            handler.run(EVENT, Action())
