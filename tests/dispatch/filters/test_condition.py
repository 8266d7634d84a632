"""`Condition`: one line of a rule's `when:`."""

import re
from typing import Any

import pytest
from hypothesis import strategies as st

from dispatch.filters.condition import Condition
from dispatch.filters.event_filter import EventFilter
from dispatch.filters.operators import OPERATORS, Operator
from tests.dispatch.filters.test_event_filter import EVENTS, KEYS, an_advanced_filter
from tests.dispatch.filters.test_operators import samples_of
from tests.kit.any_input import any_input

VIEW: dict[str, Any] = {
    "eventType": "Microsoft.MachineLearningServices.RunStatusChanged",
    "subject": "experiments/0f1e/runs/churn_42",
    "data": {
        "runStatus": "Failed",
        "driftCoefficient": 0.3,
        "runTags": {
            "owner": "ml-team@example.com",
            "azureml.pipelineid": "p-1",
            "azureml.node.id": "n-1",
            "githuB_REPOSITORY": "churn",
            "note": "it's here",
            "azureml": "a scalar in the way",
        },
        "runProperties": {"azureml": {"runsource": "nested", "run": {"type": "deep"}}, "azureml.runsource": "joined"},
        "scores": [0.1, 0.9, "high"],
        "isRetry": False,
    },
    "workspace": {"name": "churn-prod", "labels": {"env": "prod", "a.b": "c"}},
    "drift": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data.runStatus StringIn Failed NotResponding", True),
        ("data.runStatus StringIn Completed", False),
        ("DATA.RunStatus stringin fAILED", True),
        ("data.driftCoefficient NumberInRange 0.3,0.5 0.9,1", True),
        ("data.driftCoefficient NumberInRange 0.4,0.5", False),
        ("data.driftCoefficient NumberNotInRange ' -5,-1' -1,0", True),
        ("data.driftCoefficient NumberGreaterThan -1", True),
        ("data.driftCoefficient NumberIn 3e-1", True),
        ("data.driftCoefficient NumberLessThan .300000000000000000000000001", True),
        ("data.driftCoefficient NumberGreaterThanOrEquals +0.30", True),
        ("data.isRetry BoolEquals false", True),
        ("data.isRetry BoolEquals FALSE", True),
        ("data.isRetry BoolEquals true", False),
        ("data.runTags.owner IsNotNull", True),
        ("data.runTags.reviewer IsNullOrUndefined", True),
        ("drift IsNullOrUndefined", True),
        ('data.runTags.note StringIn "it\'s here"', True),
        ("data.runTags.note StringIn it\\'s\\ here", True),
        ("data.runTags.note StringContains 'here'", True),
        ("data.runTags.note StringNotIn ''", True),
        ("data.runTags.GITHUB_REPOSITORY StringIn churn", True),
        ("workspace.labels.env StringIn prod", True),
        ("workspace.name StringEndsWith -prod", True),
        ("data.scores NumberGreaterThan 0.8", True),
        ("data.scores StringNotContains high", False),
        ("data.scores NumberNotIn 5", True),
        ("data.runStatus StringIn # Failed", True),
    ],
)
def test_a_condition_reads_the_wire_and_what_the_app_adds(text: str, expected: bool) -> None:
    """Its operator reads the event as on the wire, and what the app adds to it."""
    assert Condition.parse(text).matches(VIEW) is expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.runTags.azureml.pipelineid", "p-1"),
        ("data.runTags.AzureML.PipelineId", "p-1"),
        ("data.runTags.azureml.node.id", "n-1"),
        ("data.runTags.azureml", "a scalar in the way"),
        ("data.runProperties.azureml.runsource", "nested"),
        ("data.runProperties.azureml.run.type", "deep"),
        ("workspace.labels.a.b", "c"),
    ],
)
def test_a_name_in_a_key_may_contain_dots(key: str, value: str) -> None:
    """A nested member comes first, then the longest name; a scalar on the way does not end the search."""
    assert Condition.parse(f"{key} StringIn '{value}'").matches(VIEW)


@pytest.mark.parametrize("key", ["data.runTags.azureml.pipeline", "data.runTags.azureml.node", "data.runTagsowner"])
def test_a_part_of_a_dotted_name_does_not_match(key: str) -> None:
    assert Condition.parse(f"{key} IsNullOrUndefined").matches(VIEW)


def test_the_longest_joined_name_wins() -> None:
    """If several names match and none is nested all the way."""
    view = {"a.b.c": "long", "a.b": {"c": "short"}, "a": {"b.c": "shorter"}}
    assert Condition.parse("a.b.c StringIn long").matches(view)


