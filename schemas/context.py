"""`Context`: an event with its workspace and the result that it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.events.base import Event


@dataclass(frozen=True, slots=True)
class Context:
    """An event, its workspace as rules/workspaces.yaml configures it, and the result of the rule that it follows."""

    event: Event
    workspace: Mapping[str, Any] | None = None  # `name` and `labels`; None: the workspace is not configured
    result: Mapping[str, Any] | None = None  # None: the rule follows no other rule

    def with_result(self, result: Mapping[str, Any] | None) -> Context:
        """The same event and workspace, with the result of another rule."""
        return replace(self, result=result)

    def view(self) -> dict[str, Any]:
        """The plain data that conditions and templates read: the event's `wire`, and what the app adds.

        Added are `workspace`, `drift`, `studio_url`, `object` and, if there is one, `result`. A field of the event with
        one of these names, in any case, is left out: a sender must not be able to forge what the app adds.
        """
        event, id, drift = self.event, self.event.resource, self.event.drift
        added: dict[str, Any] = {
            "workspace": {
                "name": id.name,
                "labels": {},
                **(self.workspace or {}),
                "id": str(id),
                "resource_group": id.resource_group,
                "subscription": id.subscription,
            },
            "drift": drift.view() if drift else None,
            "studio_url": event.studio_url or "",
            "object": event.object,
            "result": self.result,
        }
        view = {name: value for name, value in event.wire().items() if name.lower() not in added} | added
        if self.result is None:
            del view["result"]
        return view

    def event_for_handler(self) -> Event:
        """A copy of the event whose `view` is this context's: handlers receive an event and an action, no context."""
        copy = self.event.model_copy()
        copy._context = self
        return copy
