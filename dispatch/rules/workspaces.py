"""The workspaces whose events are handled, with the labels by which rules choose them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from schemas import ResourceId, WorkspaceId
from schemas.events.base import DEFAULT_ZONE


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace as ``rules/workspaces.yaml`` names it."""

    name: str
    id: ResourceId
    labels: Mapping[str, str] = field(default_factory=dict)
    timezone: str = DEFAULT_ZONE
    written: Mapping[str, str] = field(default_factory=dict)  # labels as the file writes them, with names of settings

    def view(self) -> dict[str, Any]:
        """The keys of ``workspace`` in conditions and templates, without those that come from its id."""
        return {"name": self.name, "labels": dict(self.labels), "timezone": self.timezone}

    def has(self, labels: Mapping[str, frozenset[str]]) -> bool:
        """Does it have all of these labels, each with one of the values?"""
        return all(self.labels.get(label) in values for label, values in labels.items())


class Workspaces:
    """All listed workspaces. They are found by id, whose case does not matter."""

    def __init__(self, *workspaces: Workspace) -> None:
        self.by_name = MappingProxyType({workspace.name: workspace for workspace in workspaces})
        self._by_id = {workspace.id: workspace for workspace in workspaces}

    def find(self, id: ResourceId) -> Workspace | None:
        """The workspace with this id; None if it is not listed."""
        return self._by_id.get(id)

    def ids(self) -> dict[str, WorkspaceId]:
        """The ids of the Azure ML workspaces among them, by name: handlers act in no other resource."""
        return {workspace.name: workspace.id for workspace in self if isinstance(workspace.id, WorkspaceId)}

    def __iter__(self) -> Iterator[Workspace]:
        return iter(self.by_name.values())

    def values_of(self, label: str) -> set[str]:
        """The values that a label has, over all workspaces."""
        return {workspace.labels[label] for workspace in self if label in workspace.labels}

    def written(self, label: str) -> dict[str, str]:
        """How the file writes each of these values; values may come from app settings, which messages do not show."""
        return {workspace.labels[label]: workspace.written[label] for workspace in self if label in workspace.written}

    def labels(self) -> set[str]:
        """The names of all labels."""
        return {label for workspace in self for label in workspace.labels}
