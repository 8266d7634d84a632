"""``mlevents check``: find every mistake in the rules, and try them on an example of each type of event."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from jinja2 import TemplateError

from dispatch.rules import load
from dispatch.rules.rule import Rule, Rules
from dispatch.settings import Environment, SettingsError
from handlers.base import GiveUp, Result
from mlevents.app_settings import LocalSettings
from mlevents.lenient_json import BadFile
from schemas import EVENT_TYPES, Context, Event, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH


def check(app: Path) -> int:
    """Print what each rule of an app would do, and what is wrong with its rules; returns an exit code: 1 for mistakes.

    App settings are those that `mlevents start` would use.

    Templates are rendered over one example per type of event. What fails there may be the example's fault (a tag that
    only your models have), so it is a warning.
    """
    if str(app) not in sys.path:
        sys.path.append(str(app))  # where your own handlers are
    try:
        local = LocalSettings.load(app)
        settings, _ = local.environment(os.environ)
        rules = load(app / Environment(settings).get("MLEVENTS_RULES", "rules"), settings, app)
    except (BadFile, SettingsError) as error:
        print(error)
        return 1
    print(*local.notes, sep="\n")
    for rule in rules.by_name.values():
        for event, plan in plans(rule, rules):
            print(f"{rule.source}: {rule.name} on {event}: {plan}")
    print(*rules.errors, _verdict(rules), sep="\n")
    return 1 if rules.errors else 0


def _verdict(rules: Rules) -> str:
    count = len(rules.errors)
    found = "no mistakes" if not count else "1 mistake" if count == 1 else f"{count} mistakes"
    if rules.workspaces is None:
        return f"no rule acts until workspaces.yaml is right; {found}"
    return f"{len(rules.by_name)} rules in force, {found}"


def plans(rule: Rule, rules: Rules) -> Iterator[tuple[str, str]]:
    """What a rule would do about an example of each type of event that it may meet."""
    examples = {event_class.__name__: event_class.example() for event_class in EVENT_TYPES.values()}
    examples["a model monitor's breach"] = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    for name, example in examples.items():
        if meets(rule, example, rules):
            yield name, _plan(rule, rules, example)


def meets(rule: Rule, event: Event, rules: Rules) -> bool:
    """Is the event of a type that the rule, or one that it follows, takes?"""
    followed = (found for name in rule.after if (found := rules.get(name)))
    return rule.takes(event) or any(meets(other, event, rules) for other in followed)


def _plan(rule: Rule, rules: Rules, example: Event) -> str:
    candidates = (rules.workspace(example), *(rules.workspaces or ()))
    workspace = next((place.view() for place in candidates if place and rule.is_for(place)), None)
    followed = Result(min(rule.after), "succeeded", "an example").view() if rule.after else None
    try:
        return rule.handler.plan(Context(example, workspace, followed).event_for_handler())
    except (TemplateError, GiveUp) as error:
        return f"warning: {error}"
