"""Data Factory, and pipelines of Synapse: their runs, and queries for runs.

Synapse has the same API on the host of each workspace (learn.microsoft.com/rest/api/synapse/data-plane), which the
emulator serves below /synapse, and accepts tokens for dev.azuresynapse.net only.

learn.microsoft.com/rest/api/datafactory: "Pipelines - Create Run", "Pipeline Runs - Get", "- Cancel", "- Query By
Factory"; names and queries as documented there. Two equal requests start two runs. Not documented, and refused here so
that no handler relies on it: parameters that the pipeline does not declare, and a missing one without a default value.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.ml.jobs import lifecycle
from emulator.ml.jobs.lifecycle import Stage
from emulator.state.runs import FactoryRun
from emulator.state.state import Body, Resource, State

VERSION, SYNAPSE_VERSION = frozenset({"2018-06-01"}), frozenset({"2020-12-01"})
_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers"
FACTORY = f"{_GROUP}/Microsoft.DataFactory/factories/{{factory}}"
SYNAPSE, SYNAPSE_PREFIX = f"{_GROUP}/Microsoft.Synapse/workspaces/{{synapse}}", "/synapse"
TYPES = ("Object", "String", "Int", "Float", "Bool", "Array", "SecureString")

_FACTORY_NAME = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_PIPELINE_NAME = re.compile(r"[A-Za-z0-9_][^<>*#.%&:\\+?/]*")
_OPERANDS: dict[str, Callable[[FactoryRun], str]] = {
    "PipelineName": lambda run: run.pipeline,
    "Status": lambda run: run.status,
    "RunStart": lambda run: run.started.isoformat(),
    "RunEnd": lambda run: run.ended.isoformat() if run.ended else "",
}


def add_factory(state: State, id: str, location: str) -> Resource:
    """Create a factory or a Synapse workspace. Raises an error response (400) for an invalid name."""
    name = id.rpartition("/")[2]
    if not 3 <= len(name) <= 63 or not _FACTORY_NAME.fullmatch(name):
        raise ErrorResponse(400, "InvalidFactoryName", f"The factory name '{name}' is invalid.")
    properties = {"provisioningState": "Succeeded", "version": "2018-06-01", "createTime": state.clock.text()}
    return state.add(id, {"location": location, "tags": {}, "properties": properties})


def add_pipeline(state: State, factory: str, name: str, parameters: Body) -> Resource:
    """Create a pipeline that declares parameters, each ``{"type": "String", "defaultValue": ...}``.

    Raises an error response (400) for an invalid name or type.
    """
    state.require(factory)
    if not 1 <= len(name) <= 260 or not _PIPELINE_NAME.fullmatch(name):
        raise ErrorResponse(400, "InvalidPipelineName", f"The pipeline name '{name}' is invalid.")
    for parameter, about in parameters.items():
        if about.get("type") not in TYPES:
            raise _bad(f"The parameter '{parameter}' is of none of the types {', '.join(TYPES)}.")
    return state.add(f"{factory}/pipelines/{name}", {"properties": {"activities": [], "parameters": parameters}})


def _bad(problem: str) -> ErrorResponse:
    return ErrorResponse(400, "BadRequest", problem)


def _get(request: Request) -> Response:
    request.state.require(_owner(request))
    return Response(200, request.state.read(request.id))


def _owner(request: Request) -> str:
    """The id of the factory or the Synapse workspace in the path."""
    return (SYNAPSE if "synapse" in request.params else FACTORY).format_map(request.params)


def _create_run(request: Request) -> Response:
    state = request.state
    factory, pipeline = state.require(_owner(request)), state.require(request.id)
    given = request.body("factory_run") if request.content else {}
    parameters = _parameters(pipeline, given)
    name = str(pipeline.body["name"])
    now, script = state.clock(), state.plan.jobs
    run = FactoryRun(str(uuid4()), factory.id, name, parameters, now, now, unlisted=script.unlisted)
    state.factory_runs.append(run)
    ending = script.ending([name])
    end = {"Failed": "Failed", "Canceled": "Cancelled"}.get(ending.status if ending else "", "Succeeded")
    why = ending.error.message if ending and ending.error else ""
    stages: list[Stage] = [
        (0.2, lambda: _move(state, run, "InProgress")),
        (1.0, lambda: _move(state, run, end, why)),
    ]
    lifecycle.schedule(state, run, stages, script.duration([name]))
    return Response(202 if "synapse" in request.params else 200, {"runId": run.id})


def _parameters(pipeline: Resource, given: Body) -> Body:
    declared = pipeline.properties["parameters"]
    if unknown := sorted(set(given) - set(declared)):
        raise _bad(f"The pipeline {pipeline.body['name']} declares no parameter {', '.join(unknown)}.")
    defaults = {name: about["defaultValue"] for name, about in declared.items() if "defaultValue" in about}
    if missing := sorted(set(declared) - set(given) - set(defaults)):
        raise _bad(f"The value for one or more pipeline parameter was not provided: {', '.join(missing)}.")
    return {**defaults, **given}


def _move(state: State, run: FactoryRun, status: str, message: str = "") -> None:
    run.status, run.message, run.changed = status, message, state.clock()
    run.ended = run.changed if run.finished else None


def _found(request: Request) -> FactoryRun:
    state = request.state
    factory = state.require(_owner(request))
    state.complete_due()
    wanted = request.params["run"].lower()
    run = next((r for r in state.factory_runs if r.factory == factory.id and r.id == wanted), None)
    if run is None:
        raise ErrorResponse(404, "PipelineRunNotFound", f"Pipeline run {request.params['run']} was not found.")
    return run


def _get_run(request: Request) -> Response:
    run = _found(request)
    lifecycle.poll(run)
    return Response(200, shown(run))


def _cancel(request: Request) -> Response:
    run, state = _found(request), request.state
    if run.finished:
        raise _bad(f"The pipeline run {run.id} has ended as {run.status} and cannot be canceled.")
    run.stages.clear()
    _move(state, run, "Canceling")
    stages: list[Stage] = [(0.5, lambda: _move(state, run, "Cancelled", "Canceled by user."))]
    lifecycle.schedule(state, run, stages, state.plan.jobs.duration([run.pipeline]))
    return Response(200, None)


def _query(request: Request) -> Response:
    """The runs that changed in an interval. New runs are left out as planned."""
    state = request.state
    factory, query = state.require(request.id), request.body("factory_query")
    state.complete_due()
    after, before = _moment(query["lastUpdatedAfter"]), _moment(query["lastUpdatedBefore"])
    found = [run for run in state.factory_runs if run.factory == factory.id and after <= run.changed <= before]
    listed = [run for run in found if _is_listed(run) and all(_passes(run, one) for one in query.get("filters") or [])]
    for order in reversed(query.get("orderBy") or []):
        listed.sort(key=_OPERANDS[order["orderBy"]], reverse=order["order"].upper() == "DESC")
    start = int(query.get("continuationToken") or "0")
    body: Body = {"value": [shown(run) for run in listed[start : start + state.page]]}
    if start + state.page < len(listed):
        body["continuationToken"] = str(start + state.page)
    return Response(200, body)


def _is_listed(run: FactoryRun) -> bool:
    if run.unlisted:
        run.unlisted -= 1
        return False
    return True


def _passes(run: FactoryRun, filter: Body) -> bool:
    operand = next(name for name in _OPERANDS if name.lower() == filter["operand"].lower())
    value = _OPERANDS[operand](run).lower()
    among = value in [wanted.lower() for wanted in filter["values"]]
    return bool(among) != str(filter["operator"]).lower().startswith("not")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _bad(f"{text!r} is not a time as in ISO 8601.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def shown(run: FactoryRun) -> Body:
    """A run as the service shows it, with every parameter as a string."""
    ended = run.ended
    return {
        "id": f"{run.factory}/pipelineruns/{run.id}",
        "runId": run.id,
        "runGroupId": run.id,
        "isLatest": True,
        "debugRunId": None,
        "pipelineName": run.pipeline,
        "parameters": {name: _as_text(value) for name, value in run.parameters.items()},
        "runDimensions": {},
        "invokedBy": {"id": run.id, "name": "Manual", "invokedByType": "Manual"},
        "runStart": _time(run.started),
        "runEnd": _time(ended),
        "durationInMs": round((ended - run.started).total_seconds() * 1_000) if ended else None,
        "lastUpdated": _time(run.changed),
        "status": run.status,
        "message": run.message,
    }


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _routes(owner: str, versions: frozenset[str], plane: Plane, prefix: str) -> tuple[Route, ...]:
    """The routes below a factory or a Synapse workspace."""
    pipeline, run = f"{owner}/pipelines/{{pipeline}}", f"{owner}/pipelineruns/{{run}}"
    return (
        Route("GET", pipeline, _get, versions, plane, prefix),
        Route("POST", pipeline, _create_run, versions, plane, prefix, action="createRun"),
        Route("GET", run, _get_run, versions, plane, prefix),
        Route("POST", run, _cancel, versions, plane, prefix, action="cancel"),
        Route("POST", owner, _query, versions, plane, prefix, action="queryPipelineRuns"),
    )


ROUTES = (
    Route("GET", FACTORY, _get, VERSION),
    *_routes(FACTORY, VERSION, Plane.MANAGEMENT, ""),
    *_routes(SYNAPSE, SYNAPSE_VERSION, Plane.SYNAPSE, SYNAPSE_PREFIX),
)
