"""The report of a backtest: as text, as Markdown for a pull request, and as JSON."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlevents.commands.backtest.comparison import Backtest, Events
from mlevents.commands.backtest.reading import Span
from mlevents.commands.backtest.simulation import Example, Tally
from mlevents.findings import counted
from schemas.errors import printable

_LISTED = 10  # recipients that the text lists
_REASON = 300  # characters

NOTES = (
    "Guards: at_most and latest_only are simulated in the order in which events were received, as if each action that "
    "passes had an effect. Locks, throttling and pauses are left out.",
    "A rule that follows another one follows the end on record; where there is none, it is not known.",
    "Rejected events are left out.",
)


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What is known of a rule, as sentences without a subject. `tally` is None for a rule that is only elsewhere."""

    name: str
    source: str
    tally: Tally | None
    newly: Events
    no_longer: Events
    done: dict[str, int]
    guards: str  # the names of those that are simulated
    skipped: int  # by them

    @property
    def is_changed(self) -> bool:
        """Does it fire on other events than before?"""
        return bool(self.newly.count or self.no_longer.count)

    @property
    def ends(self) -> str:
        """How its actions on record stand: 400 succeeded, 12 failed."""
        return ", ".join(f"{count} {status}" for status, count in sorted(self.done.items())) or "nothing"

    def lines(self, *, addresses: bool) -> Iterator[str]:
        """One line for each fact."""
        if self.tally is None:
            yield "is not among these rules"
        else:
            yield f"fires on {counted(self.tally.fires, 'event')}"
        if self.newly.count:
            yield f"newly fires on {_events(self.newly)}"
        if self.no_longer.count:
            yield f"no longer fires on {_events(self.no_longer)}"
        if self.tally:
            yield from _of_tally(self.tally, addresses=addresses)
        if self.guards:
            yield f"{self.guards} would skip {self.skipped} of them"
        yield f"on record: {self.ends}"


@dataclass(frozen=True, slots=True)
class Report:
    """A backtest that has ended."""

    backtest: Backtest
    span: Span
    compared_with: str  # the name of the baseline's folder, or "the record"

    @property
    def rules(self) -> list[RuleReport]:
        """The reports on all rules."""
        found, simulation = self.backtest, self.backtest.rules
        reports = []
        for name in found.names:
            rule, difference, guards = simulation.rules.get(name), found.differences[name], simulation.guards.get(name)
            reports.append(
                RuleReport(
                    name,
                    rule.source if rule else "",
                    simulation.tallies.get(name),
                    difference.newly,
                    difference.no_longer,
                    dict(found.done.get(name, {})),
                    guards.names if guards else "",
                    guards.skipped() if guards else 0,
                )
            )
        return reports

    @property
    def summary(self) -> str:
        """One line: 3 of 12 rules fire on other events than the record."""
        rules = self.rules
        changed = sum(rule.is_changed for rule in rules)
        return (
            f"{changed} of {counted(len(rules), 'rule')} {'fires' if changed == 1 else 'fire'} on other events than in "
            f"{self.compared_with}, {counted(self.backtest.errors, 'template error')}"
        )

    @property
    def about(self) -> Iterator[str]:
        """What was read."""
        yield f"{self.backtest.events:,} events of {self.span}, compared with {self.compared_with}"
        if self.backtest.unreadable:
            yield f"{counted(self.backtest.unreadable, 'event')} cannot be read by this version"
        if self.backtest.rules.unlisted:
            yield f"{counted(self.backtest.rules.unlisted, 'event')} of workspaces that workspaces.yaml does not list"


def _of_tally(tally: Tally, *, addresses: bool) -> Iterator[str]:
    if tally.recipients:
        names = sorted(tally.recipients)
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        listed = f": {', '.join(names[:_LISTED])}{more}" if addresses else ""
        yield f"{counted(len(names), 'recipient')}{listed}"
    if tally.without_recipient:
        yield f"without a recipient on {counted(tally.without_recipient, 'event')}"
    if tally.errors.count:
        yield f"a template or the handler fails on {_first(tally.errors)}"
    if tally.gives_up.count:
        yield f"would give up on {_first(tally.gives_up)}"
    if tally.unknown:
        yield f"not known on {counted(tally.unknown, 'event')}: no end of a rule that it follows is on record"