def test_the_search_continues_after_a_name_without_the_next_member() -> None:
    """`a.b` is there but has no `c`; `a` has `b.c`."""
    assert Condition.parse("a.b.c StringIn found").matches({"a.b": {"x": 1}, "a": {"b.c": "found"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a condition. Write KEY OPERATOR VALUE"),
        ("   ", "is not a condition"),
        ("data.runStatus", "'data.runStatus' is not a condition"),
        ("data.runStatus StringsIn Failed", "there is no operator 'StringsIn'. Did you mean StringIn?"),
        (
            "data.runStatus == Failed",
            "there is no operator '=='. Did you mean data.runStatus StringIn Failed?",
        ),
        ("StringIn data.runStatus Failed", "there is no operator 'data.runStatus'. The operators are NumberIn"),
        ("data.runStatus StringIn", "StringIn takes one value or more; none given"),
        ("data.a NumberLessThan", "NumberLessThan takes one value; none given"),
        ("data.a NumberLessThan 5 6", "NumberLessThan takes one value; 2 given"),
        ("data.a BoolEquals true false", "BoolEquals takes one value; 2 given"),
        ("data.a IsNotNull x", "IsNotNull takes no value; 1 given"),
        ("data.a NumberIn five", "NumberIn: 'five' is not a number"),
        ("data.a NumberIn 1_000", "NumberIn: '1_000' is not a number"),
        ("data.a NumberIn nan", "NumberIn: 'nan' is not a number"),
        ("data.a NumberIn Infinity", "NumberIn: 'Infinity' is not a number"),
        ("data.a NumberIn 1,5", "NumberIn: '1,5' is not a number"),
        ("data.a NumberIn 1e99999999999999999999", "is not a number"),
        ("data.a NumberInRange 5", "NumberInRange: '5' is not a range: two numbers, the lower first"),
        ("data.a NumberInRange 5,1", "NumberInRange: '5,1' is not a range"),
        ("data.a NumberInRange 1,2,3", "NumberInRange: '1,2,3' is not a range"),
        ("data.a NumberInRange 1, 2", "NumberInRange: '1,' is not a range"),
        ("data.a BoolEquals yes", "BoolEquals: 'yes' is not true or false"),
        ("data.a StringIn 'open", "No closing quotation. Quote a value"),
        ("data.a StringIn don't", "No closing quotation. Quote a value"),
        ("data.a StringIn x\\", "No escaped character. Quote a value"),
        (".a IsNotNull", "'.a' is not a key"),
        ("data..a IsNotNull", "'data..a' is not a key"),
        ("'' IsNotNull", "'' is not a key"),
    ],
)
def test_an_invalid_condition_raises_an_error_with_a_hint(text: str, message: str) -> None:
    """The message has the invalid text, and a hint."""
    with pytest.raises(ValueError, match=re.escape(message)):
        Condition.parse(text)


@pytest.mark.parametrize(
    "text",
    ["data.runStatus  StringIn 'a b' \"c\"", "data.a numberin 1.50", "data.a NumberInRange 1,5", "data.a IsNotNull"],
)
def test_str_returns_the_text_of_a_condition(text: str) -> None:
    """Parsing that text again gives an equal condition."""
    condition = Condition.parse(text)
    assert str(condition) == text
    assert repr(condition) == f"Condition.parse({text!r})"
    assert Condition.parse(str(condition)) == condition


def test_conditions_with_the_same_meaning_are_equal() -> None:
    """Whatever the quoting, the case of operators and values, and trailing zeros."""
    assert Condition.parse("data.a stringin 'x'") == Condition.parse("data.a StringIn X")
    assert hash(Condition.parse("data.a NumberIn 1.0")) == hash(Condition.parse("data.a NumberIn 1"))
    assert Condition.parse("data.a StringIn x") != Condition.parse("data.a StringIn y")


@pytest.mark.parametrize(
    ("text", "local_only"),
    [
        ("data.runStatus StringIn Failed", False),
        ("Data.RunTags.owner IsNotNull", False),
        ("subject StringBeginsWith experiments/", False),
        ("EventType StringContains Run", False),
        ("data.metrics.auc.test NumberLessThan 0.5", False),
        ("data.runTags.azureml.pipelineid IsNotNull", True),
        ("data.modelProperties.a.b IsNotNull", True),
        ("workspace.name StringIn churn-prod", True),
        ("drift IsNotNull", True),
        ("result.status StringIn failed", True),
        ("source StringContains churn", True),  # system topics publish in Event Grid schema
        ("eventTime StringBeginsWith 2024", True),
        ("subject.x IsNotNull", True),
        (f"data.a StringIn {'x' * 512}", False),
        (f"data.a StringIn {'x' * 513}", True),
        (f"data.a StringIn {'x ' * 25}", False),
        (f"data.a StringIn {'x ' * 26}", True),
    ],
)
def test_a_condition_that_event_grid_cannot_evaluate_is_local_only(text: str, local_only: bool) -> None:
    """Names with dots, keys that the app adds to the event, and values over the limits of the service."""
    assert Condition.parse(text).local_only is local_only


def text_of(name: str, key: str) -> str:
    """The filter of `an_advanced_filter` in the syntax of az."""
    operands = samples_of(name)[0]
    given = [] if operands is None else operands if isinstance(operands, list) else [operands]
    return " ".join([key, name, *(str(value).replace(" ", "").strip("[]") for value in given)])


@pytest.mark.slow
@any_input(
    10, 3_000, operator=st.sampled_from(OPERATORS), key=KEYS.filter(lambda key: key.count(".") < 2), event=EVENTS
)
def test_a_condition_matches_as_the_advanced_filter(operator: Operator, key: str, event: dict[str, Any]) -> None:
    """With filtering on arrays enabled, if no name in the event contains a dot."""
    plain = {name: value for name, value in event.items() if "." not in name}
    members = {"enableAdvancedFilteringOnArrays": True, "advancedFilters": [an_advanced_filter(operator, key)]}
    expected = EventFilter.model_validate(members).matches(plain)
    assert Condition.parse(text_of(operator.name, key)).matches(plain) is expected
