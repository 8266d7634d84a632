"""Where clients put local files: places in the storage account, with a signature that lets them write there.

That is what goes through startPendingUpload (code); what goes to a datastore with its own credentials: storage.py.
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
    """A container of its own for each upload, as the service has it."""
    asked = request.body("pending_upload")
    account = workspaces.storage_account(request.state)
    container = f"{request.workspace.properties['workspaceId'][:8]}-{uuid4()}"
    uri, signature = signed_container(request.state.storage, container, timedelta(hours=24))
    blobs = {
        "blobUri": uri,
        "storageAccountArmId": request.workspace.properties["storageAccount"].rpartition("/")[0] + f"/{account}",
        "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{signature}"},
    }
    number = asked.get("pendingUploadId") or str(uuid4())
    kind = {"pendingUploadId": number, "pendingUploadType": "TemporaryBlobReference"}
    return Response(200, {"blobReferenceForConsumption": blobs, **kind})


def _routes() -> Iterator[Route]:
    for plural in ("codes", "models", "data"):
        template = f"{WORKSPACE_SCOPE}/{plural}/{{name}}/versions/{{version}}"
        yield Route("POST", template, _start, versions.UPLOADS, action="startPendingUpload")


ROUTES = tuple(_routes())
