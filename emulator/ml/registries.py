"""Registries: where discovery finds them. What is in them: assets.py."""

from emulator.http.routing import Ask, Plane, Route
from emulator.identity.tokens import TENANT
from emulator.ml import versions
from emulator.state.ids import REGISTRY_SCOPE
from emulator.state.state import Resource, World
from emulator.wire import Answer, Refusal


def add(world: World, id: str, location: str) -> Resource:
    """A new registry."""
    properties = {"regions": [{"location": location}], "publicNetworkAccess": "Enabled", "discoveryUrl": world.url}
    made = world.add(id, {"location": location, "tags": {}, "properties": properties})
    world.registries[str(made.body["name"]).lower()] = id
    return made


def _discover(ask: Ask) -> Answer:
    """As azure-ai-ml asks (its _restclient/registry_discovery), for the host that serves a registry's assets."""
    name = ask.names["registry"]
    if (id := ask.world.registries.get(name.lower())) is None:
        raise Refusal(404, "UserError", f"The registry {name} was not found.")
    registry, parts = ask.world.need(id), id.split("/")
    found = {
        "registryName": registry.body["name"],
        "tenantId": TENANT,
        "primaryRegion": registry.body["location"],
        "regions": [registry.body["location"]],
        "subscriptionId": parts[2],
        "resourceGroup": parts[4],
        "primaryRegionResourceProviderUri": f"{ask.world.url}/",
    }
    return Answer(200, found)


def _get(ask: Ask) -> Answer:
    return Answer(200, ask.world.read(ask.id))


ROUTES = (
    Route("GET", "/registrymanagement/v1.0/registries/{registry}/discovery", _discover, frozenset(), Plane.DATA),
    Route("GET", REGISTRY_SCOPE, _get, versions.REGISTRY),
)
