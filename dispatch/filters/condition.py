"""`Condition`: one line of a rule's ``when:``, in the syntax of ``az eventgrid … --advanced-filter``.

    data.runStatus StringIn Failed NotResponding
    data.driftCoefficient NumberInRange 0.3,0.5 0.9,1
    data.runTags.owner IsNotNull

It has the operators of Event Grid (`dispatch.filters.operators`) and goes beyond it in three ways:

* A key may run over dots that belong to a name: ``data.runTags.azureml.pipelineid`` finds a tag ``azureml.pipelineid``.
  Event Grid cannot ("Understand event filtering", Limitations). What is nested comes first, then the longest name.
* Arrays are always looked into.
* ``BoolEquals false`` is false. (az, in 2.91 at least, sends true: ``bool("false")``.)
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from dispatch.filters.event_filter import MAX_CHARACTERS, MAX_VALUES, check_key, find, step
from dispatch.filters.operators import MISSING, Operator, operator_named

_EXAMPLE = "Write KEY OPERATOR VALUE..., such as data.runStatus StringIn Failed NotResponding"
_MEMBERS = {"id", "topic", "subject", "eventtype", "dataversion"}  # what Event Grid filters on, beside the data
_BAGS = {f"{owner}{what}" for owner in ("run", "model", "service") for what in ("tags", "properties")}


@dataclass(frozen=True, slots=True)
class Condition:
    """A key, an operator and what to compare with. `str` gives back the text that it was parsed from."""

    key: str
    operator: Operator
    operands: tuple[Any, ...]
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """What the text says, quoted as in a shell. Raises ValueError: what is wrong, then what to write."""
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}. Quote a value that contains a quote or a backslash") from error
        if len(words) < 2:
            raise ValueError(f"{text!r} is not a condition. {_EXAMPLE}")
        operator = operator_named(words[1])
        return cls(check_key(words[0]), operator, operator.parse(words[2:]), text)

    def matches(self, view: Mapping[str, Any]) -> bool:
        """Does it hold of the event, seen as on the wire?"""
        return self.operator.holds(look_up(view, self.key), self.operands, arrays=True)

    @property
    def local_only(self) -> bool:
        """Is it beyond Event Grid: a key that is not of the event or has a dot in a name, too many or too long values?

        Tags and properties are flat: what follows ``data.runTags`` is one name, dots and all. A condition that is not
        local-only still needs ``enableAdvancedFilteringOnArrays`` to mean the same there if the value is an array.
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


def look_up(view: Mapping[str, Any], key: str) -> object:
    """What a condition's key leads to, or MISSING."""
    found = find(view, key)
    return _reach(view, key.split(".")) if found is MISSING else found


def _reach(holder: object, names: Sequence[str]) -> object:
    """What the names lead to if any of them may be joined by dots to one name, or MISSING."""
    if not names:
        return holder
    for count in range(len(names), 0, -1):
        inner = step(holder, ".".join(names[:count]))
        if inner is not MISSING and (found := _reach(inner, names[count:])) is not MISSING:
            return found
    return MISSING
