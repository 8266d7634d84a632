"""`RuleEntry`: one entry of ``rules:``, read as far as its errors allow."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatch.rules.checks.scope import joined
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
from schemas import EVENT_NAMES, Event, Expected

_ONE = (
    "'on' lists the events on which it acts, 'expect' the event whose absence it reports, 'after' the rules it follows."
)
_TRIGGERS = ("on", "expect", "after")


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

    @property
    def asks(self) -> dict[str, Node]:
        """The node of each event name for which it asks the record."""
        asking = (self.node.fields.get(key) for key in ("expect", "unless"))
        items = (item for node in asking for item in items_of(field_of(node, "event")))
        return {name: item for item in items if (name := event_name(text_of(item) or ""))}

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
    triggers = [key for key in _TRIGGERS if key in fields]
    if len(triggers) != 1:
        either, not_both = joined(map(repr, triggers or _TRIGGERS), "or"), ", not both" if triggers else ""
        file.error(node, f"{RuleKeys.subject(node, '')} needs either {either}{not_both}", _ONE)
    after = fields.get("after")
    followed = items_of(field_of(after, "rules"))
    outcome = field_of(after, "outcome")
    return RuleEntry(
        file=file,
        node=node,
        keys=keys,
        name=text_of(fields.get("name")) or "",
        on=_events(fields),
        after={name: item for item in followed if (name := text_of(item))},
        outcome="succeeded" if outcome is None else text if (text := text_of(outcome)) in OUTCOMES else "any",
        chosen=choose(fields["in"], file, workspaces) if "in" in fields else None,
        handler=read_handler(node, file),
    )


def _events(fields: Mapping[str, Node]) -> dict[str, Node]:
    """The node of each event name in `on`; a rule with `expect` acts on the event that says what is missing."""
    if "expect" in fields and "on" not in fields:
        return {Expected.__name__: fields["expect"]}
    return {name: item for item in reversed(items_of(fields.get("on"))) if (name := event_name(text_of(item) or ""))}
