"""Run history: the errors, steps and times of runs, which Resource Manager does not show.

As azure-ai-ml reads it (its _restclient/runhistory), on the host from the workspace's discovery. The filter and the
pages of children, and the metrics: azureml-core, _restclient (run_client.py, _odata, MetricV2Dto), and
microsoft/promptflow, _run_operations.py (`lastvalues`).
"""

import re
from collections.abc import Mapping
from datetime import datetime

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.ml import events
from emulator.ml.jobs import jobs, lifecycle, logs
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.runs import Run
from emulator.state.state import Body

PREFIX, METRICS = "/history/v1.0", "/metric/v2.0"
_STATUS = re.compile(r"status eq '?(\w+)'?", re.IGNORECASE)


def shown(run: Run) -> Body:
    """A run as run history shows it."""
    return {
        "runId": run.id,
        "runUuid": run.id,
        "rootRunId": run.parent or run.id,
        "parentRunId": run.parent or None,
        "experimentId": events.experiment_id(run),
        "displayName": run.display_name,
        "description": run.description,
        "status": run.status,
        "runType": run.type,
        "tags": run.tags,
        "properties": run.properties,
        "target": run.target,
        "hidden": run.hidden,
        "createdBy": {"userName": "mlevents"},
        "error": _error(run),
        "warnings": [],
        "createdUtc": _time(run.created),
        "startTimeUtc": _time(run.started),
        "endTimeUtc": _time(run.ended),
        "inputs": _assets(run.inputs),
        "outputs": _assets(run.outputs),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _assets(uris: Mapping[str, str]) -> Body:
    return {name: {"assetId": uri, "type": "UriFolder"} for name, uri in uris.items()}


def _error(run: Run) -> Body | None:
    """A run's error in the envelope of Azure ML's own services; None without one."""
    if run.error is None:
        return None
    own = {"code": run.error.code, "message": run.error.message, **run.error.more}
    error = {**own, "messageParameters": {}, "details": []}
    return {"error": error, "time": _time(run.ended), "componentName": "executionworker"}


def _run(request: Request) -> Run:
    request.state.complete_due()
    found = request.state.runs.get(f"{request.scope}/jobs/{request.params['run']}".lower())
    if found is None:
        raise ErrorResponse(404, "UserError", f"Run {request.params['run']} was not found in the workspace.")
    lifecycle.poll(found)
    return found


def _get(request: Request) -> Response:
    return Response(200, shown(_run(request)))


def _details(request: Request) -> Response:
    run = _run(request)
    body = shown(run)
    more = {"logFiles": logs.urls(request.state, run), "compute": _compute(request, run)}
    return Response(200, {**body, "createdTimeUtc": body["createdUtc"], **more})


def _compute(request: Request, run: Run) -> Body | None:
    found = request.state.find(f"{request.scope}/computes/{run.target}") if run.target else None
    if found is None:
        return None
    size = (found.properties.get("properties") or {}).get("vmSize")
    kind = found.properties["computeType"]
    return {"target": run.target, "targetType": kind, "vmSize": size, "instanceCount": 1}


def _children(request: Request) -> Response:
    """A page of the children, of one status if the filter names one."""
    children = lifecycle.children(request.state, _run(request))
    if text := request.query.get("$filter"):
        if not (wanted := _STATUS.fullmatch(text)):
            raise ErrorResponse(400, "UserError", f"The filter {text!r} is invalid.")
        children = [child for child in children if child.status.lower() == wanted[1].lower()]
    start = int(request.query.get("$continuationtoken", "0"))
    end = start + request.state.page
    token = str(end) if end < len(children) else None
    return Response(200, {"value": [shown(child) for child in children[start:end]], "continuationToken": token})


def _last_metrics(request: Request) -> Response:
    """The last value of each metric of a run."""
    run = _run(request)
    at = {"metricId": run.id, "createdUtc": _time(run.created), "step": 0}
    value = [
        {"name": name, "columns": {name: "Double"}, "value": [{**at, "data": {name: value}}]}
        for name, value in run.metrics.items()
    ]
    return Response(200, {"value": value})


def _patch(request: Request) -> Response:
    """Change a job's names and tags, or archive it, as azure-ai-ml does."""
    body, run = request.body("run_patch"), _run(request)
    changes = {name: value for name, value in body.items() if value is not None}
    job = request.state.find(run.key)
    if job:
        jobs.update(request.state, job, {**changes, "isArchived": changes.get("hidden", run.hidden)})
    return Response(200, shown(run))


_ONE = f"{WORKSPACE_SCOPE}/runs/{{run}}"
_IN_EXPERIMENT = f"{WORKSPACE_SCOPE}/experiments/{{experiment}}/runs/{{run}}"
ROUTES = (
    Route("GET", _ONE, _get, frozenset(), Plane.DATA, PREFIX),
    Route("GET", _ONE, _details, frozenset(), Plane.DATA, PREFIX, "details"),
    Route("GET", _ONE, _children, frozenset(), Plane.DATA, PREFIX, "children"),
    Route("POST", _ONE, _last_metrics, frozenset(), Plane.DATA, METRICS, "lastvalues"),
    Route("PATCH", _IN_EXPERIMENT, _patch, frozenset(), Plane.DATA, PREFIX),
)
