"""Batch endpoints and their deployments, one of which is the default."""

import copy

from emulator.http import schema
from emulator.http.routing import Ask, at_workspace
from emulator.ml import versions
from emulator.ml.deployments import check_model, find_asset
from emulator.ml.operations import busy, started
from emulator.state import ids
from emulator.state.state import STATE, Body, Resource, World
from emulator.wire import Answer, Refusal

KIND = "batchEndpoints"
# What a deployment has where nothing else was said (types.md of 2025-12-01, BatchDeploymentProperties).
DEFAULTS = {
    "properties": {},
    "errorThreshold": -1,
    "loggingLevel": "Info",
    "maxConcurrencyPerInstance": 1,
    "miniBatchSize": 10,
    "outputAction": "AppendRow",
    "outputFileName": "predictions.csv",
    "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
}


def completed(world: World, workspace: Resource, id: str, body: Body) -> Body:
    """A batch endpoint's body with what the service adds."""
    whole = copy.deepcopy(body)
    properties = whole["properties"]
    properties.pop("keys", None)
    properties["authMode"] = "AADToken"
    number = workspace.properties["workspaceId"]
    properties["scoringUri"] = f"{world.url}/inference/{number}/{ids.name_of(id)}/jobs"
    properties["swaggerUri"] = None
    properties["defaults"] = properties.get("defaults") or {}
    properties["properties"] = {"BatchEndpointCreationApiVersion": "2023-10-01", **(properties.get("properties") or {})}
    whole.setdefault("tags", {})
    return whole


def _bad(problem: str) -> Refusal:
    return Refusal(400, "BadArgument", problem)


def _check_location(body: Body, there: Resource) -> None:
    if body["location"].replace(" ", "").lower() != there.body["location"]:
        raise _bad(f"The location '{body['location']}' is not that of the workspace, {there.body['location']}.")


def _put_endpoint(ask: Ask) -> Answer:
    name = ask.names["endpoint"]
    ids.check_endpoint(name, "endpoint")
    body = ask.body(schema.BATCH_ENDPOINT)
    busy(ask, ask.id, f"endpoint {name}")
    _check_location(body, ask.workspace)
    if body["properties"]["authMode"] != "AADToken":
        raise _bad("Batch endpoints take Microsoft Entra tokens only: authMode must be AADToken.")
    default = (body["properties"].get("defaults") or {}).get("deploymentName")
    if default and ask.world.find(f"{ask.id}/deployments/{default}") is None:
        raise _bad(f"The default deployment '{default}' does not exist in the endpoint.")
    return _change(ask, completed(ask.world, ask.workspace, ask.id, body), KIND)


def _put_deployment(ask: Ask) -> Answer:
    name = ask.names["deployment"]
    ids.check_endpoint(name, "deployment")
    body = ask.body(schema.BATCH_DEPLOYMENT)
    endpoint = ask.world.need(ids.parent_of(ask.id))
    busy(ask, endpoint.id, f"a deployment in endpoint {ask.names['endpoint']}")
    busy(ask, ask.id, f"deployment {name}")
    _check_location(body, endpoint)
    _check_deployment(ask, body["properties"])
    given = {member: value for member, value in body["properties"].items() if value is not None}
    whole = {"tags": {}, **body, "properties": {**copy.deepcopy(DEFAULTS), **given}}
    return _change(ask, whole, f"{KIND}/deployments")


def _check_deployment(ask: Ask, properties: Body) -> None:
    if (properties.get("deploymentConfiguration") or {}).get("deploymentConfigurationType") == "PipelineComponent":
        component = (properties["deploymentConfiguration"].get("componentId") or {}).get("assetId", "")
        if find_asset(ask.world, component) is None:
            raise _bad(f"The component '{component}' does not exist, or its id is not an asset's.")
        return
    model, compute = properties.get("model"), properties.get("compute")
    if not model or model.get("referenceType") != "Id":
        raise _bad("A batch deployment must refer to a model by its id.")
    check_model(ask.world, properties, model["assetId"])
    if not compute or ask.world.find(compute) is None:
        raise _bad(f"The compute '{compute}' does not exist in the workspace.")


def _change(ask: Ask, whole: Body, kind: str) -> Answer:
    world, id = ask.world, ask.id
    there = world.find(id)
    verb, status = ("Updating", 200) if there else ("Creating", 201)
    failure = (
        world.script.failure(ask.names["endpoint"], ask.names["deployment"]) if "deployment" in ask.names else None
    )
    made = there or world.add(id, whole)
    made.properties["provisioningState"] = verb

    def end() -> None:
        world.need(id).properties["provisioningState"] = "Failed" if failure else "Succeeded"
        if there and not failure:
            world.replace(id, whole).properties["provisioningState"] = "Succeeded"

    operation = world.begin(id, "PUT", verb, end, failure.error if failure else None)
    state = made.state if operation.status != "InProgress" else verb
    shown = {**made.body, **whole, "properties": {**whole["properties"], "provisioningState": state}}
    return started(ask, operation, kind, status, shown)


def _get(ask: Ask) -> Answer:
    return Answer(200, ask.world.read(ask.id))


def _list(ask: Ask) -> Answer:
    parent, _, kind = ask.id.rpartition("/")
    ask.world.need(parent)
    return ask.page(ask.world.children(parent, kind))


def _delete(ask: Ask) -> Answer:
    world, id = ask.world, ask.id
    if (there := world.find(id)) is None:
        return Answer(204)
    busy(ask, id, ids.name_of(id))
    if "deployment" in ask.names:
        _check_not_default(world.need(ids.parent_of(id)), ask.names["deployment"])
    there.hidden[STATE], there.properties["provisioningState"] = there.state, "Deleting"
    operation = world.begin(id, "DELETE", "Deleting", lambda: world.remove(id))
    return started(ask, operation, f"{KIND}/deployments" if "deployment" in ask.names else KIND, 202)


def _check_not_default(endpoint: Resource, name: str) -> None:
    """Not documented: whether the service lets the default deployment go is not known, and a handler should not try."""
    if str(endpoint.properties["defaults"].get("deploymentName", "")).lower() == name.lower():
        raise Refusal(400, "BadRequest", f"Cannot delete deployment {name}: it is the default deployment.")


_ENDPOINT, _DEPLOYMENT = f"{KIND}/{{endpoint}}", f"{KIND}/{{endpoint}}/deployments/{{deployment}}"
ROUTES = (
    *at_workspace(KIND, versions.ASSETS, {"GET": _list}),
    *at_workspace(_ENDPOINT, versions.ASSETS, {"GET": _get, "PUT": _put_endpoint, "DELETE": _delete}),
    *at_workspace(f"{_ENDPOINT}/deployments", versions.ASSETS, {"GET": _list}),
    *at_workspace(_DEPLOYMENT, versions.ASSETS, {"GET": _get, "PUT": _put_deployment, "DELETE": _delete}),
)
