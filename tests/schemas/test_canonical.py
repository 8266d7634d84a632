"""The fast reader and the lenient reader of events give identical answers (schemas/canonical.py)."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Self

import pytest
from hypothesis import strategies as st
from pydantic import AfterValidator, ConfigDict, PrivateAttr, field_validator, model_validator

from schemas import EVENT_TYPES, Event, EventError, MalformedEvent, RunCompleted, RunCompletedData, parse_event
from schemas.canonical import CanonicalReader, NotCanonical
from schemas.events.registry import registered
from schemas.examples import MODEL_MONITOR_BREACH
from schemas.fields import OptionalText, RequiredText
from schemas.parse import parse_leniently
from tests.kit.any_input import any_input, one_in
from tests.kit.payloads import MINIMAL, cloud_event, event_grid

READER = CanonicalReader.of(EVENT_TYPES.values())


def outcome(read: Callable[[Any], Event], raw: Any) -> tuple[object, ...]:
    """Everything that a caller can observe of an event, or of the error."""
    try:
        event = read(raw)
    except EventError as error:
        problems = getattr(error, "problems", ())
        return type(error), str(error), problems, error.event_id, error.event_type, error.topic
    data = event.data
    return (
        type(event),
        repr(event),
        json.dumps([event.wire(), event.view()]),
        repr(event.model_dump()),
        repr((event.model_extra, data.model_extra, event.__pydantic_private__, data.__pydantic_private__)),
        (event.model_fields_set, data.model_fields_set),
        (event.headline, event.rows, event.object, event.subject_parts, event.rank, hash(event.id)),
    )


def assert_identical(raw: Any) -> None:
    assert outcome(parse_event, raw) == outcome(parse_leniently, raw)
    try:
        event = READER.read(raw)
    except NotCanonical:
        return
    assert event == parse_leniently(raw)


def is_canonical(raw: Any) -> bool:
    try:
        READER.read(raw)
    except NotCanonical:
        return False
    return True


EXAMPLES = [event.example().wire() for event in EVENT_TYPES.values()]
EXAMPLES.append(
    EVENT_TYPES["Microsoft.MachineLearningServices.RunStatusChanged"].example(**MODEL_MONITOR_BREACH).wire()
)


def as_cloud_event(wire: dict[str, Any]) -> dict[str, Any]:
    names = {"topic": "source", "eventType": "type", "eventTime": "time"}
    kept = {names.get(name, name): value for name, value in wire.items() if not name.endswith("Version")}
    return {"specversion": "1.0", **kept}


NUMBERS = ["NaN", "-Infinity", "1e999", "-0", "-0.0", "1E5", "0.1", "1.7976931348623157e308", "2.5e-324", "12" * 9]
NUMBERS += ["9" * 400, "9" * 5_000, "9007199254740993", "0.1000000000000000055511151231257827"]
LITERALS = [*NUMBERS, "null", '"null"', '"nullable"', '"n"', '""', '" "', '"\\u001f"', '"\\u00a0"', '"\\u2003"', "true"]
LITERALS += ["[]", "{}", '["x"]', '{"a": {"b": [1, {"c": null}]}}', "[" * 6 + "]" * 6, "[" * 70 + "]" * 70]
LITERALS += ['"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"2026-11-22"', '"2026-11-22T09:00:00+02:00"', '"ä"', '"x"']
LITERALS += [
    '{"a": 1, "A": 2, "a": 3}',
    '{"a": NaN}',
    "[1e400]",
    '{"\\udc00": 1}',
    "01",
    "nul",
    "'x'",
    '"\x01"',
    '"\ud800"',
]
NAMES = ["specversion", "SpecVersion", "source", "type", "time", "wire", "etag", "extra", "_id", "\\u0069d", "\\ud800"]


def variants(name: str) -> list[str]:
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return [name, name.upper(), name.lower(), name[0].upper() + name[1:], f"{name}_", snake]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The JSON of an event after up to three changes: members are kept as text, so that names can occur twice."""
    wire = draw(st.sampled_from(EXAMPLES))
    if draw(st.booleans()):
        wire = as_cloud_event(wire)
    data = [[name, json.dumps(value)] for name, value in wire["data"].items()]
    envelope = [[name, json.dumps(value)] for name, value in wire.items() if name != "data"]
    at = draw(st.integers(0, len(envelope)))
    literals = st.sampled_from(LITERALS) | st.text(max_size=4).map(json.dumps) | st.floats().map(json.dumps)
    literals |= st.integers().map(json.dumps)
    for in_data in draw(st.lists(st.booleans(), max_size=3)):
        members = data if in_data else envelope
        index = draw(st.integers(0, len(members) - 1)) if members else 0
        names = [name for name, _ in members] + NAMES
        match draw(st.sampled_from(["value", "name", "drop", "add", "move"])) if members else "add":
            case "value":
                members[index][1] = draw(literals)
            case "name":
                members[index][0] = draw(st.sampled_from(variants(members[index][0])))
            case "drop":
                del members[index]
            case "move":
                members.append(members.pop(index))
            case _:
                spelled = st.sampled_from(names).flatmap(lambda name: st.sampled_from(variants(name)))
                members.insert(index, [draw(spelled), draw(literals)])
    envelope.insert(at, ["data", draw(st.sampled_from(["{%s}", "{%s}", "{%s}", "[{%s}]"])) % written(data)])
    return draw(st.sampled_from(["{%s}"] * 5 + ["[{%s}]", "[{%s}, 1]", "\ufeff{%s}", " {%s}\n", "{%s} x"])) % written(
        envelope
    )


