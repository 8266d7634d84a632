"""The errors that `parse_event` raises.

ValueError
└── EventError             the input is not an event that the app can handle
    ├── MalformedEvent     it is not JSON, is not one event, or has invalid fields
    └── UnknownEventType   it may be a valid event, but its type is not registered (schemas/events/registry.py)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from schemas.fields import TEXT

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80
_SHORT.maxlevel = 2


def shown(value: Any) -> str:
    """Format a value for an error message: its ``repr``, shortened, with control characters escaped. Never raises."""
    try:
        return "null" if value is None else _SHORT.repr(value)
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return f"a huge {type(value).__name__}"


def printable(text: str) -> str:
    """Escape line breaks and every other character that is not printable: the text stays on one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the field as the sender spells it (``data.runId``), the value found, and what was expected."""

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, found {self.found}"


class EventError(ValueError):
    """The input is not an event that the app can handle.

    `event_id`, `event_type`, `topic` and `subject` are the input's, as far as they could be read, else "".
    """

    def __init__(
        self, message: str, *, event_id: str = "", event_type: str = "", topic: str = "", subject: str = ""
    ) -> None:
        super().__init__(message)
        self.event_id = event_id
        self.event_type = event_type
        self.topic = topic
        self.subject = subject


class MalformedEvent(EventError):  # noqa: N818 - a noun, as the inbox calls what it records
    """The input is not JSON, is not one event, or has invalid fields; `problems` lists every problem."""

    def __init__(self, *problems: Problem, **event: str) -> None:
        super().__init__("; ".join(str(problem) for problem in problems), **event)
        self.problems = problems


class UnknownEventType(EventError):  # noqa: N818 - a noun, as the inbox calls what it records
    """The event's type is not registered."""


def problems_of(error: ValidationError, names: Mapping[str, str], missing: Mapping[str, str]) -> list[Problem]:
    """Translate pydantic's errors about an event.

    `names` has the sender's names of fields, `missing` what a missing one should be.
    """
    problems = []
    for detail in error.errors(include_url=False):
        top, *rest = (to_camel(str(part)) for part in detail["loc"])  # pydantic names a default by its attribute
        field, found = ".".join([names.get(top, top), *rest]), shown(detail["input"])
        match detail["type"]:
            case "missing":
                problems.append(Problem(field, "nothing", missing.get(field, TEXT)))
            case "model_type":
                problems.append(Problem(field, found, "an object"))
            case _:
                problems.append(Problem(field, found, detail["msg"].removeprefix("Value error, ")))
    return problems
