"""The app's storage account, and clients for its tables, queues and blobs.

The account is found as the Functions host finds it for its triggers, so that the app sends to the queues that the host
reads (learn.microsoft.com, "Guidance for developing Azure Functions", section "Connections").
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from azure.data.tables import TableClient
from azure.storage.queue import (
    ExponentialRetry,
    QueueClient,
    TextBase64DecodePolicy,
    TextBase64EncodePolicy,
)

from dispatch.inbox.transport import PunctualTransport
from dispatch.settings import CONNECTION, Environment, SettingsError
from handlers.azure.credential import credential

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

_CONTAINER_URL = "https://account.blob.core.windows.net/deadletter"


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage account, given by a connection string or by the URLs of its services and an identity."""

    connection_string: str = ""
    table_url: str = ""
    queue_url: str = ""
    client_id: str | None = None
    blob_url: str = ""  # for dead letters; no function needs it

    @classmethod
    def of(cls, settings: Environment, connection: str = CONNECTION) -> Self:
        """Resolve it as the host does: a connection string, else the account's name, else the URLs of the services.

        `accountName` comes before the URLs because the host prefers it (Azure/azure-functions-host#10401).
        Raises SettingsError.
        """
        if text := settings.get(connection):
            return cls(connection_string=text)
        if (kind := settings.get(f"{connection}__credential")) and kind.casefold() != "managedidentity":
            raise SettingsError(f"{connection}__credential is {kind!r}; only 'managedidentity' is supported")
        client_id = settings.get(f"{connection}__clientId") or None
        if account := settings.get(f"{connection}__accountName"):
            table, queue, blob = (f"https://{account}.{name}.core.windows.net" for name in ("table", "queue", "blob"))
            return cls(table_url=table, queue_url=queue, client_id=client_id, blob_url=blob)
        queue = _url(settings, f"{connection}__queueServiceUri")
        table = _url(settings, f"{connection}__tableServiceUri") or queue.replace(".queue.", ".table.", 1)
        if not queue:
            found = "only other service URLs are" if settings.get(f"{connection}__blobServiceUri") else "nothing is"
            raise SettingsError(
                f"the app has no storage: {found} set. Set {connection} to a connection string (on your machine: "
                f"UseDevelopmentStorage=true), or {connection}__accountName to the account's name, or both "
                f"{connection}__queueServiceUri and {connection}__tableServiceUri, to use the app's identity"
            )
        if table == queue and not settings.get(f"{connection}__tableServiceUri"):
            raise SettingsError(f"{connection}__tableServiceUri is not set, and cannot be derived from {queue}")
        blob = _url(settings, f"{connection}__blobServiceUri")
        if not blob and ".queue." in queue:
            blob = queue.replace(".queue.", ".blob.", 1)
        return cls(table_url=table, queue_url=queue, client_id=client_id, blob_url=blob)

    @property
    def _credential(self) -> "TokenCredential":
        """The identity, which gets its tokens within the deadlines of requests to storage."""
        return credential(self.client_id, _identity_transport())

    def table(self, name: str) -> TableClient:
        """A client whose retries end in time for Event Grid. Makes no request. Raises SettingsError."""
        options: dict[str, Any] = {
            "transport": PunctualTransport(),
            "retry_total": 2,
            "retry_read": 1,  # a service that times out twice would time out again
            "retry_backoff_factor": 0.3,
        }
        with _raised_as_settings_error():
            if self.connection_string:
                return TableClient.from_connection_string(self.connection_string, name, **options)
            return TableClient(self.table_url, name, credential=self._credential, **options)

    def queue(self, name: str) -> QueueClient:
        """A client whose retries end in time for Event Grid, and which encodes messages in Base64.

        Makes no request. Raises SettingsError.
        """
        options: dict[str, Any] = {
            "retry_policy": ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=1, random_jitter_range=1),
            "message_encode_policy": TextBase64EncodePolicy(),
            "message_decode_policy": TextBase64DecodePolicy(),
            "transport": PunctualTransport(),
        }
        with _raised_as_settings_error():
            if self.connection_string:
                return QueueClient.from_connection_string(self.connection_string, name, **options)
            return QueueClient(self.queue_url, name, self._credential, **options)

    def container(self, where: str) -> "ContainerClient":
        """A client for a blob container of this account, by name, or of any account, by URL. Makes no request.

        Without a shared access signature in the URL, the client uses the identity. Raises SettingsError.
        """
        from azure.storage.blob import ContainerClient, ExponentialRetry

        retry = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=2, random_jitter_range=1)
        options: dict[str, Any] = {"retry_policy": retry, "connection_timeout": 5}
        if "://" in where:
            secret = None if "sig=" in urlsplit(where).query else credential(self.client_id)
            try:
                return ContainerClient.from_container_url(where, secret, **options)
            except ValueError:  # whose message contains the signature
                url = where.partition("?")[0]
                raise SettingsError(f"{url} is not the URL of a container, such as {_CONTAINER_URL}") from None
        if not re.fullmatch("(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", where):
            raise SettingsError(
                f"{where!r} is not a container: write its name, of 3 to 63 lower-case letters, digits and single "
                f"hyphens, or its URL, such as {_CONTAINER_URL}"
            )
        if not self.connection_string and not self.blob_url:
            raise SettingsError(
                f"{CONNECTION}__blobServiceUri is not set, and cannot be derived from {self.queue_url}: set it, "
                "or name the container by its URL"
            )
        with _raised_as_settings_error():
            if self.connection_string:
                return ContainerClient.from_connection_string(self.connection_string, where, **options)
            return ContainerClient(self.blob_url, where, credential(self.client_id), **options)


@cache
def _identity_transport() -> PunctualTransport:
    """Always the same one, so that all clients share one credential and its tokens."""
    return PunctualTransport()


@contextmanager
def _raised_as_settings_error() -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # the SDKs' messages do not name the setting
        raise SettingsError(f"{CONNECTION} does not identify a storage account: {error}") from error


def _url(settings: Environment, name: str) -> str:
    value = settings.get(name)
    if not value:
        return ""
    url = value if "//" in value else f"https://{value}"
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise SettingsError(
            f"{name} is {value!r}; write the service's URL, such as https://account.queue.core.windows.net"
        )
    return url.rstrip("/")
