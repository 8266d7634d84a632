"""`Context`: an event with its workspace, the result that it follows, and what the service knows about it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from schemas.events.base import Event

if TYPE_CHECKING:
    from schemas.facts import Facts


@dataclass(frozen=True, slots=True)
class Context:
    """An event, its workspace as rules/workspaces.yaml configures it, and the result of the rule that it follows."""

    event: Event
    workspace: Mapping[str, Any] | None = None  # `name`, `labels`, `timezone`; None: the workspace is not configured
    result: Mapping[str, Any] | None = None  # None: the rule follows no other rule
    facts: "Callable[[str], Facts] | None" = None  # reads one of the event's `facts`; None: they are not asked for
    events: tuple[Mapping[str, Any], ...] | None = None  # the views of all events of a window; None: it has none

    def with_result(self, result: Mapping[str, Any] | None) -> Self:
        """The same event and workspace, with the result of another rule."""
        return replace(self, result=result)

    def with_events(self, events: Iterable[Mapping[str, Any]]) -> Self:
        """The same event, workspace and result, with the views of all events for which an action is carried out."""
        return replace(self, events=tuple(events))

    def view(self) -> dict[str, Any]:
        """The plain data that conditions and templates read, without facts: see `Event.view_with`."""
        return self.event.view_with(self.workspace, self.result)

    def view_of(self, name: str) -> dict[str, Any]:
        """The part of `view` that has this member, or the fact of this name, without building the others.

        The name is in lower case. Members of the envelope are one part; it is also the part for a name that no member
        has. The event has no unknown members in its envelope.
        """
        if name in self.event.facts:
            return {name: self.fact(name).view()}
        return self.event.view_of(name, self.workspace, self.result)

    def fact(self, name: str) -> "Facts":
        """One of the event's facts: see `Event.fact`."""
        return self.facts(name) if self.facts else self.event.fact(name)

    def event_for_handler(self) -> Event:
        """A copy of the event whose `view` is this context's: handlers receive an event and an action, no context."""
        return self.event.for_handler(self.workspace, self.result, self.facts, self.events)
