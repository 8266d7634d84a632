"""`contradiction`: conditions on one key that no value satisfies together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.filters.condition import Condition
from dispatch.filters.contradictions import contradiction
from dispatch.filters.operators import OPERATORS
from schemas.plain import MISSING


def conditions(*texts: str) -> list[Condition]:
    return [Condition.parse(f"k {text}") for text in texts]


@pytest.mark.parametrize(
    "texts",
    [
        ("StringIn a", "StringIn b"),
        ("StringIn a", "StringNotIn A"),
        ("StringIn abc", "StringContains x"),
        ("StringIn abc bcd", "StringBeginsWith x y"),
        ("StringIn abc bcd", "StringNotEndsWith c D"),
        ("StringBeginsWith ac", "StringBeginsWith ab"),
        ("StringEndsWith ca", "StringEndsWith ba"),
        ("StringBeginsWith abc", "StringNotBeginsWith ab"),
        ("StringBeginsWith abc", "StringNotContains bc"),
        ("StringNotEndsWith bc", "StringEndsWith abc"),
        ("StringEndsWith abc", "StringNotContains b"),
        ("StringContains abc", "StringNotContains ab"),
        ("NumberGreaterThan 5", "NumberLessThan 5"),
        ("NumberGreaterThanOrEquals 5", "NumberLessThanOrEquals 4"),
        ("NumberIn 5", "NumberNotIn 5"),
        ("NumberInRange 1,4", "NumberInRange 5,9"),
        ("NumberInRange 4,5", "NumberNotInRange 1,6"),
        ("IsNullOrUndefined", "IsNotNull"),
        ("IsNullOrUndefined", "StringIn a"),
        ("NumberIn 1", "IsNullOrUndefined"),
        ("BoolEquals true", "BoolEquals false"),
        ("NumberIn 1", "StringIn 1"),
    ],
)
def test_conditions_that_exclude_each_other_are_found(texts: tuple[str, ...]) -> None:
    """In either order, and beside a condition that excludes neither."""
    one, other = conditions(*texts)
    assert set(contradiction([one, other])) == set(contradiction([other, one])) == {one, other}
    assert set(contradiction([one, *conditions("StringNotIn zzz"), other])) >= {one, other}


@pytest.mark.parametrize(
    "texts",
    [
        ("StringIn a b", "StringIn b c"),
        ("StringIn a b", "StringNotIn a"),
        ("StringBeginsWith a", "StringBeginsWith ab"),
        ("StringBeginsWith ab", "StringNotBeginsWith abc"),
        ("StringBeginsWith ab", "StringEndsWith cd"),
        ("StringContains ab", "StringNotBeginsWith ab"),
        ("NumberGreaterThan 5", "NumberLessThan 5.1"),
        ("NumberInRange 1,5", "NumberInRange 5,9"),
        ("NumberGreaterThan 1e30", "NumberGreaterThan 1e31"),
        ("NumberGreaterThan 1e9999", "NumberNotIn 1e-9999"),
        ("NumberGreaterThan 1.00000000000000000000000000001", "NumberLessThan 1.00000000000000000000000000002"),
        ("NumberLessThan -1e30", "NumberLessThan -1e31"),
        ("NumberNotIn 5", "NumberNotInRange 4,6"),
        ("NumberNotIn 5", "StringIn a"),
        ("IsNullOrUndefined", "StringNotIn a"),
        ("IsNullOrUndefined", "StringNotContains a"),
        ("IsNotNull", "StringNotContains a"),
    ],
)
def test_conditions_that_can_hold_together_are_left_alone(texts: tuple[str, ...]) -> None:
    assert contradiction(conditions(*texts)) == ()


def test_values_that_a_key_can_have_are_tried() -> None:
    """Also on a single condition."""
    [never, fine] = conditions("StringIn x", "StringIn a")
    assert contradiction([fine, never], ["a", "b"]) == (never,)
    assert contradiction([fine], ["a", "b"]) == ()
    assert contradiction(conditions("IsNullOrUndefined"), ["a", MISSING]) == ()
    both = conditions("StringNotIn a", "StringNotIn b")
    assert contradiction(both, ["a", "b"]) == tuple(both)
    assert contradiction(both, ["a", "b", "c"]) == ()


def test_conditions_with_very_many_operands_are_not_compared() -> None:
    many = " ".join(f"x{n}" for n in range(300))
    assert contradiction(conditions(f"StringIn {many}", f"StringNotIn {many}")) == ()


WORDS = {"NUMBER": ["1", "2.5", "3"], "RANGE": ["1,2", "2,3"], "BOOL": ["true", "false"], "STRING": ["a", "ab", "b"]}
VALUES = [
    MISSING,
    None,
    "",
    "a",
    "ab",
    "b",
    "abx",
    "xab",
    "xb",
    "ba",
    "aab",
    0,
    1,
    1.5,
    2,
    2.2,
    2.5,
    2.7,
    3,
    4,
    True,
    False,
]


def of_operator(name: str) -> st.SearchStrategy[str]:
    operator = next(each for each in OPERATORS if each.name == name)
    if operator.kind is None:
        return st.just(name)
    noun = {"a number": "NUMBER", "true or false": "BOOL", "a string": "STRING"}.get(operator.kind.noun, "RANGE")
    words = st.lists(st.sampled_from(WORDS[noun]), min_size=1, max_size=3 if operator.many else 1, unique=True)
    return words.map(lambda chosen: " ".join([name, *chosen]))


ANY_CONDITION = st.sampled_from([operator.name for operator in OPERATORS]).flatmap(of_operator)


@given(st.lists(ANY_CONDITION, min_size=2, max_size=4))
def test_no_value_satisfies_what_is_reported(texts: list[str]) -> None:
    """Whatever the operators: conditions that some value satisfies are never called a contradiction."""
    found = contradiction(conditions(*texts))
    for value in VALUES:
        holding = [each for each in found if each.operator.holds(value, each.operands, arrays=False)]
        assert not found or len(holding) < len(found), value
