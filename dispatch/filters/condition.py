"""`Condition`: one line of a rule's ``when:``, in the syntax of ``az eventgrid … --advanced-filter``.

    data.runStatus StringIn Failed NotResponding
    data.driftCoefficient NumberInRange 0.3,0.5 0.9,1
    data.runTags.owner IsNotNull

It has the operators of Event Grid (`dispatch.filters.operators`) and differs from Event Grid in three ways:

* A name in a key may contain dots: ``data.runTags.azureml.pipelineid`` finds a tag ``azureml.pipelineid``. Event Grid
  cannot do that ("Understand event filtering", Limitations). A nested member comes first, then the longest name.
* Arrays are always searched.
* ``BoolEquals false`` is false. (az, in 2.91 at least, sends true: ``bool("false")``.)
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import eq
from typing import Any, Self

from dispatch.filters.event_filter import MAX_CHARACTERS, MAX_VALUES
from dispatch.filters.keys import EventValues, check_key, find_across_dots, slot
from dispatch.filters.operators import OPERATOR_NAMES, Operator, operator_named
from dispatch.filters.rewrites import rewritten, second_condition, with_quoted_key
from schemas.plain import MISSING

_EXAMPLE = "Write KEY OPERATOR VALUE..., such as data.runStatus StringIn Failed NotResponding"
_ONE_EACH = "Write a list with one condition in each item; where one of them is enough, under any"
_MEMBERS = {"id", "topic", "subject", "eventtype", "dataversion"}  # the keys beside `data` that Event Grid can filter
_BAGS = {f"{owner}{what}" for owner in ("run", "model", "service") for what in ("tags", "properties")}


@dataclass(frozen=True, slots=True)
class Condition:
    """A key, an operator and its operands. `str` returns the text from which `parse` read it."""

    key: str
    operator: Operator
    operands: tuple[Any, ...]
    text: str = field(compare=False)
    holds: Callable[[EventValues], bool] = field(init=False, repr=False, compare=False)  # `matches`, compiled

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", _compile(self.key, self.operator, self.operands))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a condition, quoted as in a shell. Raises ValueError, whose message has the error and a hint."""
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}. Quote a value that contains a quote or a backslash") from error
        meant = rewritten(text) if len(words) < 2 or words[1].lower() not in OPERATOR_NAMES else None
        hint = f"Did you mean {meant}?" if meant else with_quoted_key(words) or _EXAMPLE
        if len(words) < 2:
            raise ValueError(f"{text!r} is not a condition. {hint}")
        if meant or hint is not _EXAMPLE:
            raise ValueError(f"there is no operator {words[1]!r}. {hint}")
        if (second := second_condition(words)) is not None:
            raise ValueError(f"a second condition begins at {words[second]!r}. {_ONE_EACH}")
        operator = operator_named(words[1])
        return cls(check_key(words[0]), operator, operator.parse(words[2:]), text)

    def matches(self, view: Mapping[str, Any]) -> bool:
        """Is the condition true for this view of an event (`schemas.events.base.Event.view_with`)?"""
        return self.operator.holds(find_across_dots(view, self.key), self.operands, arrays=True)

    @property
    def local_only(self) -> bool:
        """Can Event Grid not evaluate this condition?

        It supports only keys of the event, no names with dots in them, and limits the number and the length of values.
        Tags and properties are flat: what follows ``data.runTags`` is one name, dots included. Any other condition
        needs ``enableAdvancedFilteringOnArrays`` to mean the same there if the value is an array.
        """
        lengths = (len(operand) for operand in self.operands if isinstance(operand, str))
        if len(self.operands) > MAX_VALUES or max(lengths, default=0) > MAX_CHARACTERS:
            return True
        first, *rest = self.key.lower().split(".")
        if first == "data":
            return len(rest) > 2 and rest[0] in _BAGS
        return first not in _MEMBERS or bool(rest)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Condition.parse({self.text!r})"


def _compile(key: str, operator: Operator, operands: Sequence[Any]) -> Callable[[EventValues], bool]:
    """Compile a condition to a function with the result of `Condition.matches`, which rules call for every event."""
    compare, missing, negated = operator.compare, operator.missing, operator.negated
    own_slot = slot(key, operator.kind.read if operator.kind else None)
    if operator.kind is None:
        return lambda values: ((found := values[own_slot]) is MISSING or found is None) != negated
    if compare is eq:
        no_operand_among = frozenset(operands).isdisjoint
        return lambda values: missing if (found := values[own_slot]) is MISSING else no_operand_among(found) is negated

    def holds(values: EventValues) -> bool:
        found = values[own_slot]
        if found is MISSING:
            return missing
        for value in found:
            for operand in operands:
                if compare(value, operand):
                    return not negated
        return negated

    return holds