def _events(events: Events) -> str:
    more = ", …" if events.count > len(events.examples) else ""
    return f"{counted(events.count, 'event')}: {', '.join(map(printable, events.examples))}{more}"


def _first(example: Example) -> str:
    reason = " ".join(example.reason.split())
    short = reason if len(reason) <= _REASON else f"{reason[: _REASON - 1]}…"
    return f"{counted(example.count, 'event')}, first on {printable(example.event)}: {printable(short)}"


def as_lines(report: Report) -> Iterator[tuple[str, str]]:
    """The report as lines, each with a style."""
    for line in report.about:
        yield line, "faint"
    for rule in report.rules:
        yield f"{rule.name}{f'  ({rule.source})' if rule.source else ''}", "bold"
        for line in rule.lines(addresses=True):
            wrong = line.startswith(("a template or", "would give up", "without a recipient"))
            style = "error" if wrong else "warning" if line.startswith(("newly", "no longer")) else ""
            yield f"    {line}", style
    for note in NOTES:
        yield note, "faint"
    yield report.summary, "error" if report.backtest.errors else "success"


def as_markdown(report: Report) -> str:
    """The report for a comment on a pull request. It has numbers of recipients, and no addresses."""
    lines = [f"### Backtest: {_safe(report.summary)}", "", *(f"{_safe(line)}." for line in report.about), ""]
    lines += ["| rule | fires | newly | no longer | errors | recipients | on record |", "|---|--:|--:|--:|--:|--:|---|"]
    for rule in report.rules:
        tally = rule.tally or Tally()
        numbers = [tally.fires, rule.newly.count, rule.no_longer.count, tally.errors.count, len(tally.recipients)]
        cells = [f"`{rule.name}`", *(f"{number:,}" if number else "" for number in numbers), rule.ends]
        lines.append(f"| {' | '.join(cells)} |")
    for rule in report.rules:
        if rule.is_changed or (rule.tally and (rule.tally.errors.count or rule.tally.gives_up.count)):
            lines += ["", f"**`{rule.name}`** {_code(rule.source)}".rstrip(), ""]
            lines += [f"- {_marked(line)}" for line in rule.lines(addresses=False)]
    lines += ["", "<details><summary>How this was computed</summary>", "", *(f"- {note}" for note in NOTES), ""]
    return "\n".join([*lines, "</details>"])


def _marked(line: str) -> str:
    """A line of which what may come from events is code, so that it can neither mention people nor be markup."""
    head, colon, rest = line.partition(": ")
    return f"{_safe(head)}{colon}{_code(rest)}" if rest else _safe(line)


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`" if text else ""


def _safe(text: str) -> str:
    """The text without a meaning in Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|~@&])", lambda found: f"&#{ord(found[0])};", text)


def as_json(report: Report) -> str:
    """The report as JSON, whose shape docs/testing-rules.md documents."""
    return json.dumps(
        {
            "since": report.span.since.isoformat(),
            "until": report.span.until.isoformat(),
            "comparedWith": report.compared_with,
            "events": report.backtest.events,
            "unreadable": report.backtest.unreadable,
            "unlisted": report.backtest.rules.unlisted,
            "rules": [_rule_json(rule) for rule in report.rules],
        },
        indent=2,
    )


def _rule_json(rule: RuleReport) -> dict[str, Any]:
    tally = rule.tally or Tally()
    return {
        "rule": rule.name,
        "source": rule.source or None,
        "fires": tally.fires,
        "newly": {"count": rule.newly.count, "examples": rule.newly.examples},
        "noLonger": {"count": rule.no_longer.count, "examples": rule.no_longer.examples},
        "recipients": sorted(tally.recipients),
        "withoutRecipient": tally.without_recipient,
        "errors": _example_json(tally.errors),
        "givesUp": _example_json(tally.gives_up),
        "unknown": tally.unknown,
        "skippedByGuards": rule.skipped,
        "done": rule.done,
    }


def _example_json(example: Example) -> dict[str, Any]:
    return {"count": example.count, "event": example.event or None, "reason": example.reason or None}
