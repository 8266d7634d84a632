"""``mlevents backtest``: what rules would have done with the events on record."""

import os
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dispatch.rules import load
from dispatch.rules.rule import Rules
from handlers.duration import parse_duration
from mlevents import PROJECT
from mlevents.app_rules import print_findings
from mlevents.cli import AppFolder, UsageError, command_line, examples, moment
from mlevents.commands.backtest.comparison import Backtest
from mlevents.commands.backtest.progress import Progress
from mlevents.commands.backtest.reading import Span, pages
from mlevents.commands.backtest.report import Report, as_json, as_lines, as_markdown
from mlevents.commands.backtest.simulation import Simulation
from mlevents.console import Console
from mlevents.findings import Summary, of_loader
from mlevents.record import Record, StorageAccount, open_record, reported, settings_of

cli = command_line()


class BacktestFormat(StrEnum):
    """The formats of `mlevents backtest`."""

    text = "text"
    markdown = "markdown"
    json = "json"


def _time(text: str) -> datetime:
    """Read a time, or a span before now, like 7d."""
    if re.fullmatch(r"([0-9]+[a-z]+)+", text):
        try:
            return datetime.now(UTC) - parse_duration(text)
        except (ValueError, OverflowError) as error:
            raise typer.BadParameter(str(error)) from None
    return moment(text)


@cli.command(
    epilog=examples(
        "mlevents backtest --since 7d --storage mystorage",
        "mlevents backtest --rules rules --baseline ../main/rules --format markdown > comment.md",
    )
)
def backtest(
    *,
    rules: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of the rules. Default: as MLEVENTS_RULES says.")
    ] = None,
    since: Annotated[
        datetime,
        typer.Option(parser=_time, metavar="TIME", help="Events from this time on, like 2026-11-22, or 7d for 7 days."),
    ] = "7d",  # type: ignore[assignment]  # the parser reads it
    until: Annotated[
        datetime, typer.Option(parser=_time, metavar="TIME", help="Events before this time.", show_default="now")
    ] = "0s",  # type: ignore[assignment]
    baseline: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Rules to compare with. Default: what is on record.")
    ] = None,
    format: Annotated[
        BacktestFormat, typer.Option(help="text for people, markdown for a pull request, json for programs.")
    ] = BacktestFormat.text,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Say what rules would have done with the events on record.

    For each rule: on how many events it fires, on which it newly fires or no
    longer fires, the recipients of its mails, templates that fail, and what was
    done. Nothing is carried out, and nothing is written.
    Exit code: 0 for success; 1 if the rules have errors, a template fails on an
    event, or storage cannot be read; 2 for invalid arguments.
    """
    span = Span(since, until)
    if since >= until:
        raise UsageError(f"--since: {span} is no span of time")
    if missing := next((each for each in (rules, baseline) if each and not each.is_dir()), None):
        raise UsageError(f"there is no folder {missing}")
    with reported(Console(sys.stderr, remember=0)) as outcome:
        record = open_record(app, storage)
        settings = settings_of(app, {**os.environ})[0]
        loaded = load(rules, settings, app) if rules else record.app.rules
        before = load(baseline, settings, app) if baseline else None
        if not all(_valid(each) for each in (loaded, before) if each):
            return 1
        secrets, table = record.app.secrets, record.app.inbox.table
        baseline_of = Simulation(before, secrets, table, contents=False) if before else None
        found = Backtest(Simulation(loaded, secrets, table), baseline_of)
        _read(found, record, span)
        _print(Report(found, span, "the baseline" if before else "the record"), format)
        return 1 if found.errors else 0
    return outcome.code


def _print(report: Report, format: BacktestFormat) -> None:
    if format is BacktestFormat.json:
        print(as_json(report))
    elif format is BacktestFormat.markdown:
        print(as_markdown(report))
    else:
        console = Console(sys.stdout, remember=0)
        for line, style in as_lines(report):
            console.print(line, style, indent=8 if line.startswith(" ") else 0)


def _read(found: Backtest, record: Record, span: Span) -> None:
    inbox = record.app.inbox
    counts = inbox.index.counts(f"{span.since:%Y-%m-%d}", f"{span.until:%Y-%m-%d}~")
    total = sum(n for day in counts.values() for name, n in day.items() if name.startswith("type|"))
    progress = Progress(sys.stderr, total)
    try:
        for page in pages(inbox.table, span):
            found.add(page)
            progress.show(found.events)
    finally:
        progress.end()


def _valid(rules: Rules) -> bool:
    """Are the rules valid? Prints their errors to stderr."""
    findings = [finding for finding in of_loader(rules) if finding.severity == "error"]
    if findings:
        print_findings(findings, Summary.of(rules, findings), Console(sys.stderr, remember=0))
    return not findings
