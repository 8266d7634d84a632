"""Workspaces, the discovery of their services, their computes and datastores."""

from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from emulator.http.request import Request
from emulator.http.response import Response
from emulator.http.routing import Plane, Route, at_workspace
from emulator.ml import versions
from emulator.state.ids import PROVIDER, name_of
from emulator.state.state import Body, Resource, State
from emulator.state.storage_account import ACCOUNT

DATASTORE = "workspaceblobstore"  # the default one


def add(state: State, id: str, location: str) -> Resource:
    """Create a workspace with its default datastore."""
    number = str(uuid5(NAMESPACE_URL, id.lower()))
    base = id.rpartition("/workspaces/")[0].rpartition("/providers/")[0]
    host = urlsplit(state.url).netloc
    name = name_of(id)
    created = state.add(
        id,
        {
            "location": location,
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
            "identity": {"type": "SystemAssigned", "principalId": number, "tenantId": number},
            "tags": {},
            "properties": {
                "friendlyName": name,
                "workspaceId": number,
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled",
                "discoveryUrl": f"{state.url}/discovery/workspaces/{number}",
                "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{id}",
                "storageAccount": f"{base}/providers/Microsoft.Storage/storageAccounts/{storage_account(state)}",
                "keyVault": f"{base}/providers/Microsoft.KeyVault/vaults/kv{number[:8]}",
                "applicationInsights": f"{base}/providers/Microsoft.Insights/components/ai{number[:8]}",
            },
        },
    )
    state.add(f"{id}/datastores/{DATASTORE}", {"properties": _blob_datastore(state, number)})
    return created


def storage_account(state: State) -> str:
    """The name of the storage account; empty if there is none."""
    parts = dict(part.partition("=")[::2] for part in state.storage.split(";"))
    return parts.get("AccountName", "devstoreaccount1" if state.storage else "")


def account_in_urls(state: State) -> str:
    """An account name that makes ``https://{account}.blob.core.windows.net`` lead here: see datastores.py.

    The ``#`` turns the rest of the host name into a fragment.
    """
    account = storage_account(state)
    return f"{urlsplit(state.url).netloc}/{account}#" if account == ACCOUNT else account


def container(number: str) -> str:
    """The container of a workspace's default datastore, by the workspace's GUID."""
    return f"azureml-blobstore-{number}"


def _blob_datastore(state: State, number: str) -> Body:
    return {
        "datastoreType": "AzureBlob",
        "accountName": account_in_urls(state),
        "containerName": container(number),
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": {"credentialsType": "AccountKey"},
        "isDefault": True,
        "serviceDataAccessAuthIdentity": "None",
        "tags": {},
        "properties": {},
    }


def _get(request: Request) -> Response:
    return Response(200, request.state.read(request.id))


def _of_group(request: Request) -> Response:
    prefix = f"/subscriptions/{request.params['subscription']}/resourceGroups/{request.params['group']}/".lower()
    return request.page(w for w in request.state.of_type("workspaces") if w.id.lower().startswith(prefix))


def _discovery(request: Request) -> Response:
    services = ("api", "experimentation", "history", "hyperdrive", "modelmanagement", "catalog", "labeling")
    return Response(200, dict.fromkeys(services, request.state.url))


def _computes(request: Request) -> Response:
    return request.page(request.state.children(request.scope, "computes"))


def _datastores(request: Request) -> Response:
    found = request.state.children(request.scope, "datastores")
    if request.query.get("isdefault", "").lower() == "true":
        found = [r for r in found if r.properties["isDefault"]]
    return request.page(found)


ROUTES = (
    *at_workspace("", versions.WORKSPACE, {"GET": _get}),
    *at_workspace("computes", versions.WORKSPACE, {"GET": _computes}),
    *at_workspace("computes/{compute}", versions.WORKSPACE, {"GET": _get}),
    *at_workspace("datastores", versions.ASSETS, {"GET": _datastores}),
    *at_workspace("datastores/{datastore}", versions.ASSETS, {"GET": _get}),
    Route(
        "GET",
        f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces",
        _of_group,
        versions.WORKSPACE,
    ),
    Route("GET", "/discovery/workspaces/{number}", _discovery, frozenset(), Plane.OWN),  # clients send no token
)
