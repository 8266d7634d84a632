"""Azurite, started and stopped as a child process."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from emulator.background import Background
from emulator.ports import free
from mlevents.local import azurite as module
from mlevents.local.azurite import Azurite, AzuriteError
from mlevents.local.triggers.queue_service import queue_service

pytestmark = pytest.mark.services


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


def test_azurite_serves_queues_and_tables(azurite: Azurite) -> None:
    with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        queues.create_queue("here")
        assert [queue.name for queue in queues.list_queues("here")] == ["here"]
    with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
        tables.create_table("here")
        assert "here" in [table.name for table in tables.list_tables()]


def test_with_a_folder_it_keeps_its_data(background: Background, tmp_path: Path) -> None:
    """Stopping it writes all data to the folder."""
    first = background.run(Azurite.start(tmp_path))
    with QueueClient.from_connection_string(first.connection_string, "kept") as queue:
        queue.create_queue()
        queue.send_message("still here")
    background.run(first.stop())
    second = background.run(Azurite.start(tmp_path))
    with QueueClient.from_connection_string(second.connection_string, "kept") as queue:
        assert [message.content for message in queue.peek_messages()] == ["still here"]
    background.run(second.stop())


def test_configured_ports_are_used_and_taken_ones_are_refused(background: Background) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not free((port,))
        with pytest.raises(AzuriteError, match="EADDRINUSE"):
            background.run(Azurite.start(ports=(port, 0, 0)))
    assert free((port,))
    azurite = background.run(Azurite.start(ports=(port, 0, 0)))
    assert azurite.blob_url == f"http://127.0.0.1:{port}/devstoreaccount1"
    background.run(azurite.stop())


def test_unexpected_end_of_azurite_is_reported(background: Background) -> None:
    async def die() -> str:
        azurite = await Azurite.start()
        azurite._process.kill()
        return await azurite.died

    assert "listening" in background.run(die(), timeout=30)


def test_azurite_can_be_stopped_twice(background: Background) -> None:
    azurite = background.run(Azurite.start())
    background.run(azurite.stop())
    background.run(azurite.stop())


def test_with_a_certificate_it_accepts_entra_id_tokens(background: Background, tmp_path: Path) -> None:
    """As for a managed identity: HTTPS and a bearer token."""
    certificate, authority, token = entra(tmp_path)
    azurite = background.run(Azurite.start(certificate=certificate))
    assert azurite.queue_url.startswith("https://")
    with QueueServiceClient(azurite.queue_url, token, connection_verify=str(authority)) as queues:
        queues.create_queue("identity")
        assert [queue.name for queue in queues.list_queues()] == ["identity"]
    background.run(azurite.stop())


def test_queue_triggers_can_use_an_identity(
    background: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the settings of the real host: `<connection>__queueServiceUri`."""
    certificate, authority, token = entra(tmp_path)
    monkeypatch.setattr("mlevents.local.triggers.queue_service.credential", lambda client_id: token)
    azurite = background.run(Azurite.start(certificate=certificate))
    environment = {
        "Mine__queueServiceUri": azurite.queue_url,
        "Mine__tableServiceUri": azurite.table_url,
        "REQUESTS_CA_BUNDLE": str(authority),
    }

    async def names() -> list[str]:
        async with queue_service(environment, "Mine") as service:
            await service.create_queue("identity")
            return [str(queue.name) async for queue in service.list_queues()]

    assert background.run(names()) == ["identity"]
    background.run(azurite.stop())


def entra(folder: Path) -> tuple[module.Certificate, Path, "Token"]:
    """A certificate for 127.0.0.1, its authority, and a credential whose tokens have Entra ID's form."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    cert, key, ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(ca))
    return module.Certificate(cert, key), ca, Token()


class Token:
    """A credential."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        import time

        import jwt

        now = int(time.time())
        claims = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/t/", "iat": now, "nbf": now - 60}
        return AccessToken(jwt.encode({**claims, "exp": now + 3600}, "k" * 32), now + 3600)


def test_without_node_the_error_tells_what_to_install(background: Background, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AzuriteError, match=r"install Node\.js"):
        background.run(Azurite.start())


def test_without_its_package_the_error_tells_how_to_install_it(
    background: Background, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_SCRIPT", tmp_path / "azurite.js")
    with pytest.raises(AzuriteError, match="npm ci"):
        background.run(Azurite.start())
