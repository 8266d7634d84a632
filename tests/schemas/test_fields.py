"""The values that fields accept, and the types to which they convert them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas import (
    DatasetDriftDetected,
    MalformedEvent,
    ModelDeployed,
    ModelRegistered,
    ModelVersion,
    RunStatusChanged,
    parse_event,
)
from tests.kit.payloads import DRIFT, MODEL, RUN, SERVICE, event_grid

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def run(**data: Any) -> RunStatusChanged:
    event = parse_event(event_grid(data={**RUN, **data}))
    assert isinstance(event, RunStatusChanged)
    return event


def drift(**data: Any) -> DatasetDriftDetected:
    event = parse_event(event_grid("DatasetDriftDetected", {**DRIFT, **data}))
    assert isinstance(event, DatasetDriftDetected)
    return event


@pytest.mark.parametrize(
    ("text", "time", "printed"),
    [
        ("2026-11-22T12:00:00Z", NOON, "2026-11-22T12:00:00Z"),
        ("2026-11-22T12:00:00.1234567Z", NOON.replace(microsecond=123456), "2026-11-22T12:00:00.123456Z"),
        ("2026-11-22T12:00:00.123456789+00:00", NOON.replace(microsecond=123456), "2026-11-22T12:00:00.123456Z"),
        ("2026-11-22T12:00:00.467191+00:00", NOON.replace(microsecond=467191), "2026-11-22T12:00:00.467191Z"),
        ("2026-11-22T12:00:00.5+00:00", NOON.replace(microsecond=500000), "2026-11-22T12:00:00.500000Z"),
        ("2026-11-22T14:30:00+02:30", NOON, "2026-11-22T12:00:00Z"),
        ("2026-11-22T04:00:00-0800", NOON, "2026-11-22T12:00:00Z"),
        ("2026-11-22T12:00:00-00:00", NOON, "2026-11-22T12:00:00Z"),
        ("2026-11-22T12:00:00", NOON, "2026-11-22T12:00:00Z"),
        ("2026-11-22 12:00", NOON, "2026-11-22T12:00:00Z"),
        ("2026-11-22t12:00:00z", NOON, "2026-11-22T12:00:00Z"),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_converted_to_utc(text: str, time: datetime, printed: str) -> None:
    """From any offset, with any number of digits; a time without an offset is in UTC."""
    event = parse_event(event_grid(eventTime=text))
    assert event.event_time == time
    assert event.event_time is not None
    assert event.event_time.tzinfo is UTC
    assert event.wire()["eventTime"] == printed
    assert parse_event(event.wire()) == event


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-01:00"])
def test_times_outside_of_the_years_1_to_9999_in_utc_keep_their_offset(text: str) -> None:
    """One of them is the default value of .NET, east of Greenwich: it must not make an event invalid."""
    event = parse_event(event_grid(eventTime=text))
    assert event.wire()["eventTime"] == text
    assert parse_event(event.wire()) == event


@pytest.mark.parametrize(
    "value", ["", "now", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T25:00:00Z", "12:00:00Z", 0, 1.5, True, {}]
)
def test_invalid_times_are_refused(value: Any) -> None:
    """Also numbers, whose epoch and unit are not specified."""
    with pytest.raises(MalformedEvent, match="eventTime: expected an ISO 8601 date and time"):
        parse_event(event_grid(eventTime=value))


@pytest.mark.parametrize("value", [None, "null"])
def test_a_null_time_is_none(value: Any) -> None:
    """The time of the event, and the times of a drift."""
    event = drift(startTime=value, endTime=value)
    assert (event.data.start_time, event.data.end_time) == (None, None)
    assert parse_event(event_grid(eventTime=value)).event_time is None
    assert drift().data.start_time is None


def test_times_of_a_drift_are_converted_to_utc() -> None:
    """Like the time of the event."""
    assert drift(startTime="2026-11-22T14:00:00+02:00").data.start_time == NOON
    assert drift(endTime="2026-11-22T12:00:00.0000001Z").data.end_time == NOON


def test_mappings_may_contain_a_datetime() -> None:
    """Events that Python code creates do."""
    event = parse_event(event_grid(eventTime=NOON - timedelta(hours=1)))
    assert event.wire()["eventTime"] == "2026-11-22T11:00:00Z"


@pytest.mark.parametrize(
    ("value", "version"), [(7, "7"), ("7", "7"), ("v1.2", "v1.2"), (0, "0"), (10**300, "1" + "0" * 300)]
)
def test_model_versions_are_converted_to_text(value: Any, version: str) -> None:
    """The service has sent integers (`dataVersion` 1) and texts."""
    event = parse_event(event_grid("ModelRegistered", {**MODEL, "modelVersion": value}))
    assert isinstance(event, ModelRegistered)
    assert event.data.model_version == version
    assert event.wire()["data"]["modelVersion"] == version


@pytest.mark.parametrize(
    ("value", "models"),
    [
        ("churn:7", [("churn", "7")]),
        ("a:1,b:2", [("a", "1"), ("b", "2")]),
        (" a:1 , b:2 ,", [("a", "1"), ("b", "2")]),
        ("azureml:a:1", [("azureml:a", "1")]),
        ("churn", [("churn", "")]),
        ("", []),
        (None, []),
        (["a:1", "b:2"], [("a", "1"), ("b", "2")]),
        ([], []),
    ],
)
def test_model_ids_are_split_into_names_and_versions(value: Any, models: list[tuple[str, str]]) -> None:
    """At the commas, and then at the last colon."""
    event = parse_event(event_grid("ModelDeployed", {**SERVICE, "modelIds": value}))
    assert isinstance(event, ModelDeployed)
    assert event.data.models == tuple(ModelVersion(*model) for model in models)
    assert parse_event(event.wire()) == event


def test_models_compute_and_tags_of_a_deployment_are_optional() -> None:
    """Only the endpoint's name is required."""
    event = parse_event(event_grid("ModelDeployed"))
    assert isinstance(event, ModelDeployed)
    assert (event.data.models, event.data.service_compute_type, event.data.service_tags) == ((), None, {})


