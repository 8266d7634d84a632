"""`known_keys`: what is known of an event type's keys agrees with the events themselves."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum, StrEnum
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from handlers.base import Result
from schemas import EVENT_TYPES, Event, RunStatusChanged
from schemas.alert import Alert
from schemas.events.base import EventData
from schemas.events.known_keys import Known, Type, known_keys, one_of, result_keys, workspace_keys
from schemas.events.run import RUN_STATUSES
from schemas.examples import MODEL_MONITOR_BREACH
from schemas.fields import RequiredText

LABELS = Known(Type.OBJECT, always=True, others=Known(Type.TEXT))
EXAMPLES = [
    *(event.example() for event in EVENT_TYPES.values()),
    RunStatusChanged.example(**MODEL_MONITOR_BREACH),
    Alert.of("refused rules", "rules/a.yaml", "it is refused", ["one", "two"]),
]


def known(event: type[Event], *, has_drift: bool = False) -> Known:
    return known_keys(event, has_drift=has_drift, workspace=workspace_keys(LABELS), result=result_keys())


def type_of(value: object) -> Type:
    match value:
        case None:
            return Type.NULL
        case bool():
            return Type.BOOL
        case int() | float():
            return Type.NUMBER
        case str():
            return Type.TEXT
    return Type.OBJECT if isinstance(value, Mapping) else Type.LIST


def values(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value of a view, with its path."""
    if path:
        yield path, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in items:
        yield from values(inner, (*path, part))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_value_of_an_example_is_known_with_its_type(event: Event) -> None:
    """Also what the app adds: the workspace, the drift, the result."""
    result = Result("a-rule", "failed", "it failed", {"link": "https://x"}).view()
    view = event.view_with({"name": "churn-prod", "labels": {"env": "prod"}}, result)
    root = known(type(event))
    seen = dict(values(view))
    assert len(seen) > 10
    for path, value in seen.items():
        found = root.find(path)
        assert found is not None, path
        assert found.type in (type_of(value), Type.ANY) or (value is None and not found.always), path


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_what_is_always_there_is_in_the_smallest_event(event: Event) -> None:
    """Its optional fields left out: a key that is said to be there always must still be there."""
    fields = type(event).model_fields
    required = {info.alias or name for name, info in fields.items() if info.is_required()}
    data = {
        info.alias or name: event.wire()["data"][info.alias or name]
        for name, info in type(event.data).model_fields.items()
        if info.is_required() or name == "data_drift_id"
    }
    smallest = type(event).model_validate({**{name: event.wire()[name] for name in required}, "data": data})
    facts = {name: smallest.fact(name).view() for name in event.facts}
    result = Result("a", "failed", "b").view()
    view = dict(values(smallest.view_with({"name": "x", "labels": {}}, result) | facts))
    root = known(type(event))
    always = [path for path in root.paths() if (found := root.find(path.split("."))) and found.always]
    assert {"id", "topic", "eventType", "data", "object", "studio_url", "workspace.labels", "result.status"} <= {
        *always
    }
    assert [path for path in always if view.get(tuple(path.split("."))) is None] == []


def test_only_types_that_report_drift_have_its_keys() -> None:
    """A model monitor's breach is known by `has_drift`; a dataset monitor's event always reports drift."""
    always = {name: known(event).members["drift"].always for name, event in EVENT_TYPES.items()}
    assert [name.rpartition(".")[2] for name, is_always in always.items() if is_always] == ["DatasetDriftDetected"]
    types = {name.rpartition(".")[2]: known(event).members["drift"].type for name, event in EVENT_TYPES.items()}
    assert types == dict.fromkeys(types, Type.NULL) | {
        "RunStatusChanged": Type.OBJECT,
        "DatasetDriftDetected": Type.OBJECT,
    }
    assert known(RunStatusChanged, has_drift=True).members["drift"].always


def test_names_are_found_in_any_case_and_tags_with_dots() -> None:
    root = known(RunStatusChanged)
    assert root.find(["DATA", "RunTags", "azureml", "pipelineid"]) == Known(Type.TEXT)
    assert root.find(["data", "run_tags"]) is None
    assert root.find(["data", "runId", "x"]) is None
    assert root.find(["data", "runId", 0]) == Known(Type.TEXT)
    assert root.find(["drift", "violations", 3, "metric"]) == Known(Type.TEXT)
    assert root.find(["drift", "violations", 3, "metrc"]) is None
    assert root.find(["data", "createdBy", "userName"]) == Known(Type.ANY)


def test_texts_that_the_service_sends_are_known() -> None:
    status = known(RunStatusChanged).find(["data", "runStatus"])
    assert status is not None
    assert (tuple(status.values), status.only_values) == (RUN_STATUSES, False)
    assert known(RunStatusChanged).find(["eventType"]) == one_of([RunStatusChanged.type_name()])


class _Color(StrEnum):
    RED = "red"


class _Part(BaseModel):
    size: int


class _Shape(Enum):
    ROUND = 1


class _OddData(EventData):
    known_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {"name": ("a", "b")}

    name: RequiredText
    is_final: bool = False
    count: Annotated[int, Field(ge=0)] | None = None
    at: datetime | None = None
    part: _Part | None = None
    parts: list[_Part] = Field(default_factory=list)
    sizes: tuple[float, ...] = ()
    labels: Mapping[str, int] = Field(default_factory=dict)
    anything: Any = None
    either: int | str | None = None
    color: _Color | None = None
    shape: _Shape | None = None
    size: Literal["s", "m"] = "s"
    level: Literal[1, 2] = 1
    bare: dict = Field(default_factory=dict)  # type: ignore[type-arg]
    raw: bytes = b""


class _Odd(Event):
    example_fields: ClassVar[Mapping[str, Any]] = {
        "data": {"name": "a", "length": 5, "more": {"x": [1]}, "list": [1], "no": None}
    }

    data: _OddData


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("name", Type.TEXT),
        ("isFinal", Type.BOOL),
        ("count", Type.NUMBER),
        ("at", Type.TEXT),
        ("part", Type.OBJECT),
        ("part.size", Type.NUMBER),
        ("parts", Type.LIST),
        ("sizes", Type.LIST),
        ("labels", Type.OBJECT),
        ("labels.any.name", Type.NUMBER),
        ("anything", Type.ANY),
        ("anything.at.all", Type.ANY),
        ("either", Type.ANY),
        ("color", Type.TEXT),
        ("shape", Type.ANY),
        ("size", Type.TEXT),
        ("level", Type.ANY),
        ("bare.x", Type.ANY),
        ("raw", Type.ANY),
        ("length", Type.NUMBER),
        ("more.x", Type.ANY),
        ("list", Type.LIST),
        ("no", Type.ANY),
    ],
)
def test_keys_of_a_new_type_follow_from_its_model_and_its_example(path: str, type_: Type) -> None:
    """Nothing else describes them: see docs/architecture.md, "Add an event type"."""
    found = known(_Odd).find(["data", *path.split(".")])
    assert found is not None
    assert found.type is type_
    assert found.always is (path == "name")


def test_choices_of_a_model_are_the_only_values() -> None:
    root = known(_Odd)
    size, color, name = (root.find(["data", key]) for key in ("size", "color", "name"))
    assert size
    assert color
    assert name
    assert (list(size.values), size.only_values) == (["s", "m"], True)
    assert (list(color.values), color.only_values) == (["red"], True)
    assert (list(name.values), name.only_values) == (["a", "b"], False)
    assert root.find(["data", "part", "sise"]) is None
    assert root.find(["data", "parts", 0, "size"]) == Known(Type.NUMBER)
