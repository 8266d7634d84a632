"""`EventFilter`: event types, subjects, keys, combinations, and errors of invalid filters."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from dispatch.filters.event_filter import EventFilter
from dispatch.filters.operators import OPERATORS, Operator
from tests.dispatch.filters.test_operators import JSON, samples_of
from tests.kit.any_input import any_input

TOPIC = "/subscriptions/0/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/churn"
FAILED = "Microsoft.MachineLearningServices.RunStatusChanged"
GRID = {
    "id": "8e5f-1",
    "topic": TOPIC,
    "subject": "experiments/0f1e/runs/churn_42",
    "eventType": FAILED,
    "eventTime": "2024-05-01T10:00:00.1234567Z",
    "dataVersion": "2",
    "metadataVersion": "1",
    "data": {
        "runStatus": "Failed",
        "runTags": {"owner": "ml-team", "azureml.pipelineid": "p-1"},
        "runProperties": {},
        "Customer": {"Name": "exact", "NAME": "other"},
        "metrics": {"auc": 0.5, "by": {"fold": [1, 2]}},
        "nothing": None,
    },
}
CLOUD = {
    "specversion": "1.0",
    "id": GRID["id"],
    "source": TOPIC,
    "subject": GRID["subject"],
    "type": FAILED,
    "time": GRID["eventTime"],
    "dataschema": "2",
    "comexampleextension1": "value",
    "data": GRID["data"],
}


def matches(event: dict[str, Any], **members: Any) -> bool:
    return EventFilter.model_validate(members).matches(event)


def passes(event: dict[str, Any], key: str, operator: str, *values: Any, arrays: bool = False) -> bool:
    advanced: dict[str, Any] = {"operatorType": operator, "key": key}
    if values:
        advanced["values"] = list(values)
    return matches(event, advancedFilters=[advanced], enableAdvancedFilteringOnArrays=arrays)


@pytest.mark.parametrize("event", [GRID, CLOUD, {}, {"anything": [1]}])
def test_an_empty_filter_delivers_everything(event: dict[str, Any]) -> None:
    """null means absent, as ARM returns it."""
    assert matches(event)
    assert matches(
        event,
        includedEventTypes=None,
        subjectBeginsWith=None,
        subjectEndsWith=None,
        isSubjectCaseSensitive=None,
        enableAdvancedFilteringOnArrays=None,
        advancedFilters=None,
    )


@pytest.mark.parametrize("event", [GRID, CLOUD])
@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([FAILED], True),
        (["Microsoft.MachineLearningServices.RunCompleted", FAILED], True),
        (["Microsoft.MachineLearningServices.RunCompleted"], False),
        ([FAILED.lower()], False),
        ([FAILED[:-1]], False),
        (["All"], True),
        (["all"], True),
        (["Microsoft.MachineLearningServices.RunCompleted", "All"], True),
        ([], False),
    ],
)
def test_the_type_of_an_event_must_be_in_the_list(event: dict[str, Any], types: list[str], expected: bool) -> None:
    """Compared with case; `All` stands for every type; an empty list matches none."""
    assert matches(event, includedEventTypes=types) is expected


def test_an_event_without_a_type_matches_no_list_of_types() -> None:
    """Only a filter without event types delivers it."""
    assert not matches({"id": "1"}, includedEventTypes=[FAILED])
    assert matches({"id": "1"})


def test_the_type_of_a_cloud_event_is_not_its_extension_attribute_eventtype() -> None:
    """`eventtype` is a valid name of an extension attribute."""
    assert matches({**CLOUD, "eventtype": "mine"}, includedEventTypes=[FAILED])


SUBJECT = {"subject": "This_Is_A_Test_Subject", "eventType": "t"}


@pytest.mark.parametrize(
    ("begins", "ends", "case_sensitive", "expected"),
    [
        ("This", None, True, True),
        ("This", None, False, True),
        ("THIS", None, False, True),
        ("THIS", None, True, False),
        ("t", None, False, True),
        ("t", None, True, False),
        ("", None, True, True),
        ("", "", False, True),
        (None, None, True, True),
        ("Thus", None, False, False),
        ("his", None, False, False),
        ("This", "ect", True, True),
        ("This", "eCt", False, True),
        ("This", "eCt", True, False),
        ("This", "wrong", False, False),
        (None, "_SUBJECT", False, True),
        (None, "_SUBJECT", True, False),
        ("this_is_a_test_subject", "THIS_IS_A_TEST_SUBJECT", False, True),
        ("This_Is_A_Test_Subject", "This_Is_A_Test_Subject", True, True),
        ("This_Is_A_Test_Subject_", None, False, False),
        ("This*", None, False, False),
        (".*", None, False, False),
    ],
)
def test_a_subject_must_begin_and_end_as_the_filter_says(
    begins: str | None, ends: str | None, case_sensitive: bool, expected: bool
) -> None:
    """Without wildcards; without regard to case unless isSubjectCaseSensitive is true."""
    found = matches(SUBJECT, subjectBeginsWith=begins, subjectEndsWith=ends, isSubjectCaseSensitive=case_sensitive)
    assert found is expected


def test_subjects_are_compared_without_regard_to_case_by_default() -> None:
    """isSubjectCaseSensitive defaults to false."""
    assert matches(SUBJECT, subjectBeginsWith="tHIS")


def test_is_subject_case_sensitive_does_not_apply_to_advanced_filters() -> None:
    """An advanced filter on the subject ignores case."""
    assert matches(
        SUBJECT,
        isSubjectCaseSensitive=True,
        advancedFilters=[{"operatorType": "StringBeginsWith", "key": "Subject", "values": ["this"]}],
    )


@pytest.mark.parametrize("subject", [{}, {"subject": None}])
def test_the_source_stands_for_a_missing_subject_of_a_cloud_event(subject: dict[str, Any]) -> None:
    """As in AzureEventGridSimulator; in an advanced filter, null stays null."""
    event = {"specversion": "1.0", "type": "t", "source": "/mycontext", **subject}
    assert matches(event, subjectBeginsWith="/my")
    assert not matches(event, subjectBeginsWith="/blob")
    assert passes(event, "subject", "IsNullOrUndefined")


@pytest.mark.parametrize("subject", [None, 5, ["experiments"], {}])
def test_a_subject_that_is_not_a_string_begins_with_nothing(subject: Any) -> None:
    """But an empty prefix matches everything."""
    assert not matches({"subject": subject}, subjectBeginsWith="e")
    assert not matches({}, subjectEndsWith="e")
    assert matches({"subject": subject}, subjectBeginsWith="", subjectEndsWith="")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ID", "8e5f-1"),
        ("id", "8e5f-1"),
        ("eventid", "8e5f-1"),
        ("Topic", TOPIC),
        ("source", TOPIC),
        ("Subject", "experiments/0f1e/runs/churn_42"),
        ("EventType", FAILED),
        ("eventtype", FAILED),
        ("type", FAILED),
        ("DataVersion", "2"),
        ("dataschema", "2"),
        ("eventtypeversion", "2"),
        ("data.runStatus", "failed"),
        ("Data.RunStatus", "failed"),
        ("DATA.RUNTAGS.OWNER", "ML-TEAM"),
        ("data.Customer.NAME", "other"),
        ("data.Customer.Name", "exact"),
        ("data.customer.name", "exact"),
    ],
)
@pytest.mark.parametrize("event", [GRID, CLOUD])
def test_a_key_matches_in_any_case_in_both_envelopes(event: dict[str, Any], key: str, value: str) -> None:
    """Each name matches exactly, else in any case; members of an envelope also match under their other names."""
    assert passes(event, key, "StringIn", value)
    assert not passes(event, key, "StringIn", "something else")


@pytest.mark.parametrize(
    "key",
    [
        "data.missing",
        "data.runStatus.deeper",
        "data.metrics.by.fold.0",
        "data.metrics.by.fold[0]",
        "$.data.runStatus",
        "runStatus",
        "data.nothing.deeper",
        "data.runTags.azureml.pipelineid",
        "nothing.like.it",
    ],
)
def test_a_key_without_a_value_is_missing(key: str) -> None:
    """Scalars and arrays have no members, `$` and `[0]` have no meaning, and a name with a dot cannot be addressed."""
    assert passes(GRID, key, "IsNullOrUndefined")
    assert not passes(GRID, key, "IsNotNull")
    assert passes(GRID, key, "StringNotIn", "x")
    assert not passes(GRID, key, "StringNotContains", "x")


def test_the_exact_name_of_a_member_comes_before_a_synonym() -> None:
    """An event may have both, and custom events may have any member."""
    event = {"eventType": "a", "type": "b", "RootKey": {"Deep": {"er": {"and": {"on": 5}}}}}
    assert passes(event, "type", "StringIn", "b")
    assert passes(event, "eventType", "StringIn", "a")
    assert passes(event, "rootkey.deep.er.and.on", "NumberIn", 5)


def test_null_counts_as_undefined_and_as_a_value_of_another_type() -> None:
    """IsNullOrUndefined and IsNotNull treat null as missing; other operators ignore it, as a value of another type."""
    assert passes(GRID, "data.nothing", "IsNullOrUndefined")
    assert not passes(GRID, "data.nothing", "IsNotNull")
    assert passes(GRID, "data.nothing", "StringNotContains", "x")


def test_values_are_combined_with_or_and_filters_with_and() -> None:
    """Two filters may have the same key."""
    above = {"operatorType": "NumberGreaterThan", "key": "data.metrics.auc", "value": 0.4}
    below = {"operatorType": "NumberLessThan", "key": "data.metrics.auc", "value": 0.6}
    assert matches(GRID, advancedFilters=[above, below])
    assert not matches(GRID, advancedFilters=[above, {**below, "value": 0.5}])
    assert passes(GRID, "data.runStatus", "StringIn", "Canceled", "Failed")
    assert not passes(GRID, "data.runStatus", "StringNotIn", "Canceled", "Failed")


def test_type_subject_and_advanced_filters_must_all_match() -> None:
    good: dict[str, Any] = {
        "includedEventTypes": [FAILED],
        "subjectBeginsWith": "experiments/",
        "subjectEndsWith": "_42",
        "advancedFilters": [{"operatorType": "IsNotNull", "key": "data.runStatus"}],
    }
    bad: dict[str, Any] = {
        "includedEventTypes": ["x"],
        "subjectBeginsWith": "models/",
        "subjectEndsWith": "_43",
        "advancedFilters": [{"operatorType": "IsNullOrUndefined", "key": "data.runStatus"}],
    }
    assert matches(GRID, **good)
    assert [matches(GRID, **{**good, name: bad[name]}) for name in bad] == [False] * 4


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("NumberIn", [2, 7], True),
        ("NumberIn", [7], False),
        ("NumberNotIn", [7], True),
        ("NumberNotIn", [2], False),
        ("StringContains", ["RG"], True),
        ("StringNotContains", ["rg"], False),
        ("StringNotIn", ["5"], True),
        ("StringIn", ["true"], False),
        ("StringNotEndsWith", ["x"], True),
        ("NumberInRange", [[0, 1], [3, 4]], False),
        ("NumberNotInRange", [[0, 1], [3, 4]], True),
        ("NumberNotInRange", [[2, 2]], False),
    ],
)
def test_array_elements_of_other_types_are_ignored(operator: str, values: list[Any], expected: bool) -> None:
    """Elements of other types are ignored, nested arrays and objects included."""
    event = {"data": {"mixed": ["urgent", 2, 5, True, None, [7, "five"], {"rg": 7}]}}
    assert passes(event, "data.mixed", operator, *values, arrays=True) is expected


def test_numbers_match_whether_read_as_float_or_as_decimal() -> None:
    text = '{"data": {"price": 0.1, "id": 9007199254740993}}'
    for event in (json.loads(text), json.loads(text, parse_float=Decimal, parse_int=Decimal)):
        assert passes(event, "data.price", "NumberIn", 0.1)
        assert passes(event, "data.price", "NumberIn", Decimal("0.1"))
        assert passes(event, "data.id", "NumberIn", 9007199254740993)
        assert not passes(event, "data.id", "NumberIn", 9007199254740992)


@pytest.mark.parametrize("name", ["stringin", "STRINGIN", "StringIn"])
def test_operators_and_members_match_in_any_case(name: str) -> None:
    """As in ARM; an example of az writes `stringin`. A filter is serialized with the proper names."""
    raw = {"AdvancedFilters": [{"OperatorType": name, "Key": "Data.runStatus", "Values": ["failed"]}]}
    loaded = EventFilter.model_validate(raw)
    assert loaded.matches(GRID)
    assert loaded.model_dump(by_alias=True, exclude_defaults=True, mode="json") == {
        "advancedFilters": [{"operatorType": "StringIn", "key": "Data.runStatus", "values": ["failed"]}]
    }


def test_a_filter_is_immutable() -> None:
    """Threads share it."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(EventFilter.model_validate({}), "subject_begins_with", "x")  # noqa: B010 - mypy knows that it is frozen


