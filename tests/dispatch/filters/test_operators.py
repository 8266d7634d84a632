"""The table of operators: the answer of each for every shape of value that an event can have.

A cell is T or F, with the source of the answer:

    T    the page ("Understand event filtering for Event Grid subscriptions") says so explicitly
    T'   the page's pseudo-code, applied to a case that the page does not mention
    T=   Event Grid on IoT Edge, "Advanced filtering"
    T?   none: dispatch.filters.operators explains the choice
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.filters.event_filter import EventFilter
from dispatch.filters.operators import OPERATORS, number, operator_named
from schemas.plain import MISSING, fold
from tests.kit.any_input import any_input

TABLE = """
                           passes  fails  missing  null  other  [any]  [none]  []  [other]  off
NumberIn                   T       F      F        F?    F'     T      F       F'  F        F=
NumberNotIn                F       T      T        T?    T'     F      T       T'  T        F=
NumberInRange              T       F      F?       F?    F'     T      F       F'  F        F=
NumberNotInRange           F       T      T'       T?    T'     F      T       T'  T        F=
NumberLessThan             T       F      F        F?    F'     T      F       F'  F        F=
NumberLessThanOrEquals     T       F      F        F?    F'     T      F       F'  F        F=
NumberGreaterThan          T       F      F        F?    F'     T      F       F'  F        F=
NumberGreaterThanOrEquals  T       F      F        F?    F'     T      F       F'  F        F=
BoolEquals                 T       F      F        F?    F'     T      F       F'  F        F=
StringIn                   T       F      F        F?    F'     T      F       F'  F        F=
StringNotIn                F       T      T        T?    T'     F      T       T'  T        F=
StringContains             T       F      F        F?    F'     T      F       F'  F        F=
StringNotContains          F       T      F        T?    T'     F      T       T'  T        F=
StringBeginsWith           T       F      F        F?    F'     T      F       F'  F        F=
StringNotBeginsWith        F       T      F        T?    T'     F      T       T'  T        F=
StringEndsWith             T       F      F        F?    F'     T      F       F'  F        F=
StringNotEndsWith          F       T      F        T?    T'     F      T       T'  T        F=
IsNullOrUndefined          F       F      T        T     F      F      F       F   F        F
IsNotNull                  T       T      F        F     T      T      T       T   T        T
"""

# Operands; values for which the comparison is true (a negated operator negates it); values for which it is false.
SAMPLES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "NumberIn": ([5, 1.5], [5, 1.5, 5.0, Decimal("1.50")], [0, 6, -5, 1.4999]),
    "NumberInRange": ([[3.14159, 999.95], [3000, 4000]], [3.14159, 5, 999.95, 3000, 4000], [3.14158, 1000, 4000.1, 0]),
    "NumberLessThan": (100, [99, -1, 99.99], [100, 100.0, 101]),
    "NumberLessThanOrEquals": (100, [99, 100, Decimal(100)], [100.01, 101]),
    "NumberGreaterThan": (20, [21, 20.01, 10**30], [20, 19, 0]),
    "NumberGreaterThanOrEquals": (30, [30, 30.0, 31], [29.99, 0]),
    "BoolEquals": (True, [True], [False]),
    "StringIn": (["contoso", "Factory"], ["contoso", "CONTOSO", "factory"], ["", "contos", "a contoso", "contoso "]),
    "StringContains": (["microsoft", "azure"], ["azure data factory", "On AZURE"], ["", "aws", "azur e"]),
    "StringBeginsWith": (["event", "message"], ["event hubs", "EVENT", "Messages"], ["", "an event", "even"]),
    "StringEndsWith": (["jpg", "jpeg", "png"], ["eventgrid.png", "a.JPEG"], ["", "png.", "gif"]),
    "IsNullOrUndefined": (None, [0, "", False, 5, "x", {}], ["null", "undefined"]),
}
OTHERS: dict[str, list[Any]] = {
    "Number": ["5", "", "abc", True, False, {"a": 5}, float("nan"), float("inf"), Decimal("NaN")],
    "Bool": [1, 0, "true", "", {"a": True}],
    "String": [5, 1.5, True, False, {"contoso": "azure"}],
    "Is": [5, "x", True, {"a": 1}, {}],
}


def samples_of(name: str) -> tuple[Any, list[Any], list[Any], list[Any]]:
    """Operands, values that pass, values that fail, values of other types."""
    operands, passes, fails = SAMPLES[
        name if name in SAMPLES else name.replace("Not", "").replace("Null", "NullOrUndefined")
    ]
    return operands, passes, fails, next(others for kind, others in OTHERS.items() if name.startswith(kind))


def values_for(name: str, column: str) -> list[Any]:
    """The values of the event at the key, for a column."""
    _, passes, fails, others = samples_of(name)
    return {
        "passes": passes,
        "fails": fails,
        "missing": [MISSING],
        "null": [None],
        "other": others,
        "[any]": [[value] for value in passes] + [[*fails, *others, None, passes[0]], [passes[0], *fails]],
        "[none]": [fails, [*fails, *others, None]],
        "[]": [[]],
        "[other]": [others, [None], [[passes[0]]], [{"a": passes[0]}]],
        "off": [[], passes, fails, others],
    }[column]


def filter_for(name: str, *, arrays: bool = True) -> EventFilter:
    operands = samples_of(name)[0]
    member = operator_named(name).takes
    advanced = {"operatorType": name, "key": "data.key1", **({member: operands} if member else {})}
    return EventFilter.model_validate({"enableAdvancedFilteringOnArrays": arrays, "advancedFilters": [advanced]})


def event_with(value: Any) -> dict[str, Any]:
    return {"id": "1", "data": {"key2": 5} if value is MISSING else {"key1": value}}


HEAD, *ROWS = TABLE.strip("\n").splitlines()
CELLS = [
    pytest.param(row.split()[0], column, cell, id=f"{row.split()[0]}-{column}-{cell}")
    for row in ROWS
    for column, cell in zip(HEAD.split(), row.split()[1:], strict=True)
]


@pytest.mark.parametrize(("name", "column", "cell"), CELLS)
def test_an_operator_returns_the_value_in_its_cell_of_the_table(name: str, column: str, cell: str) -> None:
    values = values_for(name, column)
    matching = filter_for(name, arrays=column != "off")
    assert values
    assert [(value, matching.matches(event_with(value))) for value in values] == [
        (value, cell.startswith("T")) for value in values
    ]


def test_the_table_has_every_operator_once() -> None:
    """Nineteen operators, as ARM's AdvancedFilterOperatorType lists them."""
    assert [row.split()[0] for row in ROWS] == [operator.name for operator in OPERATORS]
    assert len({operator.name.lower() for operator in OPERATORS}) == 19


