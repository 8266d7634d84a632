"""``mlevents check``: find every error in the rules, and try them on events that they match."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dispatch.secrets import Secrets
from dispatch.settings import Environment, SettingsError
from mlevents import PROJECT
from mlevents.app_rules import load_rules, note_first_files, of_settings, print_findings
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.cli import AppFolder, command_line, examples
from mlevents.console import Console
from mlevents.findings import Finding, Format, Summary, as_github, as_json, of_loader, path_from_here
from mlevents.previews import Preview, of_handlers, previews

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents check",
        "MLEVENTS_RULES=samples/rules mlevents check",
        "mlevents check --format github  # in a workflow",
    )
)
def check(
    app: AppFolder = PROJECT,
    format: Annotated[
        Format, typer.Option(help="text for people, json for programs, github for annotations in GitHub Actions.")
    ] = Format.text,
) -> int:
    """Find every error in the rules, and show what each rule would do.

    The settings are those of `mlevents start`. For each rule and event type, one
    line shows what the rule would do about an event that it matches: an example,
    changed if it must be so that the rule's conditions hold. A template that
    fails on such an event is an error.
    Exit code: 0 if there are no errors (warnings do not count), 1 if rules,
    settings or host.json have some, 2 for invalid arguments.
    """
    console = Console(sys.stdout if format is Format.text else None, remember=0)
    try:
        local = LocalSettings.load(app)
        environment = local.environment(os.environ)[0]
        rules = load_rules(app, environment)
    except (BadFile, SettingsError) as failure:
        if format is Format.text:
            console.print(str(failure), "error")
        else:
            _print_for_programs(
                [Finding("error", str(failure))], Summary(rules=0, files=0, errors=1, warnings=0), format
            )
        return 1
    for note in local.notes:
        console.print(note, "faint")
    note_first_files(app, environment, console)
    found = of_loader(rules) + of_settings(environment)
    for each in previews(rules, Secrets.of_settings(environment)):
        if isinstance(each, Preview):
            console.print(each.text, "" if each.sample else "faint", indent=4)
        else:
            found.append(each)
    found = list(dict.fromkeys([*found, *of_handlers(rules)]))
    summary = Summary.of(rules, found)
    if format is Format.text:
        print_findings(found, summary, console)
    else:
        folder = (app / Environment(environment).get("MLEVENTS_RULES", "rules")).absolute().parent
        _print_for_programs([_from_here(finding, folder, app) for finding in found], summary, format)
    return 1 if summary.errors else 0


def _from_here(finding: Finding, *folders: Path) -> Finding:
    return replace(finding, file=path_from_here(finding.file, *folders)) if finding.file else finding


def _print_for_programs(findings: list[Finding], summary: Summary, format: Format) -> None:
    if format is Format.json:
        print(as_json(findings, summary))
        return
    for finding in findings:
        print(as_github(finding))
    print(summary.text)
