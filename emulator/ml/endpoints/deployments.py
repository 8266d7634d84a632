"""Deployments of online endpoints: their checks, their provisioning, their logs."""

import copy

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import at_workspace
from emulator.ml import events, versions
from emulator.ml.endpoints import machines
from emulator.ml.endpoints.online import KIND as ENDPOINTS
from emulator.ml.endpoints.online import is_kubernetes
from emulator.ml.operations import busy, started
from emulator.state import ids
from emulator.state.state import STATE, Body, Resource, State

KIND = f"{ENDPOINTS}/deployments"
MOST = 20  # of deployments in an endpoint, and of instances of a deployment ("Manage and request quotas and limits")
CONTAINERS = ("InferenceServer", "StorageInitializer")  # that have logs


def find_asset(state: State, reference: str) -> Resource | None:
    """The asset with an ARM id, ``azureml:`` and an ARM id, or an ``azureml://registries/`` id; None without one."""
    bare = reference.removeprefix("azureml:") if reference.startswith("azureml:/subscriptions") else reference
    return state.find(ids.registry_id(bare, state.registries) or bare)


def check_model(state: State, properties: Body, reference: str) -> None:
    """Raise an error response (400) unless the model exists and can be served.

    An MLflow model needs neither environment nor scoring script. Any other needs both, or an environment with routes
    (learn.microsoft.com, "Deploy MLflow models to real-time endpoints", "Use a custom container to deploy a model").
    """
    if (model := find_asset(state, reference)) is None:
        raise _bad(f"The model '{reference}' does not exist, or its id is not an asset's.")
    environment, code = properties.get("environmentId"), properties.get("codeConfiguration")
    found = find_asset(state, environment) if environment else None
    if environment and found is None:
        raise _bad(f"The environment '{environment}' does not exist, or its id is not an asset's.")
    if code and code.get("codeId") and find_asset(state, code["codeId"]) is None:
        raise _bad(f"The code '{code['codeId']}' does not exist, or its id is not an asset's.")
    if str(model.properties.get("modelType", "custom_model")).lower() == "mlflow_model":
        return
    if found is None:
        raise _bad(f"An environment is required to deploy the model '{reference}', which is not an MLflow model.")
    if not code and not found.properties.get("inferenceConfig"):
        raise _bad(f"A scoring script is required to deploy the model '{reference}', which is not an MLflow model.")


def _bad(problem: str) -> ErrorResponse:
    return ErrorResponse(400, "BadArgument", problem)


def _endpoint(request: Request) -> Resource:
    return request.state.require(ids.parent_of(request.id))


def _put(request: Request) -> Response:
    ids.check_endpoint(request.params["deployment"], "deployment")
    body = request.body("online_deployment")
    endpoint, existing = _endpoint(request), request.state.find(request.id)
    busy(request, endpoint.id, f"a deployment in endpoint {request.params['endpoint']}")
    busy(request, request.id, f"deployment {request.params['deployment']}")
    if endpoint.state == "Failed":
        raise _bad(f"Cannot create a deployment in endpoint {endpoint.body['name']} because it is in Failed state.")
    _check(request, endpoint, body, existing)
    return _change(request, endpoint, _completed(body), existing)


def _check(request: Request, endpoint: Resource, body: Body, existing: Resource | None) -> None:
    properties, kind = body["properties"], "Kubernetes" if is_kubernetes(endpoint) else "Managed"
    if body["location"].replace(" ", "").lower() != endpoint.body["location"]:
        raise _bad(f"The location '{body['location']}' is not that of the endpoint, {endpoint.body['location']}.")
    if properties["endpointComputeType"] != kind:
        raise _bad(f"The endpoint takes {kind} deployments, not {properties['endpointComputeType']} ones.")
    others = request.state.children(endpoint.id, "deployments")
    if existing is None and len(others) >= MOST:
        raise _bad(f"The endpoint has {MOST} deployments, and cannot have more.")
    if model := properties.get("model"):
        check_model(request.state, properties, model)
    elif not properties.get("environmentId"):
        raise _bad("A deployment must name a model, or an environment that has one.")
    capacity = (body.get("sku") or {}).get("capacity")
    if capacity is None or not 1 <= capacity <= MOST:
        raise _bad(f"sku.capacity, the number of instances, must be from 1 to {MOST}, not {capacity}.")
    if kind == "Managed":
        machines.check(request, body)


