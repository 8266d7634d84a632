"""Write docs/events.md, the fields of every event type, from the models and examples in `schemas`.

``.venv/bin/python -m samples.generate`` writes it with the samples, and tests/schemas/test_samples.py fails if the page
differs from what this module would write.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from schemas import EVENT_TYPES, Event, EventData, RunStatusChanged
from schemas.events.registry import DRIFT_DETECTED, EVENT_NAMES
from schemas.examples import MODEL_MONITOR_BREACH
from schemas.fields import ModelIds, Number, OptionalText, OptionalVersion, RequiredText, Text, Time, Version
from schemas.tags import Tags

PAGE = Path(__file__).parents[1] / "docs" / "events.md"
SHORTENED = 64  # characters of an example in a table
_KINDS: tuple[tuple[Any, str], ...] = (  # of schemas/fields.py
    (RequiredText, "text"),
    (OptionalText, "text or null"),
    (Text, "text"),
    (Version, "text"),
    (OptionalVersion, "text"),
    (ModelIds, "text"),
    (Time, "time or null"),
    (Number, "number or null"),
)
_BY_VALIDATOR = {
    next(each for each in get_args(alias) if isinstance(each, BeforeValidator)).func: kind for alias, kind in _KINDS
}
_INTRODUCTION = """\
# Events

