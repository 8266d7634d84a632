"""What can be wrong with what should have been an event.

ValueError
└── EventError             what came is no event that can be handled; carries what could be read of it
    ├── MalformedEvent     it is not JSON, not one event, or its fields are not as they must be
    └── UnknownEventType   it may be a good event, but its type is none of the five of Azure Machine Learning
"""

from dataclasses import dataclass
from reprlib import Repr
from typing import Any

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80
_SHORT.maxlevel = 2


def shown(value: Any) -> str:
    """A value as an error message shows it: its ``repr``, shortened, with control characters escaped; never raises."""
    try:
        return "null" if value is None else _SHORT.repr(value)
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return f"a huge {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (spelled as on the wire: ``data.runId``), what was there, what was expected."""

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, found {self.found}"


class EventError(ValueError):
    """What came is no event that can be handled.

    `event_id`, `event_type` and `topic` are what could be read of it, "" where nothing could.
    """

    def __init__(self, message: str, *, event_id: str = "", event_type: str = "", topic: str = "") -> None:
        super().__init__(message)
        self.event_id = event_id
        self.event_type = event_type
        self.topic = topic


class MalformedEvent(EventError):  # noqa: N818 - a noun, as the inbox calls what it records
    """It is not JSON, not one event, or its fields are not as they must be; `problems` lists all that is wrong."""

    def __init__(self, *problems: Problem, event_id: str = "", event_type: str = "", topic: str = "") -> None:
        message = "; ".join(str(problem) for problem in problems)
        super().__init__(message, event_id=event_id, event_type=event_type, topic=topic)
        self.problems = problems


class UnknownEventType(EventError):  # noqa: N818 - a noun, as the inbox calls what it records
    """Its type is none of the five event types of Azure Machine Learning."""
