"""Messages of the queue of actions."""

import json
import re
from datetime import timedelta
from typing import Any, NamedTuple, Self

from dispatch.inbox.keys import UNDATED, ActionId
from dispatch.inbox.rows import SCHEMA
from dispatch.telemetry import checked_traceparent


class Message(NamedTuple):
    """A queue message that names an action.

    A message whose version is older than the `message_version` of the action's row is dropped, so that of several
    messages for an action only the newest counts. `after` is the delay with which to send it. `traceparent` names
    the span that created the action, if there was one (w3.org/TR/trace-context); an invalid one is ignored.
    """

    id: ActionId
    version: int
    after: timedelta = timedelta()
    traceparent: str = ""

    def __str__(self) -> str:
        trace = {"traceparent": self.traceparent} if self.traceparent else {}
        return json.dumps({"schema": SCHEMA, **self.id._asdict(), "ticket": self.version, **trace})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text that `str` writes. Raises ValueError for any other text."""
        try:
            fields = json.loads(text)
            id = ActionId(*(_checked(fields[name]) for name in ActionId._fields))
            if not re.fullmatch(rf"\d{{4}}-\d\d-\d\d|{UNDATED}", id.day):  # no other partition has actions
                raise ValueError(f"{id.day!r} is not a day")
            trace = checked_traceparent(fields.get("traceparent"))
            return cls(id, int(fields["ticket"]), traceparent=trace)
        except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a message of this app: {type(error).__name__}: {error}") from error


def _checked(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-z-]{1,80}", value):
        raise ValueError(f"{value!r} is not part of an action's id")
    return value
