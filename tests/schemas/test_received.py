"""Forms in which events have been seen: in captured deliveries, in the SDKs' tests, in logs."""

import json
from typing import Any

import pytest

from schemas import (
    DatasetDriftDetected,
    MalformedEvent,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
    UnknownEventType,
    parse_event,
)
from tests.kit.payloads import DRIFT, MODEL, RUN, SERVICE, WORKSPACE, cloud_event, delivered, event_grid, without


def test_a_captured_registration_has_seven_digits_and_an_offset() -> None:
    """Captured in 2019: ``+00:00`` instead of ``Z``, `dataVersion` 2, the version as a text."""
    raw = event_grid(
        "ModelRegistered",
        {**MODEL, "modelVersion": "3", "modelTags": {"type": "regression"}, "modelProperties": {"area": "test"}},
        subject="models/churn:3",
        eventTime="2019-10-17T22:23:57.5350054+00:00",
    )
    event = parse_event(delivered(raw))
    assert isinstance(event, ModelRegistered)
    assert event.data.model_version == "3"
    assert event.data_version == "2"
    assert event.wire()["eventTime"] == "2019-10-17T22:23:57.535005Z"


@pytest.mark.parametrize("version", ["", "1", "2"])
def test_every_data_version_is_read_the_same_way(version: str) -> None:
    """The documentation has none, 2019 had 1 with an integer model version, later events have 2."""
    event = parse_event(event_grid("ModelRegistered", {"modelName": "m", "modelVersion": 1}, dataVersion=version))
    assert isinstance(event, ModelRegistered)
    assert event.data.model_version == "1"
    assert event.data_version == version


def test_one_object_may_mix_spellings() -> None:
    """An SDK's sample has ``RunTags`` beside ``runType``."""
    data = {"runId": "r1", "runType": "automl", "RunTags": {"experiment_status": "ModelSelection"}}
    event = parse_event(event_grid("RunCompleted", data))
    assert isinstance(event, RunCompleted)
    assert event.data.run_tags["experiment_status"] == "ModelSelection"
    assert "RunTags" not in event.wire()["data"]


def test_tags_keep_the_spelling_of_the_service() -> None:
    """``GITHUB_REPOSITORY`` arrives as ``githuB_REPOSITORY``; lookup finds it under both names."""
    data = {"RunId": "r1", "RunType": None, "RunTags": {"githuB_REPOSITORY": "acme/churn"}, "RunStatus": "failed"}
    event = parse_event(event_grid("RunStatusChanged", data))
    assert isinstance(event, RunStatusChanged)
    assert event.data.run_tags["GITHUB_REPOSITORY"] == "acme/churn"
    assert event.wire()["data"]["runTags"] == {"githuB_REPOSITORY": "acme/churn"}


def test_a_drift_event_may_lack_its_target_dataset() -> None:
    """The SDKs' samples misspell ``targetDatasetId``, the result of a search and replace: that is an unknown field."""
    data = {**DRIFT, "runId": "d1_15", "baseDatasetId": "b", "tarAsSystemEventDatasetId": "t", "driftCoefficient": 0.8}
    event = parse_event(event_grid("DatasetDriftDetected", data, subject="datadrift/d1/run/d1_15"))
    assert isinstance(event, DatasetDriftDetected)
    assert event.data.target_dataset_id is None
    assert event.wire()["data"]["tarAsSystemEventDatasetId"] == "t"


def test_two_models_of_a_deployment_are_split_at_the_comma() -> None:
    """`modelIds` is one text, with a comma between the models."""
    data = {**SERVICE, "serviceComputeType": "ACI", "serviceTags": {"t": "x"}, "modelIds": "first:1,second:1"}
    event = parse_event(cloud_event("ModelDeployed", data, subject="endpoints/churn"))
    assert isinstance(event, ModelDeployed)
    assert [model.name for model in event.data.models] == ["first", "second"]


def test_an_event_from_the_log_of_a_python_worker_is_read() -> None:
    """It has ``event_type`` and no time; its id, scrubbed before publication, is no UUID."""
    raw = {
        "id": "9168ed-fb6f-5514-a60e-bb503a04",
        "data": {**RUN, "runTags": {"azureml.Designer": "true"}, "runProperties": {"azureml.parameters": "{}"}},
        "topic": WORKSPACE,
        "subject": "experiments/x/runs/r1",
        "event_type": "Microsoft.MachineLearningServices.RunStatusChanged",
    }
    event = parse_event(raw)
    assert isinstance(event, RunStatusChanged)
    assert event.event_time is None
    assert "eventTime" not in event.wire()
    assert event.data.run_tags["azureml.designer"] == "true"