@pytest.mark.parametrize("value", [None, "null"])
def test_null_fields_are_none_or_empty(value: Any) -> None:
    """The service reportedly also writes null as a text."""
    data = run(runType=value, runTags=value, runProperties=value, experimentId=value, experimentName=value).data
    assert (data.run_type, data.experiment_id, data.experiment_name) == (None, None, None)
    assert (data.run_tags, data.run_properties) == ({}, {})


def test_missing_fields_are_none_or_empty() -> None:
    """Only the fields that identify the object are required."""
    data = run().data
    assert (data.run_type, data.experiment_id, data.experiment_name) == (None, None, None)
    assert (data.run_tags, data.run_properties) == ({}, {})


@pytest.mark.parametrize(
    ("value", "number"), [(0.25, 0.25), (1, 1.0), ("0.25", 0.25), ("1e-3", 0.001), (None, None), ("null", None)]
)
def test_drift_coefficients_are_converted_to_float(value: Any, number: float | None) -> None:
    """From numbers and from texts; a missing one is None."""
    assert drift(driftCoefficient=value).data.drift_coefficient == number
    assert drift().data.drift_coefficient is None


@pytest.mark.parametrize(("data", "name"), [({"dataDriftId": "d"}, "d"), ({"dataDriftName": "n"}, "n")])
def test_the_object_of_a_drift_is_its_name_else_its_id(data: dict[str, Any], name: str) -> None:
    """The name precedes the id if the event has both."""
    assert parse_event(event_grid("DatasetDriftDetected", data)).object == name
    assert drift().object == "churn-drift"


def test_envelope_versions_may_be_numbers_or_null() -> None:
    """They do not describe the object, so they cannot make an event invalid."""
    event = parse_event(event_grid(dataVersion=2, metadataVersion=None))
    assert (event.data_version, event.metadata_version) == ("2", "")


def test_etag_and_sequencer_are_read_from_envelope_and_data() -> None:
    """Regardless of case; events of Azure ML have neither."""
    assert (run().etag, run().sequencer) == (None, None)
    event = parse_event(event_grid(data={**RUN, "sequencer": "0001"}, eTag="0x8D"))
    assert (event.etag, event.sequencer) == ("0x8D", "0001")
    assert parse_event(event_grid(etag=5)).etag is None


@pytest.mark.parametrize(
    ("event_type", "name"),
    [
        ("RunCompleted", "r1"),
        ("RunStatusChanged", "r1"),
        ("ModelRegistered", "churn"),
        ("ModelDeployed", "churn"),
        ("DatasetDriftDetected", "churn-drift"),
    ],
)
def test_object_is_the_name_of_what_the_event_is_about(event_type: str, name: str) -> None:
    """The run, the model without its version, the endpoint, or the monitor."""
    assert parse_event(event_grid(event_type)).object == name
