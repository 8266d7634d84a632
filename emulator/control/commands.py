"""Commands that `mlevents azure` sends to a running emulator over HTTPS.

Each calls a method of a part of `Azure`, with the request's JSON as keyword arguments, and answers with its result.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.http.schema import TEXT, TEXTS
from emulator.http.shapes import ListOf, Members, Number

if TYPE_CHECKING:
    from emulator.azure import Azure

PREFIX = "/mlevents"

ARGUMENTS = {
    "register_model": Members(
        required={"name": TEXT, "version": TEXT}, optional={"tags": TEXTS, "type": TEXT, "workspace": TEXT}
    ),
    "raise_drift": Members(
        optional={"signal": TEXT, "monitor": TEXT, "features": ListOf(TEXT), "workspace": TEXT},
    ),
    "start_job": Members(
        required={"experiment": TEXT}, optional={"steps": ListOf(TEXT), "tags": TEXTS, "workspace": TEXT}
    ),
    "fail_job": Members(required={"glob": TEXT}, optional={"message": TEXT, "step": TEXT}),
    "job_registers": Members(required={"glob": TEXT, "model": TEXT}, optional={"tags": TEXTS}),
    "cancel_job": Members(required={"glob": TEXT}),
    "job_takes": Members(required={"seconds": Number()}, optional={"glob": TEXT}),
    "add_component": Members(
        required={"name": TEXT, "version": TEXT}, optional={"inputs": TEXTS, "nodes": ListOf(TEXT), "workspace": TEXT}
    ),
    "add_pipeline": Members(required={"factory": TEXT, "name": TEXT}, optional={"parameters": TEXTS}),
    "add_batch_endpoint": Members(
        required={"name": TEXT, "deployment": TEXT}, optional={"model": TEXT, "component": TEXT, "workspace": TEXT}
    ),
    "fail_deployment": Members(required={"name": TEXT}, optional={"message": TEXT, "logs": TEXT}),
    "state": Members(),
}


def routes(azure: "Azure") -> tuple[Route, ...]:
    """A route for each command."""
    methods: dict[str, Callable[..., Any]] = {
        "register_model": azure.models.register,
        "raise_drift": azure.jobs.raise_drift,
        "start_job": azure.jobs.start,
        "fail_job": azure.jobs.fail,
        "job_registers": azure.jobs.register_model,
        "cancel_job": azure.jobs.cancel,
        "job_takes": azure.jobs.set_duration,
        "add_component": azure.assets.add_component,
        "add_pipeline": azure.factories.add_pipeline,
        "add_batch_endpoint": azure.endpoints.add_batch,
        "fail_deployment": azure.faults.fail_deployment,
        "state": azure.summary,
    }
    return tuple(
        Route("POST", f"{PREFIX}/{name}", partial(_call, method, ARGUMENTS[name]), frozenset(), Plane.OWN)
        for name, method in methods.items()
    )


def _call(method: Callable[..., Any], shape: Members, request: Request) -> Response:
    arguments = {name: value for name, value in request.body(shape).items() if value is not None}
    try:
        return Response(200, {"result": method(**arguments)})
    except LookupError as error:
        raise ErrorResponse(404, "NotFound", f"there is no such thing: {arguments}") from error
