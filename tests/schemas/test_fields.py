"""What a field may hold, and what it exposes."""

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
from tests.kit.wires import DRIFT, MODEL, RUN, SERVICE, event_grid

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
def test_a_time_is_in_utc(text: str, time: datetime, printed: str) -> None:
    """Whatever its offset and however many digits its seconds have; without an offset it is UTC."""
    event = parse_event(event_grid(eventTime=text))
    assert event.event_time == time
    assert event.event_time is not None
    assert event.event_time.tzinfo is UTC
    assert event.wire()["eventTime"] == printed
    assert parse_event(event.wire()) == event


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_utc_cannot_hold_keeps_its_offset(text: str) -> None:
    """.NET's default time, east of Greenwich, is no reason to refuse an event."""
    event = parse_event(event_grid(eventTime=text))
    assert event.wire()["eventTime"] == text
    assert parse_event(event.wire()) == event


@pytest.mark.parametrize(
    "value", ["", "now", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T25:00:00Z", "12:00:00Z", 0, 1.5, True, {}]
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    """Also a number: nobody says since when, and in what unit."""
    with pytest.raises(MalformedEvent, match="eventTime: expected an ISO 8601 date and time"):
        parse_event(event_grid(eventTime=value))


@pytest.mark.parametrize("value", [None, "null"])
def test_no_time_is_none(value: Any) -> None:
    """Of the event, and of a drift."""
    event = drift(startTime=value, endTime=value)
    assert (event.data.start_time, event.data.end_time) == (None, None)
    assert parse_event(event_grid(eventTime=value)).event_time is None
    assert drift().data.start_time is None


def test_a_drift_s_times_are_times() -> None:
    """In UTC, as the event's."""
    assert drift(startTime="2026-11-22T14:00:00+02:00").data.start_time == NOON
    assert drift(endTime="2026-11-22T12:00:00.0000001Z").data.end_time == NOON


def test_a_mapping_may_hold_a_time() -> None:
    """As those do that are made in Python."""
    event = parse_event(event_grid(eventTime=NOON - timedelta(hours=1)))
    assert event.wire()["eventTime"] == "2026-11-22T11:00:00Z"


@pytest.mark.parametrize(
    ("value", "version"), [(7, "7"), ("7", "7"), ("v1.2", "v1.2"), (0, "0"), (10**300, "1" + "0" * 300)]
)
def test_a_model_version_is_a_text(value: Any, version: str) -> None:
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
    """At the commas, then at the last colon."""
    event = parse_event(event_grid("ModelDeployed", {**SERVICE, "modelIds": value}))
    assert isinstance(event, ModelDeployed)
    assert event.data.models == tuple(ModelVersion(*model) for model in models)
    assert parse_event(event.wire()) == event


def test_a_deployment_need_not_name_its_models() -> None:
    """Nor its compute."""
    event = parse_event(event_grid("ModelDeployed"))
    assert isinstance(event, ModelDeployed)
    assert (event.data.models, event.data.service_compute_type, event.data.service_tags) == ((), None, {})


@pytest.mark.parametrize("value", [None, "null"])
def test_what_is_null_is_none_or_empty(value: Any) -> None:
    """The service is said to write null as a text, too."""
    data = run(runType=value, runTags=value, runProperties=value, experimentId=value, experimentName=value).data
    assert (data.run_type, data.experiment_id, data.experiment_name) == (None, None, None)
    assert (data.run_tags, data.run_properties) == ({}, {})


def test_what_is_missing_is_none_or_empty() -> None:
    """Required is only what identifies the object."""
    data = run().data
    assert (data.run_type, data.experiment_id, data.experiment_name) == (None, None, None)
    assert (data.run_tags, data.run_properties) == ({}, {})


@pytest.mark.parametrize(
    ("value", "number"), [(0.25, 0.25), (1, 1.0), ("0.25", 0.25), ("1e-3", 0.001), (None, None), ("null", None)]
)
def test_a_drift_coefficient_is_a_number(value: Any, number: float | None) -> None:
    """Also where it comes as a text; none where there is none."""
    assert drift(driftCoefficient=value).data.drift_coefficient == number
    assert drift().data.drift_coefficient is None


@pytest.mark.parametrize(("data", "name"), [({"dataDriftId": "d"}, "d"), ({"dataDriftName": "n"}, "n")])
def test_a_drift_is_known_by_name_or_id(data: dict[str, Any], name: str) -> None:
    """By its name if it has both."""
    assert parse_event(event_grid("DatasetDriftDetected", data)).object == name
    assert drift().object == "churn-drift"


def test_versions_of_the_envelope_may_be_numbers_or_absent() -> None:
    """They say nothing about the object."""
    event = parse_event(event_grid(dataVersion=2, metadataVersion=None))
    assert (event.data_version, event.metadata_version) == ("2", "")


def test_etag_and_sequencer_are_exposed_where_an_event_carries_them() -> None:
    """In the envelope or in the data, in any case; Azure ML's own events carry neither."""
    assert (run().etag, run().sequencer) == (None, None)
    carrying = parse_event(event_grid(data={**RUN, "sequencer": "0001"}, eTag="0x8D"))
    assert (carrying.etag, carrying.sequencer) == ("0x8D", "0001")
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
def test_an_event_is_about_an_object(event_type: str, name: str) -> None:
    """The run, the model without its version, the endpoint, the monitor."""
    assert parse_event(event_grid(event_type)).object == name
