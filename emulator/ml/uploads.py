"""Uploads through startPendingUpload: a container in the storage account, with a signature to write to it.

Uploads to a datastore: datastores.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

from emulator.http.request import Request
from emulator.http.response import Response
from emulator.http.routing import Route
from emulator.ml import versions, workspaces
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.storage_account import signed_container


def _start(request: Request) -> Response:
    """Create a container for this upload."""
    body = request.body("pending_upload")
    account = workspaces.storage_account(request.state)
    container = f"{request.workspace.properties['workspaceId'][:8]}-{uuid4()}"
    uri, signature = signed_container(request.state.storage, container, timedelta(hours=24))
    blobs = {
        "blobUri": uri,
        "storageAccountArmId": request.workspace.properties["storageAccount"].rpartition("/")[0] + f"/{account}",
        "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{signature}"},
    }
    number = body.get("pendingUploadId") or str(uuid4())
    kind = {"pendingUploadId": number, "pendingUploadType": "TemporaryBlobReference"}
    return Response(200, {"blobReferenceForConsumption": blobs, **kind})


def _routes() -> Iterator[Route]:
    for plural in ("codes", "models", "data"):
        template = f"{WORKSPACE_SCOPE}/{plural}/{{name}}/versions/{{version}}"
        yield Route("POST", template, _start, versions.UPLOADS, action="startPendingUpload")


ROUTES = tuple(_routes())
