"""Find conditions on one key that no value satisfies together, such as ``k StringIn a`` and ``k StringIn b``.

What is reported is certain; not every contradiction is found. Values are single ones: an array could satisfy each
condition by another of its elements.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import combinations, pairwise, product
from typing import Any

from dispatch.filters.condition import Condition
from dispatch.filters.operators import NUMBER, RANGE, STRING
from schemas.plain import MISSING

_MAX_OPERANDS = 200

# The base of a text operator -> those that hold for the same texts, if their `compare` holds for the two operands.
TEXT_IMPLIES = {
    "In": ("In", "BeginsWith", "EndsWith", "Contains"),
    "BeginsWith": ("BeginsWith", "Contains"),
    "EndsWith": ("EndsWith", "Contains"),
    "Contains": ("Contains",),
}


def contradiction(conditions: Sequence[Condition], values: Sequence[object] | None = None) -> tuple[Condition, ...]:
    """The conditions, all on one key, that cannot hold together; none if they can, or might.

    `values`: the only values that the key can have. The work is bounded: conditions with very many operands are not
    compared with each other.
    """
    if values is not None:
        dead = next((each for each in conditions if not any(_holds(each, value) for value in values)), None)
        if dead:
            return (dead,)
        if not any(all(_holds(each, value) for each in conditions) for value in values):
            return tuple(conditions)
    if len(conditions) < 2 or sum(1 + len(each.operands) for each in conditions) > _MAX_OPERANDS:
        return ()
    for pair in combinations(conditions, 2):
        if _exclude(*pair):
            return pair
    for kinds in ((NUMBER, RANGE), (STRING,)):
        same = [each for each in conditions if each.operator.kind in kinds]
        candidates = _candidates(same)
        if candidates and not any(all(_holds(each, value) for each in same) for value in candidates):
            return tuple(same)
    return ()


def _holds(condition: Condition, value: object) -> bool:
    return condition.operator.holds(value, condition.operands, arrays=False)


def _exclude(one: Condition, other: Condition) -> bool:
    """Can the two conditions never hold together, whatever the value?"""
    first, second = one.operator, other.operator
    if first.kind is None or second.kind is None:
        return _only_for_nothing(one, other) or _only_for_nothing(other, one)
    if first.kind in (NUMBER, RANGE) and second.kind in (NUMBER, RANGE):
        return False  # see `_candidates`
    if first.kind is not second.kind:
        return not (first.negated or second.negated)  # no value has two types
    if first.kind is not STRING:
        return set(one.operands).isdisjoint(other.operands)
    return _texts_exclude(one, other) or _texts_exclude(other, one)


def _only_for_nothing(one: Condition, other: Condition) -> bool:
    """Does `one` hold only for null or a missing key, and `other` for neither?"""
    is_null_test = one.operator.kind is None and not one.operator.negated
    return is_null_test and not any(_holds(other, nothing) for nothing in (None, MISSING))


def _texts_exclude(one: Condition, other: Condition) -> bool:
    """Does each text for which `one` holds make `other` false?"""
    base, negated = _base(one), _base(other)
    if one.operator.negated:
        return False
    if not other.operator.negated:
        if base == negated and base in ("BeginsWith", "EndsWith"):
            compare = one.operator.compare
            return not any(compare(a, b) or compare(b, a) for a, b in product(one.operands, other.operands))
        return False
    if negated not in TEXT_IMPLIES[base]:
        return False
    return all(any(other.operator.compare(a, b) for b in other.operands) for a in one.operands)


def _base(condition: Condition) -> str:
    return condition.operator.name.removeprefix("String").removeprefix("Not")


def _candidates(conditions: Sequence[Condition]) -> list[Any]:
    """Values of which one satisfies all conditions of one type, if any value does; none if that is not known.

    Numbers: each bound, and one between and beyond the bounds. Texts: the operands of a ``StringIn``.
    """
    if conditions and conditions[0].operator.kind is STRING:
        chosen = next((each for each in conditions if each.operator.name == "StringIn"), None)
        return list(chosen.operands) if chosen else []
    bounds = sorted(_bounds(conditions))
    if not bounds:
        return []
    between = [(low + high) / 2 for low, high in pairwise(bounds)]
    if not all(low < middle < high for (low, high), middle in zip(pairwise(bounds), between, strict=True)):
        return []  # the bounds differ only in digits that the sum is rounded to
    low, high = bounds[0], bounds[-1]
    return [low - abs(low) - 1, *bounds, *between, high + abs(high) + 1]


def _bounds(conditions: Iterable[Condition]) -> set[Decimal]:
    operands = [operand for each in conditions for operand in each.operands]
    return {end for operand in operands for end in (operand if isinstance(operand, tuple) else (operand,))}
