"""`Pattern`: events that a rule asks for, and the name by which the index finds them.

Each event is compared with the patterns of all rules when it is received, and indexed under their names with its own.
So a search for the events of a pattern costs a few queries, however many events there are.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from dispatch.filters.keys import EventValues, find_across_dots
from dispatch.inbox.shared_state import hashed
from schemas import Event
from schemas.context import Context
from schemas.events.registry import DRIFT_DETECTED
from schemas.plain import MISSING

PREFIX = "seen|"  # of the names in the index; a search compares what it finds, because an object may have such a name


class Test(Protocol):
    """Conditions."""

    def holds(self, values: EventValues) -> bool:
        """Is it true for the event with these values?"""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Events of some types that satisfy conditions; with `same`, each value of this key is a pattern of its own."""

    events: frozenset[str]  # as in `on`
    when: Test
    same: str = ""

    @property
    def text(self) -> str:
        """All that it says, as text."""
        return f"{sorted(self.events)} {self.when!r} {self.same}"

    def takes(self, event: Event) -> bool:
        """Is the event of one of its types?"""
        return type(event).__name__ in self.events or (DRIFT_DETECTED in self.events and event.drift is not None)

    def value_of(self, context: Context) -> Any:
        """The value of the key `same`; MISSING if the event lacks it, and null for a pattern without the key."""
        return find_across_dots(context.view(), self.same) if self.same else None

    def name(self, topic: str, value: Any) -> str:
        """The name in the index of its events from a resource."""
        return PREFIX + hashed(self.text, topic.casefold(), str(value).casefold())

    def matches(self, context: Context, value: Any) -> bool:
        """Is the event one of its events, with this value of the key `same`?"""
        if not (self.takes(context.event) and self.when.holds(EventValues(context))):
            return False
        return str(self.value_of(context)).casefold() == str(value).casefold()

    def name_of(self, context: Context, values: EventValues) -> str | None:
        """The name for an event; None if it is none of its events. `values` are those of the event."""
        if not (self.takes(context.event) and self.when.holds(values)):
            return None
        value = self.value_of(context)
        return None if value is MISSING else self.name(context.event.topic, value)
