"""Clients for the storage queues that triggers read, found by the trigger's `connection` as the host finds them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from azure.storage.queue.aio import QueueServiceClient

from dispatch.inbox.storage_account import Storage
from dispatch.settings import Environment
from handlers.azure.credential import credential


def queue_service(environment: Mapping[str, str], connection: str) -> QueueServiceClient:
    """A client for the queues of a connection, like ``AzureWebJobsStorage``. Makes no request.

    Raises dispatch.settings.SettingsError if the app settings do not name a storage account.
    """
    storage = Storage.of(Environment(environment), connection)
    options: dict[str, Any] = {"connection_timeout": 3, "read_timeout": 10}
    one_second = {"initial_backoff": 0, "increment_base": 1, "random_jitter_range": 0}
    options |= {"retry_total": 1, **one_second}
    authorities = environment.get("REQUESTS_CA_BUNDLE")  # the SDKs in the workers read it themselves
    secure = "=https" in storage.connection_string or storage.queue_url.startswith("https")
    if authorities and secure:  # the SDK reads the file for each request
        options["connection_verify"] = authorities
    if storage.connection_string:
        return QueueServiceClient.from_connection_string(storage.connection_string, **options)
    return QueueServiceClient(storage.queue_url, _Awaitable(credential(storage.client_id)), **options)


class _Awaitable:
    """A credential for asynchronous clients that wraps a synchronous one."""

    def __init__(self, inner: TokenCredential) -> None:
        self._inner = inner

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Get a token from the inner credential, in a thread."""
        return await asyncio.to_thread(self._inner.get_token, *scopes, **options)

    async def close(self) -> None:
        """The inner credential is shared: it stays open."""

    async def __aenter__(self) -> "_Awaitable":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None
