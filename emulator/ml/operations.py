"""The responses of long-running operations: start, status, result.

Azure/azure-resource-manager-rpc, v1.0/async-api-reference.md; the paths are Azure ML's
(Azure/azureml-examples#1891 shows one). Those of endpoints and deployments are as recorded by azure-ai-ml's own tests
(Azure/azure-sdk-assets, python/sdk/ml/azure-ai-ml/tests/recordings/online_services). azure-core honors
x-ms-retry-after-ms, which keeps tests fast.
"""

from base64 import urlsafe_b64encode
from hashlib import shake_256

from emulator.http.request import Request
from emulator.http.response import NULL, ErrorResponse, Response
from emulator.http.routing import Route
from emulator.ml import versions
from emulator.state.ids import PROVIDER
from emulator.state.state import OPERATION, Body, Operation

_KINDS = {
    "onlineEndpoints": "oe",
    "onlineEndpoints/deployments": "od",
    "batchEndpoints": "be",
    "batchEndpoints/deployments": "bd",
    "jobs": "jc",
}
_RECORDED = tuple(kind for kind in _KINDS if kind != "jobs")
_AT = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"


_BEFORE_THE_END = "0001-01-01T00:00:00+00:00"
_SIGNATURE = {"c": 1_965, "s": 256, "h": 32}  # query parameters of operation URLs, and their length in bytes


def started(request: Request, operation: Operation, kind: str, status: int, body: Body | None = None) -> Response:
    """The response to the request that started an operation."""
    workspace = request.workspace
    subscription, region = request.params["subscription"], workspace.body["location"]
    number = f"{_KINDS[kind]}:{workspace.properties['workspaceId']}:{operation.id}"
    base = f"{request.state.url}/subscriptions/{subscription}/providers/{PROVIDER}/locations/{region}"
    query = f"?api-version={request.api_version}"
    pause = {"x-ms-retry-after-ms": str(request.state.poll_ms)}
    result = f"{base}/mfeOperationResults/{number}{query}"
    if not request.state.async_header:
        return Response(status, body, {"Location": result, **pause})
    plain = f"{base}/mfeOperationsStatus/{number}{query}"
    recorded = kind in _RECORDED
    sign = _signed if recorded else str
    headers = {"Azure-AsyncOperation": sign(plain), "x-ms-async-operation-timeout": "PT30M", **pause}
    if recorded:
        _record(request, operation, body, plain)
    if status == 201:
        headers["Location"] = f"{request.state.url}{request.path}{query}"
    if status == 202:
        headers["Location"] = sign(result)
    return Response(status, NULL if recorded and status == 202 and body is None else body, headers)


def _signed(url: str) -> str:
    """The URL with a signature of the usual length, which no request needs: that in the properties has none."""
    parts = {
        name: urlsafe_b64encode(shake_256(f"{name} {url}".encode()).digest(length)).decode().rstrip("=")
        for name, length in _SIGNATURE.items()
    }
    return f"{url}&t=639081658795753059" + "".join(f"&{name}={text}" for name, text in parts.items())


def _record(request: Request, operation: Operation, body: Body | None, url: str) -> None:
    """Record the operation's URL in the resource and in the response."""
    found = request.state.find(operation.resource)
    whole = body["properties"] if body else {}
    for properties in (whole, found.properties if found else {}):
        properties["properties"] = {**(properties.get("properties") or {}), OPERATION: url}


def busy(request: Request, id: str, what: str) -> None:
    """Raise an error response (409) if an operation is in progress on a resource."""
    if running := request.state.running(id):
        raise ErrorResponse(
            409,
            "Conflict",
            f"Cannot change {what} because it is in {running.verb} provisioning state. Try again later.",
        )


def _found(request: Request) -> Operation:
    number = request.params["operation"].rpartition(":")[2]
    if (found := request.state.operations.get(number)) is None:
        raise ErrorResponse(404, "NotFound", f"The operation {request.params['operation']} was not found.")
    request.state.poll(found)
    return found


def _status(request: Request) -> Response:
    operation = _found(request)
    of_a_job = request.params["operation"].startswith(_KINDS["jobs"])
    running = operation.status == "InProgress"
    body: Body = {
        "id": request.path,
        "name": request.params["operation"],
        "status": "Updating" if running and not of_a_job else operation.status,
        "startTime": operation.started.isoformat(),
        "endTime": operation.ended.isoformat() if operation.ended else _BEFORE_THE_END,
        "percentComplete": 0.0,
    }
    if operation.error and operation.status == "Failed":
        body["error"] = operation.error.error
    return Response(200, body, _waiting(request, operation))


def _result(request: Request) -> Response:
    operation = _found(request)
    if operation.status == "InProgress":
        location = f"{request.state.url}{request.path}?api-version={request.api_version}"
        return Response(202, None, {"Location": location, **_waiting(request, operation)})
    if operation.status == "Failed" and operation.error:
        return operation.error.response()
    found = request.state.find(operation.resource)
    return Response(200, found.body) if found else Response(204)


def _waiting(request: Request, operation: Operation) -> dict[str, str]:
    return {"x-ms-retry-after-ms": str(request.state.poll_ms)} if operation.status == "InProgress" else {}


ROUTES = (
    Route("GET", f"{_AT}/mfeOperationsStatus/{{operation}}", _status, versions.ASSETS),
    Route("GET", f"{_AT}/mfeOperationResults/{{operation}}", _result, versions.ASSETS),
)
