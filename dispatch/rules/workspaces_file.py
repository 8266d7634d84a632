"""``workspaces.yaml``, and the workspaces that a rule's ``in:`` chooses from it."""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from dispatch.rules.checks.scope import Scope
from dispatch.rules.checks.templates import check_templates
from dispatch.rules.errors import did_you_mean
from dispatch.rules.handler_entry import read_handler
from dispatch.rules.models import WorkspaceKeys, WorkspacesFile
from dispatch.rules.reading.nodes import (
    START,
    Node,
    RuleFile,
    Scalar,
    Table,
    field_of,
    is_broken,
    is_null,
    items_of,
    text_of,
    without_expressions,
)
from dispatch.rules.reading.pydantic_errors import validated
from dispatch.rules.reading.shapes import with_intended_keys
from dispatch.rules.workspaces import Workspace, Workspaces
from handlers.base import Handler
from schemas import Event, ResourceId
from schemas.errors import shown

_NOUNS = {"workspaces": "workspace", "storage": "storage account", "registries": "registry"}
_PAIR = re.compile(r"\s*([\w.-]+)\s*==?\s*([\w.-]+)\s*")  # env=prod
_COMBINATION = "Each label occurs, but not together with the others: remove one, or write a rule for each."


@dataclass(frozen=True, slots=True)
class Alerts:
    """The handler that sends alerts."""

    do: str
    handler: Handler[Any]
    source: str  # "rules/workspaces.yaml:4"
    settings_hash: str = ""


def read_workspaces_file(file: RuleFile) -> tuple[Workspaces | None, Alerts | None]:
    """The workspaces and the alerts; None for a part that is missing or has errors."""
    if not file.readable:
        return None, None
    if file.root is None or is_null(file.root):
        root: Node = Table(START, {}, {})
    else:
        root = with_intended_keys(without_expressions(file.root, file, skip=frozenset({"with"})), WorkspacesFile)
    at = START if isinstance(root, Table) else root.position
    alerts = field_of(root, "alerts")
    valid = validated(WorkspacesFile, _without(root, "alerts"), file, at=at)
    found = _workspaces(root, valid, file) if valid else None
    known = None if file.refused else found  # errors in `alerts` leave the workspaces known
    validated(WorkspacesFile, root, file, at=at)
    return known, _alerts(alerts, file, known) if isinstance(alerts, Table) else None


def choose(node: Node, file: RuleFile, workspaces: Workspaces | None) -> frozenset[str]:
    """The names of the workspaces that ``in:`` chooses. Without `workspaces`, any name matches, and no label."""
    if isinstance(node, Table):
        return _with_labels(node, file, workspaces)
    names = [(item, name) for item in items_of(node) if (name := text_of(item)) is not None]
    for item, name in names:
        if workspaces and name not in workspaces.by_name:
            file.error(item, f"there is no workspace {shown(name)}", partial(_other_workspace, name, workspaces))
    return frozenset(name for _, name in names if workspaces is None or name in workspaces.by_name)


def _other_workspace(name: str, workspaces: Workspaces) -> str:
    labels = sorted(label for label in workspaces.labels() if name in workspaces.values_of(label))
    if labels:
        return f"To choose by label, write in: {{ {labels[0]}: {name} }}."
    if (pair := _PAIR.fullmatch(name)) and pair[1] in workspaces.labels():
        return f"To choose by label, write in: {{ {pair[1]}: {pair[2]} }}."
    if name.casefold() in ("all", "any", "*"):
        return "Without in, a rule acts on events of all workspaces."
    return did_you_mean(name, workspaces.by_name, "The workspaces are")


def _other_value(value: str, label: str, known: Set[str], workspaces: Workspaces | None) -> str:
    return did_you_mean(value, known, f"The values of {label} are", workspaces.written(label) if workspaces else {})


def _without(node: Node, key: str) -> Node:
    if not isinstance(node, Table):
        return node
    return Table(node.position, {k: child for k, child in node.fields.items() if k != key}, node.keys)


