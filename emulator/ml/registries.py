"""Registries and their discovery. Their assets: assets.py."""

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.identity.tokens import TENANT
from emulator.ml import versions
from emulator.state.ids import REGISTRY_SCOPE
from emulator.state.state import Resource, State


def add(state: State, id: str, location: str) -> Resource:
    """Create a registry."""
    properties = {"regions": [{"location": location}], "publicNetworkAccess": "Enabled", "discoveryUrl": state.url}
    created = state.add(id, {"location": location, "tags": {}, "properties": properties})
    state.registries[str(created.body["name"]).lower()] = id
    return created


def _discover(request: Request) -> Response:
    """The host that serves a registry's assets, as azure-ai-ml reads it (its _restclient/registry_discovery)."""
    name = request.params["registry"]
    if (id := request.state.registries.get(name.lower())) is None:
        raise ErrorResponse(404, "UserError", f"The registry {name} was not found.")
    registry, parts = request.state.require(id), id.split("/")
    found = {
        "registryName": registry.body["name"],
        "tenantId": TENANT,
        "primaryRegion": registry.body["location"],
        "regions": [registry.body["location"]],
        "subscriptionId": parts[2],
        "resourceGroup": parts[4],
        "primaryRegionResourceProviderUri": f"{request.state.url}/",
    }
    return Response(200, found)


def _get(request: Request) -> Response:
    return Response(200, request.state.read(request.id))


ROUTES = (
    Route("GET", "/registrymanagement/v1.0/registries/{registry}/discovery", _discover, frozenset(), Plane.DATA),
    Route("GET", REGISTRY_SCOPE, _get, versions.REGISTRY),
)
