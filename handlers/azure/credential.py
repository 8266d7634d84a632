"""The app's one Azure credential, made when it is first used: importing azure.identity takes half a second."""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def credential(client_id: str | None = None) -> "TokenCredential":
    """Managed identity in Azure, azure-identity's DefaultAzureCredential (`az login`, environment) elsewhere.

    `client_id` names a user-assigned identity; left out, the setting AZURE_CLIENT_ID does. Tokens are cached in the
    credential, so everything that uses one identity shares it. In Azure only the managed identity is asked:
    DefaultAzureCredential would try nine sources and hide the reason of a failure among them. Azure sets
    IDENTITY_ENDPOINT (learn.microsoft.com, "How to use managed identities for App Service and Azure Functions").
    """
    client_id = client_id or os.environ.get("AZURE_CLIENT_ID") or None
    return _made(client_id, os.environ.get("IDENTITY_ENDPOINT", ""))


@cache
def _made(client_id: str | None, identity_endpoint: str) -> "TokenCredential":
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    if identity_endpoint:
        # It may be asked in the midst of a call that has 20 seconds in all; the endpoint is on the same machine.
        return ManagedIdentityCredential(client_id=client_id, connection_timeout=3, read_timeout=2, retry_total=1)
    return DefaultAzureCredential(managed_identity_client_id=client_id)
