"""Long-running operations as the client sees them: started, looked at, ended.

Azure/azure-resource-manager-rpc, v1.0/async-api-reference.md; the paths are those that Azure ML answers with
(Azure/azureml-examples#1891 shows one). The header x-ms-retry-after-ms, which azure-core heeds, makes tests quick.
"""

from emulator.http.routing import Ask, Route
from emulator.ml import versions
from emulator.state.ids import PROVIDER
from emulator.state.state import OPERATION, Body, Operation
from emulator.wire import Answer, Refusal

_KINDS = {
    "onlineEndpoints": "oe",
    "onlineEndpoints/deployments": "od",
    "batchEndpoints": "be",
    "batchEndpoints/deployments": "bd",
    "jobs": "jc",
}
_NOTED = tuple(kind for kind in _KINDS if kind != "jobs")
_AT = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"


def started(ask: Ask, operation: Operation, kind: str, status: int, body: Body | None = None) -> Answer:
    """The answer to a request that has begun an operation."""
    workspace = ask.workspace
    subscription, location = ask.names["subscription"], workspace.body["location"]
    number = f"{_KINDS[kind]}:{workspace.properties['workspaceId']}:{operation.id}"
    base = f"{ask.world.url}/subscriptions/{subscription}/providers/{PROVIDER}/locations/{location}"
    query = f"?api-version={ask.request.api_version}"
    headers = {
        "Azure-AsyncOperation": f"{base}/mfeOperationsStatus/{number}{query}",
        "x-ms-async-operation-timeout": "PT1H",
        "x-ms-retry-after-ms": str(ask.world.poll_ms),
    }
    location = f"{base}/mfeOperationResults/{number}{query}"
    if not ask.world.async_header:
        return Answer(status, body, {"Location": location, "x-ms-retry-after-ms": str(ask.world.poll_ms)})
    if kind in _NOTED:
        _note(ask, operation, body, headers["Azure-AsyncOperation"])
    if status == 202:
        headers["Location"] = location
    return Answer(status, body, headers)


def _note(ask: Ask, operation: Operation, body: Body | None, url: str) -> None:
    """The resource shows its last operation, and so does the answer."""
    found = ask.world.find(operation.resource)
    whole = body["properties"] if body else {}
    for properties in (whole, found.properties if found else {}):
        properties["properties"] = {**(properties.get("properties") or {}), OPERATION: url}


def busy(ask: Ask, id: str, what: str) -> None:
    """Raises Refusal if an operation is under way on a resource."""
    if running := ask.world.running(id):
        raise Refusal(
            409,
            "Conflict",
            f"Cannot change {what} because it is in {running.verb} provisioning state. Try again later.",
        )


def _found(ask: Ask) -> Operation:
    number = ask.names["operation"].rpartition(":")[2]
    if (found := ask.world.operations.get(number)) is None:
        raise Refusal(404, "NotFound", f"The operation {ask.names['operation']} was not found.")
    ask.world.look(found)
    return found


def _status(ask: Ask) -> Answer:
    operation = _found(ask)
    body: Body = {
        "id": ask.request.path,
        "name": ask.names["operation"],
        "status": operation.status,
        "startTime": operation.began.isoformat(),
    }
    if operation.ended:
        body["endTime"] = operation.ended.isoformat()
        body["percentComplete"] = 100
    if operation.error and operation.status == "Failed":
        body["error"] = operation.error.error
    return Answer(200, body, _waiting(ask, operation))


def _result(ask: Ask) -> Answer:
    operation = _found(ask)
    if operation.status == "InProgress":
        location = f"{ask.world.url}{ask.request.path}?api-version={ask.request.api_version}"
        return Answer(202, None, {"Location": location, **_waiting(ask, operation)})
    if operation.status == "Failed" and operation.error:
        return operation.error.answer()
    found = ask.world.find(operation.resource)
    return Answer(200, found.body) if found else Answer(204)


def _waiting(ask: Ask, operation: Operation) -> dict[str, str]:
    return {"x-ms-retry-after-ms": str(ask.world.poll_ms)} if operation.status == "InProgress" else {}


ROUTES = (
    Route("GET", f"{_AT}/mfeOperationsStatus/{{operation}}", _status, versions.ASSETS),
    Route("GET", f"{_AT}/mfeOperationResults/{{operation}}", _result, versions.ASSETS),
)
