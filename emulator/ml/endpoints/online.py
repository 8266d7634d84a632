"""Online endpoints: managed and Kubernetes, their traffic, their keys and tokens."""

import copy
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import at_workspace
from emulator.identity.tokens import token
from emulator.ml import versions
from emulator.ml.operations import busy, started
from emulator.state import ids
from emulator.state.state import STATE, Body, Resource, State

KIND = "onlineEndpoints"
SCORING = "/inference/{number}/{endpoint}/score"
ML = "https://ml.azure.com"
WITHOUT_URIS: Mapping[str, Any] = {"scoringUri": None, "swaggerUri": None}  # of an endpoint until it has been created


def is_kubernetes(endpoint: Resource) -> bool:
    """Whether an endpoint runs on a Kubernetes compute rather than on managed machines."""
    return bool(endpoint.properties.get("compute"))


def completed(state: State, workspace: Resource, id: str, body: Body) -> Body:
    """An endpoint's body, with the members that the service adds."""
    whole, name = copy.deepcopy(body), ids.name_of(id)
    properties = whole["properties"]
    properties.pop("keys", None)  # accepted, and never in a response
    number = workspace.properties["workspaceId"]
    score = state.url + SCORING.format(number=number, endpoint=name)
    properties |= {"scoringUri": score, "swaggerUri": score.replace("/score", "/swagger.json")}
    properties["traffic"] = properties.get("traffic") or {}
    properties["mirrorTraffic"] = properties.get("mirrorTraffic") or {}
    properties["properties"] = {"azureml.onlineendpointid": id.lower(), **(properties.get("properties") or {})}
    properties.setdefault("publicNetworkAccess", "Enabled")
    if "SystemAssigned" in (whole.get("identity") or {}).get("type", ""):
        principal = str(uuid5(NAMESPACE_URL, id.lower()))
        whole["identity"] = {**whole["identity"], "principalId": principal, "tenantId": principal}
    whole.setdefault("kind", "K8S" if properties.get("compute") else "Managed")
    whole.setdefault("tags", {})
    return whole


def keys(endpoint: Resource) -> dict[str, str]:
    """An endpoint's keys, derived from its id."""
    renewed = endpoint.hidden.get("keys", "")
    pairs = (("primaryKey", f"1{renewed}"), ("secondaryKey", f"2{renewed}"))
    return {name: uuid5(NAMESPACE_URL, f"{endpoint.id.lower()} {salt}").hex for name, salt in pairs}


def check_traffic(state: State, id: str, properties: Body) -> None:
    """Raise an error response (400) unless shares sum to 0 or 100 and go to existing deployments.

    MicrosoftDocs/azure-docs#85546; for mirrored traffic, learn.microsoft.com, "Perform safe rollout of new
    deployments for real-time inference": one deployment without live traffic, at most 50 percent.
    """
    traffic, mirror = properties.get("traffic") or {}, properties.get("mirrorTraffic") or {}
    for what, shares, most in (("traffic", traffic, 100), ("mirrorTraffic", mirror, 50)):
        for name, share in shares.items():
            if not 0 <= share <= most:
                raise _bad(f"The {what} of deployment '{name}' is {share}; it must be from 0 to {most}.")
            if share and (found := state.find(f"{id}/deployments/{name}")) is None:
                raise _bad(f"The {what} names the deployment '{name}', which does not exist in the endpoint.")
            if share and found and found.state not in {"Succeeded", "Updating"}:
                raise _bad(f"The {what} names the deployment '{name}', which is in {found.state} provisioning state.")
    if sum(traffic.values()) not in {0, 100}:
        raise _bad(f"The sum of traffic has to be either 0 or 100; it is {sum(traffic.values())}.")
    mirrored = [name for name, share in mirror.items() if share]
    if len(mirrored) > 1 or any(traffic.get(name) for name in mirrored):
        raise _bad("Traffic can be mirrored to one deployment only, and to none that has live traffic.")


def _bad(problem: str) -> ErrorResponse:
    return ErrorResponse(400, "BadArgument", problem)


def _check(request: Request, body: Body, existing: Resource | None) -> None:
    workspace, properties = request.workspace, body["properties"]
    if body["location"].replace(" ", "").lower() != workspace.body["location"]:
        raise _bad(f"The location '{body['location']}' is not that of the workspace, {workspace.body['location']}.")
    if compute := properties.get("compute"):
        found = request.state.find(compute)
        if found is None or found.properties.get("computeType") != "Kubernetes":
            raise _bad(f"The compute '{compute}' is not a Kubernetes compute that is attached to the workspace.")
    if compute and properties["authMode"] == "AADToken":  # "Authenticate clients for online endpoints": managed only
        raise _bad("Endpoints on Kubernetes take no Microsoft Entra tokens: authMode must be Key or AMLToken.")
    if existing is not None and bool(compute) != is_kubernetes(existing):
        raise _bad("The compute type of an endpoint cannot be changed.")
    if existing is None and not compute:
        _check_unique(request, workspace)
    check_traffic(request.state, request.id, properties)


