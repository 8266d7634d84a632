"""The payloads in Microsoft's documentation, and the event types in its SDK."""

import json
from pathlib import Path

import pytest
from azure.eventgrid import SystemEventNames

from schemas import (
    EVENT_TYPES,
    DatasetDriftDetected,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
    parse_event,
)

PAYLOADS = sorted((Path(__file__).parent.parent / "payloads").glob("docs_*.json"))


def documented(event_class: type[Event], envelope: str = "eventgrid") -> Event:
    path = next(path for path in PAYLOADS if path.stem == f"docs_{envelope}_{event_class.__name__}")
    return parse_event(path.read_bytes())


def test_the_event_types_are_those_of_the_sdk() -> None:
    """azure-eventgrid names the same event types of Azure ML, and no others; the app takes two of storage accounts."""
    ours = {name for name, cls in EVENT_TYPES.items() if cls.from_azure}
    theirs = {name.value for name in SystemEventNames}
    of_azureml = {name for name in theirs if name.startswith("Microsoft.MachineLearningServices.")}
    assert ours == of_azureml | {"Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"}
    assert ours <= theirs


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_documented_payloads_are_read_and_printed(path: Path) -> None:
    """All event types in both envelopes; `wire` keeps every field, in camelCase."""
    event = parse_event(path.read_bytes())
    assert type(event).__name__ in path.stem
    assert parse_event(event.wire()) == event
    raw, wire = json.loads(path.read_text())[0], event.wire()
    assert {name.lower() for name in wire["data"]} == {name.lower() for name in raw["data"]}
    assert all(name[0].islower() for name in [*wire, *wire["data"]])
    assert not event.model_extra
    assert not event.data.model_extra


def test_there_are_ten_documented_payloads() -> None:
    """Five types in two envelopes."""
    assert len(PAYLOADS) == 10


DOCUMENTED = [RunCompleted, RunStatusChanged, ModelRegistered, ModelDeployed, DatasetDriftDetected]


@pytest.mark.parametrize("event_class", DOCUMENTED)
def test_both_envelopes_contain_the_same_event(event_class: type[Event]) -> None:
    """Only the versions are missing from CloudEvents."""
    in_event_grid, in_cloud_events = documented(event_class), documented(event_class, "cloudevents")
    versions = {"data_version", "metadata_version"}
    assert in_event_grid.model_dump(exclude=versions) == in_cloud_events.model_dump(exclude=versions)
    assert (in_event_grid.data_version, in_event_grid.metadata_version) == ("", "1")
    assert (in_cloud_events.data_version, in_cloud_events.metadata_version) == ("", "")


def test_fields_of_a_documented_run_are_typed() -> None:
    """The null run type is None; the status keeps its spelling."""
    event = documented(RunStatusChanged)
    assert isinstance(event, RunStatusChanged)
    assert event.data.run_id == event.object == "AutoML_ad912b2d-6467-4f32-a616-dbe4af6dd8fc_5"
    assert event.data.experiment_name == "automl-local-regression"
    assert event.data.run_type is None
    assert event.data.run_status == "failed"
    assert event.data.run_tags == {}
    assert event.data.run_properties["iteration"] == "5"
    assert event.event_time is not None
    assert event.event_time.isoformat() == "2017-06-26T18:41:00.958410+00:00"
    completed = documented(RunCompleted)
    assert isinstance(completed, RunCompleted)
    assert completed.data.run_properties == event.data.run_properties


def test_fields_of_a_documented_model_are_typed() -> None:
    """The integer version becomes a text."""
    event = documented(ModelRegistered)
    assert isinstance(event, ModelRegistered)
    assert (event.data.model_name, event.data.model_version) == ("sklearn_regression_model", "20")
    assert event.data.model_tags["area"] == "diabetes"
    assert event.data.model_properties == {"type": "test"}
    assert event.object == "sklearn_regression_model"


def test_fields_of_a_documented_deployment_are_typed() -> None:
    """The models are split into names and versions."""
    event = documented(ModelDeployed)
    assert isinstance(event, ModelDeployed)
    assert event.object == event.data.service_name == "my-sklearn-service"
    assert event.data.service_compute_type == "ACI"
    assert event.data.models == (("sklearn_regression_model", "1"), ("sklearn_regression_model", "2"))


def test_fields_of_a_documented_drift_are_typed() -> None:
    """The coefficient is a float, the times are datetimes."""
    event = documented(DatasetDriftDetected)
    assert isinstance(event, DatasetDriftDetected)
    assert event.object == event.data.data_drift_name == "myDriftMonitor"
    assert event.data.drift_coefficient == pytest.approx(0.83503490684792081)
    assert str(event.data.start_time) == "2019-07-04 00:00:00+00:00"
    assert str(event.data.end_time) == "2019-07-05 00:00:00+00:00"