@pytest.mark.parametrize(
    ("advanced", "message"),
    [
        ({}, "operatorType\n  Field required"),
        ({"operatorType": "StringIn", "values": ["a"]}, "key\n  Field required"),
        (
            {"operatorType": "StringLike", "key": "a", "values": ["a"]},
            "there is no operator 'StringLike'. Did you mean",
        ),
        ({"operatorType": 5, "key": "a"}, "there is no operator 5. The operators are NumberIn"),
        ({"operatorType": "StringIn", "key": "", "values": ["a"]}, "'' is not a key. Write names"),
        ({"operatorType": "StringIn", "key": " ", "values": ["a"]}, "' ' is not a key"),
        ({"operatorType": "StringIn", "key": "data..a", "values": ["a"]}, "'data..a' is not a key"),
        ({"operatorType": "StringIn", "key": "data.", "values": ["a"]}, "'data.' is not a key"),
        ({"operatorType": "StringIn", "key": 5, "values": ["a"]}, "Input should be a valid string"),
        ({"operatorType": "StringIn", "key": "a", "value": "a"}, "StringIn takes values, not value"),
        ({"operatorType": "StringIn", "key": "a", "value": "a", "values": ["a"]}, "StringIn takes values, not value"),
        ({"operatorType": "NumberLessThan", "key": "a", "values": [5]}, "NumberLessThan takes value, not values"),
        ({"operatorType": "BoolEquals", "key": "a", "values": [True]}, "BoolEquals takes value, not values"),
        ({"operatorType": "IsNotNull", "key": "a", "values": ["a"]}, "IsNotNull takes no value, not values"),
        (
            {"operatorType": "IsNullOrUndefined", "key": "a", "value": False},
            "IsNullOrUndefined takes no value, not value",
        ),
        ({"operatorType": "StringIn", "key": "a"}, "StringIn takes one value or more; none given"),
        ({"operatorType": "StringIn", "key": "a", "values": None}, "StringIn takes one value or more; none given"),
        ({"operatorType": "StringIn", "key": "a", "values": []}, "StringIn takes one value or more; none given"),
        ({"operatorType": "NumberLessThan", "key": "a"}, "NumberLessThan takes one value; none given"),
        ({"operatorType": "NumberLessThan", "key": "a", "value": None}, "NumberLessThan takes one value; none given"),
        ({"operatorType": "StringIn", "key": "a", "values": "abc"}, "Input should be a valid tuple"),
        ({"operatorType": "StringIn", "key": "a", "values": ["a", 5]}, "StringIn: 5 is not a string"),
        ({"operatorType": "StringIn", "key": "a", "values": [None]}, "StringIn: None is not a string"),
        ({"operatorType": "NumberIn", "key": "a", "values": [1, "5"]}, "NumberIn: '5' is not a number"),
        ({"operatorType": "NumberIn", "key": "a", "values": [True]}, "NumberIn: True is not a number"),
        ({"operatorType": "NumberIn", "key": "a", "values": [float("nan")]}, "NumberIn: nan is not a number"),
        ({"operatorType": "NumberLessThan", "key": "a", "value": "5"}, "NumberLessThan: '5' is not a number"),
        ({"operatorType": "NumberLessThan", "key": "a", "value": [5]}, "NumberLessThan: [5] is not a number"),
        ({"operatorType": "BoolEquals", "key": "a", "value": "true"}, "BoolEquals: 'true' is not true or false"),
        ({"operatorType": "BoolEquals", "key": "a", "value": 1}, "BoolEquals: 1 is not true or false"),
        ({"operatorType": "NumberInRange", "key": "a", "values": [1, 5]}, "NumberInRange: 1 is not a range"),
        ({"operatorType": "NumberInRange", "key": "a", "values": [[1]]}, "[1] is not a range: two numbers"),
        ({"operatorType": "NumberInRange", "key": "a", "values": [[1, 2, 3]]}, "[1, 2, 3] is not a range"),
        ({"operatorType": "NumberNotInRange", "key": "a", "values": [[1, 2], [5, 4]]}, "[5, 4] is not a range"),
        ({"operatorType": "NumberInRange", "key": "a", "values": [["1", "2"]]}, "['1', '2'] is not a range"),
        ({"operatorType": "IsNotNull", "key": "a", "keys": "b"}, "Extra inputs are not permitted"),
    ],
)
def test_an_invalid_advanced_filter_is_an_error(advanced: dict[str, Any], message: str) -> None:
    """The message has the position, the error, and a hint."""
    with pytest.raises(ValidationError) as caught:
        EventFilter.model_validate({"advancedFilters": [advanced]})
    assert "advancedFilters.0" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"includedEventTypes": "All"}, "includedEventTypes"),
        ({"includedEventTypes": [5]}, "includedEventTypes.0"),
        ({"subjectBeginsWith": 5}, "subjectBeginsWith"),
        ({"isSubjectCaseSensitive": "true"}, "isSubjectCaseSensitive"),
        ({"enableAdvancedFilteringOnArrays": 1}, "enableAdvancedFilteringOnArrays"),
        ({"advancedFilters": {"operatorType": "IsNotNull", "key": "a"}}, "advancedFilters"),
        ({"advancedFilters": ["data.a IsNotNull"]}, "advancedFilters.0"),
        ({"advancedFilter": []}, "advancedFilter"),
        ({"filter": {}}, "filter"),
    ],
)
def test_an_invalid_filter_object_is_an_error(members: dict[str, Any], where: str) -> None:
    """No unknown member is ignored, and no value is converted."""
    with pytest.raises(ValidationError) as caught:
        EventFilter.model_validate(members)
    assert f"\n{where}\n" in str(caught.value)


