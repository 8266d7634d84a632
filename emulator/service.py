"""From a request to its answer: what the script says, who asks, which version, what there is, and the log of it all."""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from emulator.http.calls import Call
from emulator.http.routing import Ask, Plane, Route
from emulator.identity.tokens import BadToken, check
from emulator.ml import (
    assets,
    batch,
    batchjobs,
    data_factory,
    deployments,
    endpoints,
    jobs,
    machines,
    operations,
    registries,
    run_history,
    scoring,
    storage,
    uploads,
    versions,
    workspaces,
)
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.script import Effect
from emulator.state.state import World
from emulator.wire import Answer, Refusal, Request

MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")


def _metadata(ask: Ask) -> Answer:
    """The clouds that there are, as azure-ai-ml reads them (its _azure_environments.py, _convert_arm_to_cli)."""
    url = ask.world.url
    cloud = {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "resourceManager": url,
        "authentication": {"loginEndpoint": url, "audiences": [*MANAGEMENT, url], "tenant": "common"},
        "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"},
    }
    return Answer(200, [cloud])


ROUTES: tuple[Route, ...] = (
    *workspaces.ROUTES,
    *assets.ROUTES,
    *uploads.ROUTES,
    *storage.ROUTES,
    *endpoints.ROUTES,
    *deployments.ROUTES,
    *batch.ROUTES,
    *jobs.ROUTES,
    *run_history.ROUTES,
    *batchjobs.ROUTES,
    *data_factory.ROUTES,
    *operations.ROUTES,
    *machines.ROUTES,
    *registries.ROUTES,
    *scoring.ROUTES,
    Route("GET", "/metadata/endpoints", _metadata, frozenset(), Plane.OWN),
)


class Service:
    """Answers requests, on any thread."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.more: tuple[Route, ...] = ()  # beside those that every stand-in has
        self.calls: list[Call] = []
        self.before: list[Callable[[Request], None]] = []  # told of each request before anything else happens
        self.after: list[Callable[[Call], None]] = []  # told of each call before its answer goes out
        self._numbers = count(1)

    def answer(self, request: Request) -> Answer | None:
        """What to answer; None: nothing, close the connection."""
        for listener in self.before:
            listener(request)
        with self.world.changing():
            answer, note = self._scripted(request)
            call = Call.of(next(self._numbers), request, answer, note)
            self.calls.append(call)
        for told in self.after:
            told(call)
        return answer

    def _scripted(self, request: Request) -> tuple[Answer | None, str]:
        fault = self.world.script.fault(request)
        match fault and fault.effect:
            case None:
                return self._answered(request), ""
            case Effect.CLOSE_BEFORE:
                return None, Effect.CLOSE_BEFORE.value
            case Effect.CLOSE_AFTER:
                self._answered(request)
                return None, Effect.CLOSE_AFTER.value
        return (fault.answer if fault else None), Effect.ANSWER.value

    def _answered(self, request: Request) -> Answer:
        try:
            answer = self._routed(request)
            return replace(answer, body=copy.deepcopy(answer.body))  # as it is now, whatever changes
        except Refusal as refusal:
            return refusal.answer()

    def _routed(self, request: Request) -> Answer:
        routes = (*ROUTES, *self.more)
        found = [(route, names) for route in routes if (names := route.names(request.path)) is not None]
        mine = next(((route, names) for route, names in found if route.method == request.method), None)
        if mine is None or mine[0].plane is not Plane.OWN:
            self._authenticate(request, mine[0].plane if mine else Plane.MANAGEMENT)
        if mine is None:
            raise _unknown(request, bool(found))
        route, names = mine
        _check_version(request, route)
        ask = Ask(self.world, request, names, route.template.format_map(names))
        if "workspace" in names:
            self._check_workspace(ask)
        elif "registry" in names and "subscription" in names:
            self.world.need(ask.scope)
        return route.handler(ask)

    def _authenticate(self, request: Request, plane: Plane) -> None:
        audiences = frozenset({*MANAGEMENT, self.world.url, *((endpoints.ML,) if plane is Plane.DATA else ())})
        try:
            check(request.headers.get("authorization", ""), audiences)
        except BadToken as error:
            challenge = 'Bearer authorization_uri="https://login.windows.net/", error="invalid_token"'
            raise Refusal(401, error.code, str(error), headers={"WWW-Authenticate": challenge}) from error

    def _check_workspace(self, ask: Ask) -> None:
        """As Resource Manager does, from the outside in."""
        subscription, group = ask.names["subscription"], ask.names["group"]
        ids = [workspace.id.lower().split("/") for workspace in self.world.of_type("workspaces")]
        if not any(parts[2] == subscription.lower() for parts in ids):
            text = f"The subscription '{subscription}' could not be found."
            raise Refusal(404, "SubscriptionNotFound", text)
        if not any((parts[2], parts[4]) == (subscription.lower(), group.lower()) for parts in ids):
            raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        self.world.need(WORKSPACE_SCOPE.format_map(ask.names))


def _unknown(request: Request, other_methods: bool) -> Refusal:
    if other_methods:
        text = f"The requested resource does not support http method '{request.method}'."
        return Refusal(405, "MethodNotAllowed", text)
    return Refusal(
        404,
        "InvalidResourceType",
        f"The stand-in has nothing at {request.path}: either the service has not, or it was not needed until now.",
    )


def _check_version(request: Request, route: Route) -> None:
    """Raises Refusal for an api-version that nobody has, or that this type has not."""
    if not route.versions:
        return
    asked = request.api_version
    if not asked:
        raise Refusal(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if asked in route.versions:
        return
    published = ", ".join(sorted(route.versions, reverse=True))
    if asked not in versions.WORKSPACE:
        raise Refusal(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{asked}' is invalid. The supported versions are '{published}'.",
        )
    raise Refusal(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for API version '{asked}' for type '{route.type}'. "
        f"The supported api-versions are '{published}'.",
    )
