"""Rules: which handler acts on which event. Loaded once from a folder; matching reads plain data and cannot fail."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from dispatch.evidence.pattern import Pattern
from dispatch.filters.keys import EventValues
from dispatch.guards.base import Guard
from dispatch.guards.keys import gathers
from dispatch.guards.late import Late
from dispatch.inbox.actions import NewAction
from dispatch.log import log_event
from dispatch.rules.errors import RuleError
from dispatch.rules.expectations.keys import Expect
from dispatch.rules.retry import Retry
from dispatch.rules.when import ALWAYS, AllOf, Test
from dispatch.rules.workspaces import Workspace, Workspaces
from dispatch.rules.workspaces_file import Alerts
from handlers.base import Handler, Result
from handlers.lineage import Lineage, lineage_of, rule_code
from handlers.log import Log
from schemas import EVENT_NAMES, Event, Expected
from schemas.context import Context
from schemas.events.registry import DRIFT_DETECTED

K = TypeVar("K", bound=Hashable)

ALERTS = "-alerts"  # the name of the rule that sends alerts; no name in a rules file begins with "-"


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry of a rules file: its handler, and the events on which it acts or the rules that it follows."""

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
    when: AllOf = ALWAYS  # without what only the guard `Late` can decide
    after: frozenset[str] = frozenset()  # the rules that it follows
    outcome: str = "succeeded"  # how their actions end: succeeded, failed, skipped, or any
    allow_loops: bool = False  # may it act on what its own actions started?
    max_depth: int = 3  # of a chain of starts
    expect: Expect | None = None  # the event whose absence makes it act: then its `on` is Expected
    unless: Pattern | None = None  # events that keep it from acting

    def action(self, follows: Result | None = None) -> NewAction:
        """The action to create for an event that the rule matches."""
        return NewAction(self.name, self.do, self.settings_hash, follows)

    @property
    def gathers(self) -> bool:
        """Does one of its actions act for several events, so that its templates read `events`?"""
        return any(map(gathers, self.guards))

    def previewed(self, context: Context) -> Context:
        """A context for a preview of its handler: as if the event were the only one of its window."""
        return context.with_events([context.view()]) if self.gathers else context

    def takes(self, event: Event) -> bool:
        """Is the event of a type that its `on` names, and not about what another rule expects?"""
        if self.expect and isinstance(event, Expected) and event.data.rule != self.name:
            return False
        return type(event).__name__ in self.on or (DRIFT_DETECTED in self.on and event.drift is not None)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The events that it asks the record for."""
        expected = self.expect.pattern if self.expect else None
        return tuple(pattern for pattern in (expected, self.unless) if pattern)

    def stopped(self, origin: Lineage) -> str:
        """The reason why it must not act on an event that rules published, or caused by a run; empty if it may."""
        if origin.rule == rule_code(self.name) and not self.allow_loops:
            cause = "was published by this rule" if origin.is_published else "comes from a run that this rule started"
            return f"the event {cause}, and the rule has no allow_loops"
        prolongs = self.handler.starts_runs or (self.handler.publishes_events and origin.is_published)
        if prolongs and origin.depth >= self.max_depth:
            return f"the event comes from a chain of {origin.depth} starts, and max_depth is {self.max_depth}"
        return ""

    def obstacle(self, workspace: str | None, values: EventValues) -> Test | Literal["in"] | None:
        """Why its `in` and `when` do not match: "in", or the first test of `when` that is false; None if they match.

        `workspace` is the name of the event's workspace, and `values` are those of the event.
        """
        if self.workspaces is not None and workspace not in self.workspaces:
            return "in"
        return self.when.first_false(values)

    def matches(self, event: Event, context: Context) -> bool:
        """Do `when` and its late conditions match an event that takes the place of the context's in an action?

        Raises RetryLater or GiveUp if late conditions cannot be decided.
        """
        own = self.when.matches(replace(context, event=event))
        return own and (self.late is None or self.late.matches(event, context))

    @property
    def late(self) -> Late | None:
        """The guard that decides its late conditions; None if it has none."""
        return next((guard for guard in self.guards if isinstance(guard, Late)), None)

    def is_for(self, workspace: Workspace | None) -> bool:
        """Is the workspace one of those that its `in` chooses?"""
        return self.workspaces is None or (workspace is not None and workspace.name in self.workspaces)


@dataclass(frozen=True)
class Rules:
    """All rules, and the errors of the files whose rules are missing.

    A file with an error is refused alone. While workspaces.yaml is refused, the app does not know its workspaces: then
    nothing matches, and `refused` has every file, because no rule was matched. Actions that have started continue.
    """

    by_name: Mapping[str, Rule] = field(default_factory=dict)
    workspaces: Workspaces | None = field(default_factory=Workspaces)  # None: they are not known
    alerts: Alerts | None = None
    errors: tuple[RuleError, ...] = ()
    warnings: tuple[RuleError, ...] = ()  # what is probably not meant, and refuses no file
    refused: Mapping[str, str] = field(default_factory=dict)  # file name -> a short hash of its content
    read: frozenset[str] = frozenset()  # the names of all files, also of those without rules

    _by_event: Mapping[tuple[str, bool], tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _by_followed: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _asking: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)  # by event type

    def __post_init__(self) -> None:
        rules = self.by_name.values()
        by_event = (
            ((event.__name__, is_drift), rule)
            for rule in rules
            for name in rule.on
            for event in EVENT_NAMES[name]
            for is_drift in (True, False)
            if is_drift or name != DRIFT_DETECTED
        )
        object.__setattr__(self, "_by_event", _index(by_event))
        object.__setattr__(self, "_by_followed", _index((name, rule) for rule in rules for name in rule.after))
        asking = (
            (event.__name__, rule)
            for rule in rules
            for pattern in rule.patterns
            for name in pattern.events
            for event in EVENT_NAMES[name]
        )
        object.__setattr__(self, "_asking", _index(asking))

    @property
    def knows_workspaces(self) -> bool:
        """Is workspaces.yaml valid, so that an unlisted workspace can be rejected?"""
        return self.workspaces is not None

    @property
    def files(self) -> list[str]:
        """Every rules file, refused or with rules in force."""
        return sorted({rule.file for rule in self.by_name.values()} | {*self.refused})

    def workspace(self, event: Event) -> Workspace | None:
        """The workspace that raised the event; None if it is not listed, or while workspaces.yaml is refused."""
        return self.workspaces.find(event.resource) if self.workspaces else None

    def context(self, event: Event, result: Result | None = None) -> Context:
        """The event with its workspace and the result that it follows, as conditions and templates read them."""
        workspace = self.workspace(event)
        return Context(event, workspace.view() if workspace else None, result.view() if result else None)

    def get(self, name: str) -> Rule | None:
        """The rule of this name; None if no valid file has it. Names that begin with `ALERTS` belong to alerts."""
        return self._alerts(name) if name.startswith(ALERTS) else self.by_name.get(name)

    def _alerts(self, name: str) -> Rule | None:
        """The rule that sends an alert: it logs if no handler is named; None while workspaces.yaml is refused."""
        if self.alerts:
            alerts = self.alerts
            return Rule(name, alerts.handler, alerts.do, source=alerts.source, settings_hash=alerts.settings_hash)
        return Rule(name, Log(level="error"), "log") if self.knows_workspaces else None

    def matching(self, event_or_context: Event | Context) -> list[Rule]:
        """The rules whose `on`, `in` and `when` match an event, in the order of their files.

        An event from a workspace that is not listed matches none. The app passes a Context, which has the workspace
        already; tests of rules can pass the event alone.
        """
        context = self.context(event_or_context) if isinstance(event_or_context, Event) else event_or_context
        if context.workspace is None:
            return []
        event = context.event
        rules = self._by_event.get((type(event).__name__, event.drift is not None), ())
        return _matching(
            (rule for rule in rules if rule.takes(event)) if isinstance(event, Expected) else rules, context
        )

    def sightings(self, context: Context) -> list[str]:
        """The names under which rules find the event on record, because they expect it or do not act beside it."""
        workspace, rules = context.workspace["name"] if context.workspace else None, self._asking
        asking = [
            rule
            for rule in rules.get(type(context.event).__name__, ())
            if workspace and (rule.workspaces is None or workspace in rule.workspaces)
        ]
        values = EventValues(context)
        names = (pattern.name_of(context, values) for rule in asking for pattern in rule.patterns)
        return [*dict.fromkeys(name for name in names if name)]

    def followers(self, name: str) -> tuple[Rule, ...]:
        """The rules that follow this one, however it ends."""
        return self._by_followed.get(name, ())

    def following(self, name: str, status: str, context: Context) -> list[Rule]:
        """The rules that follow an action of rule `name` that ended as `status`: succeeded, skipped or failed."""
        return _matching((rule for rule in self.followers(name) if rule.outcome in (status, "any")), context)


def _index(pairs: Iterable[tuple[K, Rule]]) -> dict[K, tuple[Rule, ...]]:
    found: defaultdict[K, dict[str, Rule]] = defaultdict(dict)
    for key, rule in pairs:
        found[key][rule.name] = rule
    return {key: tuple(rules.values()) for key, rules in found.items()}


def _matching(rules: Iterable[Rule], context: Context) -> list[Rule]:
    """The rules whose `in` and `when` match, without those that the event's lineage stops."""
    workspace, values = context.workspace["name"] if context.workspace else None, EventValues(context)
    matching = [rule for rule in rules if rule.obstacle(workspace, values) is None]
    origin = lineage_of(context.event) if matching else None
    if origin is None:
        return matching
    stopped = {rule.name: reason for rule in matching if (reason := rule.stopped(origin))}
    for name, reason in stopped.items():
        log_event("rule.stopped", rule=name, event=context.event.id, reason=reason)
    return [rule for rule in matching if rule.name not in stopped]
