"""The app's Azure credential, created at its first use: importing azure.identity takes half a second."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


# A cold instance needs some seconds for its first token. Actions have minutes.
_CONNECT, _READ = 5, 30  # timeouts in seconds


def credential(client_id: str | None = None, transport: Any = None) -> "TokenCredential":
    """Managed identity in Azure, azure-identity's DefaultAzureCredential (`az login`, environment) elsewhere.

    `client_id` names a user-assigned identity; its default is the setting AZURE_CLIENT_ID. All callers of one identity
    share one credential, which caches the tokens. In Azure, where IDENTITY_ENDPOINT is set (learn.microsoft.com, "How
    to use managed identities for App Service and Azure Functions"), only the managed identity is tried:
    DefaultAzureCredential would try nine sources, and hide the reason of a failure among them.

    `transport`, of azure-core, sends the requests for tokens in Azure. Its timeouts replace the usual ones, which are
    too long for a caller that has a deadline.
    """
    client_id = client_id or os.environ.get("AZURE_CLIENT_ID") or None
    endpoint = os.environ.get("IDENTITY_ENDPOINT", "")
    return _create(client_id, endpoint, transport if endpoint else None)


@cache
def _create(client_id: str | None, identity_endpoint: str, transport: Any) -> "TokenCredential":
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    if identity_endpoint:
        own = {"transport": transport} if transport else {"connection_timeout": _CONNECT, "read_timeout": _READ}
        return ManagedIdentityCredential(client_id=client_id, retry_total=1, **own)
    return DefaultAzureCredential(managed_identity_client_id=client_id)
