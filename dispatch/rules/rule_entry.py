"""One entry of ``rules:``, read as far as its mistakes allow."""

import re
from dataclasses import dataclass

from pydantic import Field

from dispatch.guards.keys import GuardKeys
from dispatch.rules.errors import did_you_mean
from dispatch.rules.handler_entry import Doing, read_doing
from dispatch.rules.reading.nodes import Node, RuleFile, Table, is_null
from dispatch.rules.reading.pydantic_errors import validated
from dispatch.rules.retry import Retry
from dispatch.rules.when import ALWAYS, AllOf, read_when
from dispatch.rules.workspaces import Workspaces
from dispatch.rules.workspaces_file import FILE, choose
from handlers.workspace_field import WORKSPACES
from schemas import EVENT_NAMES, EVENT_TYPES, Event
from schemas.errors import shown

OUTCOMES = ("succeeded", "failed", "skipped", "any")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_EXAMPLE = "Write - name: mail-failed-runs, and below it, indented as far, on, do and with."
_OWN_KEYS = ("name", "on", "in", "when", "after", "do", "with")
_SYNONYMS = {  # what others would write
    other: ours
    for ours, others in {
        "on": ("event", "events", "event_type", "trigger", "type"),
        "in": ("workspace", "workspaces", "where"),
        "when": ("if", "filter", "filters", "condition", "conditions"),
        "do": ("handler", "action", "uses", "run"),
        "with": ("settings", "args", "params", "parameters"),
        "after": ("needs", "depends_on", "follows"),
        "retry": ("retries",),
    }.items()
    for other in others
}
_HINTS = dict.fromkeys(
    ("on_failure", "on_error", "on_success"), "Make it a rule of its own, with after: { rules: …, outcome: failed }."
)


class RuleKeys(GuardKeys):
    """The keys of a rule that are values of their own: its guards, how it retries, what of its own doing it acts on."""

    retry: Retry = Field(default_factory=Retry)
    allow_loops: bool = Field(False, strict=True)
    max_depth: int = Field(3, ge=1, le=20, strict=True)


@dataclass(frozen=True, slots=True)
class After:
    """What a rule follows: how the actions of other rules end. `places` is where each of them is named."""

    places: dict[str, Node]
    outcome: str

    def follows(self, status: str) -> bool:
        """Does an action that ended so lead to this rule's?"""
        return self.outcome in (status, "any")


@dataclass(slots=True)
class Draft:
    """A rule as its file says it. What has mistakes is missing, and the mistakes are with the file."""

    file: RuleFile
    node: Table
    name: str
    on: dict[str, Node]  # event names, each with where it stands
    chosen: frozenset[str] | None  # the workspaces; None: all
    when: AllOf
    after: After | None
    doing: Doing | None
    keys: RuleKeys

    @property
    def source(self) -> str:
        """Where it stands: ``rules/churn.yaml:12``."""
        return f"{self.file.name}:{self.node.at.line}"

    @property
    def events(self) -> set[type[Event]]:
        """The event types of its `on`."""
        return {event for name in self.on for event in EVENT_NAMES[name]}


def read_rules(file: RuleFile, workspaces: Workspaces | None) -> list[Draft]:
    """The rules of a file. Without `workspaces`, what `in` says is not checked against them."""
    if file.root is None or is_null(file.root):
        return []
    file.context[WORKSPACES] = workspaces.ids() if workspaces else None
    top = file.table(file.root, "a rules file", f"Begin it with 'rules:'. {_EXAMPLE}")
    if top is None:
        return []
    elsewhere = dict.fromkeys(("workspaces", "alerts"), f"It belongs in {FILE}.")
    top = file.known_keys(top, ("rules",), "a rules file", hints=elsewhere)
    listed = top.fields.get("rules")
    if listed is None or is_null(listed):
        return []
    nodes = [file.table(item, "a rule", _EXAMPLE) for item in file.sequence(listed, "rules", _EXAMPLE)]
    return [_draft(node, file, workspaces) for node in nodes if node]


def _draft(node: Table, file: RuleFile, workspaces: Workspaces | None) -> Draft:
    node = file.known_keys(node, (*_OWN_KEYS, *RuleKeys.model_fields), "a rule", _SYNONYMS, _HINTS)
    fields = node.fields
    name = _name(node, file)
    called = f"rule {name}" if name else "this rule"
    if ("on" in fields) == ("after" in fields):
        hint = "'on' says which events lead to it, 'after' which rules it follows."
        file.error(node, f"{called} needs either 'on' or 'after'" + (", not both" if "on" in fields else ""), hint)
    ours = {key: value for key, value in fields.items() if key in RuleKeys.model_fields}
    return Draft(
        file=file,
        node=node,
        name=name,
        on=_on(fields["on"], file) if "on" in fields else {},
        chosen=choose(fields["in"], file, workspaces) if "in" in fields else None,
        when=read_when(fields["when"], file) if "when" in fields else ALWAYS,
        after=_after(fields["after"], file) if "after" in fields else None,
        doing=read_doing(node, file, called),
        keys=validated(RuleKeys, Table(node.at, ours, node.keys), file, "", node.at) or RuleKeys(),
    )


def _name(node: Table, file: RuleFile) -> str:
    if "name" not in node.fields:
        file.error(node, "this rule has no 'name'", "Its name stands in the history, in mails and in 'after'.")
        return ""
    at = node.fields["name"]
    name = file.text(at, "name")
    if name is not None and not _NAME.fullmatch(name):
        hint = "Use at most 63 small letters, digits and '-', such as mail-failed-runs."
        file.error(at, f"{shown(name)} cannot be a rule's name", hint)
    return name or ""


def _on(node: Node, file: RuleFile) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for item in file.one_or_more(node, "on"):
        text = file.text(item, "an event type")
        event_type = EVENT_TYPES.get(text or "")
        name = event_type.__name__ if event_type else text or ""
        if name in EVENT_NAMES:
            found.setdefault(name, item)
        elif text is not None:
            hint = did_you_mean(name.rpartition(".")[2], EVENT_NAMES, "The event types are")
            file.error(item, f"unknown event type {shown(text)}", hint)
    return found


def _after(node: Node, file: RuleFile) -> After | None:
    hint = "Write after: { rules: name-of-a-rule, outcome: failed }."
    table = file.table(node, "after", hint)
    if table is None:
        return None
    table = file.known_keys(table, ("rules", "outcome"), "after")
    if "rules" not in table.fields:
        file.error(node, "after has no 'rules'", hint)
        return None
    items = file.one_or_more(table.fields["rules"], "rules")
    names = {name: item for item in items if (name := file.text(item, "the name of a rule"))}
    return After(names, _outcome(table, file))


def _outcome(table: Table, file: RuleFile) -> str:
    if "outcome" not in table.fields:
        return "succeeded"
    at = table.fields["outcome"]
    outcome = file.text(at, "outcome")
    if outcome is not None and outcome not in OUTCOMES:
        file.error(at, f"unknown outcome {shown(outcome)}", did_you_mean(outcome, OUTCOMES, "An outcome is"))
    return outcome or "any"