def test_only_three_negated_operators_match_a_missing_key() -> None:
    """StringNotContains, StringNotBeginsWith and StringNotEndsWith do not, as a note of the page says."""
    assert [operator.name for operator in OPERATORS if operator.missing] == [
        "NumberNotIn",
        "NumberNotInRange",
        "StringNotIn",
    ]


@pytest.mark.parametrize("enabled", [True, False])
def test_filtering_on_arrays_does_not_change_the_answer_for_a_single_value(enabled: bool) -> None:
    assert filter_for("StringIn", arrays=enabled).matches(event_with("contoso"))
    assert not filter_for("StringNotIn", arrays=enabled).matches(event_with("contoso"))


@pytest.mark.parametrize(
    ("operator", "operand", "value", "expected"),
    [
        ("NumberIn", [0.1], Decimal("0.1"), True),
        ("NumberIn", [0.1], 0.1, True),
        ("NumberIn", [Decimal("0.3")], 0.1 + 0.2, False),
        ("NumberIn", [9007199254740993], 9007199254740992, False),
        ("NumberIn", [9007199254740993], 9007199254740993, True),
        ("NumberIn", [18446744073709551615], 9223372036854775807, False),
        ("NumberIn", [1], Decimal("1.000"), True),
        ("NumberIn", [1000], 1e3, True),
        ("NumberIn", [0], -0.0, True),
        ("NumberNotIn", [9007199254740993], 9007199254740992, True),
        ("NumberGreaterThan", 9007199254740992, 9007199254740993, True),
        ("NumberGreaterThan", 9223372036854775807, 18446744073709551615, True),
        ("NumberLessThan", 0.123451, 0.12345, True),
        ("NumberInRange", [[0.1, 0.2]], Decimal("0.1"), True),
        ("NumberInRange", [[0.1, 0.2]], Decimal("0.2000000000000000000000000000001"), False),
        ("NumberInRange", [[5, 5]], 5, True),
        ("NumberInRange", [[-5, -1]], -3, True),
        ("NumberNotInRange", [[-5, -1]], 0, True),
        ("NumberIn", [1e308], 10**400, False),
    ],
)
def test_numbers_are_compared_exactly(operator: str, operand: Any, value: Any, expected: bool) -> None:
    """As Decimal, whether they are int, float or Decimal."""
    member = operator_named(operator).takes
    matching = EventFilter.model_validate(
        {"advancedFilters": [{"operatorType": operator, "key": "data.key1", member: operand}]}
    )
    assert matching.matches(event_with(value)) is expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Failed", "fAILED", True),
        ("Zoë", "ZOË", True),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("straße", "STRASSE", False),  # .NET compares character by character
        ("i", "I", True),
        ("İ", "i", False),
        ("a ", "a", False),
        ("", "", True),
    ],
)
def test_strings_compare_without_regard_to_case(one: str, other: str, same: bool) -> None:
    """Advanced filters have no setting for it."""
    assert (fold(one) == fold(other)) is same


@given(st.text())
def test_folding_keeps_the_length(text: str) -> None:
    """A prefix of a text stays a prefix of the folded text, and 512 characters stay 512."""
    folded = fold(text)
    assert folded is not None
    assert len(folded) == len(text)


@pytest.mark.parametrize("value", [True, False, None, "5", [], {}, float("nan"), float("-inf"), Decimal("sNaN")])
def test_values_of_other_types_are_not_numbers(value: Any) -> None:
    """Nothing is converted; NaN and the infinities are not numbers either."""
    assert number(value) is None


PAIRS = [(o.name.replace("Not", ""), o.name) for o in OPERATORS if o.negated and o.kind]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@any_input(50, 2_000, value=JSON | st.sampled_from(["contoso", "azure", 5, 3500]))
def test_a_negated_operator_inverts_the_plain_one_for_any_value(value: Any) -> None:
    """They differ only for missing keys, and for arrays while filtering on arrays is disabled."""
    for plain, negated in PAIRS:
        matches = [filter_for(name).matches(event_with(value)) for name in (plain, negated)]
        assert sorted(matches) == [False, True]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("StringsIn", "Did you mean StringIn?"),
        ("NumberGreatherThan", "Did you mean NumberGreaterThan?"),
        ("NotNull", "Did you mean IsNotNull?"),
        ("==", "The operators are NumberIn, "),
    ],
)
def test_an_unknown_operator_gets_a_hint(name: str, hint: str) -> None:
    """The likeliest operator, or all of them."""
    with pytest.raises(ValueError, match="there is no operator") as caught:
        operator_named(name)
    assert hint in str(caught.value)