def _workspaces(root: Node, valid: WorkspacesFile, file: RuleFile) -> Workspaces:
    ids: dict[ResourceId, tuple[str, int]] = {}
    lines: dict[str, int] = {}
    found: list[Workspace] = []
    for key, noun in _NOUNS.items():
        entries: Mapping[str, WorkspaceKeys] = getattr(valid, key)
        listed = field_of(root, key)
        if not isinstance(listed, Table):
            continue
        for name, keys in entries.items():
            entry, at = listed.fields[name], listed.keys[name]
            if name in lines:
                file.error(at, f"there is a workspace {shown(name)} (line {lines[name]})", "Choose another name.")
            other, line = ids.setdefault(keys.id, (name, at.line))
            if other != name and (id := field_of(entry, "id")):
                file.error(id, f"{other} has the same id (line {line})", f"List each {noun} once.")
            lines[name] = at.line
            found.append(_workspace(name, keys, entry, valid.timezone, file))
    return Workspaces(*found)


def _workspace(name: str, keys: WorkspaceKeys, entry: Node, timezone: str, file: RuleFile) -> Workspace:
    fields = entry.fields if isinstance(entry, Table) else {}
    labels = {label: text for label, node in fields.items() if label != "id" and (text := _label(node)) is not None}
    _check_names(labels, entry, file)
    written = {label: node.written for label in labels if isinstance(node := fields[label], Scalar)}
    return Workspace(name, keys.id, labels, keys.timezone or timezone, written)


def _check_names(labels: Iterable[str], entry: Node, file: RuleFile) -> None:
    """Report labels that differ only in their case, which conditions and templates do not tell apart."""
    first: dict[str, str] = {}
    for label in labels:
        other = first.setdefault(label.casefold(), label)
        if other != label and isinstance(entry, Table):
            file.error(
                entry.keys[label], f"the label {shown(label)} is the same as {shown(other)}", "Case does not matter."
            )


def _alerts(node: Table, file: RuleFile, workspaces: Workspaces | None) -> Alerts | None:
    entry = read_handler(node, file)
    if entry and entry.refuses([Event]):
        file.error(entry.node, f"{entry.do} cannot send alerts: it takes only {entry.takes}")
        return None
    if entry is None or entry.handler is None:
        return None
    check_templates(entry.handler, node.fields.get("with"), Scope.of_alerts(workspaces), file)
    return Alerts(entry.do, entry.handler, f"{file.name}:{node.position.line}", entry.settings_hash)


def _label(node: Node) -> str | None:
    """A label as it is written; None if it is not a single value."""
    if not isinstance(node, Scalar) or node.value is None:
        return None
    return node.value if isinstance(node.value, str) else node.written


def _with_labels(node: Table, file: RuleFile, workspaces: Workspaces | None) -> frozenset[str]:
    """The workspaces that have all of these labels; none if there are errors among them."""
    wanted = {label: _values(label, node, file, workspaces) for label in node.fields}
    if not wanted or not all(wanted.values()) or workspaces is None or is_broken(node):
        return frozenset()
    chosen = workspaces.chosen(wanted)
    if not chosen:
        file.error(node, "no workspace has all of these labels", _COMBINATION)
    return chosen


def _values(label: str, node: Table, file: RuleFile, workspaces: Workspaces | None) -> frozenset[str]:
    """The values of a label; none if there are errors among them."""
    if workspaces and label not in workspaces.labels():
        hint = partial(did_you_mean, label, workspaces.labels(), "The labels are")
        file.error(node.keys[label], f"no workspace has a label {shown(label)}", hint)
        return frozenset()
    items = [(item, _label(item)) for item in items_of(node.fields[label])]
    if not items:
        file.error(node.fields[label], f"label {label} is empty")
    known = workspaces.values_of(label) if workspaces else {value for _, value in items if value is not None}
    for item, value in items:
        if value is not None and value not in known and not is_broken(item):
            hint = partial(_other_value, value, label, known, workspaces)
            file.error(item, f"no workspace has {label}: {shown(value)}", hint)
    values = frozenset(value for _, value in items if value is not None)
    return values if values <= known and all(value is not None for _, value in items) else frozenset()
