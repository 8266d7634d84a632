"""Workspaces, what they tell of where their services are, and their computes and datastores."""

from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from emulator.http.routing import Ask, Plane, Route, at_workspace
from emulator.ml import versions
from emulator.state.ids import PROVIDER, name_of
from emulator.state.state import Body, Resource, World
from emulator.state.storage_account import ACCOUNT
from emulator.wire import Answer

DATASTORE = "workspaceblobstore"  # the default one


def add(world: World, id: str, location: str) -> Resource:
    """A new workspace, with its default datastore."""
    number = str(uuid5(NAMESPACE_URL, id.lower()))
    base = id.rpartition("/workspaces/")[0].rpartition("/providers/")[0]
    host = urlsplit(world.url).netloc
    name = name_of(id)
    made = world.add(
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
                "discoveryUrl": f"{world.url}/discovery/workspaces/{number}",
                "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{id}",
                "storageAccount": f"{base}/providers/Microsoft.Storage/storageAccounts/{storage_account(world)}",
                "keyVault": f"{base}/providers/Microsoft.KeyVault/vaults/kv{number[:8]}",
                "applicationInsights": f"{base}/providers/Microsoft.Insights/components/ai{number[:8]}",
            },
        },
    )
    world.add(f"{id}/datastores/{DATASTORE}", {"properties": _blob_datastore(world, number)})
    return made


def storage_account(world: World) -> str:
    """The name of the storage account; empty if there is none."""
    parts = dict(part.partition("=")[::2] for part in world.storage.split(";"))
    return parts.get("AccountName", "devstoreaccount1" if world.storage else "")


def account_in_urls(world: World) -> str:
    """What makes ``https://{account}.blob.core.windows.net`` lead here, to be passed on: see storage.py.

    What follows a ``#`` is no address.
    """
    account = storage_account(world)
    return f"{urlsplit(world.url).netloc}/{account}#" if account == ACCOUNT else account


def container(number: str) -> str:
    """The container of the default datastore of a workspace, by the workspace's number."""
    return f"azureml-blobstore-{number}"


def _blob_datastore(world: World, number: str) -> Body:
    return {
        "datastoreType": "AzureBlob",
        "accountName": account_in_urls(world),
        "containerName": container(number),
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": {"credentialsType": "AccountKey"},
        "isDefault": True,
        "serviceDataAccessAuthIdentity": "None",
        "tags": {},
        "properties": {},
    }


def _get(ask: Ask) -> Answer:
    return Answer(200, ask.world.read(ask.id))


def _of_group(ask: Ask) -> Answer:
    prefix = f"/subscriptions/{ask.names['subscription']}/resourceGroups/{ask.names['group']}/".lower()
    return ask.page(w for w in ask.world.of_type("workspaces") if w.id.lower().startswith(prefix))


def _discovery(ask: Ask) -> Answer:
    services = ("api", "experimentation", "history", "hyperdrive", "modelmanagement", "catalog", "labeling")
    return Answer(200, dict.fromkeys(services, ask.world.url))


def _computes(ask: Ask) -> Answer:
    return ask.page(ask.world.children(ask.scope, "computes"))


def _datastores(ask: Ask) -> Answer:
    found = ask.world.children(ask.scope, "datastores")
    if ask.request.query.get("isdefault", "").lower() == "true":
        found = [r for r in found if r.properties["isDefault"]]
    return ask.page(found)


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
    Route("GET", "/discovery/workspaces/{number}", _discovery, frozenset(), Plane.OWN),  # asked without a token
)