def test_all_errors_of_a_filter_are_raised_together() -> None:
    with pytest.raises(ValidationError) as caught:
        EventFilter.model_validate(
            {"subjectEndsWith": 5, "advancedFilters": [{"operatorType": "X", "key": ""}, {"operatorType": "StringIn"}]}
        )
    assert len(caught.value.errors()) == 4


def string_in(*values: str) -> dict[str, Any]:
    return {"operatorType": "StringIn", "key": "data.a", "values": list(values)}


@pytest.mark.parametrize(
    ("advanced", "sentences"),
    [
        ([string_in("a" * 512)] * 25, []),
        ([{"operatorType": "IsNotNull", "key": "data.a"}] * 26, ["26 advanced filters; Event Grid takes at most 25"]),
        ([string_in(*"abcdefghijklm")] * 2, ["26 values over all advanced filters; Event Grid takes at most 25"]),
        ([string_in("a", "b" * 513)], ["513 characters in a string value; Event Grid takes at most 512"]),
        (
            [{"operatorType": "NumberInRange", "key": "data.a", "values": [[n, n] for n in range(26)]}],
            ["26 values over all advanced filters; Event Grid takes at most 25"],
        ),
        ([string_in("a" * 600)] * 26, ["26 advanced", "26 values", "600 characters"]),
    ],
)
def test_limits_lists_exceeded_limits_and_the_filter_still_matches(
    advanced: list[dict[str, Any]], sentences: list[str]
) -> None:
    """25 filters, 25 values over all of them, 512 characters in a string."""
    loaded = EventFilter.model_validate({"advancedFilters": advanced})
    assert len(loaded.limits()) == len(sentences)
    assert all(found.startswith(wanted) for found, wanted in zip(loaded.limits(), sentences, strict=True))
    assert loaded.matches(GRID) in (True, False)


