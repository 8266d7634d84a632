"""The steps of handling a request: fault injection, token, api-version, route, log."""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from emulator import data_factory, resources
from emulator.http.call import Call
from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.identity.tokens import InvalidToken, check
from emulator.ml import assets, datastores, operations, registries, schedules, uploads, versions, workspaces
from emulator.ml.endpoints import batch, deployments, machines, metrics, online, scoring
from emulator.ml.jobs import batch_jobs, jobs, logs, run_history
from emulator.state.fault_plan import Effect
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.state import State

SYNAPSE = "https://dev.azuresynapse.net"  # the audience of tokens
MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")


def _metadata(request: Request) -> Response:
    """The metadata of clouds, as azure-ai-ml reads it (its _azure_environments.py, _convert_arm_to_cli)."""
    url = request.state.url
    cloud = {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "resourceManager": url,
        "authentication": {"loginEndpoint": url, "audiences": [*MANAGEMENT, url], "tenant": "common"},
        "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"},
    }
    return Response(200, [cloud])


ROUTES: tuple[Route, ...] = (
    *workspaces.ROUTES,
    *assets.ROUTES,
    *uploads.ROUTES,
    *datastores.ROUTES,
    *online.ROUTES,
    *metrics.ROUTES,
    *deployments.ROUTES,
    *batch.ROUTES,
    *jobs.ROUTES,
    *run_history.ROUTES,
    *logs.ROUTES,
    *batch_jobs.ROUTES,
    *data_factory.ROUTES,
    *resources.ROUTES,
    *operations.ROUTES,
    *machines.ROUTES,
    *registries.ROUTES,
    *schedules.ROUTES,
    *scoring.ROUTES,
    Route("GET", "/metadata/endpoints", _metadata, frozenset(), Plane.OWN),
)


class Service:
    """Handles requests, on any thread: injects faults, checks tokens and api-versions, calls the route, logs."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.calls: list[Call] = []
        self.before: list[Callable[[Request], None]] = []  # called with each request before it is handled
        self.after: list[Callable[[Call], None]] = []  # called with each call before its response is sent
        self._numbers = count(1)

    def handle(self, request: Request, route: Route | None, *, path_exists: bool = False) -> Response | None:
        """The response to send; None to close the connection without one.

        Without a `route` the answer is an error; `path_exists` means that another method has a route on the path.
        """
        for callback in self.before:
            callback(request)
        with self.state.transaction():
            fault = self.state.plan.fault(request.method, request.path)
            response = fault.response if fault else None
            if fault is None or fault.effect is Effect.CLOSE_AFTER:
                applied = self._apply(request, route, path_exists)
                response = None if fault else applied
            call = Call.of(next(self._numbers), request, response, fault.effect.value if fault else "")
            self.calls.append(call)
        for notify in self.after:
            notify(call)
        return response

    def _apply(self, request: Request, route: Route | None, path_exists: bool) -> Response:
        try:
            response = self._routed(request, route, path_exists)
            return replace(response, body=copy.deepcopy(response.body))  # later changes must not reach it
        except ErrorResponse as error:
            return error.response()

    def _routed(self, request: Request, route: Route | None, path_exists: bool) -> Response:
        if route is None or route.plane is not Plane.OWN:
            self._authenticate(request, route.plane if route else Plane.MANAGEMENT)
        if route is None:
            raise _unknown(request, path_exists)
        _check_version(request, route)
        if "workspace" in request.params:
            self._check_workspace(request)
        elif "registry" in request.params and "subscription" in request.params:
            self.state.require(request.scope)
        return route.handler(request)

    def _authenticate(self, request: Request, plane: Plane) -> None:
        audiences = frozenset({*MANAGEMENT, self.state.url, *((online.ML,) if plane is Plane.DATA else ())})
        if plane is Plane.SYNAPSE:
            audiences = frozenset({SYNAPSE})
        try:
            check(request.headers.get("authorization", ""), audiences)
        except InvalidToken as error:
            challenge = 'Bearer authorization_uri="https://login.windows.net/", error="invalid_token"'
            raise ErrorResponse(401, error.code, str(error), headers={"WWW-Authenticate": challenge}) from error

    def _check_workspace(self, request: Request) -> None:
        """Check subscription, resource group and workspace, in Resource Manager's order."""
        subscription, group = request.params["subscription"], request.params["group"]
        ids = [workspace.id.lower().split("/") for workspace in self.state.of_type("workspaces")]
        if not any(parts[2] == subscription.lower() for parts in ids):
            text = f"The subscription '{subscription}' could not be found."
            raise ErrorResponse(404, "SubscriptionNotFound", text)
        if not any((parts[2], parts[4]) == (subscription.lower(), group.lower()) for parts in ids):
            raise ErrorResponse(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        self.state.require(WORKSPACE_SCOPE.format_map(request.params))


def _unknown(request: Request, path_exists: bool) -> ErrorResponse:
    if path_exists:
        text = f"The requested resource does not support http method '{request.method}'."
        return ErrorResponse(405, "MethodNotAllowed", text)
    return ErrorResponse(
        404,
        "InvalidResourceType",
        f"The emulator has no route for {request.path}: Azure has none either, or the emulator does not cover it.",
    )


def _check_version(request: Request, route: Route) -> None:
    """Raise an error response (400) unless the api-version is published for the resource type."""
    if not route.versions:
        return
    version = request.api_version
    if not version:
        raise ErrorResponse(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if version in route.versions:
        return
    published = ", ".join(sorted(route.versions, reverse=True))
    if version not in versions.WORKSPACE:
        raise ErrorResponse(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{published}'.",
        )
    raise ErrorResponse(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for API version '{version}' for type '{route.type}'. "
        f"The supported api-versions are '{published}'.",
    )
