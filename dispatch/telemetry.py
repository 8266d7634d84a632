"""Spans and metrics by OpenTelemetry's API, in a process that has configured OpenTelemetry.

Azure configures it on an app setting, or a few lines of function_app.py do (docs/operating.md); either imports the API.
Where nobody has imported it there is nothing to report to, so this module does not import it by itself, which would add
to each cold start. The attributes are those of OpenTelemetry's semantic conventions for messaging, CloudEvents and FaaS
(opentelemetry.io/docs/specs/semconv), and those of the app, which begin with ``mlevents.``.
"""

import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from schemas import Event
from schemas.events.registry import EVENT_TYPES

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

_TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")  # w3.org/TR/trace-context
_SECONDS = (1, 5, 10, 30, 60, 300, 900, 1800, 3600, 4 * 3600, 24 * 3600)  # buckets: from a mail to a roll-out
_OTHER = "_OTHER"  # the conventions' value for what has no name of its own; names from outside would be unlimited
_PROCESS = {"faas.trigger": "pubsub", "messaging.operation.type": "process"}


def checked_traceparent(value: Any) -> str:
    """The value if it is a traceparent of version 00, otherwise an empty text."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else ""


def trace_id() -> str:
    """The id of the current trace; an empty text if there is none."""
    trace = sys.modules.get("opentelemetry.trace")
    context = trace.get_current_span().get_span_context() if trace else None
    return f"{context.trace_id:032x}" if context and context.is_valid else ""


def traceparent() -> str:
    """The current span as a traceparent; an empty text if there is none."""
    if not trace_id():
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier["traceparent"]


def _context(parent: str) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent}, Context())


class Telemetry:
    """The app's spans and metrics. Without providers its methods do nothing.

    `receiving` and `acting` start a span. The other methods count, and describe the current span.
    """

    def __init__(self, tracers: "TracerProvider | None" = None, meters: "MeterProvider | None" = None) -> None:
        self._tracer = tracers.get_tracer("mlevents") if tracers else None
        self._meter = meter = meters.get_meter("mlevents") if meters else None
        if meter:
            self._events = meter.create_counter("mlevents.events", "{event}", "Events by type and result")
            self._ends = meter.create_counter("mlevents.actions", "{action}", "Actions that ended, by rule and outcome")
            self._retries = meter.create_counter("mlevents.retries", "{attempt}", "Attempts that will be repeated")
            self._seconds = meter.create_histogram(
                "mlevents.time_to_outcome",
                "s",
                "From the time of an event to the end of an action",
                explicit_bucket_boundaries_advisory=_SECONDS,
            )
            self._oldest = meter.create_gauge("mlevents.oldest_waiting", "s", "Age of the oldest action that waits")

    @classmethod
    def of_process(cls) -> Self:
        """The telemetry of this process: its providers if the API is imported, otherwise none."""
        trace, metrics = (sys.modules.get(f"opentelemetry.{name}") for name in ("trace", "metrics"))
        return cls(trace.get_tracer_provider() if trace else None, metrics.get_meter_provider() if metrics else None)

    def receiving(self) -> AbstractContextManager[object]:
        """Start the span in which an event is received."""
        if self._tracer is None:
            return nullcontext()
        from opentelemetry.trace import SpanKind

        attributes = {**_PROCESS, "messaging.operation.name": "receive", "messaging.system": "eventgrid"}
        return self._tracer.start_as_current_span("receive", kind=SpanKind.CONSUMER, attributes=attributes)

    def acting(self, rule: str, parent: str) -> AbstractContextManager[object]:
        """Start the span of a call of an action. It has a link to `parent`, the traceparent of the action's message.

        Its parent is the current span, which the host may have set, otherwise `parent`.
        """
        if self._tracer is None:
            return nullcontext()
        from opentelemetry.trace import Link, SpanKind, get_current_span

        attributes = {
            **_PROCESS,
            "messaging.operation.name": "act",
            "messaging.system": "azure_storage_queue",  # the conventions have no value for it
            "mlevents.rule": rule,
        }
        context = _context(parent) if parent else None
        links = [Link(get_current_span(context).get_span_context())] if context else None
        return self._tracer.start_as_current_span(
            f"act {rule}",
            context=None if trace_id() else context,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=links,
        )

    def received(self, event: Event, workspace: str, rules: list[str], *, new: bool) -> None:
        """Count an event that was recorded, now or before, and describe it."""
        result = "received" if new else "duplicate"
        if self._meter:
            self._events.add(1, {"mlevents.event.type": type(event).__name__, "mlevents.result": result})
        if span := self._span():
            span.update_name(f"receive {type(event).__name__}")
            span.set_attributes(_of_event(event, workspace))
            span.set_attributes({"mlevents.result": result, "mlevents.rules": rules})
            if theirs := checked_traceparent((event.model_extra or {}).get("traceparent")):
                from opentelemetry.trace import get_current_span

                span.add_link(get_current_span(_context(theirs)).get_span_context())

    def rejected(self, kind: str, event_id: str, event_type: str) -> None:
        """Count a rejected event by kind, and describe it."""
        known = {"mlevents.event.type": _known_type(event_type)}
        if self._meter:
            self._events.add(1, {**known, "mlevents.result": "rejected", "error.type": kind})
        if span := self._span():
            span.set_attributes({**known, "mlevents.result": "rejected", "messaging.message.id": event_id})
            _set_error(span, kind)

    def called(self, event: Event, workspace: str, attempt: int, details: Mapping[str, str], error: str) -> None:
        """Describe a call of an action: its event, details of its line in the log, and the type of an error."""
        if span := self._span():
            span.set_attributes(_of_event(event, workspace))
            span.set_attributes({"mlevents.attempt": attempt, **{f"mlevents.{k}": v for k, v in details.items()}})
            if error:
                _set_error(span, error)

    def retried(self, rule: str) -> None:
        """Count an attempt that failed and will be repeated."""
        if self._meter:
            self._retries.add(1, {"mlevents.rule": rule})

    def ended(self, rule: str, outcome: str, since: datetime | None, now: datetime) -> None:
        """Count the end of an action; `since` is the time of its event, None if the seconds from it mean nothing."""
        if self._meter:
            attributes = {"mlevents.rule": rule, "mlevents.outcome": outcome}
            self._ends.add(1, attributes)
            if since:
                self._seconds.record(max(0.0, (now - since).total_seconds()), attributes)

    def oldest_waiting(self, seconds: float) -> None:
        """Record the age of the oldest action that waits; zero if none waits."""
        if self._meter:
            self._oldest.set(seconds)

    def _span(self) -> "Span | None":
        """The current span, if it is one of `receiving` or `acting` that is sampled."""
        if self._tracer is None:
            return None
        from opentelemetry.trace import get_current_span

        span = get_current_span()
        return span if span.is_recording() else None


def _known_type(name: str) -> str:
    """The name of a registered event type, by its name with or without its publisher."""
    wanted = name.rpartition(".")[2].lower()
    return next((event.__name__ for event in EVENT_TYPES.values() if event.__name__.lower() == wanted), _OTHER)


def _of_event(event: Event, workspace: str) -> dict[str, str]:
    return {
        "messaging.message.id": event.id,
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.topic,
        "cloudevents.event_type": event.event_type,
        "cloudevents.event_subject": event.subject,
        "mlevents.event.type": type(event).__name__,
        "mlevents.object": event.object,
        "mlevents.workspace": workspace,
    }


def _set_error(span: "Span", kind: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
