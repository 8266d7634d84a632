"""`Context`: an event with its workspace and the result that it follows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from schemas.events.base import Event


@dataclass(frozen=True, slots=True)
class Context:
    """An event, its workspace as rules/workspaces.yaml configures it, and the result of the rule that it follows."""

    event: Event
    workspace: Mapping[str, Any] | None = None  # `name`, `labels`, `timezone`; None: the workspace is not configured
    result: Mapping[str, Any] | None = None  # None: the rule follows no other rule

    def with_result(self, result: Mapping[str, Any] | None) -> Self:
        """The same event and workspace, with the result of another rule."""
        return replace(self, result=result)

    def view(self) -> dict[str, Any]:
        """The plain data that conditions and templates read: see `Event.view_with`."""
        return self.event.view_with(self.workspace, self.result)

    def view_of(self, name: str) -> dict[str, Any]:
        """The part of `view` that has this member, spelled in lower case, without building the others.

        Members of the envelope are one part; it is also the part for a name that no member has. The event has no
        unknown members in its envelope.
        """
        return self.event.view_of(name, self.workspace, self.result)

    def event_for_handler(self) -> Event:
        """A copy of the event whose `view` is this context's: handlers receive an event and an action, no context."""
        return self.event.for_handler(self.workspace, self.result)
