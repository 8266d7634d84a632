"""`EventValues` and compiled conditions give the answers of the plain evaluator, for any event."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from dispatch.filters.condition import Condition
from dispatch.filters.keys import EventValues
from dispatch.filters.operators import OPERATORS, Operator
from schemas import DatasetDriftDetected, Event, ModelRegistered, RunStatusChanged, parse_event
from schemas.context import Context
from schemas.examples import MODEL_MONITOR_BREACH
from schemas.plain import MAX_NAMES
from tests.dispatch.filters.test_operators import JSON, samples_of
from tests.kit.any_input import any_input
from tests.kit.cost import calls_of, peak_memory_of

EXAMPLES = [
    RunStatusChanged.example().wire(),
    RunStatusChanged.example(**MODEL_MONITOR_BREACH).wire(),
    ModelRegistered.example().wire(),
    DatasetDriftDetected.example().wire(),
]
KEYS = [
    "data.runStatus",
    "DATA.runStatus",
    "data.RUNSTATUS",
    "data",
    "data.runTags",
    "data.runTags.owner",
    "data.runTags.OWNER",
    "data.runTags.a",
    "data.runTags.A",
    "data.runTags.x",
    "data.runTags.X",
    "data.runTags.a.b",
    "data.runTags.A.B",
    "data.runTags.a.b.c",
    "data.x.y",
    "Data.X",
    "data.dſ.x",
    "data.driftCoefficient",
    "data.modelTags.stage",
    "id",
    "eventid",
    "eventType",
    "type",
    "topic",
    "source",
    "subject",
    "dataVersion",
    "dataschema",
    "extra",
    "extra.a",
    "data.runId.deeper",
    "workspace.name",
    "workspace.labels.env",
    "WORKSPACE.Labels.a.b",
    "drift",
    "drift.signal",
    "drift.violations",
    "drift.coefficient",
    "object",
    "studio_url",
    "result.status",
    "result.details.a.b",
    "result",
]
NAMES = st.sampled_from(
    ["a", "A", "a.b", "A.b", "b", "c", "x", "X", "x.y", "owner", "Owner", "stage", "runStatus", "ſ"]
)
VALUES = JSON | st.sampled_from(
    ["contoso", "azure data factory", 5, 3500, ["contoso", 5], {"b": "event"}, {"b": {"c": 5}}]
)
MEMBERS = st.dictionaries(NAMES, VALUES, max_size=4)
WORKSPACES = st.none() | st.just({"name": "churn-prod", "labels": {"env": "contoso", "a.b": "azure"}})
RESULTS = st.none() | st.just({"rule": "r", "status": "failed", "summary": "s", "details": {"a.b": "contoso"}})


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """An event of any type with tags, data and envelope changed, as `parse_event` accepts it."""
    raw = draw(st.sampled_from(EXAMPLES))
    data = {**raw["data"], **{name: value for name, value in draw(MEMBERS).items() if name != "runStatus"}}
    if "runTags" in data:
        data["runTags"] = draw(MEMBERS | st.just(data["runTags"]))
    top: dict[str, Any] = draw(
        st.just({}) | MEMBERS | st.sampled_from([{"extra": {"a": "event"}}, {"DATA": 5}, {"data.x": 5}, {"type": "x"}])
    )
    return Context(parse_event({**top, **raw, "data": _plain(data)} | _plain(top)), draw(WORKSPACES), draw(RESULTS))


def _plain(value: Any) -> Any:
    """The value without what JSON cannot hold."""
    match value:
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case list():
            return [_plain(element) for element in value]
        case str() | bool() | None:
            return value
        case int() | float() if abs(value) < 10**300:
            return value
    return None


def condition(operator: Operator, key: str) -> Condition:
    """A condition with the operator's sample operands."""
    operands = samples_of(operator.name)[0]
    given = operands if operator.many else [operands]
    return Condition(key, operator, operator.operands(given if operator.takes else ()), f"{key} {operator.name}")


CONDITIONS = st.builds(condition, st.sampled_from(OPERATORS), st.sampled_from(KEYS))


