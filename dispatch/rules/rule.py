"""Rules: which handler acts on which event. Loaded once from a folder; matching looks at plain data and cannot fail."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatch.guards.base import Guard
from dispatch.inbox.actions import NewAction
from dispatch.log import log_event
from dispatch.rules.errors import RuleError
from dispatch.rules.retry import Retry
from dispatch.rules.when import ALWAYS, AllOf
from dispatch.rules.workspaces import Workspace, Workspaces
from dispatch.rules.workspaces_file import Alerts
from handlers.base import Handler, Result
from handlers.lineage import Lineage, lineage_of, rule_code
from handlers.log import Log
from schemas import EVENT_NAMES, Event
from schemas.events.registry import DRIFT_DETECTED

ALERTS = "-alerts"  # the name of what tells of alerts; no rule's name begins so


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry of a rules file: which events, or the end of which other rules' actions, lead to what."""

    name: str
    handler: Handler[Any]
    do: str = ""  # the handler as the rule names it
    file: str = ""  # "rules/churn.yaml"
    source: str = ""  # "rules/churn.yaml:12"
    settings_hash: str = ""  # of `do` and `with`, without secrets
    guards: tuple[Guard, ...] = ()
    retry: Retry = field(default_factory=Retry)
    on: frozenset[str] = frozenset()  # short event names, and DriftDetected
    workspaces: frozenset[str] | None = None  # their names; None: all
    when: AllOf = ALWAYS
    after: frozenset[str] = frozenset()  # the rules that it follows
    outcome: str = "succeeded"  # how their actions end: succeeded, failed, skipped, or any
    allow_loops: bool = False  # may it act on what its own actions started?
    max_depth: int = 3  # of a chain of starts

    def action(self, follows: Result | None = None) -> NewAction:
        """What is written down of this rule for an event that it matches."""
        return NewAction(self.name, self.do, self.settings_hash, follows)

    def takes(self, event: Event) -> bool:
        """Is the event of a type that its `on` names?"""
        return type(event).__name__ in self.on or (DRIFT_DETECTED in self.on and event.drift is not None)

    def stopped(self, origin: Lineage | None) -> str:
        """Why it must not act on an event that comes from one of our starts; empty if it may."""
        if origin is None:
            return ""
        if origin.rule == rule_code(self.name) and not self.allow_loops:
            return "this rule started what the event comes from, and has no allow_loops"
        if self.handler.starts_runs and origin.depth >= self.max_depth:
            return f"the event comes from a chain of {origin.depth} starts, and max_depth is {self.max_depth}"
        return ""

    def is_for(self, workspace: Workspace | None) -> bool:
        """Is the workspace one of those that its `in` chooses?"""
        return self.workspaces is None or (workspace is not None and workspace.name in self.workspaces)


@dataclass(frozen=True)
class Rules:
    """All rules, and what is wrong with those that are missing.

    A file with a mistake is refused alone. But while workspaces.yaml is refused nobody can say whose an event is: then
    nothing matches, and `refused` has every file, because no rule could be asked. What is under way goes on.
    """

    by_name: Mapping[str, Rule] = field(default_factory=dict)
    workspaces: Workspaces | None = field(default_factory=Workspaces)  # None: they are not known
    alerts: Alerts | None = None
    errors: tuple[RuleError, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)  # file name -> a short hash of its content
    read: frozenset[str] = frozenset()  # the names of all files, also of those without rules

    _by_event: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _by_followed: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = self.by_name.values()
        by_event = _index((event.__name__, r) for r in rules for name in r.on for event in EVENT_NAMES[name])
        object.__setattr__(self, "_by_event", by_event)
        object.__setattr__(self, "_by_followed", _index((name, rule) for rule in rules for name in rule.after))

    @property
    def knows_workspaces(self) -> bool:
        """Can it be said of a workspace that it is not one of ours?"""
        return self.workspaces is not None

    @property
    def files(self) -> list[str]:
        """Every rules file, refused or with rules in force."""
        return sorted({rule.file for rule in self.by_name.values()} | {*self.refused})

    def workspace(self, event: Event) -> Workspace | None:
        """The workspace that raised the event; None if it is not one of ours, or if ours are not known."""
        return self.workspaces.find(event.resource) if self.workspaces else None

    def get(self, name: str) -> Rule | None:
        """The rule of this name, if there is one now; also the one that tells of alerts, and of a rule's failures."""
        return self._alerts(name) if name.startswith(ALERTS) else self.by_name.get(name)

    def _alerts(self, name: str) -> Rule | None:
        """Who is to be told: if nobody is any more, the log; if workspaces.yaml cannot say, it waits."""
        if self.alerts:
            told = self.alerts
            return Rule(name, told.handler, told.do, source=told.source, settings_hash=told.settings_hash)
        return Rule(name, Log(level="error"), "log") if self.knows_workspaces else None

    def matching(self, event: Event) -> list[Rule]:
        """The rules whose `on`, `in` and `when` hold of an event, which is bound to its workspace; as listed."""
        workspace = self.workspace(event)
        if workspace is None:
            return []
        rules = (rule for rule in self._by_event.get(type(event).__name__, ()) if rule.takes(event))
        return _holding(rules, event, workspace)

    def following(self, name: str, status: str, event: Event) -> list[Rule]:
        """The rules to follow the end of an action: succeeded, skipped or failed. The event is bound to its result."""
        rules = (rule for rule in self._by_followed.get(name, ()) if rule.outcome in (status, "any"))
        return _holding(rules, event, self.workspace(event))


def _index(pairs: Iterable[tuple[str, Rule]]) -> dict[str, tuple[Rule, ...]]:
    found: defaultdict[str, dict[str, Rule]] = defaultdict(dict)
    for key, rule in pairs:
        found[key][rule.name] = rule
    return {key: tuple(rules.values()) for key, rules in found.items()}


def _holding(rules: Iterable[Rule], event: Event, workspace: Workspace | None) -> list[Rule]:
    """Those whose `in` and `when` hold; the event's view is made only if some rule asks for it."""
    here = [rule for rule in rules if rule.is_for(workspace)]
    view: Mapping[str, Any] = event.view() if any(rule.when.tests for rule in here) else {}
    holding = [rule for rule in here if rule.when.matches(view)]
    origin = lineage_of(event) if holding else None
    stopped = {rule.name: why for rule in holding if (why := rule.stopped(origin))}
    for name, why in stopped.items():
        log_event("rule.stopped", rule=name, event=event.id, reason=why)
    return [rule for rule in holding if rule.name not in stopped]
