"""A receiver of OpenTelemetry's protocol (OTLP over HTTP) that keeps the spans and metrics it gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from dispatch.telemetry import Telemetry
from mlevents.testing import Answer, RecordingServer, Request

NEVER = 2_000_000_000  # milliseconds


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it was received; ids are in hexadecimal digits."""

    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]  # the ids of other spans
    failed: bool
    attributes: dict[str, Any]
    seconds: float  # how long it took


@dataclass
class Receiver:
    """What was received, in order."""

    url: str = ""
    spans: list[ReceivedSpan] = field(default_factory=list)
    metrics: dict[str, dict[tuple[tuple[str, Any], ...], Any]] = field(default_factory=dict)

    def take(self, path: str, body: bytes) -> None:
        """Decode the body of a request."""
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans += [_span(span) for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in metrics.scope_metrics:
                    self.metrics |= {metric.name: _points(metric) for metric in scope.metrics}

    @contextmanager
    def telemetry(self) -> Iterator[Telemetry]:
        """The app's telemetry, sent here: spans as they end, metrics at the end of the ``with`` block."""
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{self.url}/v1/traces")))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{self.url}/v1/metrics"), NEVER)
        meters = MeterProvider([reader], shutdown_on_exit=False)
        try:
            yield Telemetry(tracers, meters)
        finally:
            meters.shutdown()
            tracers.shutdown()


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()

    def taken(request: Request) -> Answer:
        receiver.take(request.path, request.body)
        return Answer()

    with RecordingServer(taken) as server:
        receiver.url = server.url("")
        yield receiver


def tree(spans: list[ReceivedSpan], parent: str = "", indent: str = "") -> list[str]:
    """A line for each span, as docs/operating.md shows them; below each its children, in the order of their ends."""
    lines = []
    children = [span for span in spans if span.parent == parent]
    for span in children:
        last = span is children[-1]
        branch, below = ("", "") if not parent else ("└── ", "    ") if last else ("├── ", "│   ")
        of = span.attributes
        facts = [of.get("mlevents.status"), of.get("error.type"), of.get("mlevents.note")]
        text = ", ".join(str(fact) for fact in facts if fact) or of["mlevents.result"]
        lines += [f"{indent}{branch}{span.name}".ljust(26) + text, *tree(spans, span.id, indent + below)]
    return lines


def _span(span: Any) -> ReceivedSpan:
    links = tuple(link.span_id.hex() for link in span.links)
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    return ReceivedSpan(span.name, *ids, links, span.status.code == 2, dict(map(_attribute, span.attributes)), seconds)


def _points(metric: Any) -> dict[tuple[tuple[str, Any], ...], Any]:
    """The values of a metric by attributes; of a histogram, its sum."""
    kind = metric.WhichOneof("data")
    points = getattr(metric, kind).data_points
    return {
        tuple(sorted(map(_attribute, point.attributes))): point.sum
        if kind == "histogram"
        else getattr(point, point.WhichOneof("value"))
        for point in points
    }


def _attribute(pair: KeyValue) -> tuple[str, Any]:
    return pair.key, _value(pair.value)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return [_value(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, str(kind))
