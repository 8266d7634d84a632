"""The workspaces whose events are handled, with the labels by which rules choose them."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from schemas import ResourceId, WorkspaceId
from schemas.events.base import DEFAULT_ZONE


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace, or a storage account, as ``rules/workspaces.yaml`` names it."""

    name: str
    id: ResourceId
    labels: Mapping[str, str] = field(default_factory=dict)
    timezone: str = DEFAULT_ZONE
    written: Mapping[str, str] = field(default_factory=dict)  # labels as the file writes them, with names of settings

    def view(self) -> dict[str, Any]:
        """The keys of ``workspace`` in conditions and templates, without those that come from its id."""
        return {"name": self.name, "labels": dict(self.labels), "timezone": self.timezone}


class Workspaces:
    """All listed workspaces. They are found by id, whose case does not matter."""

    def __init__(self, *workspaces: Workspace) -> None:
        self.by_name = MappingProxyType({workspace.name: workspace for workspace in workspaces})
        self._by_id = {workspace.id: workspace for workspace in workspaces}
        self._order = {name: number for number, name in enumerate(self.by_name)}
        self._by_label: dict[str, dict[str, set[str]]] = {}  # label, value -> the names of the workspaces
        self._chosen: dict[frozenset[tuple[str, frozenset[str]]], frozenset[str]] = {}
        for workspace in workspaces:
            for label, value in workspace.labels.items():
                self._by_label.setdefault(label, {}).setdefault(value, set()).add(workspace.name)

    def find(self, id: ResourceId) -> Workspace | None:
        """The workspace with this id; None if it is not listed."""
        return self._by_id.get(id)

    def ids(self) -> dict[str, WorkspaceId]:
        """The ids of the Azure ML workspaces among them, by name: handlers act in no other resource."""
        return {workspace.name: workspace.id for workspace in self if isinstance(workspace.id, WorkspaceId)}

    def named(self, names: Set[str] | None) -> Iterator[Workspace]:
        """The workspaces with these names, or all, in the order of the file."""
        if names is None:
            return iter(self)
        return iter([self.by_name[name] for name in sorted(names & self._order.keys(), key=self._order.__getitem__)])

    def __iter__(self) -> Iterator[Workspace]:
        return iter(self.by_name.values())

    def chosen(self, labels: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """The names of those that have all of these labels, each with one of the values: the same set each time."""
        key = frozenset(labels.items())
        if key not in self._chosen:
            having = [
                {name for value in values for name in self._by_label.get(label, {}).get(value, ())}
                for label, values in labels.items()
            ]
            self._chosen[key] = frozenset(set.intersection(*having)) if having else frozenset(self.by_name)
        return self._chosen[key]

    def values_of(self, label: str) -> Set[str]:
        """The values that a label has, over all workspaces."""
        return self._by_label.get(label, {}).keys()

    def written(self, label: str) -> dict[str, str]:
        """How the file writes each of these values; values may come from app settings, which messages do not show."""
        return {workspace.labels[label]: workspace.written[label] for workspace in self if label in workspace.written}

    def labels(self) -> Set[str]:
        """The names of all labels."""
        return self._by_label.keys()
