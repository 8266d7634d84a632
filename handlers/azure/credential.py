"""The app's Azure credential, created at its first use: importing azure.identity takes half a second."""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def credential(client_id: str | None = None) -> "TokenCredential":
    """Managed identity in Azure, azure-identity's DefaultAzureCredential (`az login`, environment) elsewhere.

    `client_id` names a user-assigned identity; its default is the setting AZURE_CLIENT_ID. All callers of one identity
    share one credential, which caches the tokens. In Azure, where IDENTITY_ENDPOINT is set (learn.microsoft.com, "How
    to use managed identities for App Service and Azure Functions"), only the managed identity is tried:
    DefaultAzureCredential would try nine sources, and hide the reason of a failure among them.
    """
    client_id = client_id or os.environ.get("AZURE_CLIENT_ID") or None
    return _create(client_id, os.environ.get("IDENTITY_ENDPOINT", ""))


@cache
def _create(client_id: str | None, identity_endpoint: str) -> "TokenCredential":
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    if identity_endpoint:
        # A token may be needed within a call that has 20 seconds in all; the endpoint is on the same machine.
        return ManagedIdentityCredential(client_id=client_id, connection_timeout=3, read_timeout=2, retry_total=1)
    return DefaultAzureCredential(managed_identity_client_id=client_id)
