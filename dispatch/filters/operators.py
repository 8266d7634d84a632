"""The 19 operators of Event Grid's advanced filters, as one table.

"The page" is "Understand event filtering for Event Grid subscriptions" (learn.microsoft.com), "Edge" is "Advanced
filtering" for Event Grid on IoT Edge, "the simulator" is pm7y/AzureEventGridSimulator, EventFilterEvaluator.cs. Where
the page is silent, this module follows the page's pseudo-code to the letter, which covers any set of values:

    the event has            operators that match              source
    no such key              NumberNotIn, StringNotIn          the page, in a note; not StringNotContains and its like
                             NumberNotInRange                  pseudo-code, simulator; the note leaves it out
    a value of another type  the negated operators: values of  the page, on the elements of an array; applied here to a
                             other types are ignored           single value (the simulator tries to convert it)
    null, an object          the negated operators: it has no  pseudo-code (for null, the simulator matches BoolEquals
                             operator's type                   false, but not NumberNotIn and NumberNotInRange)
    an array, arrays on      any element; negated: no element  the page; so [] matches the negated operators
    an array, arrays off     IsNotNull                         Edge (the simulator matches negated string operators)

Numbers are decimal and never rounded (Edge): 9007199254740993 is not ...992, and 0.1 is 0.1. true is not 1. Strings are
compared without regard to case (the page), character by character as .NET does: "ß" is not "ss".
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from operator import contains, eq, ge, gt, le, lt
from typing import Any, Final

from schemas.plain import MISSING, fold

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def number(value: object) -> Decimal | None:
    """Return a number exactly; None for any other value, including bool, NaN and the infinities."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(float.__repr__(value)) if isinstance(value, float) else Decimal(value)
    return exact if exact.is_finite() else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _range(value: object) -> tuple[Decimal, Decimal] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    return None if low is None or high is None or low > high else (low, high)


def _parse_number(text: str) -> object:
    return Decimal(text) if _NUMBER.fullmatch(text.strip()) else None


def _parse_range(text: str) -> object:
    return [_parse_number(end) for end in text.split(",")]


def _parse_boolean(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower())


def _within(value: Decimal, limits: tuple[Decimal, Decimal]) -> bool:
    return limits[0] <= value <= limits[1]


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of value that an operator compares. Each reader returns None for a value of another type."""

    noun: str
    read: Callable[[object], Any]  # a value in an event
    operand: Callable[[object], Any]  # a value in a filter
    text: Callable[[str], object]  # converts a word of a command line to a value for `operand`


NUMBER = Kind("a number", number, number, _parse_number)
RANGE = Kind("a range: two numbers, the lower first", number, _range, _parse_range)
STRING = Kind("a string", fold, fold, str)
BOOL = Kind("true or false", _boolean, _boolean, _parse_boolean)


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table."""

    name: str
    kind: Kind | None = field(default=None, repr=False)  # None: tests only whether there is a value
    compare: Callable[[Any, Any], bool] = field(default=eq, repr=False)  # a value in the event with one in the filter
    many: bool = True  # takes ``values``, any of which may match; else one ``value``
    negated: bool = False  # matches if no comparison is true, rather than any
    missing: bool = False  # the result if the event lacks the key

    @property
    def takes(self) -> str | None:
        """The member of a filter with the operands: ``value``, ``values`` or none."""
        return None if self.kind is None else "values" if self.many else "value"

    def operands(self, given: Sequence[object]) -> tuple[Any, ...]:
        """Read the values of a filter object. Raises ValueError for an invalid type or number of values."""
        return self._read_operands(given, lambda kind, raw: kind.operand(raw))

    def parse(self, given: Sequence[str]) -> tuple[Any, ...]:
        """Read the words of a command line. Raises ValueError as `operands` does."""
        return self._read_operands(given, lambda kind, text: kind.operand(kind.text(text)))

    def _read_operands(self, given: Sequence[Any], read: Callable[[Kind, Any], Any]) -> tuple[Any, ...]:
        kind, count = self.kind, len(given)
        fits = count == 0 if kind is None else count > 0 if self.many else count == 1
        if not fits:
            expected = {None: "no value", "value": "one value", "values": "one value or more"}[self.takes]
            raise ValueError(f"{self.name} takes {expected}; {count or 'none'} given")
        if kind is None:
            return ()
        operands = tuple(read(kind, raw) for raw in given)
        for raw, operand in zip(given, operands, strict=True):
            if operand is None:
                raise ValueError(f"{self.name}: {raw!r} is not {kind.noun}")
        return operands

    def holds(self, found: object, operands: Sequence[Any], *, arrays: bool) -> bool:
        """Does the operator match the value of a key, or MISSING? `arrays`: compare their elements. Never raises."""
        if self.kind is None:
            return (found is MISSING or found is None) != self.negated
        if found is MISSING:
            return self.missing
        if isinstance(found, list | tuple) and not arrays:
            return False
        elements = found if isinstance(found, list | tuple) else [found]
        values = [value for element in elements if (value := self.kind.read(element)) is not None]
        return any(self.compare(value, operand) for operand in operands for value in values) != self.negated


OPERATORS: Final = (
    Operator("NumberIn", NUMBER),
    Operator("NumberNotIn", NUMBER, negated=True, missing=True),
    Operator("NumberInRange", RANGE, _within),
    Operator("NumberNotInRange", RANGE, _within, negated=True, missing=True),
    Operator("NumberLessThan", NUMBER, lt, many=False),
    Operator("NumberLessThanOrEquals", NUMBER, le, many=False),
    Operator("NumberGreaterThan", NUMBER, gt, many=False),
    Operator("NumberGreaterThanOrEquals", NUMBER, ge, many=False),
    Operator("BoolEquals", BOOL, many=False),
    Operator("StringIn", STRING),
    Operator("StringNotIn", STRING, negated=True, missing=True),
    Operator("StringContains", STRING, contains),
    Operator("StringNotContains", STRING, contains, negated=True),
    Operator("StringBeginsWith", STRING, str.startswith),
    Operator("StringNotBeginsWith", STRING, str.startswith, negated=True),
    Operator("StringEndsWith", STRING, str.endswith),
    Operator("StringNotEndsWith", STRING, str.endswith, negated=True),
    Operator("IsNullOrUndefined"),
    Operator("IsNotNull", negated=True),
)
_BY_NAME: Final = {operator.name.lower(): operator for operator in OPERATORS}
OPERATOR_NAMES: Final = frozenset(_BY_NAME)  # in lower case


def operator_named(name: object) -> Operator:
    """Return the operator with this name, in any case, as ARM and az do. Raises ValueError, with a suggestion."""
    wanted = str(name).lower()
    if wanted in _BY_NAME:
        return _BY_NAME[wanted]
    close = [_BY_NAME[key].name for key in get_close_matches(wanted, _BY_NAME, n=1)]
    hint = f"Did you mean {close[0]}?" if close else f"The operators are {', '.join(o.name for o in OPERATORS)}"
    raise ValueError(f"there is no operator {name!r}. {hint}")
