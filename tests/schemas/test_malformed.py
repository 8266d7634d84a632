"""Invalid events, and the errors about them: the field, the value found, and what was expected."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from schemas import EventError, MalformedEvent, Problem, UnknownEventType, parse_event
from tests.kit.cost import peak_memory_of
from tests.kit.payloads import MODEL, RUN, WORKSPACE, cloud_event, delivered, event_grid, without


def refused(raw: Any) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        parse_event(raw)
    return caught.value


def test_one_error_lists_all_problems() -> None:
    """Each problem has the field's JSON name; the error has the id, type and topic of the event."""
    error = refused(event_grid("RunStatusChanged", {"runId": "", "runTags": [1]}, topic="/x", eventTime="soon"))
    assert [problem.field for problem in error.problems] == [
        "topic",
        "eventTime",
        "data.runId",
        "data.runTags",
        "data.runStatus",
    ]
    assert error.problems[2] == Problem("data.runId", "''", "a text that is not empty")
    assert error.problems[4] == Problem("data.runStatus", "nothing", "a text that is not empty")
    assert "data.runTags: expected an object of names and values, or null, found [1]" in str(error)
    assert all(str(problem) in str(error) for problem in error.problems)
    assert (error.event_id, error.topic) == ("e1", "/x")
    assert error.event_type == "Microsoft.MachineLearningServices.RunStatusChanged"


def test_problems_of_a_cloud_event_use_its_own_field_names() -> None:
    """The error names `source`, not `topic`."""
    error = refused(without(cloud_event(source="/x", time=5, type=""), "id"))
    assert {problem.field for problem in error.problems} == {"source", "time", "type", "id"}


@pytest.mark.parametrize("name", ["id", "topic", "data", "eventType"])
@pytest.mark.parametrize("value", [None, "", " ", 5, True, [], ["x"]])
def test_envelopes_require_id_topic_type_and_data(name: str, value: Any) -> None:
    """Both an invalid value and a missing field are errors."""
    assert [problem.field for problem in refused(event_grid(**{name: value})).problems] == [name]
    (problem,) = refused(without(event_grid(), name)).problems
    assert (problem.field, problem.found) == (name, "nothing")


@pytest.mark.parametrize(
    ("event_type", "field"),
    [
        ("RunCompleted", "runId"),
        ("RunStatusChanged", "runId"),
        ("RunStatusChanged", "runStatus"),
        ("ModelRegistered", "modelName"),
        ("ModelRegistered", "modelVersion"),
        ("ModelDeployed", "serviceName"),
    ],
)
@pytest.mark.parametrize("value", [None, "", " ", 1.5, True, [], {}])
def test_data_requires_the_fields_that_identify_the_object(event_type: str, field: str, value: Any) -> None:
    """A change of a status also requires the status."""
    data = event_grid(event_type)["data"]
    assert [p.field for p in refused(event_grid(event_type, {**data, field: value})).problems] == [f"data.{field}"]
    assert [p.field for p in refused(event_grid(event_type, without(data, field))).problems] == [f"data.{field}"]


@pytest.mark.parametrize("data", [{}, {"runId": "r"}, {"dataDriftName": "", "dataDriftId": " "}])
def test_drift_requires_the_name_or_the_id_of_its_monitor(data: dict[str, Any]) -> None:
    """The error names both fields."""
    (problem,) = refused(event_grid("DatasetDriftDetected", data)).problems
    assert (problem.field, problem.expected) == (
        "data.dataDriftName",
        "a text that is not empty, where there is no dataDriftId",
    )


@pytest.mark.parametrize(
    ("event_type", "field", "value"),
    [
        ("RunCompleted", "runType", 5),
        ("RunCompleted", "experimentName", ["x"]),
        ("RunCompleted", "runProperties", "x"),
        ("ModelDeployed", "modelIds", 5),
        ("ModelDeployed", "modelIds", ["a:1", 2]),
        ("ModelDeployed", "serviceTags", []),
        ("DatasetDriftDetected", "driftCoefficient", "much"),
        ("DatasetDriftDetected", "driftCoefficient", "NaN"),
        ("DatasetDriftDetected", "driftCoefficient", "-Infinity"),
        ("DatasetDriftDetected", "driftCoefficient", True),
        ("DatasetDriftDetected", "driftCoefficient", [1]),
        ("DatasetDriftDetected", "startTime", 1574413200),
        ("DatasetDriftDetected", "endTime", "2026-11-22"),
    ],
)
def test_optional_fields_refuse_values_of_another_type(event_type: str, field: str, value: Any) -> None:
    """They may be missing or null, but not invalid."""
    data = {**event_grid(event_type)["data"], field: value}
    assert [problem.field for problem in refused(event_grid(event_type, data)).problems] == [f"data.{field}"]


@pytest.mark.parametrize(
    "topic",
    [
        WORKSPACE.replace("/workspaces/", "/registries/"),
        WORKSPACE.replace("MachineLearningServices", "Storage"),
        WORKSPACE + "/onlineEndpoints/churn",
        WORKSPACE.removeprefix("/"),
        WORKSPACE.replace("churn", " "),
        WORKSPACE + "\n",
        "churn",
    ],
)
def test_topics_that_are_no_workspace_id_are_refused(topic: str) -> None:
    """The error shows the form of an id."""
    (problem,) = refused(event_grid(topic=topic)).problems
    assert problem.field == "topic"
    assert "/providers/Microsoft.MachineLearningServices/workspaces/<name>" in problem.expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", r"JSON \(.+ at line 1, column 1\)"),
        ('{"id": 1,\n}', r"JSON \(.+ at line \d, column \d+\)"),
        ('{"id": 1} x', r"JSON \(.+ at line 1, column 11\)"),
        (b'{"id": "\xff"}', r"UTF-8 \(.+ at byte 8\)"),
        (b"\xff\xfe{\x00}\x00", r"UTF-8 \(.+ at byte 0\)"),
        ("[" * 100_000, "at most 64 levels of nesting"),
        ("null", "a JSON object"),
        ('"event"', "a JSON object"),
        ("[[]]", "a JSON object"),
        ("[]", "one event"),
    ],
)
def test_texts_that_are_not_the_json_of_one_event_are_refused(text: str | bytes, expected: str) -> None:
    """The error has the position in the text."""
    (problem,) = refused(text).problems
    assert problem.field == "event"
    assert re.fullmatch(expected, problem.expected)


