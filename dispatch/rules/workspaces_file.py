"""``workspaces.yaml``, and what a rule's ``in:`` chooses of it."""

import re
from dataclasses import dataclass
from typing import Any

from dispatch.rules.errors import did_you_mean
from dispatch.rules.handler_entry import read_doing
from dispatch.rules.reading.nodes import START, Node, Position, RuleFile, Scalar, Table, is_broken, is_null
from dispatch.rules.workspaces import Workspace, Workspaces
from handlers.base import Handler
from schemas import Event, ResourceId
from schemas.errors import shown
from schemas.events.registry import parse_resource

FILE = "workspaces.yaml"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_EXAMPLE = "Write workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }."
_ASK = "It is what az ml workspace show --query id says."


@dataclass(frozen=True, slots=True)
class Alerts:
    """The handler that is told when something is wrong with the app or its rules."""

    do: str
    handler: Handler[Any]
    source: str  # "rules/workspaces.yaml:4"
    settings_hash: str = ""


def read_workspaces(file: RuleFile) -> Workspaces | None:
    """The workspaces of workspaces.yaml; None if they are not to be relied on, because of mistakes among them."""
    top = _top(file)
    if top is None:
        return None
    listed = top.fields.get("workspaces")
    if listed is None or is_null(listed) or (isinstance(listed, Table) and not listed.fields):
        file.error(listed or START, "no workspaces are listed", _EXAMPLE)
        return None
    table = file.table(listed, "workspaces", _EXAMPLE)
    seen: dict[ResourceId, tuple[str, Position]] = {}
    found = [
        workspace
        for name in (table.fields if table else ())
        if table and (workspace := _workspace(name, table, file, seen))
    ]
    return Workspaces(*found) if not file.errors else None


def read_alerts(file: RuleFile) -> Alerts | None:
    """Whom to tell when something is wrong; None if nobody, or if there are mistakes in it."""
    top = _top(file)
    node = top.fields.get("alerts") if top else None
    table = file.table(node, "alerts", "Write alerts: { do: email, with: { … } }.") if node else None
    if table is None:
        return None
    table = file.known_keys(table, ("do", "with"), "alerts")
    doing = read_doing(table, file, "alerts")
    if doing and doing.refuses([Event]):
        file.error(doing.at, f"{doing.do} cannot carry alerts: it takes only {doing.takes}")
        return None
    if doing is None or doing.handler is None:
        return None
    return Alerts(doing.do, doing.handler, f"{file.name}:{table.at.line}", doing.settings_hash)


def choose(node: Node, file: RuleFile, workspaces: Workspaces | None) -> frozenset[str]:
    """The names of the workspaces that ``in:`` means. Without `workspaces`, only its form is checked."""
    if isinstance(node, Table):
        return _with_labels(node, file, workspaces)
    chosen: set[str] = set()
    for item in file.one_or_more(node, "in"):
        name = file.text(item, "the name of a workspace")
        if name and workspaces and name not in workspaces.by_name:
            hint = did_you_mean(name, workspaces.by_name, "The workspaces are")
            labels = sorted(label for label in workspaces.labels() if name in workspaces.values_of(label))
            hint = f"To choose by label, write in: {{ {labels[0]}: {name} }}." if labels else hint
            file.error(item, f"there is no workspace {shown(name)}", hint)
        elif name:
            chosen.add(name)
    return frozenset(chosen)


def _top(file: RuleFile) -> Table | None:
    """The file's mapping, which is empty if the file is; None if it is something else, or cannot be read."""
    if not file.readable:
        return None
    if file.root is None or is_null(file.root):
        return Table(START, {}, {})
    top = file.table(file.root, FILE, "Its keys are workspaces and alerts.")
    hints = {"rules": "Rules go into files of their own, such as churn.yaml: a mistake in one takes no workspace away."}
    return file.known_keys(top, ("workspaces", "alerts"), FILE, hints=hints) if top else None


def _workspace(
    name: str, table: Table, file: RuleFile, seen: dict[ResourceId, tuple[str, Position]]
) -> Workspace | None:
    at = table.keys[name]
    if not _NAME.fullmatch(name):
        hint = "Use at most 63 letters, digits, '-', '_' and '.'."
        file.error(at, f"{shown(name)} cannot be a workspace's name", hint)
    entry = file.table(table.fields[name], f"workspace {name}", _EXAMPLE)
    if entry is None:
        return None
    labels = {
        label: text
        for label, node in entry.fields.items()
        if label != "id" and (text := _label(label, node, file)) is not None
    }
    if "id" not in entry.fields:
        file.error(at, f"workspace {name} has no 'id'", _ASK)
        return None
    id = _id(name, entry.fields["id"], file)
    if id is None:
        return None
    if id in seen:
        other, there = seen[id]
        message = f"this is the id of {other}, too (line {there.line})"
        file.error(entry.fields["id"], message, "List a workspace once.")
    seen.setdefault(id, (name, at))
    return Workspace(name, id, labels)


def _id(name: str, node: Node, file: RuleFile) -> ResourceId | None:
    text = file.text(node, f"the id of {name}")
    if text is None:
        return None
    try:
        return parse_resource(text)
    except ValueError as error:
        file.error(node, f"the id of {name} should be {error}", _ASK)
        return None


def _label(label: str, node: Node, file: RuleFile) -> str | None:
    if is_broken(node):
        return None
    if isinstance(node, Scalar) and node.value is not None:
        return node.value if isinstance(node.value, str) else node.written
    file.error(node, f"label {label} should have one value: a text, a number, true or false")
    return None


def _with_labels(node: Table, file: RuleFile, workspaces: Workspaces | None) -> frozenset[str]:
    """The workspaces that have all of these labels."""
    before = len(file.errors)
    wanted = {label: _values(label, node, file, workspaces) for label in node.fields}
    if not wanted:
        file.error(node, "in is empty", "Leave it out to mean all workspaces.")
    if workspaces is None or len(file.errors) > before or is_broken(node):
        return frozenset()
    chosen = frozenset(workspace.name for workspace in workspaces if workspace.has(wanted))
    if not chosen:
        file.error(
            node,
            "no workspace has all of these labels",
            "Some have one and some another: leave one out, or write a rule for each.",
        )
    return chosen


def _values(label: str, node: Table, file: RuleFile, workspaces: Workspaces | None) -> frozenset[str]:
    values: set[str] = set()
    if workspaces and label not in workspaces.labels():
        hint = did_you_mean(label, workspaces.labels(), "The labels are")
        file.error(node.keys[label], f"no workspace has a label {shown(label)}", hint)
        return frozenset()
    for item in file.one_or_more(node.fields[label], f"label {label}"):
        value = _label(label, item, file)
        if value is not None and workspaces and value not in workspaces.values_of(label):
            hint = did_you_mean(value, workspaces.values_of(label), f"The values of {label} are")
            file.error(item, f"no workspace has {label}: {shown(value)}", hint)
        elif value is not None:
            values.add(value)
    return frozenset(values)
