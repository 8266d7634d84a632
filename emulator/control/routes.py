"""What a person can have the stand-in do while it runs: `python -m mlevents azure` asks for it, over HTTPS.

Each is a method of `Azure`, called with the request's JSON as keyword arguments; what it returns is the answer.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from emulator.http.routing import Ask, Plane, Route
from emulator.http.schema import TEXT, TEXTS
from emulator.http.shapes import ListOf, Members, Number
from emulator.wire import Answer, Refusal

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


def routes(azure: Any) -> tuple[Route, ...]:
    """A route for each method of the stand-in that may be asked for."""
    return tuple(
        Route("POST", f"{PREFIX}/{name}", partial(_call, getattr(azure, name), shape), frozenset(), Plane.OWN)
        for name, shape in ARGUMENTS.items()
    )


def _call(method: Callable[..., Any], shape: Members, ask: Ask) -> Answer:
    given = {name: value for name, value in ask.body(shape).items() if value is not None}
    try:
        return Answer(200, {"result": method(**given)})
    except (LookupError, StopIteration) as error:
        raise Refusal(404, "NotFound", f"there is no such thing: {given}") from error
