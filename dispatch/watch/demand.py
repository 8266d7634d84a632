"""What rules ask the watch for: event types of the app, by the workspace or registry whose state raises them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dispatch.rules.rule import Rule, Rules
from dispatch.rules.workspaces import Workspace
from handlers.roles import REGISTRY_READER, WORKSPACE_READER, Role
from schemas import EVENT_NAMES
from schemas.events.watched.base import RegistryId, WatchedEvent


@dataclass(frozen=True, slots=True)
class Demand:
    """A workspace or a registry, and the event types that rules ask for there, each with the names of these rules."""

    workspace: Workspace
    types: Mapping[str, tuple[str, ...]]

    @property
    def role(self) -> Role:
        """The role that the app's identity needs there."""
        role = REGISTRY_READER if isinstance(self.workspace.id, RegistryId) else WORKSPACE_READER
        return role.needed_for("looks for what raises no event")


def demands(rules: Rules) -> Iterator[Demand]:
    """What to look for in each listed workspace and registry; none where no rule asks for anything."""
    for workspace in rules.workspaces or ():
        types: dict[str, list[str]] = {}
        for rule in rules.by_name.values():
            if rule.is_for(workspace):
                for event in _watched(rule):
                    if isinstance(workspace.id, event.resource_id):
                        types.setdefault(event.__name__, []).append(rule.name)
        if types:
            yield Demand(workspace, {name: tuple(names) for name, names in types.items()})


def _watched(rule: Rule) -> list[type[WatchedEvent]]:
    names = rule.on.union(*(pattern.events for pattern in rule.patterns))
    found = dict.fromkeys(event for name in names for event in EVENT_NAMES[name] if issubclass(event, WatchedEvent))
    return [*found]
