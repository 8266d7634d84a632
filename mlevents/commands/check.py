"""``mlevents check``: find every error in the rules, and try them on an example of each type of event."""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator

from jinja2 import TemplateError

from dispatch.rules.errors import one_line
from dispatch.rules.rule import Rule, Rules
from dispatch.settings import SettingsError
from handlers.base import GiveUp, Result
from mlevents import PROJECT
from mlevents.app_rules import load_rules, print_rules
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.cli import AppFolder, command_line, examples
from mlevents.console import Console
from schemas import EVENT_TYPES, Context, Event, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH

_EXAMPLES: dict[str, Event] = {
    **{event_class.__name__: event_class.example() for event_class in EVENT_TYPES.values()},
    "a model monitor's breach": RunStatusChanged.example(**MODEL_MONITOR_BREACH),
}

cli = command_line()


@cli.command(epilog=examples("mlevents check", "MLEVENTS_RULES=samples/rules mlevents check"))
def check(app: AppFolder = PROJECT) -> int:
    """Find every error in the rules, and show what each rule would do.

    The settings are those of `mlevents start`. For each rule and each event type
    that it handles, one line shows what the rule would do about an example event.
    A template that fails on the example causes a warning, not an error: your own
    events may have what the example has not, such as a tag.
    Exit code: 0 if there are no errors; 1 if rules, settings or host.json have some.
    """
    console = Console(sys.stdout, remember=0)
    try:
        local = LocalSettings.load(app)
        rules = load_rules(app, local.environment(os.environ)[0])
    except (BadFile, SettingsError) as failure:
        console.print(str(failure), "error")
        return 1
    for note in local.notes:
        console.print(note, "faint")
    for rule, event, plan in plans(rules):
        console.print(f"{rule.source}: {rule.name} on {event}: {plan}", indent=4)
    found = list(dict.fromkeys(findings(rules)))
    print_rules(rules, console, found)
    return 1 if rules.errors or found else 0


def findings(rules: Rules) -> Iterator[str]:
    """What the handlers of the rules find in the files and other things that their settings name."""
    for rule in rules.by_name.values():
        try:
            for finding in rule.handler.findings():
                at = f"{finding.file}:{finding.line}" if finding.line else finding.file
                yield one_line(f"{at or rule.source}: {finding.message} (rule {rule.name}, {rule.source})")
        except Exception as error:  # of a handler of the app's own, too
            yield one_line(f"{rule.source}: {rule.do} cannot check the settings: {type(error).__name__}: {error}")


def plans(rules: Rules) -> Iterator[tuple[Rule, str, str]]:
    """Each rule with each example event that reaches it: the rule, the event's name, and what the rule would do."""
    examples_of = {name: (event, _reached(rules, event)) for name, event in _EXAMPLES.items()}
    for rule in rules.by_name.values():
        for name, (event, reached) in examples_of.items():
            if rule.name in reached:
                yield rule, name, _plan(rule, rules, event)


def _reached(rules: Rules, event: Event) -> set[str]:
    """The names of the rules that take events of this type, and of those that follow them, however indirectly."""
    followers = defaultdict(list)
    for rule in rules.by_name.values():
        for followed in rule.after:
            followers[followed].append(rule.name)
    reached = {rule.name for rule in rules.by_name.values() if rule.takes(event)}
    waiting = [*reached]
    while waiting:
        found = set(followers[waiting.pop()]) - reached
        reached |= found
        waiting += found
    return reached


def _plan(rule: Rule, rules: Rules, event: Event) -> str:
    candidates = (rules.workspace(event), *(rules.workspaces or ()))
    workspace = next((each.view() for each in candidates if each and rule.is_for(each)), None)
    result = Result(min(rule.after), "succeeded", "an example").view() if rule.after else None
    try:
        return rule.handler.plan(Context(event, workspace, result).event_for_handler())
    except (TemplateError, GiveUp) as error:
        return f"warning: {error}"
