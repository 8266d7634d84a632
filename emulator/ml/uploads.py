"""Where clients put local files: places in the storage account, with a signature that lets them write there.

That is what goes through startPendingUpload (code); what goes to a datastore with its own credentials: storage.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

from emulator.http import schema
from emulator.http.routing import Ask, Route
from emulator.ml import versions, workspaces
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.wire import Answer, Refusal


def _start(ask: Ask) -> Answer:
    """A container of its own for each upload, as the service has it."""
    asked = ask.body(schema.PENDING_UPLOAD)
    account = workspaces.storage_account(ask.world)
    container = f"{ask.workspace.properties['workspaceId'][:8]}-{uuid4()}"
    uri, signature = _place(ask, container)
    blobs = {
        "blobUri": uri,
        "storageAccountArmId": ask.workspace.properties["storageAccount"].rpartition("/")[0] + f"/{account}",
        "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{signature}"},
    }
    number = asked.get("pendingUploadId") or str(uuid4())
    kind = {"pendingUploadId": number, "pendingUploadType": "TemporaryBlobReference"}
    return Answer(200, {"blobReferenceForConsumption": blobs, **kind})


def _place(ask: Ask, container: str) -> tuple[str, str]:
    """The URL of a new container, and a signature for it."""
    from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

    if not ask.world.storage:
        raise Refusal(500, "InternalServerError", "The stand-in was given no storage account to upload to.")
    with BlobServiceClient.from_connection_string(ask.world.storage) as service:
        made = service.create_container(container)
        signature = generate_container_sas(
            str(service.account_name),
            container,
            account_key=service.credential.account_key,
            permission=ContainerSasPermissions(read=True, write=True, create=True, add=True, list=True, delete=True),
            expiry=ask.world.clock() + timedelta(hours=24),
        )
        return str(made.url), signature


def _routes() -> Iterator[Route]:
    for plural in ("codes", "models", "data"):
        template = f"{WORKSPACE_SCOPE}/{plural}/{{name}}/versions/{{version}}"
        yield Route("POST", template, _start, versions.UPLOADS, action="startPendingUpload")


ROUTES = tuple(_routes())
