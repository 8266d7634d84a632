"""The event of a live test: one that a rule mails about, and on which no other rule does more than mail and log."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from dispatch.guards.dry_run import DryRun
from dispatch.rules.rule import Rule, Rules
from handlers.email.handler import Email
from mlevents.samples import samples_of
from schemas import Event, parse_event

HARMLESS = ("email", "log")  # what other rules may do about the event


class Unsuitable(Exception):  # noqa: N818 - it says what is so
    """No event can be raised for a live test; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The rule, an event that it matches, and what the rule will do about it."""

    rule: Rule
    event: Event
    plan: str


def trial(rules: Rules, name: str, now: datetime) -> Trial:
    """The event for the rule of a name, or for the only one that mails. Raises Unsuitable."""
    rule = _chosen(rules, name)
    samples = samples_of(rules)[rule.name]
    if not samples:
        raise Unsuitable(f"{rule.name} matches no event that can be made up; choose another rule with --rule")
    wire = {**samples[0].event.wire(), "id": str(uuid4()), "eventTime": now.isoformat().replace("+00:00", "Z")}
    event = parse_event(json.dumps(wire))
    context = rules.context(event)
    acting = rules.matching(context)
    if rule not in acting:
        raise Unsuitable(f"{rule.name} does not match an event of now; choose another rule with --rule")
    names = {each.name for each in acting}
    following = [each for each in rules.by_name.values() if each.after & names]
    others = [each for each in (*acting, *following) if each.do not in HARMLESS]
    if others:
        does = ", ".join(f"{each.name} ({each.do})" for each in others)
        raise Unsuitable(f"the event would also start {does}; choose another rule with --rule, or pause those")
    return Trial(rule, event, rule.handler.plan(context.event_for_handler()))


def _chosen(rules: Rules, name: str) -> Rule:
    mailing = [each for each in rules.by_name.values() if _mails(each)]
    known = ", ".join(each.name for each in mailing) or "none"
    if name:
        found = next((each for each in mailing if each.name == name), None)
        if found is None:
            raise Unsuitable(f"{name} is no rule that mails about events, without dry_run; these do: {known}")
        return found
    if len(mailing) != 1:
        raise Unsuitable(f"say with --rule which rule shall mail; these do: {known}")
    return mailing[0]


def _mails(rule: Rule) -> bool:
    is_dry = any(isinstance(guard, DryRun) for guard in rule.guards)
    return isinstance(rule.handler, Email) and not rule.after and not is_dry
