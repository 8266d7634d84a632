"""The default content of a mail about an event: a headline, and tables of names and values."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from handlers.base import shorten
from handlers.email.text import one_line
from schemas import Drift, Event
from schemas.alert import Alert
from schemas.drift import BREACH_TAG, Violation

_VALUE_LIMIT = 300  # characters of a value
_ROWS_LIMIT = 25  # rows of a section

Row: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A table in a mail, with its title."""

    title: str
    rows: tuple[Row, ...]


def headline(event: Event) -> str:
    """What happened, in a few words. In a rule with ``after``, it begins with how the followed rule ended."""
    result = event.added("result")
    return f"{result['rule']} {result['status']}: {_event_headline(event)}" if result else _event_headline(event)


def is_bad_news(event: Event) -> bool:
    """Does the event, or the result of the followed rule, report a failure or drift?"""
    return event.is_bad_news or (event.added("result") or {}).get("status") == "failed"


def event_name(event: Event) -> str:
    """The event type without its namespace: ``RunCompleted``."""
    return event.event_type.rpartition(".")[2]


def sections(event: Event) -> list[Section]:
    """The tables for an event, without the empty ones."""
    if isinstance(event, Alert):
        return [_section("", event.rows)]
    found = [
        _section("", [("Event", event_name(event)), *event.rows, *_workspace_and_time(event)]),
        _section("Followed rule", _followed_rule(event)),
        _section("Drift", _drift(event.drift) if event.drift else ()),
        _section("Tags", _tags(event).items()),
    ]
    return [section for section in found if section.rows]


def _event_headline(event: Event) -> str:
    return _drift_headline(event.drift) if event.drift else event.headline


def _section(title: str, rows: Iterable[tuple[str, Any]]) -> Section:
    kept: list[Row] = []
    more = 0
    for name, value in rows:
        if value is None or value == "":
            continue
        if len(kept) >= _ROWS_LIMIT:
            more += 1  # an event can have 100,000 rows: format only those that are shown
        elif text := one_line(_text(value), _VALUE_LIMIT):
            kept.append((one_line(name, 100), text))
    return Section(title, (*kept, ("…", f"and {more} more")) if more else tuple(kept))


def _workspace_and_time(event: Event) -> Iterator[tuple[str, Any]]:
    workspace = event.added("workspace")
    labels = ", ".join(f"{name} {value}" for name, value in workspace["labels"].items())
    yield "Workspace", f"{workspace['name']} ({labels})" if labels else workspace["name"]
    yield "Resource group", workspace["resource_group"]
    yield "Time", f"{event.event_time:%Y-%m-%d %H:%M:%S %Z}" if event.event_time else None


def _followed_rule(event: Event) -> Iterator[tuple[str, Any]]:
    if result := event.added("result"):
        yield from (("Rule", result["rule"]), ("Outcome", result["status"]), ("Summary", result["summary"]))
        yield from result["details"].items()


def _drift(drift: Drift) -> Iterator[tuple[str, Any]]:
    yield "Signal", drift.signal
    yield "Monitor", drift.monitor
    yield "Coefficient", drift.coefficient
    for violation in drift.violations:
        yield violation.feature or "Feature", violation
    yield "Message", None if drift.violations else drift.message  # the message repeats the violations
    yield "Baseline", drift.baseline_dataset
    yield "Target", drift.target_dataset
    yield "From", f"{drift.start_time:%Y-%m-%d %H:%M %Z}" if drift.start_time else None
    yield "Until", f"{drift.end_time:%Y-%m-%d %H:%M %Z}" if drift.end_time else None


def _tags(event: Event) -> Mapping[str, Any]:
    """The object's tags, except the drift message, which the section Drift has."""
    return {name: value for name, value in event.tags.items() if name.lower() != BREACH_TAG}


def _drift_headline(drift: Drift) -> str:
    features = ", ".join(violation.feature for violation in drift.violations if violation.feature)
    what = f" of {shorten(features, 80)}" if features else ""
    size = f" (coefficient {drift.coefficient:.3g})" if drift.coefficient is not None else ""
    return f"Drift{what} found by {drift.signal or drift.monitor or 'a monitor'}{size}"


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, Violation):
        return f"{value.metric or 'metric'} {_text(value.value)}, threshold {_text(value.threshold)}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
