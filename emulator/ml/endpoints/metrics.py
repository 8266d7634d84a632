"""Azure Monitor's metrics of online endpoints: the planned requests to their deployments, minute by minute.

learn.microsoft.com/rest/api/monitor, "Metrics - List", and "Supported metrics for Microsoft.MachineLearningServices/
workspaces/onlineEndpoints". A deployment without a plan has no series, like one without requests.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Route
from emulator.ml.endpoints.online import KIND
from emulator.state.fault_plan import Requests
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.state import Body

VERSIONS = frozenset({"2018-01-01", "2019-07-01", "2021-05-01", "2023-10-01", "2024-02-01"})
_FILTER = re.compile(r"deployment eq '([^']+)'(?: and statusCode eq '(\*)')?", re.IGNORECASE)
_DIMENSIONS = {"RequestsPerMinute": True, "RequestLatency_P95": False}  # has it the dimension statusCode?


def _list(request: Request) -> Response:
    request.state.require(request.id.partition("/providers/Microsoft.Insights")[0])
    metric, wanted = request.query.get("metricnames", ""), _FILTER.fullmatch(request.query.get("$filter", ""))
    if metric not in _DIMENSIONS or not wanted or (wanted[2] and not _DIMENSIONS[metric]):
        raise ErrorResponse(400, "BadRequest", f"The metric {metric!r} or the filter is not valid.")
    plan = request.state.plan.requests_of(request.params["endpoint"], wanted[1])
    minutes = list(_minutes(request))
    series = [_series(wanted[1], code, value, minutes) for code, value in _values(metric, plan)] if plan else []
    name = {"value": metric, "localizedValue": metric}
    value = {"name": name, "unit": "Count", "timeseries": series, "errorCode": "Success"}
    return Response(200, {"value": [value], "interval": "PT1M", "timespan": request.query["timespan"]})


def _values(metric: str, plan: Requests) -> Iterator[tuple[str, float]]:
    """The status code of each series, and its value in each minute."""
    if not _DIMENSIONS[metric]:
        yield "", plan.p95
        return
    yield "200", plan.per_minute - plan.failed
    if plan.failed:
        yield str(plan.status), plan.failed


def _minutes(request: Request) -> Iterator[str]:
    """The whole minutes in the timespan that are over."""
    start, end = (datetime.fromisoformat(text) for text in request.query.get("timespan", "").split("/"))
    while start + timedelta(minutes=1) <= min(end, request.state.clock()):
        yield start.isoformat().replace("+00:00", "Z")
        start += timedelta(minutes=1)


def _series(deployment: str, code: str, value: float, minutes: list[str]) -> Body:
    dimensions = {"deployment": deployment, **({"statuscode": code} if code else {})}
    return {
        "metadatavalues": [
            {"name": {"value": name, "localizedValue": name}, "value": text} for name, text in dimensions.items()
        ],
        "data": [{"timeStamp": minute, "average": value} for minute in minutes],
    }


ROUTES = (
    Route(
        "GET",
        f"{WORKSPACE_SCOPE}/{KIND}/{{endpoint}}",
        _list,
        VERSIONS,
        action="providers/Microsoft.Insights/metrics",
    ),
)