@pytest.mark.slow
@any_input(40, 5_000, context=contexts(), conditions=st.lists(CONDITIONS, min_size=1, max_size=12))
def test_a_compiled_condition_agrees_with_the_plain_evaluator(context: Context, conditions: list[Condition]) -> None:
    """Many conditions share the values, in any order of evaluation."""
    view, values = context.view(), EventValues(context)
    expected = [condition.matches(view) for condition in conditions]
    assert [condition.holds(values) for condition in conditions] == expected
    assert [condition.holds(values) for condition in conditions] == expected


def holds(text: str, event: Event) -> bool:
    return Condition.parse(text).holds(EventValues(Context(event)))


def test_a_key_of_the_data_may_name_an_extra_member_of_the_envelope() -> None:
    """A custom publisher may send a member called `data.x`, or a second `data` in another case."""
    raw = RunStatusChanged.example().wire()
    assert holds("data.x NumberIn 5", parse_event(raw | {"data.x": 5}))
    assert holds("DATA.a NumberIn 5", parse_event(raw | {"DATA": {"a": 5}}))
    assert not holds("data.a NumberIn 5", parse_event(raw | {"DATA": {"a": 5}}))


def test_the_exact_one_of_names_that_differ_in_case_is_read() -> None:
    """An index by folded names alone could not distinguish them."""
    event = RunStatusChanged.example(run_tags={"Owner": "one", "owner": "two"})
    assert holds("data.runTags.owner StringIn two", event)
    assert holds("data.runTags.Owner StringIn one", event)
    assert holds("data.runTags.OWNER StringIn one", event)


def reading(keys: list[str], event: Event) -> Callable[[], None]:
    """Test one event for these keys, as the conditions of rules do."""
    conditions = [Condition.parse(f"{key} IsNotNull") for key in keys]

    def run() -> None:
        values = EventValues(Context(event))
        for condition in conditions:
            condition.holds(values)

    return run


@pytest.mark.parametrize("twins", [{}, {"Owner": "one", "owner": "two"}])
def test_another_condition_costs_the_same_for_any_number_of_tags(twins: dict[str, str]) -> None:
    """Also if two tags differ in case only."""

    def cost_of_96_keys(tags: int) -> int:
        event = RunStatusChanged.example(run_tags={f"tag{n}": n for n in range(tags)} | twins)
        keys = [f"data.runTags.missing.{n}" for n in range(96)]
        return calls_of(reading(keys, event)) - calls_of(reading(keys[:1], event))

    assert cost_of_96_keys(2_000) == cost_of_96_keys(20)


def test_names_of_members_are_not_repeated_for_each_inner_member() -> None:
    """A path of names for each member would take gigabytes for an event of 1 MB."""

    def memory(name: str) -> int:
        event = RunStatusChanged.example(run_tags={name: {f"m{n}": n for n in range(1_000)}})
        return peak_memory_of(reading(["data.runTags.x"], event))

    assert memory("x" * 100_000 + "é") < memory("x") + 5_000_000


@pytest.mark.parametrize("key", ["workspace.labels.env", "object", "drift.signal", "result.status", "subject", "no"])
def test_a_key_outside_of_the_data_costs_the_same_for_any_size_of_the_data(key: str) -> None:
    """The whole view takes several times as long as what such a condition reads."""
    small, large = (RunStatusChanged.example(run_tags={f"t{n}": [n] for n in range(count)}) for count in (1, 1_000))
    reading([key], large)()  # the event collects the names of its tags at the first look-up
    assert peak_memory_of(reading([key], large)) < peak_memory_of(reading([key], small)) + 10_000


def test_a_key_has_at_most_64_names() -> None:
    Condition.parse(f"{'.'.join('a' * MAX_NAMES)} IsNotNull")
    with pytest.raises(ValueError, match="has 65 names between dots; at most 64 are allowed"):
        Condition.parse(f"{'.'.join('a' * (MAX_NAMES + 1))} IsNotNull")
