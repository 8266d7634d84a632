"""`wire` prints every event in one schema and spelling, and `parse_event` raises nothing but EventError."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import EVENT_TYPES, Event, EventError, ModelRegistered, RunStatusChanged, parse_event
from tests.kit.payloads import MINIMAL, MODEL, RUN, cloud_event, delivered, event_grid

repeatable = settings(max_examples=60)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner), max_leaves=4
)
known = sorted(
    {name for cls in EVENT_TYPES.values() for name in cls.wire_names()}
    | {name for data in MINIMAL.values() for name in data}
    | {"source", "type", "time", "specversion", "runTags", "startTime", "modelIds", "driftCoefficient", "etag", "wire"}
)
spelled = st.sampled_from(known).flatmap(
    lambda name: st.sampled_from([name, name.upper(), name.lower(), name[0].upper() + name[1:], f"_{name}"])
)
objects = st.dictionaries(spelled | st.text(max_size=5), values, max_size=4)


def assert_survives(event: Event) -> None:
    text = json.dumps(event.wire(), allow_nan=False)
    text.encode("utf-8")
    assert parse_event(text) == event
    assert json.loads(json.dumps(event.view())) == event.view()


def assert_survives_or_is_refused(raw: Any) -> None:
    try:
        event = parse_event(raw)
    except EventError:
        return
    assert_survives(event)


@repeatable
@given(st.sampled_from(sorted(MINIMAL)), st.sampled_from([event_grid, cloud_event]), objects, objects)
def test_additions_to_an_event_survive_or_are_refused(
    event_type: str, envelope: Any, around: dict[str, Any], inside: dict[str, Any]
) -> None:
    """Known names in any spelling and unknown names, with any value, in both envelopes."""
    raw = envelope(event_type)
    raw = {**around, **raw, "data": {**inside, **raw["data"]}}
    assert_survives_or_is_refused(raw)
    assert_survives_or_is_refused(json.dumps(raw))


@repeatable
@given(st.sampled_from(sorted(MINIMAL)), st.sampled_from([event_grid, cloud_event]), objects, objects)
def test_replacements_of_fields_survive_or_are_refused(
    event_type: str, envelope: Any, around: dict[str, Any], inside: dict[str, Any]
) -> None:
    """Known and unknown names, with any value, in both envelopes."""
    raw = envelope(event_type)
    assert_survives_or_is_refused({**raw, "data": {**raw["data"], **inside}, **around})


@repeatable
@given(st.text() | st.binary() | values | values.map(json.dumps))
def test_arbitrary_input_raises_an_event_error(raw: Any) -> None:
    """Text, bytes, and input of types that the annotation excludes."""
    with pytest.raises(EventError):
        parse_event(raw)


def test_unknown_fields_are_kept_at_every_level() -> None:
    """In the envelope, in the data, and below."""
    extra = {"Deep": [{"er": None}], "n": 1.5, "text": "ä\u0000", "big": [10**308, -(10**308), 2**64]}
    event = parse_event(delivered(event_grid(data={**RUN, "extra": extra}, extra=extra)))
    assert event.wire()["extra"] == event.wire()["data"]["extra"] == extra
    assert event.model_extra == {"extra": extra}


def test_wire_leaves_out_fields_that_the_sender_left_out() -> None:
    """Also if they have a default."""
    raw = {name: event_grid()[name] for name in ("id", "topic", "eventType", "data")}
    assert parse_event(raw).wire() == raw


@pytest.mark.parametrize("event_type", MINIMAL)
def test_wire_prints_cloud_events_in_event_grid_s_schema(event_type: str) -> None:
    """Conditions, templates and the inbox see one schema."""
    wire = parse_event(cloud_event(event_type)).wire()
    assert set(wire) == {"id", "topic", "eventType", "eventTime", "data"}
    assert wire["eventTime"] == "2026-11-22T09:00:00.123456Z"
    assert parse_event(wire) == parse_event(cloud_event(event_type))


def test_the_exact_spelling_of_a_name_precedes_another() -> None:
    """The other is kept as an unknown field."""
    event = parse_event(event_grid("ModelRegistered", {"ModelName": "other", **MODEL}, ID="other"))
    assert isinstance(event, ModelRegistered)
    assert (event.id, event.data.model_name) == ("e1", "churn")
    assert event.wire()["ID"] == event.wire()["data"]["ModelName"] == "other"
    assert_survives(event)


def test_the_first_of_two_inexact_spellings_counts() -> None:
    """The second is kept as an unknown field."""
    event = parse_event(event_grid("ModelRegistered", {"ModelName": "churn", "MODELNAME": "other", "modelVersion": 1}))
    assert event.object == "churn"
    assert event.wire()["data"]["MODELNAME"] == "other"
    assert_survives(event)


def test_the_last_of_duplicate_keys_counts() -> None:
    """As in the JSON libraries of the Functions host and worker."""
    text = json.dumps(event_grid()).replace('"runId": "r1"', '"runId": "r0", "runId": "r2"')
    assert parse_event(text).object == "r2"


def test_lone_surrogates_are_replaced() -> None:
    """JSON can escape them, UTF-8 cannot encode them. Pairs of surrogates become one character."""
    text = json.dumps(event_grid(id="?")).replace("?", r"a\ud800b\udfff\ud83d\ude00")
    event = parse_event(text)
    assert event.id == "a\ufffdb\ufffd\U0001f600"
    assert_survives(event)
    assert_survives(parse_event(event_grid(data={**RUN, "\udc00": "\ud800"})))


def test_wire_of_a_copy_has_its_changes() -> None:
    """`wire` is computed from the fields, not stored."""
    event = RunStatusChanged.example()
    copy = event.model_copy(update={"id": "e2", "data": event.data.model_copy(update={"run_status": "Completed"})})
    assert (copy.wire()["id"], copy.wire()["data"]["runStatus"]) == ("e2", "Completed")
    assert parse_event(copy.wire()) == copy
    assert event.wire()["data"]["runStatus"] == "Failed"


def test_events_are_immutable() -> None:
    """Threads share them."""
    event = RunStatusChanged.example()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(event, "id", "e2")  # noqa: B010 - mypy refuses the assignment
    with pytest.raises(ValidationError, match="frozen"):
        setattr(event.data, "run_status", "Completed")  # noqa: B010 - as above