def test_the_undocumented_creator_of_a_run_is_kept() -> None:
    """The service reportedly sets ``createdBy`` on run events."""
    event = parse_event(event_grid(data={**RUN, "createdBy": {"userObjectId": "u"}}))
    assert event.wire()["data"]["createdBy"] == {"userObjectId": "u"}


@pytest.mark.parametrize("name", ["specversion", "specVersion", "SpecVersion"])
def test_specversion_in_any_spelling_marks_a_cloud_event(name: str) -> None:
    """Examples of the specification misspell it. It describes the envelope, so the event does not have it."""
    event = parse_event({**without(cloud_event(), "specversion"), name: "1.0"})
    assert isinstance(event, RunStatusChanged)
    assert event.topic == WORKSPACE
    assert not {name.lower() for name in event.wire()} & {"specversion", "source", "type", "time"}


def test_a_cloud_event_may_lack_time_and_subject() -> None:
    """Both are optional in CloudEvents 1.0."""
    event = parse_event(without(cloud_event(), "time"))
    assert (event.event_time, event.subject) == (None, "")
    assert parse_event(event.wire()) == event


def test_source_and_type_without_topic_and_event_type_mark_a_cloud_event() -> None:
    """Also if `specversion` is missing."""
    assert parse_event(without(cloud_event(), "specversion")) == parse_event(cloud_event())


def test_other_attributes_of_a_cloud_event_are_kept() -> None:
    """Extension attributes, and standard attributes that Azure ML does not use."""
    event = parse_event(cloud_event(datacontenttype="application/json", traceparent="00-1"))
    assert event.wire()["datacontenttype"] == "application/json"
    assert event.wire()["traceparent"] == "00-1"


def test_an_sdk_sample_with_two_sources_is_refused() -> None:
    """The last of duplicate keys counts, as in the JSON libraries of Functions; here it is no workspace id."""
    text = json.dumps(cloud_event("ModelRegistered")).replace('"time"', '"source": "models/churn:7", "time"')
    with pytest.raises(MalformedEvent) as refused:
        parse_event(text)
    assert [problem.field for problem in refused.value.problems] == ["source"]
    assert refused.value.topic == "models/churn:7"


def test_a_dead_letter_is_read_as_its_event() -> None:
    """Event Grid writes dead letters as arrays, and adds its own fields."""
    event = parse_event(delivered(event_grid(deadLetterReason="MaxDeliveryAttemptsExceeded", deliveryAttempts=11)))
    assert event.model_extra == {"deadLetterReason": "MaxDeliveryAttemptsExceeded", "deliveryAttempts": 11}


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_event_types_are_compared_regardless_of_case(spelling: Any) -> None:
    """The event has Azure's spelling."""
    raw = event_grid()
    event = parse_event({**raw, "eventType": spelling(raw["eventType"])})
    assert event.event_type == raw["eventType"]


@pytest.mark.parametrize(
    "name",
    [
        "Microsoft.EventGrid.SubscriptionValidationEvent",
        "Microsoft.MachineLearningServices.RunStarted",
        "Microsoft.DummyEvent.RunCompleted",
        "RunCompleted",
        "Microsoft.MachineLearningServices.RunCompleted ",
    ],
)
def test_other_event_types_are_unknown(name: str) -> None:
    """The error lists the known types, and has the event's id, type and topic."""
    with pytest.raises(
        UnknownEventType, match=r"none of Microsoft\.MachineLearningServices\.RunCompleted, "
    ) as refused:
        parse_event(event_grid(eventType=name))
    assert (refused.value.event_type, refused.value.event_id, refused.value.topic) == (name, "e1", WORKSPACE)


def test_event_types_of_cloud_events_can_be_unknown() -> None:
    """The error has the type and the source."""
    with pytest.raises(UnknownEventType) as refused:
        parse_event(cloud_event(type="Microsoft.Storage.BlobRenamed", source="/x"))
    assert (refused.value.event_type, refused.value.topic) == ("Microsoft.Storage.BlobRenamed", "/x")