def test_arrays_of_two_events_are_refused() -> None:
    """The result of `parse_event` is one event."""
    error = refused(json.dumps([event_grid(), event_grid()]))
    assert str(error) == "event: expected one event, found an array of 2"


@pytest.mark.parametrize("raw", [None, 5, object(), {1, 2}, memoryview(b"{}")])
def test_input_that_is_neither_text_nor_mapping_is_refused(raw: Any) -> None:
    """With an EventError, not a TypeError."""
    assert "JSON as text or bytes, or a mapping" in str(refused(raw))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5_000, "-" + "9" * 400])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    """The error has the location of the number, and the id of the event."""
    text = json.dumps(event_grid(data={**RUN, "extra": [1, {"x": "?"}]})).replace('"?"', number)
    error = refused(text)
    assert [problem.field for problem in error.problems] == ["data.extra[1].x"]
    assert error.event_id == "e1"


def test_an_error_lists_at_most_ten_invalid_values() -> None:
    """The first ten, in order."""
    error = refused(event_grid(data={**RUN, "extra": [float("nan")] * 50}))
    assert [problem.field for problem in error.problems] == [f"data.extra[{n}]" for n in range(10)]


@pytest.mark.parametrize("value", [b"x", {1}, object(), 10**5000, -(10**5000)], ids=type)
def test_mappings_with_values_that_json_cannot_hold_are_refused(value: Any) -> None:
    """`wire` could not print them."""
    assert refused(event_grid(data={**RUN, "extra": value})).problems[0].field == "data.extra"
    assert refused([value]).problems[0].expected == "a JSON object"


def test_mappings_with_keys_that_are_no_text_are_refused() -> None:
    """JSON has no other keys."""
    error = refused(event_grid(data={**RUN, 5: "x"}))
    assert error.problems == (Problem("data", "5", "a text as the name of a field"),)
    assert refused({5: "x"}).problems[0].field == "event"


def nested(levels: int) -> dict[str, Any]:
    value: Any = "x"
    for _ in range(levels):
        value = {"n": value}
    return {"n": value}


def test_nesting_is_limited_to_64_levels() -> None:
    """Objects and arrays both count; the event is the first level, its data the second."""
    assert parse_event(delivered(event_grid(data={**RUN, "n": nested(61)["n"]}))).object == "r1"
    error = refused(delivered(event_grid(data={**RUN, "n": nested(63)["n"]})))
    assert error.problems[0].found == "more than 64 levels of nesting"
    assert error.event_id == "e1"
    arrays: Any = []
    for _ in range(80):
        arrays = [arrays]
    assert refused(event_grid(data={**RUN, "n": arrays})).problems[0].expected == "at most 64"


def test_mappings_that_contain_themselves_are_refused() -> None:
    """They exceed the limit of levels."""
    loop: dict[str, Any] = dict(event_grid())
    loop["data"] = loop
    assert "levels of nesting" in str(refused(loop))


def test_errors_shorten_and_escape_hostile_content() -> None:
    """Errors are logged: a megabyte, a line break or a bell must not get into the log."""
    error = refused(event_grid(data={"runId": ["x" * 1_000_000], "runStatus": 5}, topic="/a\n\x07\u202e" * 9_999))
    assert len(str(error)) < 1_000
    assert str(error).isprintable()
    error = refused(event_grid(data={**RUN, "line\nbreak" * 9_999: float("nan")}))
    assert len(str(error)) < 500
    assert str(error).isprintable()


def test_mappings_of_any_type_are_read() -> None:
    """At any level; they need not be dicts."""
    raw: Mapping[str, Any] = MappingProxyType(event_grid("ModelRegistered", MappingProxyType(MODEL)))
    assert parse_event(raw) == parse_event(event_grid("ModelRegistered", MODEL))


def test_a_byte_order_mark_is_skipped() -> None:
    """In text and in bytes: some tools write one."""
    text = delivered(event_grid())
    assert parse_event("\ufeff" + text) == parse_event(text) == parse_event(text.encode("utf-8-sig"))


@pytest.mark.parametrize("last", [1, float("nan")])
def test_reading_deep_values_below_a_long_name_does_not_copy_the_name(last: float) -> None:
    """If the location of each value became text, 60 levels would hold 60 copies of the name at the same time."""

    def read(levels: int) -> None:
        nested: Any = last
        for _ in range(levels):
            nested = [nested]
        try:
            parse_event(json.dumps(event_grid(data={**RUN, "n" * 500_000: nested})))
        except MalformedEvent as error:
            assert error.problems[0].field.startswith("data.nnn")  # noqa: PT017 - one of the two inputs is valid

    assert peak_memory_of(lambda: read(60)) < 1.2 * peak_memory_of(lambda: read(1))


def test_both_errors_are_event_errors_and_value_errors() -> None:
    """A caller can catch them with one clause."""
    assert issubclass(MalformedEvent, EventError)
    assert issubclass(UnknownEventType, EventError)
    assert issubclass(EventError, ValueError)
