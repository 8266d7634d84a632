"""`RuleEntry`: one entry of ``rules:``, read as far as its errors allow."""

from dataclasses import dataclass

from dispatch.rules.handler_entry import HandlerEntry, read_handler
from dispatch.rules.models import RuleKeys, RulesFile
from dispatch.rules.reading.nodes import (
    Node,
    RuleFile,
    Scalar,
    Sequence,
    Table,
    field_of,
    is_null,
    items_of,
    text_of,
    without_expressions,
)
from dispatch.rules.reading.pydantic_errors import validated
from dispatch.rules.reading.shapes import with_intended_keys
from dispatch.rules.values import OUTCOMES, event_name
from dispatch.rules.workspaces import Workspaces
from dispatch.rules.workspaces_file import choose
from handlers.workspace_field import WORKSPACES
from schemas import EVENT_NAMES, Event

_EITHER = "'on' lists the events on which it acts, 'after' the rules that it follows."


@dataclass(slots=True)
class RuleEntry:
    """A rule as written in its file. Invalid parts are missing; the file has their errors."""

    file: RuleFile
    node: Table
    keys: RuleKeys | None  # None if any rule of the file is invalid
    name: str
    on: dict[str, Node]  # the node of each event name
    after: dict[str, Node]  # the node of each followed rule's name
    outcome: str  # of the followed rules' actions
    chosen: frozenset[str] | None  # names of workspaces; None: all
    handler: HandlerEntry | None

    @property
    def source(self) -> str:
        """The rule's file and line: ``rules/churn.yaml:12``."""
        return f"{self.file.name}:{self.node.position.line}"

    @property
    def written_name(self) -> str:
        """Its name for messages of other rules: as the file writes it, since it may come from an app setting."""
        node = self.node.fields.get("name")
        return node.written if isinstance(node, Scalar) else self.name

    @property
    def events(self) -> set[type[Event]]:
        """The event types of its `on`."""
        return {event for name in self.on for event in EVENT_NAMES[name]}

    def follows(self, status: str) -> bool:
        """Does it act if an action of a followed rule ended with this status?"""
        return self.outcome in (status, "any")


def read_rules(file: RuleFile, workspaces: Workspaces | None) -> list[RuleEntry]:
    """The rules of a file. Without `workspaces`, only the form of `in` is checked."""
    if file.root is None or is_null(file.root):
        return []
    file.context[WORKSPACES] = workspaces.ids() if workspaces else None
    root = with_intended_keys(_without_expressions(file.root, file), RulesFile)
    valid = validated(RulesFile, root, file)
    listed = field_of(root, "rules")
    items = listed.items if isinstance(listed, Sequence) else ()
    nodes = [node for node in items if isinstance(node, Table)]
    keys = valid.rules if valid and valid.rules else [None] * len(nodes)
    return [_entry(node, each, file, workspaces) for node, each in zip(nodes, keys, strict=True)]


def _without_expressions(root: Node, file: RuleFile) -> Node:
    """The root, in which only the settings of handlers have templates."""
    rules = field_of(root, "rules")
    if not isinstance(root, Table) or not isinstance(rules, Sequence):
        return root
    settings = frozenset({"with"} | {other for other, ours in RuleKeys.synonyms.items() if ours == "with"})
    items = tuple(without_expressions(item, file, skip=settings) for item in rules.items)
    return Table(root.position, {**root.fields, "rules": Sequence(rules.position, items)}, root.keys)


def _entry(node: Table, keys: RuleKeys | None, file: RuleFile, workspaces: Workspaces | None) -> RuleEntry:
    fields = node.fields
    if ("on" in fields) == ("after" in fields):
        both = ", not both" if "on" in fields else ""
        subject = RuleKeys.subject(node, "")
        file.error(node, f"{subject} needs either 'on' or 'after'{both}", _EITHER)
    after = fields.get("after")
    followed = items_of(field_of(after, "rules"))
    outcome = field_of(after, "outcome")
    return RuleEntry(
        file=file,
        node=node,
        keys=keys,
        name=text_of(fields.get("name")) or "",
        on={name: item for item in reversed(items_of(fields.get("on"))) if (name := event_name(text_of(item) or ""))},
        after={name: item for item in followed if (name := text_of(item))},
        outcome="succeeded" if outcome is None else text if (text := text_of(outcome)) in OUTCOMES else "any",
        chosen=choose(fields["in"], file, workspaces) if "in" in fields else None,
        handler=read_handler(node, file),
    )
