"""The parts of a message about drift."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from handlers.base import shorten
from schemas import Drift

_VIOLATIONS = 10  # that a message lists


def drift_headline(drift: Drift) -> str:
    """Which features drifted, and who found that."""
    features = ", ".join(violation.feature for violation in drift.violations if violation.feature)
    what = f" of {shorten(features, 80)}" if features else ""
    size = f" (coefficient {drift.coefficient:.3g})" if drift.coefficient is not None else ""
    return f"Drift{what} found by {drift.signal or drift.monitor or 'a monitor'}{size}"


def drift_lines(drift: Drift, zone: tzinfo) -> Iterator[str]:
    """The measured values beside their thresholds; without any, the message; and the time span of the data."""
    for violation in drift.violations[:_VIOLATIONS]:
        measured = (
            f"{violation.metric or 'metric'} {_number(violation.value)}, threshold {_number(violation.threshold)}"
        )
        yield f"{violation.feature or 'Feature'}: {measured}"
    if (more := len(drift.violations) - _VIOLATIONS) > 0:
        yield f"and {more} more"
    if drift.message and not drift.violations:  # the message repeats the violations
        yield drift.message
    if drift.start_time and drift.end_time:
        yield f"In the data from {_time(drift.start_time, zone)} to {_time(drift.end_time, zone)}"


def drift_rows(drift: Drift) -> Iterator[tuple[str, Any]]:
    """What else is known."""
    yield "Signal", drift.signal
    yield "Monitor", drift.monitor
    yield "Baseline", drift.baseline_dataset
    yield "Target", drift.target_dataset


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value}"


def _time(value: datetime, zone: tzinfo) -> str:
    return f"{value.astimezone(zone):%Y-%m-%d %H:%M %Z}"
