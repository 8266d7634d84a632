"""Values with which conditions hold, and how they get into the data of an example event."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from shlex import split
from typing import Any

from dispatch.filters.condition import Condition
from schemas.plain import MISSING, fold

_BAGS = {f"{owner}{what}".upper() for owner in ("run", "model", "service") for what in ("Tags", "Properties")}
_STATUSES = ("Completed", "Failed", "Canceled")
_OTHER = ("example", MISSING, None, 0, 1, True, False)


def value_for(conditions: Sequence[Condition]) -> Any:
    """A value with which all these conditions on one key hold; MISSING if none is known, or the key must be missing."""
    for value in _candidates(conditions):
        if all(each.operator.holds(value, each.operands, arrays=True) for each in conditions):
            return value
    return MISSING


def _candidates(conditions: Sequence[Condition]) -> Iterator[Any]:
    operands = [operand for condition in conditions for operand in condition.operands]
    # The operands of a condition are folded; its text has them as they are written.
    texts = [text for condition in conditions if _is_about_text(condition) for text in split(condition.text)[2:]]
    yield from texts
    ends = (end for operand in operands for end in (operand if isinstance(operand, tuple) else (operand,)))
    numbers = sorted({end for end in ends if isinstance(end, Decimal)})
    for number in numbers:
        yield from map(_plain, (number, number + 1, number - 1))
    for low, high in pairwise(numbers):
        yield _plain((low + high) / 2)
    yield from _STATUSES if conditions[0].key.lower() == "data.runstatus" else _OTHER
    yield "".join(texts)  # which begins with one, contains another, and ends with a third


def _is_about_text(condition: Condition) -> bool:
    return any(isinstance(operand, str) for operand in condition.operands)


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def change(holder: dict[str, Any], names: Sequence[str], value: Any) -> None:
    """Set the member with these names, or remove it if the value is MISSING. Names of tags may have dots."""
    first, *rest = names
    known = next((name for name in holder if fold(name) == fold(first)), first)
    inner = holder.get(known)
    if rest and (isinstance(inner, dict) or fold(first) in _BAGS):
        change(holder.setdefault(known, {}), rest, value)
        return
    whole = ".".join((known, *rest))
    name = next((name for name in holder if fold(name) == fold(whole)), whole)
    if value is MISSING:
        holder.pop(name, None)
    else:
        holder[name] = value
