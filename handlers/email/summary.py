"""What a mail tells of an event when the rule does not say otherwise: a headline, and rows of names and values."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from handlers.base import shorten
from handlers.email.text import one_line
from schemas import (
    Drift,
    Event,
    ModelDeployed,
    ModelDeployedData,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
    Tags,
)
from schemas.alert import Alert
from schemas.drift import BREACH_TAG

_VALUE_LIMIT = 300  # characters of a value
_ROWS_LIMIT = 25  # rows of a section

_BAD = {"failed", "notresponding", "canceled", "cancelrequested"}
_SAID = {"failed", "completed", "canceled", "queued", "paused"}  # statuses that can follow "Run x"

Row: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A table of a mail."""

    title: str
    rows: tuple[Row, ...]


def headline(event: Event) -> str:
    """What happened, in a few words; the followed rule's end comes first."""
    result = event.view().get("result")
    return f"{result['rule']} {result['status']}: {_happened(event)}" if result else _happened(event)


def is_bad_news(event: Event) -> bool:
    """Does it tell of something that somebody may have to mend?"""
    if (event.view().get("result") or {}).get("status") == "failed" or event.drift or isinstance(event, Alert):
        return True
    return isinstance(event, RunStatusChanged) and event.data.run_status.lower() in _BAD


def event_name(event: Event) -> str:
    """``RunCompleted``, of the event type that Event Grid gives it."""
    return event.event_type.rpartition(".")[2]


def sections(event: Event) -> list[Section]:
    """Everything worth telling; a section without rows is left out."""
    if isinstance(event, Alert):
        return [_section("", [("Alert", event.data.kind), *(("", line) for line in event.data.details)])]
    found = [
        _section("", [("Event", event_name(event)), *_about(event), *_where_and_when(event)]),
        _section("Followed rule", _followed(event)),
        _section("Drift", _drift(event.drift) if event.drift else ()),
        _section("Tags", _tags(event).items()),
    ]
    return [section for section in found if section.rows]


def _happened(event: Event) -> str:
    if event.drift:
        return _drift_found(event.drift)
    match event:
        case Alert(data=told):
            return told.summary
        case RunStatusChanged(data=data):
            status = data.run_status
            said = f" {status.lower()}" if status.lower() in _SAID else f": {status}"
            return f"Run {data.run_id}{said}{_experiment(data.experiment_name)}"
        case RunCompleted(data=data):
            return f"Run {data.run_id} completed{_experiment(data.experiment_name)}"
        case ModelRegistered(data=data):
            return f"Model {data.model_name}:{data.model_version} registered"
        case ModelDeployed(data=data):
            return f"{'Models' if len(data.models) > 1 else 'Model'} {_models(data)} deployed to {data.service_name}"
        case _:
            return f"{event_name(event)} {event.object}"


def _section(title: str, rows: Iterable[tuple[str, Any]]) -> Section:
    filled = [(one_line(name, 100), one_line(_text(value), _VALUE_LIMIT)) for name, value in rows if value is not None]
    kept = [row for row in filled if row[1]]
    if len(kept) > _ROWS_LIMIT:
        kept[_ROWS_LIMIT:] = [("…", f"and {len(kept) - _ROWS_LIMIT} more")]
    return Section(title, tuple(kept))


def _about(event: Event) -> Iterator[tuple[str, Any]]:
    match event:
        case RunCompleted(data=data) | RunStatusChanged(data=data):
            yield "Status", getattr(data, "run_status", None)
            yield "Run", data.run_id
            yield "Experiment", data.experiment_name
            yield "Run type", data.run_type
        case ModelRegistered(data=data):
            yield "Model", data.model_name
            yield "Version", data.model_version
        case ModelDeployed(data=data):
            yield "Endpoint", data.service_name
            yield "Compute", data.service_compute_type
            yield "Models", _models(data)


def _where_and_when(event: Event) -> Iterator[tuple[str, Any]]:
    workspace = event.view()["workspace"]
    labels = ", ".join(f"{name} {value}" for name, value in workspace["labels"].items())
    yield "Workspace", f"{workspace['name']} ({labels})" if labels else workspace["name"]
    yield "Resource group", workspace["resource_group"]
    yield "Time", f"{event.event_time:%Y-%m-%d %H:%M:%S %Z}" if event.event_time else None


def _followed(event: Event) -> Iterator[tuple[str, Any]]:
    if result := event.view().get("result"):
        yield from (("Rule", result["rule"]), ("Outcome", result["status"]), ("Summary", result["summary"]))
        yield from result["details"].items()


def _drift(drift: Drift) -> Iterator[tuple[str, Any]]:
    yield "Signal", drift.signal
    yield "Monitor", drift.monitor
    yield "Coefficient", drift.coefficient
    for violation in drift.violations:
        measured = f"{violation.metric or 'metric'} {_text(violation.value)}, threshold {_text(violation.threshold)}"
        yield violation.feature or "Feature", measured
    yield "Message", None if drift.violations else drift.message  # which lists the violations, less readably
    yield "Baseline", drift.baseline_dataset
    yield "Target", drift.target_dataset
    yield "From", f"{drift.start_time:%Y-%m-%d %H:%M %Z}" if drift.start_time else None
    yield "Until", f"{drift.end_time:%Y-%m-%d %H:%M %Z}" if drift.end_time else None


def _tags(event: Event) -> Mapping[str, Any]:
    found = (getattr(event.data, name, None) for name in ("run_tags", "model_tags", "service_tags"))
    tags = next((tags for tags in found if isinstance(tags, Tags)), Tags())
    return {name: value for name, value in tags.items() if name.lower() != BREACH_TAG}  # told under Drift


def _drift_found(drift: Drift) -> str:
    features = ", ".join(violation.feature for violation in drift.violations if violation.feature)
    what = f" of {shorten(features, 80)}" if features else ""
    size = f" (coefficient {drift.coefficient:.3g})" if drift.coefficient is not None else ""
    return f"Drift{what} found by {drift.signal or drift.monitor or 'a monitor'}{size}"


def _models(data: ModelDeployedData) -> str:
    return ", ".join(":".join(filter(None, model)) for model in data.models)


def _experiment(name: str | None) -> str:
    return f" (experiment {name})" if name else ""


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
