"""The rules in force, with how often each has acted, and the errors of refused files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dispatch.app import App
from dispatch.evidence.pattern import Pattern
from dispatch.filters.condition import Condition
from dispatch.guards.at_most import AtMost
from dispatch.guards.dry_run import DryRun
from dispatch.guards.lasting.still_after import StillAfter
from dispatch.guards.lasting.unless import UnlessSeen
from dispatch.guards.latest_only import LatestOnly
from dispatch.inbox.history.numbers import Numbers
from dispatch.rules.expectations.keys import Expect
from dispatch.rules.rule import Rule
from dispatch.rules.when import AllOf, AnyOf, Test
from handlers.duration import format_duration

DAYS = 30  # over which the ends of actions are counted


@dataclass(frozen=True, slots=True)
class Shown:
    """A rule in words. Texts of its file are masked: an app setting in them may be a secret."""

    name: str
    source: str
    do: str
    selects: Sequence[tuple[str, str]]  # a key of the rule, and its value
    ends: Counter[str]


def rules(app: App) -> dict[str, Any]:
    """The values of the page. Makes two queries: the numbers of these days, and the pauses."""
    now = app.now()
    pauses = app.inbox.pauses.all(now)
    numbers = Numbers()
    first = f"{now - timedelta(days=DAYS - 1):%Y-%m-%d}"
    for of_day in app.inbox.index.counts(first, f"{now:%Y-%m-%d}~").values():
        numbers.add(of_day)
    found = []
    for rule in app.rules.by_name.values():
        mask = app.secrets.including(rule.handler).mask
        selects = [(key, mask(value)) for key, value in _selects(rule)]
        found.append(Shown(rule.name, rule.source, mask(rule.do), selects, numbers.rules.get(rule.name, Counter())))
    return {
        "shown": found,
        "days": DAYS,
        "pauses": [(pause.rule, str(pause)) for pause in pauses],
        "paused": {pause.rule for pause in pauses},
        "refused": sorted(app.rules.refused),
        "errors": [app.secrets.mask(str(error)) for error in app.rules.errors],
        "warnings": [app.secrets.mask(str(warning)) for warning in app.rules.warnings],
        "knows_workspaces": app.rules.knows_workspaces,
        "gone": sorted(name for name in numbers.rules if app.rules.get(name) is None),
    }


def _selects(rule: Rule) -> list[tuple[str, str]]:
    found = []
    if rule.after:
        found.append(("after", f"{', '.join(sorted(rule.after))} ({rule.outcome})"))
    elif rule.expect:
        found.append(("expect", _expected(rule.expect)))
    else:
        found.append(("on", ", ".join(sorted(rule.on))))
    if rule.workspaces is not None:
        found.append(("in", ", ".join(sorted(rule.workspaces)) or "no workspace"))
    found += [("when", _text(test)) for test in rule.when.tests]
    for guard in rule.guards:
        match guard:
            case StillAfter(after):
                found.append(("still_after", format_duration(after)))
            case UnlessSeen(pattern, within):
                same = f", with the same {pattern.same}" if pattern.same else ""
                span = f", within {format_duration(within)} before" if within else ""
                found.append(("unless", f"{_events(pattern)}{same}{span}"))
            case DryRun():
                found.append(("dry_run", "true"))
            case LatestOnly(record=True):
                found.append(("latest_only", "true"))
            case AtMost(limit):
                by = f", by {limit.by}" if limit.by else ""
                found.append(("at_most", f"{limit.count} every {format_duration(limit.every)}{by}"))
    found.append(("retry", f"for {format_duration(rule.retry.max_elapsed)}"))
    return found


def _expected(expect: Expect) -> str:
    zone = f" ({expect.timezone})" if expect.timezone else ""
    days = f" on {', '.join(expect.days)}" if expect.days != ["Mon-Sun"] else ""
    holidays = f", except {', '.join(expect.holidays)}" if expect.holidays else ""
    span = f", within {format_duration(expect.within)} before" if expect.within else ""
    return f"{_events(expect.pattern)} by {expect.by}{zone}{days}{holidays}{span}"


def _events(pattern: Pattern) -> str:
    tests = pattern.when.tests if isinstance(pattern.when, AllOf) else ()
    return " or ".join(sorted(pattern.events)) + (f" with {'; '.join(map(_text, tests))}" if tests else "")


def _text(test: Test) -> str:
    match test:
        case Condition():
            return str(test)
        case AnyOf(tests):
            return f"any of ({'; '.join(map(_text, tests))})"
        case AllOf(tests):
            return f"all of ({'; '.join(map(_text, tests))})"
