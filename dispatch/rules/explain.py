"""Explain why each rule acts on an event or does not: its verdict has the first thing that keeps it from matching.

`Rules.matching` and `Rules.following` decide by the same three methods of `Rule`: `takes`, `obstacle` and `stopped`.
Late conditions (`Rule.late`) count if the context has facts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dispatch.filters.keys import EventValues
from dispatch.rules.rule import Rule, Rules
from dispatch.rules.when import why_false
from handlers.base import Result
from handlers.lineage import lineage_of
from schemas import Expected
from schemas.context import Context

Key: TypeAlias = Literal["", "workspace", "on", "expect", "in", "when", "after", "lineage"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule matches. `key` is the part of the rule that keeps it from matching, and empty if it matches."""

    rule: str
    source: str  # the rule's file and line: "rules/churn.yaml:12"
    key: Key = ""
    reason: str = ""

    @property
    def matches(self) -> bool:
        """Does the rule match?"""
        return not self.key


def explain(rules: Rules, context: Context, ends: Sequence[Result] = ()) -> list[Verdict]:
    """The verdict of every rule in force, in the order of their files. `ends` are the ends of the event's actions."""
    return [_verdict(rule, rules, context, ends) for rule in rules.by_name.values()]


def _verdict(rule: Rule, rules: Rules, context: Context, ends: Sequence[Result]) -> Verdict:
    key, reason = _after(rule, context, ends) if rule.after else _on(rule, rules, context)
    return Verdict(rule.name, rule.source, key, reason)


def _on(rule: Rule, rules: Rules, context: Context) -> tuple[Key, str]:
    event = context.event
    if not rules.knows_workspaces:
        return "workspace", "workspaces.yaml is invalid, so no rule matches"
    if context.workspace is None:
        return "workspace", f"workspaces.yaml does not list {event.topic}"
    if not rule.takes(event):
        if rule.expect and isinstance(event, Expected):
            return "expect", f"the event is about what {event.data.rule} expects"
        return "on", f"the event is {type(event).__name__}, and the rule acts on {_listed(rule.on)}"
    return _selected(rule, context)


def _after(rule: Rule, context: Context, ends: Sequence[Result]) -> tuple[Key, str]:
    """The verdict on a rule that follows others: it acts once per event, after the first end that it matches."""
    followed = [end for end in ends if end.rule in rule.after]
    found: tuple[Key, str] = ("after", f"no action of {_listed(rule.after, 'or')} has ended for this event")
    for end in followed:
        if rule.outcome not in (end.status, "any"):
            found = "after", f"{end.rule} {_ended(end.status)}, and the rule follows it if it {_ended(rule.outcome)}"
            continue
        found = _selected(rule, context.with_result(end.view()))
        if not found[0]:
            break
    return found


def _selected(rule: Rule, context: Context) -> tuple[Key, str]:
    workspace, values = context.workspace["name"] if context.workspace else None, EventValues(context)
    obstacle = rule.obstacle(workspace, values)
    if obstacle == "in":
        names = _listed(rule.workspaces or ())
        return "in", f"the event is from {workspace or 'another workspace'}, and the rule is for {names}"
    if obstacle is not None:
        return "when", why_false(obstacle, values)
    origin = lineage_of(context.event)
    stopped = rule.stopped(origin) if origin else ""
    if stopped:
        return "lineage", stopped
    false = rule.late.obstacle(context) if rule.late else ""
    return ("when", false) if false else ("", "")


def _listed(names: Iterable[str], last: str = "and") -> str:
    *others, final = sorted(names) or [""]
    return f"{', '.join(others)} {last} {final}" if others else final


def _ended(status: str) -> str:
    return {"skipped": "is skipped", "any": "ends in any way", "succeeded": "succeeds", "failed": "fails"}[status]
