"""What rules ask the watch for, by the workspace or registry that it reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from dispatch.rules.rule import Rule, Rules
from dispatch.rules.workspaces import Workspace
from handlers.roles import REGISTRY_READER, WORKSPACE_READER, Role
from schemas import EVENT_NAMES, Event, ModelRegistered, RunCompleted, RunStatusChanged
from schemas.events.watched.base import RegistryId, WatchedEvent

LISTED = (RunCompleted, RunStatusChanged, ModelRegistered)  # events whose objects Azure ML lists


@dataclass(frozen=True, slots=True)
class Demand:
    """A workspace or a registry, and the event types that rules need from there, each with the names of these rules."""

    workspace: Workspace
    types: Mapping[str, tuple[str, ...]]
    role: Role  # that the app's identity needs there

    @property
    def rules(self) -> list[str]:
        """The names of all these rules."""
        return sorted({name for names in self.types.values() for name in names})


def demands(rules: Rules) -> Iterator[Demand]:
    """What raises no event and must be looked for; none where no rule asks for anything."""
    for workspace in rules.workspaces or ():
        if types := _types(rules, workspace, (WatchedEvent,)):
            role = REGISTRY_READER if isinstance(workspace.id, RegistryId) else WORKSPACE_READER
            yield Demand(workspace, types, role.needed_for("looks for what raises no event"))


def reconciled(rules: Rules) -> Iterator[Demand]:
    """What the daily reconciliation compares with the record; none where no rule acts on runs and models."""
    role = WORKSPACE_READER.needed_for("finds events of runs and models that never came", optional=True)
    for workspace in rules.workspaces or ():
        if types := _types(rules, workspace, LISTED):
            yield Demand(workspace, types, role)


def _types(rules: Rules, workspace: Workspace, kinds: tuple[type[Event], ...]) -> dict[str, tuple[str, ...]]:
    """The event types of these kinds that rules need from a workspace, each with the rules."""
    types: dict[str, list[str]] = {}
    for rule in filter(partial(Rule.is_for, workspace=workspace), rules.by_name.values()):
        names = rule.on.union(*(pattern.events for pattern in rule.patterns))
        for event in dict.fromkeys(event for name in names for event in EVENT_NAMES[name]):
            if issubclass(event, kinds) and isinstance(workspace.id, event.resource_id):
                types.setdefault(event.__name__, []).append(rule.name)
    return {name: tuple(found) for name, found in types.items()}