def _completed(body: Body) -> Body:
    """A deployment's body, with the members that the service adds."""
    whole = copy.deepcopy(body)
    properties = whole["properties"]
    for name in ("scaleSettings", "requestSettings", "properties", "environmentVariables"):
        if properties.get(name) is None:
            properties[name] = {"scaleType": "Default"} if name == "scaleSettings" else {}
    properties.setdefault("egressPublicNetworkAccess", "Enabled")
    if properties["endpointComputeType"] == "Kubernetes" and not properties.get("containerResourceRequirements"):
        usual = {"cpu": "100m", "memory": "500Mi"}  # azure-ai-ml fails to read a deployment without them
        properties["containerResourceRequirements"] = {
            "containerResourceLimits": usual,
            "containerResourceRequests": dict(usual),
        }
    whole.setdefault("kind", properties["endpointComputeType"])
    whole.setdefault("tags", {})
    return whole


def _change(request: Request, endpoint: Resource, whole: Body, existing: Resource | None) -> Response:
    state, id = request.state, request.id
    verb, status = ("Updating", 200) if existing else ("Creating", 201)
    failure = state.plan.failure(endpoint.body["name"], request.params["deployment"])
    created = existing or state.add(id, whole)
    created.properties["provisioningState"] = verb

    def end() -> None:
        now = state.require(id)
        if failure:
            now.properties["provisioningState"] = "Failed"
            now.hidden[CONTAINERS[0]] = failure.logs
            return
        now.properties["provisioningState"] = "Succeeded"
        if existing:
            state.replace(id, whole).properties["provisioningState"] = "Succeeded"
        workspace = endpoint.id.partition(f"/{ENDPOINTS}/")[0]
        state.raise_event(events.model_deployed(state, workspace, endpoint.body, whole))

    operation = state.begin(id, "PUT", verb, end, failure.error if failure else None)
    provisioning = created.state if operation.status != "InProgress" else verb
    shown = {**created.body, **whole, "properties": {**whole["properties"], "provisioningState": provisioning}}
    return started(request, operation, KIND, status, shown)


def _get(request: Request) -> Response:
    _endpoint(request)
    return Response(200, request.state.read(request.id))


def _list(request: Request) -> Response:
    endpoint = request.state.require(request.id.rpartition("/")[0])
    return request.page(request.state.children(endpoint.id, "deployments"))


def _delete(request: Request) -> Response:
    state, id, name = request.state, request.id, request.params["deployment"]
    if (existing := state.find(id)) is None:
        return Response(204)
    busy(request, id, f"deployment {name}")
    busy(request, ids.parent_of(id), f"endpoint {request.params['endpoint']}")
    endpoint = _endpoint(request).properties
    for what in ("traffic", "mirrorTraffic"):
        share = {deployment.lower(): share for deployment, share in endpoint[what].items()}.get(name.lower())
        if share:
            raise ErrorResponse(
                400, "BadRequest", f"Cannot delete deployment {name} with {share}% {what}: set it to 0 first."
            )
    existing.hidden[STATE], existing.properties["provisioningState"] = existing.state, "Deleting"
    operation = state.begin(id, "DELETE", "Deleting", lambda: state.remove(id))
    return started(request, operation, KIND, 202)


def _logs(request: Request) -> Response:
    body = request.body("deployment_logs")
    found = request.state.require(request.id)
    text = found.hidden.get(body.get("containerType") or CONTAINERS[0], "")
    lines = text.splitlines()
    return Response(200, {"content": "\n".join(lines[-body["tail"] :] if body.get("tail") else lines)})


_ONE = f"{ENDPOINTS}/{{endpoint}}/deployments/{{deployment}}"
ROUTES = (
    *at_workspace(f"{ENDPOINTS}/{{endpoint}}/deployments", versions.ASSETS, {"GET": _list}),
    *at_workspace(_ONE, versions.ASSETS, {"GET": _get, "PUT": _put, "DELETE": _delete}),
    *at_workspace(_ONE, versions.ASSETS, {"POST": _logs}, action="getLogs"),
)
