"""Batch endpoints and their deployments, one of which is the default."""

import copy

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import at_workspace
from emulator.ml import versions
from emulator.ml.endpoints.deployments import check_model, find_asset
from emulator.ml.endpoints.online import WITHOUT_URIS
from emulator.ml.operations import busy, started
from emulator.state import ids
from emulator.state.state import STATE, Body, Resource, State

KIND = "batchEndpoints"
# Defaults of a deployment (types.md of 2025-12-01, BatchDeploymentProperties).
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


def completed(state: State, workspace: Resource, id: str, body: Body) -> Body:
    """A batch endpoint's body, with the members that the service adds."""
    whole = copy.deepcopy(body)
    properties = whole["properties"]
    properties.pop("keys", None)
    properties["authMode"] = "AADToken"
    number = workspace.properties["workspaceId"]
    properties["scoringUri"] = f"{state.url}/inference/{number}/{ids.name_of(id)}/jobs"
    properties["swaggerUri"] = None
    properties["defaults"] = properties.get("defaults") or {}
    properties["properties"] = {"BatchEndpointCreationApiVersion": "2023-10-01", **(properties.get("properties") or {})}
    whole.setdefault("tags", {})
    return whole


def _bad(problem: str) -> ErrorResponse:
    return ErrorResponse(400, "BadArgument", problem)


def _check_location(body: Body, existing: Resource) -> None:
    if body["location"].replace(" ", "").lower() != existing.body["location"]:
        raise _bad(f"The location '{body['location']}' is not that of the workspace, {existing.body['location']}.")


def _put_endpoint(request: Request) -> Response:
    name = request.params["endpoint"]
    ids.check_endpoint(name, "endpoint")
    body = request.body("batch_endpoint")
    busy(request, request.id, f"endpoint {name}")
    _check_location(body, request.workspace)
    if body["properties"]["authMode"].casefold() != "aadtoken":
        raise _bad("Batch endpoints take Microsoft Entra tokens only: authMode must be AADToken.")
    default = (body["properties"].get("defaults") or {}).get("deploymentName")
    if default and request.state.find(f"{request.id}/deployments/{default}") is None:
        raise _bad(f"The default deployment '{default}' does not exist in the endpoint.")
    return _change(request, completed(request.state, request.workspace, request.id, body), KIND)


def _put_deployment(request: Request) -> Response:
    name = request.params["deployment"]
    ids.check_endpoint(name, "deployment")
    body = request.body("batch_deployment")
    endpoint = request.state.require(ids.parent_of(request.id))
    busy(request, endpoint.id, f"a deployment in endpoint {request.params['endpoint']}")
    busy(request, request.id, f"deployment {name}")
    _check_location(body, endpoint)
    _check_deployment(request, body["properties"])
    given = {member: value for member, value in body["properties"].items() if value is not None}
    whole = {"tags": {}, **body, "properties": {**copy.deepcopy(DEFAULTS), **given}}
    return _change(request, whole, f"{KIND}/deployments")


def _check_deployment(request: Request, properties: Body) -> None:
    if (properties.get("deploymentConfiguration") or {}).get("deploymentConfigurationType") == "PipelineComponent":
        component = (properties["deploymentConfiguration"].get("componentId") or {}).get("assetId", "")
        if find_asset(request.state, component) is None:
            raise _bad(f"The component '{component}' does not exist, or its id is not an asset's.")
        return
    model, compute = properties.get("model"), properties.get("compute")
    if not model or model.get("referenceType") != "Id":
        raise _bad("A batch deployment must refer to a model by its id.")
    check_model(request.state, properties, model["assetId"])
    if not compute or request.state.find(compute) is None:
        raise _bad(f"The compute '{compute}' does not exist in the workspace.")


def _change(request: Request, whole: Body, kind: str) -> Response:
    state, id = request.state, request.id
    existing = state.find(id)
    verb, status = ("Updating", 200) if existing else ("Creating", 201)
    failure = (
        state.plan.failure(request.params["endpoint"], request.params["deployment"])
        if "deployment" in request.params
        else None
    )
    created = existing or state.add(id, whole)
    created.properties["provisioningState"] = verb
    uris = {} if existing or "scoringUri" not in whole["properties"] else WITHOUT_URIS
    created.properties.update(uris)

    def end() -> None:
        properties = state.require(id).properties
        properties["provisioningState"] = "Failed" if failure else "Succeeded"
        properties |= {name: whole["properties"][name] for name in uris}
        if existing and not failure:
            state.replace(id, whole).properties["provisioningState"] = "Succeeded"

    operation = state.begin(id, "PUT", verb, end, failure.error if failure else None)
    provisioning = created.state if operation.status != "InProgress" else verb
    properties = {**whole["properties"], **uris, "provisioningState": provisioning}
    shown = {**created.body, **whole, "properties": properties}
    return started(request, operation, kind, status, shown)


def _get(request: Request) -> Response:
    return Response(200, request.state.read(request.id))


def _list(request: Request) -> Response:
    parent, _, kind = request.id.rpartition("/")
    request.state.require(parent)
    return request.page(request.state.children(parent, kind))


def _delete(request: Request) -> Response:
    state, id = request.state, request.id
    if (existing := state.find(id)) is None:
        return Response(204)
    busy(request, id, ids.name_of(id))
    if "deployment" in request.params:
        _check_not_default(state.require(ids.parent_of(id)), request.params["deployment"])
    existing.hidden[STATE], existing.properties["provisioningState"] = existing.state, "Deleting"
    operation = state.begin(id, "DELETE", "Deleting", lambda: state.remove(id))
    return started(request, operation, f"{KIND}/deployments" if "deployment" in request.params else KIND, 202)


def _check_not_default(endpoint: Resource, name: str) -> None:
    """Refuse to delete the default deployment. What Azure answers is not documented; handlers must not rely on it."""
    if str(endpoint.properties["defaults"].get("deploymentName", "")).lower() == name.lower():
        raise ErrorResponse(400, "BadRequest", f"Cannot delete deployment {name}: it is the default deployment.")


_ENDPOINT, _DEPLOYMENT = f"{KIND}/{{endpoint}}", f"{KIND}/{{endpoint}}/deployments/{{deployment}}"
ROUTES = (
    *at_workspace(KIND, versions.ASSETS, {"GET": _list}),
    *at_workspace(_ENDPOINT, versions.ASSETS, {"GET": _get, "PUT": _put_endpoint, "DELETE": _delete}),
    *at_workspace(f"{_ENDPOINT}/deployments", versions.ASSETS, {"GET": _list}),
    *at_workspace(_DEPLOYMENT, versions.ASSETS, {"GET": _get, "PUT": _put_deployment, "DELETE": _delete}),
)
