"""Commands that `mlevents azure` sends to a running emulator over HTTPS.

Each calls a method of a part of `Azure`, with the request's JSON as keyword arguments, and answers with its result.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route

if TYPE_CHECKING:
    from emulator.azure import Azure

PREFIX = "/mlevents"


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
        Route("POST", f"{PREFIX}/{name}", partial(_call, method, f"command.{name}"), frozenset(), Plane.OWN)
        for name, method in methods.items()
    )


def _call(method: Callable[..., Any], schema: str, request: Request) -> Response:
    arguments = {name: value for name, value in request.body(schema).items() if value is not None}
    try:
        return Response(200, {"result": method(**arguments)})
    except LookupError as error:
        raise ErrorResponse(
            404, "NotFound", f"The arguments name something that does not exist: {arguments}"
        ) from error