The fields of each event type, with the values of its sample. `python -m samples.generate` writes this page from
schemas/events. [Conditions](rules.md#when) and [templates](rules.md#do-and-with) name a field by its key, in any case;
`data.runTags.team` is the tag `team`. Fields that the service adds one day are kept, and have keys as well.

A *text or null* can also be missing. *Texts by name* are tags and properties. Azure ML writes their values as texts,
and their names with the first letter in lower case: the tag `BuildId` arrives as `buildId`. The case of names does not
matter.
"""
_ENVELOPE = """\
## Envelope

Every event has these fields. An event in the CloudEvents schema has the same keys here: `source` becomes `topic`,
`type` becomes `eventType`, and `time` becomes `eventTime`.
"""
_ADDED = """\
## Keys that the app adds

These are no fields of the event, and exist for each type. `result` exists in rules with [`after`](rules.md#after).
The keys under `workspace.labels` are those of rules/workspaces.yaml.
"""
_STATUSES = """\
## Statuses of a run

`data.runStatus` has one of these values. The service writes some of them in lower case; conditions ignore case.

| status | meaning |
|---|---|
| `NotStarted`, `Starting`, `Provisioning`, `Preparing`, `Queued` | before the run |
| `Running` | the run |
| `Finalizing` | after the run: its outputs are collected |
| `CancelRequested` | somebody has canceled it |
| `Completed`, `Failed`, `Canceled` | the end |
| `NotResponding` | the run has sent no heartbeat; it may respond again |
| `Paused`, `Pausing`, `Unapproved`, `Unknown` | at any time |

[`latest_only`](rules.md#latest_only) takes statuses in this order, row by row. The three at the end are equal, and so
are `Running`, `NotResponding` and those of the last row. The list is that of Microsoft's SDKs; the schema of the event
allows any text.

`RunCompleted` and `RunStatusChanged` with `Completed` are raised for the same end: let a rule act on one of them.

## Types of runs

`data.runType` tells a pipeline from its steps. Microsoft publishes no list. These are in recorded events and in
Microsoft's SDKs:

| type | what |
|---|---|
| `azureml.PipelineRun` | a pipeline |
| `azureml.StepRun`, `azureml.ReusedStepRun` | a step of a pipeline, or one whose earlier result is reused |
| `azureml.scriptrun` | a command job |
| `azureml.batchrun` | a run behind a batch endpoint |
| `automl`, `hyperdrive`, `reinforcementlearning` | an AutoML job, a sweep, reinforcement learning |
| `experiment` | another run |
| null | in both examples of Microsoft's documentation |

A pipeline raises events of its own, and each of its steps does, too. So a rule without
`data.runType StringIn azureml.PipelineRun` acts once for each step as well.
"""
_DRIFT = """\
## Drift

A model monitor has no event type. When a signal violates its threshold, a step of the monitor's pipeline ends with the
tag `azureml_modelmonitor_threshold_breached`, and `RunStatusChanged` carries it. Keys under `drift` read the tag;
[pipeline](handlers/pipeline.md#when-data-drifts-retrain) explains them.
"""
_BREACHES = """\
**One breach raises several events.** Each of the monitor's signals has a step of its own, and so an event of its own.
The step's status changes several times, and every event after the tag was set carries it: a rule on `DriftDetected`
would act on each. The step and the monitor's pipeline can end as `Failed`, so a rule on failed runs acts, too. Hence:

* Limit the rule: `at_most: { count: 1, every: 1d, by: drift.monitor }` acts once a day for each signal.
* To count all signals of a workspace together, leave out `by`.
* Keep the monitor out of rules on failed runs: [one mail for one drift](handlers/pipeline.md#one-mail-for-one-drift).
"""


def reference() -> str:
    """The page."""
    breach = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    parts = [_INTRODUCTION, _ENVELOPE, _table(_envelope_rows(RunStatusChanged))]
    for event_class in EVENT_TYPES.values():
        parts += [_heading(event_class), _table(_data_rows(event_class))]
    parts += [_ADDED, _table(_added_rows(RunStatusChanged.example()))]
    parts += [_STATUSES, _DRIFT, _table(_rows(_flat(breach.view()["drift"], "drift."))), _BREACHES]
    return "\n".join(parts)


def _heading(event_class: type[Event]) -> str:
    about = (event_class.__doc__ or "").partition("\n")[0]
    lines = [f"## {event_class.__name__}", "", about]
    if event_class.example_subject:
        lines += [
            "",
            f"Its subject is `{event_class.example_subject}`, and `object` is `{event_class.example().object}`.",
        ]
    if event_class in EVENT_NAMES[DRIFT_DETECTED]:
        lines += ["", f"`on: {DRIFT_DETECTED}` includes it, if it reports [drift](#drift)."]
    return "\n".join([*lines, ""])


def _envelope_rows(event_class: type[Event]) -> Iterator[tuple[str, str, Any]]:
    wire = event_class.example().wire()
    for name, field in event_class.model_fields.items():
        key = field.alias or name
        if key != "data":
            yield key, _kind(field), wire[key]


def _data_rows(event_class: type[Event]) -> Iterator[tuple[str, str, Any]]:
    data_class = cast("type[EventData]", event_class.model_fields["data"].annotation)
    data = event_class.example().wire()["data"]
    for name, field in data_class.model_fields.items():
        key = field.alias or name
        yield f"data.{key}", _kind(field), data.get(key)
    known = {field.alias or name for name, field in data_class.model_fields.items()}
    yield from _rows((f"data.{key}", value) for key, value in data.items() if key not in known)


def _added_rows(event: Event) -> Iterator[tuple[str, str, Any]]:
    view = event.view_with({"name": "churn-prod", "labels": {"env": "prod"}}, None)
    added = {key: value for key, value in view.items() if key not in event.wire() and key != "drift"}
    yield from _rows(_flat(added))


def _rows(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    for key, value in pairs:
        kind = "number" if isinstance(value, int | float) else "list" if isinstance(value, list) else "text"
        yield key, "text or null" if value is None else kind, value


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _kind(field: FieldInfo) -> str:
    """What the field holds, in words: by its validator, or else by its class."""
    if field.annotation is Tags:
        return "texts by name"
    kinds = (_BY_VALIDATOR.get(each.func) for each in field.metadata if isinstance(each, BeforeValidator))
    other = "text" if field.annotation is str else getattr(field.annotation, "__name__", str(field.annotation))
    return next((kind for kind in kinds if kind), other)


def _table(rows: Iterable[tuple[str, str, Any]]) -> str:
    lines = [f"| `{key}` | {kind} | {_shown(value)} |" for key, kind, value in rows]
    return "\n".join(["| key | holds | example |", "|---|---|---|", *lines, ""])


def _shown(value: Any) -> str:
    """The value as code of one line, which a table can hold; empty if there is none."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"`{name}`: {_shown(inner)}" for name, inner in list(value.items())[:2])
    text = " ".join((value if isinstance(value, str) else json.dumps(value)).split())
    short = text if len(text) <= SHORTENED else f"{text[:SHORTENED]}…"
    return f"`{short}`".replace("|", "\\|")