def _check_unique(request: Request, workspace: Resource) -> None:
    """Names of managed endpoints are unique within a region (Azure/mlops-project-template#29)."""
    for other in request.state.of_type(f"workspaces/{KIND}"):
        same = ids.name_of(other.id).lower() == request.params["endpoint"].lower()
        if same and not is_kubernetes(other) and other.body["location"] == workspace.body["location"]:
            raise _bad("There is already an endpoint with this name, endpoint name needs to be unique within a region.")


def _put(request: Request) -> Response:
    ids.check_endpoint(request.params["endpoint"], "endpoint")
    body = request.body("online_endpoint")
    busy(request, request.id, f"endpoint {request.params['endpoint']}")
    existing = request.state.find(request.id)
    _check(request, body, existing)
    return _change(request, completed(request.state, request.workspace, request.id, body), existing)


def _change(request: Request, whole: Body, existing: Resource | None) -> Response:
    """Start to create or update an endpoint."""
    state, id = request.state, request.id
    if existing is None:
        existing, error = state.add(id, whole), state.plan.endpoint_failure(request.params["endpoint"])
        existing.properties.update(WITHOUT_URIS, provisioningState="Creating")

        def created() -> None:
            properties = state.require(id).properties
            properties["provisioningState"] = "Failed" if error else "Succeeded"
            if error is None:
                properties |= {name: whole["properties"][name] for name in WITHOUT_URIS}

        operation = state.begin(id, "PUT", "Creating", created, error)
        return started(request, operation, KIND, 201, existing.body)
    existing.properties["provisioningState"] = "Updating"
    error = state.plan.update_failure(request.params["endpoint"])

    def changed() -> None:
        state.require(id).properties["provisioningState"] = "Succeeded"  # a stale read shows this body
        if error is None:
            state.replace(id, whole).properties["provisioningState"] = "Succeeded"

    before = copy.deepcopy(existing.body)  # the response shows this one, with its traffic
    operation = state.begin(id, request.method, "Updating", changed, error)
    provisioning = "Updating" if operation.status == "InProgress" else "Succeeded"
    patched = {**before, **whole, "properties": {**whole["properties"], "provisioningState": provisioning}}
    shown = before if request.method == "PUT" else patched
    return started(request, operation, KIND, 200 if request.method == "PUT" else 202, shown)


def _patch(request: Request) -> Response:
    body = request.body("online_endpoint_patch")
    existing = request.state.require(request.id)
    busy(request, request.id, f"endpoint {request.params['endpoint']}")
    changed = {**copy.deepcopy(existing.body), **{name: value for name, value in body.items() if value is not None}}
    return _change(request, completed(request.state, request.workspace, request.id, changed), existing)


def _get(request: Request) -> Response:
    return Response(200, request.state.read(request.id))


def _list(request: Request) -> Response:
    return request.page(request.state.children(request.scope, KIND))


def _delete(request: Request) -> Response:
    state, id = request.state, request.id
    if (existing := state.find(id)) is None:
        return Response(204)
    busy(request, id, f"endpoint {request.params['endpoint']}")
    existing.hidden[STATE], existing.properties["provisioningState"] = existing.state, "Deleting"
    operation = state.begin(id, "DELETE", "Deleting", lambda: state.remove(id))
    return started(request, operation, KIND, 202)


def _list_keys(request: Request) -> Response:
    endpoint = request.state.require(request.id)
    if endpoint.properties["authMode"] != "Key":
        raise ErrorResponse(
            400, "BadRequest", f"The endpoint has no keys: its authentication mode is {_mode(endpoint)}."
        )
    return Response(200, keys(endpoint))


def _token(request: Request) -> Response:
    endpoint = request.state.require(request.id)
    if endpoint.properties["authMode"] == "Key":
        raise ErrorResponse(400, "BadRequest", "The endpoint gives no tokens: its authentication mode is Key.")
    now = request.state.clock()
    times = {"expiryTimeUtc": now + timedelta(hours=1), "refreshAfterTimeUtc": now + timedelta(minutes=50)}
    seconds = {name: int(time.timestamp()) for name, time in times.items()}
    return Response(200, {"accessToken": token(ML), "tokenType": "Bearer", **seconds})


def _mode(endpoint: Resource) -> str:
    return str(endpoint.properties["authMode"])


ROUTES = (
    *at_workspace(KIND, versions.ASSETS, {"GET": _list}),
    *at_workspace(
        f"{KIND}/{{endpoint}}", versions.ASSETS, {"GET": _get, "PUT": _put, "PATCH": _patch, "DELETE": _delete}
    ),
    *at_workspace(f"{KIND}/{{endpoint}}", versions.ASSETS, {"POST": _list_keys}, action="listKeys"),
    *at_workspace(f"{KIND}/{{endpoint}}", versions.ASSETS, {"POST": _token}, action="token"),
)
