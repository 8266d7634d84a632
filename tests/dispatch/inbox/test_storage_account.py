"""Storage without keys: identity-based connections, over Azurite's OAuth mode and a managed-identity endpoint."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import trustme

from dispatch.app import App
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureQueue, AzureTable, Row
from dispatch.receive import receive
from dispatch.settings import Environment
from emulator.background import Background
from emulator.identity.identity import IdentityEndpoint, identity_endpoint
from mlevents.local.azurite import Azurite, Certificate
from tests.dispatch.test_receive import RAW
from tests.kit.world import SETTINGS, WORKSPACES, rule, rules


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    folder = tmp_path_factory.mktemp("ca")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    return ca, folder


@pytest.fixture(scope="module")
def https_azurite(authority: tuple[trustme.CA, Path]) -> Iterator[Azurite]:
    """An Azurite with HTTPS that accepts Entra ID's tokens."""
    ca, folder = authority
    issued = ca.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    with Background() as background:
        azurite = background.run(Azurite.start(certificate=Certificate(folder / "cert.pem", folder / "key.pem")))
        yield azurite
        background.run(azurite.stop())


@pytest.fixture
def identity(authority: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    """The environment of a function app with a managed identity."""
    with identity_endpoint() as endpoint:
        for name, value in endpoint.settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AZURE_CLIENT_ID", raising=False)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority[1] / "ca.pem"))
        yield endpoint


def connection(azurite: Azurite, **more: str) -> dict[str, str]:
    """App settings that name the services, without keys."""
    return {
        "AzureWebJobsStorage__queueServiceUri": azurite.queue_url,
        "AzureWebJobsStorage__tableServiceUri": azurite.table_url,
        "AzureWebJobsStorage__blobServiceUri": azurite.blob_url,
        **{f"AzureWebJobsStorage__{name}": value for name, value in more.items()},
    }


def test_storage_waits_for_the_token_of_a_cold_instance(https_azurite: Azurite, identity: IdentityEndpoint) -> None:
    """Within the deadlines of requests to storage, as Event Grid does not wait for long."""
    identity.delay = 3
    with Storage.of(Environment(connection(https_azurite))).table(f"t{uuid4().hex}") as client:
        AzureTable(client).commit("p", Row("a", {"n": 1}))
    assert len(identity.requests) == 1


def test_tables_and_queues_use_the_app_s_identity(https_azurite: Azurite, identity: IdentityEndpoint) -> None:
    """Both share one credential, which requests one token."""
    storage = Storage.of(Environment(connection(https_azurite)))
    with storage.table(f"t{uuid4().hex}") as client:
        table = AzureTable(client)
        table.commit("p", Row("a", {"n": 1}))
        assert [row.values for row in table.read("p", "a", "b")] == [{"n": 1}]
    with storage.queue(f"q{uuid4().hex}") as queue:
        AzureQueue(queue).send("hello")
        message = queue.receive_message()
        assert message is not None
        assert message.content == "hello"
    assert [request["resource"] for request in identity.requests] == ["https://storage.azure.com"]
    assert "client_id" not in identity.requests[0]


def test_blobs_use_the_app_s_identity(https_azurite: Azurite, identity: IdentityEndpoint) -> None:
    """Of a container in the app's account, by name, or of any container, by URL."""
    storage, name = Storage.of(Environment(connection(https_azurite))), f"c{uuid4().hex}"
    with storage.container(name) as container:
        container.create_container()
        container.upload_blob("a", "1")
    with storage.container(f"{https_azurite.blob_url}/{name}") as container:
        assert [blob.name for blob in container.list_blobs()] == ["a"]
    assert identity.requests


def test_client_id_selects_a_user_assigned_identity(https_azurite: Azurite, identity: IdentityEndpoint) -> None:
    """The connection's clientId, as in the host."""
    settings = connection(https_azurite, credential="managedidentity", clientId="11111111-2222-3333-4444-555555555555")
    with Storage.of(Environment(settings)).table(f"t{uuid4().hex}") as client:
        AzureTable(client).commit("p", Row("a", {}))
    assert {request["client_id"] for request in identity.requests} == {"11111111-2222-3333-4444-555555555555"}


def test_event_is_received_without_keys(https_azurite: Azurite, identity: IdentityEndpoint, tmp_path: Path) -> None:
    """By the whole app, with identity-based settings."""
    (tmp_path / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "workspaces.yaml").write_text(WORKSPACES)
    text = rules(rule("ring")).replace("SCRIPTED", "tests.kit.world:Scripted").replace("WORLD", "identity")
    (tmp_path / "rules" / "team.yaml").write_text(text)
    names = {"MLEVENTS_TABLE": f"t{uuid4().hex}", "MLEVENTS_QUEUE": f"q{uuid4().hex}"}
    app = App.from_settings({**os.environ, **connection(https_azurite), **names, **SETTINGS}, tmp_path)
    receive(RAW, app)
    [event] = app.inbox.history.day("2026-11-22").events.values()
    assert (event.id, event.actions) == ("e1", 1)
    assert identity.requests
