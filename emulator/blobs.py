"""The events that a storage account raises for its blobs. The emulator raises them, and keeps no blobs.

Source: learn.microsoft.com, "Azure Blob Storage as an Event Grid source": a data lake, which is an account with a
hierarchical namespace, raises BlobCreated when a file is created, and again when it is complete.
"""

from urllib.parse import quote
from uuid import uuid4

from emulator.state.ids import name_of
from emulator.state.state import Body, State

TYPE = "Microsoft.Storage/storageAccounts"


def created(state: State, account: str, path: str, api: str, size: int) -> Body:
    """The event for a blob that was created by an operation of storage's API; `path` begins with the container."""
    return _event(state, account, path, "BlobCreated", {**_data(account, path, api), "contentLength": size})


def deleted(state: State, account: str, path: str, api: str) -> Body:
    """The event for a blob that was deleted."""
    return _event(state, account, path, "BlobDeleted", _data(account, path, api))


def _data(account: str, path: str, api: str) -> Body:
    host = "dfs" if api in ("CreateFile", "FlushWithClose", "DeleteFile") else "blob"
    return {
        "api": api,
        "requestId": str(uuid4()),
        "contentType": "application/octet-stream",
        "blobType": "BlockBlob",
        "url": f"https://{name_of(account)}.{host}.core.windows.net/{quote(path)}",
    }


def _event(state: State, account: str, path: str, type: str, data: Body) -> Body:
    container, _, name = path.partition("/")
    number = 1 + sum(1 for each in state.events if each["topic"].lower() == account.lower())
    return {
        "topic": account,
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "eventType": f"Microsoft.Storage.{type}",
        "eventTime": state.clock.text(),
        "id": str(uuid4()),
        "data": {**data, "sequencer": f"{number:032x}", "storageDiagnostics": {"batchId": str(uuid4())}},
        "dataVersion": "",
        "metadataVersion": "1",
    }
