"""Measure what spans and metrics add to an event and its action: `python -m benchmarks.telemetry`.

It prints CPU time of one thread, and the ratio to receiving an event and carrying out its action on Azurite: first in a
process that has not imported OpenTelemetry, as most apps are, then with its API, then with its SDK.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from benchmarks.measure import print_ratios, side_by_side
from benchmarks.race import app_run, whole_app
from dispatch.app import App
from dispatch.log import with_trace
from dispatch.telemetry import Telemetry, traceparent
from emulator.background import Background
from mlevents.local.azurite import Azurite
from schemas import RunStatusChanged

BASELINE = "receive and act"
ROUNDS = 200


def main() -> None:
    """Print two tables: without OpenTelemetry, and with it."""
    with Background() as background, TemporaryDirectory() as folder, azurite(background) as storage:
        app, sent = whole_app(storage.connection_string, uuid4().hex[:12], Path(folder))
        if "opentelemetry.trace" in sys.modules:
            raise SystemExit("something has imported OpenTelemetry: this would not measure an app without it")
        without = Calls(app)
        steps = {BASELINE: lambda: app_run(app, sent), "its calls of dispatch.telemetry": without.run}
        print_ratios("Without OpenTelemetry", side_by_side(steps, calls=1, rounds=ROUNDS), BASELINE)
        api, sdk = (replace(app, telemetry=telemetry) for telemetry in (with_api(), with_sdk()))
        steps = {
            BASELINE: lambda: app_run(app, sent),
            "receive and act, with the API alone": lambda: app_run(api, sent),
            "receive and act, with the SDK": lambda: app_run(sdk, sent),
        }
        print_ratios("With OpenTelemetry", side_by_side(steps, calls=1, rounds=ROUNDS), BASELINE)


class Calls:
    """The calls of dispatch.telemetry when one event is received and its action succeeds."""

    def __init__(self, app: App) -> None:
        self.telemetry, self.event = app.telemetry, RunStatusChanged.example()
        self.details = {"handler": "log", "status": "succeeded", "note": ""}

    def run(self) -> None:
        """Make them, with those of the log."""
        telemetry, event = self.telemetry, self.event
        with telemetry.receiving():
            telemetry.received(event, "churn-prod", ["log-it"], new=True)
            with_trace({})
            traceparent()
        with telemetry.acting("log-it", ""):
            with_trace({})
            telemetry.called(event, "churn-prod", 1, self.details, "")
            telemetry.ended("log-it", "succeeded", event.event_time, datetime.now(UTC))
            traceparent()


def with_api() -> Telemetry:
    """Telemetry as the app has it if OpenTelemetry's API is imported, but nothing is configured."""
    from opentelemetry import metrics, trace

    return Telemetry(trace.get_tracer_provider(), metrics.get_meter_provider())


def with_sdk() -> Telemetry:
    """Telemetry whose spans are handed to an exporter that drops them, in a thread of its own."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Dropped(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Dropped()))
    return Telemetry(tracers, MeterProvider())


@contextmanager
def azurite(background: Background) -> Iterator[Azurite]:
    """Azurite, for the length of a ``with`` block."""
    storage = background.run(Azurite.start())
    try:
        yield storage
    finally:
        background.run(storage.stop())


if __name__ == "__main__":
    main()
