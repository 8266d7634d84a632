"""`traffic_metrics`: how the requests to one deployment of an online endpoint went, from Azure Monitor.

Metrics and dimensions: learn.microsoft.com, "Supported metrics for Microsoft.MachineLearningServices/workspaces/
onlineEndpoints": RequestsPerMinute by deployment and statusCode, RequestLatency_P95 by deployment; both with the
aggregation Average and a grain of one minute. The request: learn.microsoft.com/rest/api/monitor, "Metrics - List".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from handlers.azure.facts.values import number, object_of, objects
from handlers.azure.ml.workspace import AzureML

VERSION = "2023-10-01"
MINUTE = timedelta(minutes=1)

_REQUESTS, _LATENCY = "RequestsPerMinute", "RequestLatency_P95"
# What clients get if the deployment is at fault: learn.microsoft.com, "Troubleshoot online endpoints deployment and
# scoring", HTTP status codes: 408 it took too long, 424 the model answered with an error, 429 it has no capacity.
_FAILED = frozenset({"408", "424", "429"})
_MOST_SERIES = "100"

_Point: TypeAlias = tuple[str, str, float]  # a status code, a minute, and a number


@dataclass(frozen=True)
class TrafficMetrics:
    """The requests to a deployment in some minutes. They are incomplete while the last minutes have not arrived."""

    requests: float = 0
    failed: float = 0
    statuses: Mapping[str, float] = field(default_factory=dict)  # of the failed ones: how many have each status
    p95: float | None = None  # milliseconds: the mean over the minutes, by their requests; None: there is no data

    @property
    def error_rate(self) -> float:
        """The percentage of the requests that failed."""
        return 100 * self.failed / self.requests if self.requests else 0.0


def traffic_metrics(
    azureml: AzureML, endpoint: str, deployment: str, since: datetime, until: datetime
) -> TrafficMetrics:
    """The metrics of the whole minutes between two times. A value of an unexpected type counts as no data.

    `endpoint` is the ARM id. The role Monitoring Reader permits it. Raises what the methods of `AzureML` raise.
    """
    start, end = _ceiling(since), until.astimezone(UTC).replace(second=0, microsecond=0)
    if end <= start:
        return TrafficMetrics()
    quoted = deployment.replace("'", "''")  # a text in an OData filter
    query = {
        "api-version": VERSION,
        "timespan": "/".join(time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in (start, end)),
        "interval": "PT1M",
        "aggregation": "Average",
        "top": _MOST_SERIES,
    }
    path, only = f"{endpoint}/providers/Microsoft.Insights/metrics", f"deployment eq '{quoted}'"
    by_status = {"metricnames": _REQUESTS, "$filter": f"{only} and statusCode eq '*'"}
    requests = list(_points(object_of(azureml.arm.get(path, query | by_status))))
    latencies = list(_points(object_of(azureml.arm.get(path, query | {"metricnames": _LATENCY, "$filter": only}))))
    return _summed(requests, latencies)


def _summed(requests: list[_Point], latencies: list[_Point]) -> TrafficMetrics:
    counts: dict[str, float] = {}
    by_minute: dict[str, float] = {}
    for status, minute, count in requests:
        counts[status] = counts.get(status, 0) + count
        by_minute[minute] = by_minute.get(minute, 0) + count
    failed = {status: count for status, count in counts.items() if _is_failure(status) and count}
    weight = sum(by_minute.get(minute, 0) for _, minute, _ in latencies)
    weighted = sum(value * by_minute.get(minute, 0) for _, minute, value in latencies)
    return TrafficMetrics(sum(counts.values()), sum(failed.values()), failed, weighted / weight if weight else None)


def _points(body: Mapping[str, Any]) -> Iterator[_Point]:
    """Every value that is a number and not negative."""
    for metric in objects(body.get("value")):
        for series in objects(metric.get("timeseries")):
            status = _status(series)
            for point in objects(series.get("data")):
                value = number(point.get("average"))
                if value is not None and value >= 0:
                    yield status, str(point.get("timeStamp")), value


def _status(series: Mapping[str, Any]) -> str:
    """The status code of a series. The service writes names of dimensions in small letters."""
    for dimension in objects(series.get("metadatavalues")):
        if str(object_of(dimension.get("name")).get("value")).casefold() == "statuscode":
            return str(dimension.get("value"))
    return ""


def _is_failure(status: str) -> bool:
    return status in _FAILED or (len(status) == 3 and status.startswith("5"))


def _ceiling(time: datetime) -> datetime:
    """The next whole minute: the minute in which a share began has requests from before."""
    whole = time.astimezone(UTC).replace(second=0, microsecond=0)
    return whole if whole == time else whole + MINUTE