KEYS = st.sampled_from(["data", "data.a", "Data.A.b", "id", "subject", "type", "a.b.c", "topic"])


def an_advanced_filter(operator: Operator, key: str) -> dict[str, Any]:
    operands = samples_of(operator.name)[0]
    return {"operatorType": operator.name, "key": key, **({operator.takes: operands} if operator.takes else {})}


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "includedEventTypes": st.lists(st.sampled_from(["t", "All", FAILED]), max_size=2),
        "subjectBeginsWith": st.text(max_size=2),
        "subjectEndsWith": st.text(max_size=2),
        "isSubjectCaseSensitive": st.booleans(),
        "enableAdvancedFilteringOnArrays": st.booleans(),
        "advancedFilters": st.lists(st.builds(an_advanced_filter, st.sampled_from(OPERATORS), KEYS), max_size=3),
    },
)
NAMES = st.sampled_from(["id", "topic", "subject", "eventType", "type", "data", "Data", "a", "A", "b", ""]) | st.text()
EVENTS = st.dictionaries(NAMES, st.dictionaries(NAMES, JSON, max_size=4) | JSON, max_size=8)


@pytest.mark.slow
@any_input(10, 3_000, members=FILTERS, event=EVENTS)
def test_a_valid_filter_can_be_evaluated_for_any_event(members: dict[str, Any], event: dict[str, Any]) -> None:
    """It raises no error, whatever the event contains, and does not change the event."""
    before = repr(event)
    assert matches(event, **members) in (True, False)
    assert repr(event) == before
