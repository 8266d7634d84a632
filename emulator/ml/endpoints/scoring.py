"""The scoring URIs of online endpoints.

Statuses: learn.microsoft.com, "Troubleshoot online endpoint deployment and scoring", section "HTTP status codes".
"""

import json

from emulator.http.request import Request
from emulator.http.response import Response
from emulator.http.routing import Plane, Route
from emulator.identity.tokens import InvalidToken, check
from emulator.ml.endpoints.online import KIND, ML, SCORING, keys
from emulator.state.state import Resource, State

HEADER = "azureml-model-deployment"  # of a request: the deployment to score with; of a response: the one that answered


def _score(request: Request) -> Response:
    endpoint = _endpoint(request.state, request.params["number"], request.params["endpoint"])
    if endpoint is None:
        return Response(404, {"error": {"code": "NotFound", "message": "The endpoint does not exist."}})
    if unauthorized := _unauthorized(request, endpoint):
        return unauthorized
    name = _deployment(request, endpoint)
    if name is None:
        text = "The endpoint doesn't have any valid deployment with positive weight."
        return Response(404, {"error": {"code": "NotFound", "message": text}})
    try:
        data = json.loads(request.content)
    except ValueError:
        headers = {HEADER: name, "ms-azureml-model-error-statuscode": "400"}
        return Response(424, {"error": {"code": "BadRequest", "message": "The input is not JSON."}}, headers)
    answer = request.state.plan.score(str(endpoint.body["name"]), name).response(data)
    return Response(answer.status, answer.body, {HEADER: name, **answer.headers})


def _endpoint(state: State, number: str, name: str) -> Resource | None:
    return next(
        (
            found
            for workspace in state.of_type("workspaces")
            if workspace.properties["workspaceId"] == number
            and (found := state.find(f"{workspace.id}/{KIND}/{name}"))
            and found.state != "Creating"
        ),
        None,
    )


def _unauthorized(request: Request, endpoint: Resource) -> Response | None:
    """The response to a request without a valid key, or token of Azure ML; None if it is authorized."""
    authorization = request.headers.get("authorization", "")
    if endpoint.properties["authMode"] == "Key":
        good = authorization.partition(" ")[2] in keys(endpoint).values()
        return None if good else Response(401, {"error": {"code": "Unauthorized", "message": "The key is not valid."}})
    try:
        check(authorization, frozenset({ML}))
    except InvalidToken as error:
        return Response(401, {"error": {"code": "Unauthorized", "message": str(error)}})
    return None


def _deployment(request: Request, endpoint: Resource) -> str | None:
    """The deployment in the header, or else one by traffic share, in a fixed order rather than at random."""
    state = request.state
    live = {
        str(found.body["name"]).lower(): str(found.body["name"])
        for found in state.children(endpoint.id, "deployments")
        if found.state in {"Succeeded", "Updating", "Scaling"}
    }
    if wanted := request.headers.get(HEADER):
        return live.get(wanted.lower())
    shares = {name.lower(): share for name, share in endpoint.properties["traffic"].items() if share}
    number = int(endpoint.hidden.get("scored", "0"))
    endpoint.hidden["scored"] = str(number + 1)
    point = number * 37 % 100  # 37 and 100 are coprime: a hundred requests are split exactly
    for name, share in shares.items():
        if point < share:
            return live.get(name)
        point -= share
    return None


ROUTES = (Route("POST", SCORING, _score, frozenset(), Plane.OWN),)
