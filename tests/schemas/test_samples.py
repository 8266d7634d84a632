"""Examples of events, and the samples that are generated from them."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samples.generate import FOLDER, samples
from samples.reference import PAGE, reference
from schemas import (
    EVENT_TYPES,
    DatasetDriftDetected,
    Event,
    EventData,
    MalformedEvent,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
    parse_event,
)
from schemas.events.run import RUN_STATUSES, RunData, status_rank
from schemas.examples import MODEL_MONITOR_BREACH

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", sorted(samples()))
def test_samples_match_their_examples(name: str) -> None:
    """To fix a failure, run .venv/bin/python -m samples.generate."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert text == samples()[name]
    assert parse_event(text).wire() == json.loads(text)[0]


def test_the_page_of_events_is_written_from_the_schemas() -> None:
    """To fix a failure, run .venv/bin/python -m samples.generate."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_the_page_of_events_has_every_field_with_its_value() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for event_class in EVENT_TYPES.values():
        section = page.partition(f"\n## {event_class.__name__}\n")[2].partition("\n## ")[0]
        for name, value in event_class.example().wire()["data"].items():
            [row] = re.findall(rf"^\| `data\.{name}` \| .*$", section, re.MULTILINE)
            assert str(next(iter(value.values()), "")) in row if isinstance(value, dict) else str(value)[:60] in row
    assert "| `data.runTags` | texts by name | `team`: `churn`, `stage`: `production` |" in page
    assert "| `data.driftCoefficient` | number or null | `0.4271` |" in page


def test_the_page_of_events_lists_statuses_in_their_order() -> None:
    """As `latest_only` compares them."""
    page = PAGE.read_text(encoding="utf-8")
    [table] = re.findall(r"^\| status \| meaning \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    statuses = re.findall(r"`(\w+)`", table)
    ranks = [status_rank(status) for status in statuses]
    equal = {"NotResponding", "Paused", "Pausing", "Unapproved", "Unknown"}
    assert set(statuses) == set(RUN_STATUSES)
    assert {status_rank(status) for status in equal} == {status_rank("Running")}
    ordered = [rank for status, rank in zip(statuses, ranks, strict=True) if status not in equal]
    assert ordered == sorted(ordered)


def test_the_page_of_events_lists_the_types_of_runs() -> None:
    """Those with which rules are checked."""
    page = PAGE.read_text(encoding="utf-8")
    [table] = re.findall(r"^\| type \| what \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    cells = " ".join(row.split("|")[1] for row in table.splitlines())
    assert set(re.findall(r"`([\w.]+)`", cells)) == set(RunData.known_texts["runType"])


def test_each_type_has_a_sample_and_so_has_a_breach() -> None:
    """There are no other samples of events."""
    paths = [path for path in FOLDER.glob("*.json") if path.name != "churn-request.json"]  # a request for smoke tests
    assert {path.name for path in paths} == set(samples())
    events = [parse_event(path.read_bytes()) for path in paths]
    assert {type(event) for event in events} == set(EVENT_TYPES.values())
    assert [type(event) for event in events if event.drift].count(RunStatusChanged) == 1


@pytest.mark.parametrize("event_class", EVENT_TYPES.values())
def test_examples_have_every_field_and_parse_to_themselves(event_class: type[Event]) -> None:
    """No two examples share an id."""
    event = event_class.example()
    assert type(event) is event_class
    assert set(event.wire()) == set(event_class.wire_names())
    assert set(event.wire()["data"]) >= {
        info.alias for info in type(event.data).model_fields.values() if info.is_required()
    }
    assert parse_event(event.wire()) == event
    assert len({cls.example().id for cls in EVENT_TYPES.values()}) == len(EVENT_TYPES)


def test_examples_come_from_the_resources_of_the_example_settings() -> None:
    """The example rules list the workspace and the storage account."""
    settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    listed = {settings["RULES_WS_CHURN_PROD"], settings["RULES_STORAGE_CHURN"]}
    assert {event.example().topic for event in EVENT_TYPES.values() if event.from_azure} == listed


def test_example_changes_fields_by_either_spelling() -> None:
    """Fields of the envelope and fields of the data."""
    event = RunStatusChanged.example(id="e1", run_status="Completed", runTags={"Team": "x"}, event_time=None)
    assert (event.id, event.data.run_status, event.data.run_tags, event.event_time) == (
        "e1",
        "Completed",
        {"Team": "x"},
        None,
    )
    assert event.data.run_id == RunStatusChanged.example().data.run_id
    assert ModelRegistered.example(modelVersion=8).data.model_version == "8"
    at = datetime(2026, 11, 1, tzinfo=UTC)
    assert ModelDeployed.example(eventTime=at).event_time == at


def test_example_replaces_the_data_as_a_whole() -> None:
    """With plain data in any spelling, which may have unknown fields, or with the data of another event."""
    data: dict[str, Any] = {"RunId": "r1", "runStatus": "Failed", "createdBy": "x"}
    event = RunStatusChanged.example(data=data, experiment_name="churn")
    assert event.wire()["data"] == {"runId": "r1", "runStatus": "Failed", "createdBy": "x", "experimentName": "churn"}
    assert RunStatusChanged.example(data=event.data, run_status="Running").data.run_id == "r1"


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (RunCompleted.example(experiment_id="e", run_id="r"), "experiments/e/runs/r"),
        (ModelRegistered.example(model_name="m", model_version=1), "models/m:1"),
        (ModelDeployed.example(service_name="s"), "endpoints/s"),
        (DatasetDriftDetected.example(data_drift_id="d", run_id="r"), "datadrift/d/run/r"),
        (RunCompleted.example(run_id="r", subject="x"), "x"),
        (RunCompleted.example(data={"runId": "r"}), ""),
    ],
)
def test_example_derives_the_subject_from_the_data(event: Event, subject: str) -> None:
    """A given subject is kept; without the ids in the data, the subject is empty."""
    assert event.subject == subject


def test_example_refuses_unknown_fields() -> None:
    """The error lists the fields."""
    with pytest.raises(TypeError, match=r"RunCompleted has no runStatus, owner; it has id, topic, .*, runProperties$"):
        RunCompleted.example(runStatus="Failed", owner="x")
    with pytest.raises(TypeError, match="no event_type"):
        RunCompleted.example(event_type="x")


@pytest.mark.parametrize("changes", [{"run_id": ""}, {"data": None}, {"data": "x"}, {"data": {}}, {"topic": "x"}])
def test_example_refuses_invalid_values(changes: dict[str, Any]) -> None:
    """As `parse_event` would."""
    with pytest.raises(MalformedEvent):
        RunCompleted.example(**changes)


def test_the_base_class_has_no_example() -> None:
    """Every event has a type."""
    with pytest.raises(TypeError, match="Event has no example"):
        Event.example()


def test_the_breach_is_an_example_of_a_status_change() -> None:
    """MODEL_MONITOR_BREACH leaves the other fields of the example unchanged."""
    event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    assert event.data.run_status == "Failed"
    assert event.topic == RunStatusChanged.example().topic
    assert isinstance(event.data, EventData)


@pytest.mark.services
def test_schemas_imports_neither_azure_nor_jinja2_nor_the_app() -> None:
    """It needs no samples and no current folder either."""
    code = "import schemas, sys; schemas.RunCompleted.example(); print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert not set(result.stdout.split()) & {"azure", "jinja2", "dispatch", "handlers", "mlevents", "samples", "yaml"}
