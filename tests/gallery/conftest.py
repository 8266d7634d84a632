"""`services`: an Azurite for all tests, and for each test an emulated Azure, a mailbox, and the other hosts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from mlevents.local.azurite import Azurite
from mlevents.testing import Answer, RecordingServer, Request, mailbox
from tests.gallery.services import CONTAINER, GIVEN, HOSTS, QUEUE, Services
from tests.handlers.conftest import authority
from tests.handlers.pipeline.site import DEV, PROD
from tests.handlers.streams.conftest import entra_account
from tests.kit.emulator import emulated_azure, shared_clock
from tests.kit.internet import internet

__all__ = ["authority", "entra_account"]  # fixtures


@pytest.fixture(scope="session")
def storage(
    entra_account: Azurite, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ContainerClient, QueueClient]]:
    """A container and a queue."""
    verify = str(tmp_path_factory.mktemp("storage") / "authority.pem")
    authority.cert_pem.write_to_path(verify)
    connection = entra_account.connection_string
    container = ContainerClient.from_connection_string(connection, CONTAINER, connection_verify=verify)
    queue = QueueClient.from_connection_string(connection, QUEUE, connection_verify=verify)
    with container, queue:
        container.create_container()
        queue.create_queue()
        yield container, queue


@pytest.fixture
def services(
    storage: tuple[ContainerClient, QueueClient],
    entra_account: Azurite,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Services]:
    """All services, and an app that trusts their certificates."""

    def answer(request: Request) -> Answer:
        return found.answer(request)

    with (
        emulated_azure(monkeypatch, PROD, DEV, storage=entra_account.connection_string) as azure,
        RecordingServer(answer, https=True, names=tuple(HOSTS)) as server,
        mailbox() as mails,
        internet(dict.fromkeys(HOSTS, server.port)),
    ):
        trusted = [server.ca_file.read_bytes(), azure.own_ca_file.read_bytes(), authority.cert_pem.bytes()]
        (tmp_path / "trusted.pem").write_bytes(b"\n".join(trusted))
        for name in server.environment:
            monkeypatch.setenv(name, str(tmp_path / "trusted.pem"))
        account = {"RULES_LAKE_URL": entra_account.blob_url, "RULES_QUEUE_URL": entra_account.queue_url}
        found = Services(tmp_path, azure, shared_clock(azure), mails, *storage, GIVEN | account)
        azure.workspaces.add_compute("cpu-cluster")
        found.empty()
        yield found
