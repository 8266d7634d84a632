"""The 19 operators of Event Grid's advanced filters, as one table.

"The page" is "Understand event filtering for Event Grid subscriptions" (learn.microsoft.com), "Edge" is "Advanced
filtering" for Event Grid on IoT Edge, "the emulator" is pm7y/AzureEventGridSimulator, EventFilterEvaluator.cs. Where
the page is silent, its pseudo-code is followed to the letter, for that says what becomes of any set of values:

    the event has           matches                           says who
    no such key             NumberNotIn, StringNotIn          the page, in a note; not StringNotContains and its like
                            NumberNotInRange                  pseudo-code, emulator; the note leaves it out
    a value of another      the negated operators, for such   the page, of the elements of an array; taken to hold for a
    type                    values are ignored                single value (the emulator converts it, if it can)
    null, an object         the negated operators: it is of   pseudo-code (with null, the emulator matches BoolEquals
                            no operator's type                false, but not NumberNotIn and NumberNotInRange)
    an array, arrays on     any element; negated, no element  the page; so [] matches the negated operators
    an array, arrays off    IsNotNull                         Edge (the emulator matches negated string operators)

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

MISSING: Final = object()  # what a key that the event lacks leads to; null is None

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def number(value: object) -> Decimal | None:
    """A number, exactly; None for all else, bool, NaN and the infinities included."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(float.__repr__(value)) if isinstance(value, float) else Decimal(value)
    return exact if exact.is_finite() else None


def fold(value: object) -> str | None:
    """A string without its letters' case, as long as before; None for all else."""
    if not isinstance(value, str):
        return None
    if value.isascii():
        return value.upper()
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in value)


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _span(value: object) -> tuple[Decimal, Decimal] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    return None if low is None or high is None or low > high else (low, high)


def _number_in(text: str) -> object:
    return Decimal(text) if _NUMBER.fullmatch(text.strip()) else None


def _span_in(text: str) -> object:
    return [_number_in(end) for end in text.split(",")]


def _boolean_in(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower())


def _within(value: Decimal, span: tuple[Decimal, Decimal]) -> bool:
    return span[0] <= value <= span[1]


@dataclass(frozen=True, slots=True)
class Kind:
    """What an operator compares. Each of the readers answers None for what is not of the kind."""

    noun: str
    read: Callable[[object], Any]  # a value in an event
    operand: Callable[[object], Any]  # a value in a filter
    text: Callable[[str], object]  # what `operand` takes, from a command line


NUMBER = Kind("a number", number, number, _number_in)
RANGE = Kind("a range: two numbers, the lower first", number, _span, _span_in)
STRING = Kind("a string", fold, fold, str)
BOOL = Kind("true or false", _boolean, _boolean, _boolean_in)


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table."""

    name: str
    kind: Kind | None = field(default=None, repr=False)  # None: asks only whether there is a value
    test: Callable[[Any, Any], bool] = field(default=eq, repr=False)  # of a value in the event and one in the filter
    many: bool = True  # takes ``values``, any of which may pass the test; else one ``value``
    negated: bool = False  # matches if none passes, rather than any
    missing: bool = False  # what it gives if the event lacks the key

    @property
    def takes(self) -> str | None:
        """The member of a filter that holds what it compares with: ``value``, ``values`` or none."""
        return None if self.kind is None else "values" if self.many else "value"

    def operands(self, given: Sequence[object]) -> tuple[Any, ...]:
        """What a filter object gives, made ready for `holds`. Raises ValueError if it is of another type or number."""
        return self._ready(given, lambda kind, raw: kind.operand(raw))

    def parse(self, given: Sequence[str]) -> tuple[Any, ...]:
        """What a command line gives, made ready for `holds`. Raises ValueError as `operands` does."""
        return self._ready(given, lambda kind, text: kind.operand(kind.text(text)))

    def _ready(self, given: Sequence[Any], read: Callable[[Kind, Any], Any]) -> tuple[Any, ...]:
        kind, count = self.kind, len(given)
        fits = count == 0 if kind is None else count > 0 if self.many else count == 1
        if not fits:
            wants = {None: "no value", "value": "one value", "values": "one value or more"}[self.takes]
            raise ValueError(f"{self.name} takes {wants}; {count or 'none'} given")
        if kind is None:
            return ()
        ready = tuple(read(kind, raw) for raw in given)
        for raw, operand in zip(given, ready, strict=True):
            if operand is None:
                raise ValueError(f"{self.name}: {raw!r} is not {kind.noun}")
        return ready

    def holds(self, found: object, operands: Sequence[Any], *, arrays: bool) -> bool:
        """Does it match what a key led to: a value of the event, or MISSING? Never raises."""
        if self.kind is None:
            return (found is MISSING or found is None) != self.negated
        if found is MISSING:
            return self.missing
        if isinstance(found, list | tuple) and not arrays:
            return False
        elements = found if isinstance(found, list | tuple) else [found]
        values = [value for element in elements if (value := self.kind.read(element)) is not None]
        return any(self.test(value, operand) for operand in operands for value in values) != self.negated


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


def operator_named(name: object) -> Operator:
    """The operator of that name, in any case, as ARM and az take it. Raises ValueError, with the likeliest name."""
    wanted = str(name).lower()
    if wanted in _BY_NAME:
        return _BY_NAME[wanted]
    close = [_BY_NAME[key].name for key in get_close_matches(wanted, _BY_NAME, n=1)]
    hint = f"Did you mean {close[0]}?" if close else f"The operators are {', '.join(o.name for o in OPERATORS)}"
    raise ValueError(f"there is no operator {name!r}. {hint}")
