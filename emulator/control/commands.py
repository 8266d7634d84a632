"""Commands that `mlevents azure` sends to a running emulator over HTTPS.

Each calls a method of a part of `Azure`, with the request's JSON as keyword arguments, and answers with its result.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route

PREFIX = "/mlevents"


def routes(methods: Mapping[str, Callable[..., Any]]) -> tuple[Route, ...]:
    """A route for each command: its name and its method."""
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