def written(members: list[list[str]]) -> str:
    return ", ".join(f'"{name}": {value}' for name, value in members)


@pytest.mark.slow
@any_input(150, 5_000, text=texts())
def test_both_readers_agree_on_any_change_to_an_event(text: str) -> None:
    """Text and bytes; every value that an event exposes, and the text of every error."""
    assert_identical(text)
    assert_identical(text.encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@any_input(
    100,
    5_000,
    wire=st.sampled_from(EXAMPLES),
    text=st.text(max_size=6),
    name=st.sampled_from(["id", "subject", "topic", "eventTime"]),
)
def test_both_readers_agree_on_any_text_in_the_envelope(wire: dict[str, Any], text: str, name: str) -> None:
    """Regular expressions of Rust and of Python differ in their white space and case mappings."""
    for changed in (text, wire[name] + text, text + wire[name]):
        assert_identical(json.dumps({**wire, name: changed}))


@pytest.mark.parametrize("literal", one_in(3, LITERALS))
@pytest.mark.parametrize("wire", EXAMPLES, ids=lambda wire: wire["id"])
def test_both_readers_agree_on_any_field(wire: dict[str, Any], literal: str) -> None:
    """Each field of each event type in turn, in both envelopes."""
    for envelope in (wire, as_cloud_event(wire)):
        for name in [*envelope, "extra"]:
            assert_identical(json.dumps({**envelope, name: "\0"}).replace('"\\u0000"', literal))
        for name in [*envelope["data"], "extra"]:
            changed = {**envelope, "data": {**envelope["data"], name: "\0"}}
            assert_identical(json.dumps(changed).replace('"\\u0000"', literal))


@pytest.mark.parametrize("wire", EXAMPLES, ids=lambda wire: wire["id"])
def test_events_as_azure_writes_them_are_canonical(wire: dict[str, Any]) -> None:
    """In both envelopes, as text and as bytes, with unknown fields; System.Text.Json escapes ``+``."""
    assert is_canonical(json.dumps(wire))
    assert is_canonical(json.dumps(as_cloud_event(wire)).encode())
    assert is_canonical(json.dumps({**wire, "data": {**wire["data"], "createdBy": {"userObjectId": "u"}}}))
    escaped = json.dumps({**wire, "eventTime": "2026-11-22T08:41:07.5841037+00:00"}).replace("+", "\\u002B")
    assert is_canonical(escaped)
    assert_identical(escaped)


@pytest.mark.parametrize("event_type", MINIMAL)
def test_events_with_required_fields_only_agree(event_type: str) -> None:
    """A drift event without a name is read leniently; nothing is added to the others."""
    for envelope in (event_grid, cloud_event):
        assert_identical(json.dumps(envelope(event_type)))
    assert_identical(json.dumps(event_grid("DatasetDriftDetected", {"dataDriftId": "d1"})))


def only_x(text: str) -> str:
    if text != "x":
        raise ValueError("x")
    return text


class FieldData(RunCompletedData):
    experiment_name: OptionalText

    @field_validator("experiment_name")
    @classmethod
    def _check(cls, name: str) -> str:
        return only_x(name)


class ModelData(RunCompletedData):
    @model_validator(mode="after")
    def _check(self) -> Self:
        only_x(self.run_id)
        return self


class AnnotatedData(RunCompletedData):
    run_id: Annotated[RequiredText, AfterValidator(only_x)]


class PlainData(RunCompletedData):
    attempt: int = 0


class PostInitData(RunCompletedData):
    def model_post_init(self, context: object, /) -> None:
        only_x(self.run_id)


class StrippedData(RunCompletedData):
    model_config = ConfigDict(**RunCompletedData.model_config, str_strip_whitespace=True)


class OwnPostInit(RunCompleted):
    data: PostInitData


class OwnConfig(RunCompleted):
    data: StrippedData


class OwnPrivateAttribute(RunCompleted):
    _read: list[str] = PrivateAttr(default_factory=list)


class OwnField(RunCompleted):
    data: FieldData


class OwnModel(RunCompleted):
    data: ModelData


class OwnAnnotated(RunCompleted):
    data: AnnotatedData


class OwnPlain(RunCompleted):
    data: PlainData


VALID = {OwnPlain, OwnConfig, OwnPrivateAttribute}


@pytest.mark.parametrize(
    "event_type", [OwnField, OwnModel, OwnAnnotated, OwnPostInit, OwnPlain, OwnConfig, OwnPrivateAttribute]
)
def test_types_with_their_own_validation_are_read_leniently(event_type: type[Event]) -> None:
    """The fast reader cannot run it, so it must not accept what the type refuses."""
    with registered(event_type):
        text = json.dumps(event_grid("RunCompleted", eventType=event_type.type_name()))
        with pytest.raises(NotCanonical):
            CanonicalReader.of(EVENT_TYPES.values()).read(text)
        if event_type in VALID:
            assert type(parse_event(text)) is event_type
        else:
            with pytest.raises(MalformedEvent, match="expected"):
                parse_event(text)


def test_an_event_in_an_array_is_read_leniently() -> None:
    """Event Grid's triggers pass the event alone."""
    text = json.dumps([event_grid()])
    assert not is_canonical(text)
    assert parse_event(text).object == "r1"
