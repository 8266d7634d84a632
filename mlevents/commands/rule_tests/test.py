"""``mlevents test``: run the tests of rules."""

import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dispatch.rules.errors import did_you_mean
from dispatch.rules.rule import Rules
from dispatch.settings import Environment
from mlevents import PROJECT
from mlevents.app_settings import LocalSettings
from mlevents.cli import AppFolder, UsageError, command_line, examples
from mlevents.commands.rule_tests.files import SUFFIXES, FileCase, read_tests
from mlevents.commands.rule_tests.formats import Report, TestFormat, as_github_lines, as_json, as_junit, print_text
from mlevents.commands.rule_tests.record import write_case
from mlevents.commands.rule_tests.results import Outcome
from mlevents.commands.rule_tests.run import run_case
from mlevents.commands.rule_tests.sources import RecordedEvents, RulesBySettings, errors_of, example_settings
from mlevents.console import Console
from mlevents.findings import Finding, path_from_here
from mlevents.record import StorageAccount, reported

FOLDER = "tests"  # in the folder of the rules

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents test",
        "mlevents test --rules samples/rules -k drift",
        "mlevents test --format junit > rules-tests.xml  # in a workflow",
        "mlevents test --record 5e92c0f7-8b41-4d6a-a3c8-90f1d7e4b265 --storage mystorage",
    )
)
def run_tests(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE|FOLDER]...", help="Tests to run. Default: all in the folder tests of the rules."),
    ] = None,
    *,
    rules: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of the rules. Default: as MLEVENTS_RULES says.")
    ] = None,
    rule: Annotated[str, typer.Option(help="Only tests that name this rule.")] = "",
    k: Annotated[str, typer.Option("-k", metavar="TEXT", help="Only tests whose name contains this text.")] = "",
    format: Annotated[
        TestFormat,
        typer.Option(help="text for people, json for programs, github for annotations, junit for reports of tests."),
    ] = TestFormat.text,
    record: Annotated[
        str, typer.Option(metavar="EVENT_ID", help="Write a test from an event on record, and run none.")
    ] = "",
    keep_addresses: Annotated[
        bool, typer.Option("--keep-addresses", help="With --record: keep mail addresses as they are.")
    ] = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Run the tests of rules: events, and which rules fire on them, and why not.

    A test says which rules fire on an event, what they plan, and whom they mail:
    see docs/testing-rules.md. Nothing is carried out. Rules read the settings of
    the test, of its file, or of local.settings.json.example, and never those of
    the environment.
    Exit code: 0 if all tests pass; 1 if one does not, if a file has errors, or if
    there are no tests; 2 for invalid arguments.
    """
    console = Console(sys.stdout if format is TestFormat.text else None, remember=0)
    logging.getLogger("mlevents").addHandler(logging.NullHandler())
    with reported(console if format is TestFormat.text else Console(sys.stderr, remember=0)) as outcome:
        folder = _rules_folder(rules, app)
        load = RulesBySettings(folder, app, example_settings(app))
        if str(app) not in sys.path:
            sys.path.append(str(app))  # for the app's own handlers
        events = RecordedEvents(app, storage)
        if record:
            return write_case(record, folder / FOLDER, load({}), events, console, keep_addresses=keep_addresses)
        report = _run(_paths(files, folder), load, events, app, rule=rule, text=k)
        if format is TestFormat.text:
            print_text(report, console)
        elif format is TestFormat.github:
            print("\n".join(as_github_lines(report)))
        else:
            text = as_json(report) if format is TestFormat.json else as_junit(report, datetime.now(UTC), _host())
            print(text)
        return 0 if report.ok else 1
    return outcome.code


def _host() -> str:
    return socket.gethostname() or "localhost"


def _rules_folder(given: Path | None, app: Path) -> Path:
    if given is not None:
        if not given.is_dir():
            raise UsageError(f"--rules: there is no folder {given}")
        return given.absolute()
    settings = Environment(LocalSettings.load(app).environment(os.environ)[0])
    return (app / settings.get("MLEVENTS_RULES", "rules")).absolute()


def _paths(given: Sequence[Path] | None, folder: Path) -> list[Path]:
    """The files with tests, in order. Raises UsageError for a path that does not exist."""
    found: list[Path] = []
    for path in given or [folder / FOLDER]:
        if path.is_dir():
            names = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
            found += [name for name in names if name.is_file()]
        elif path.exists():
            found.append(path)
        elif given:
            raise UsageError(f"there is no file and no folder {path}")
    return list(dict.fromkeys(path.absolute() for path in found))


def _run(
    paths: Sequence[Path], load: RulesBySettings, events: RecordedEvents, app: Path, *, rule: str, text: str
) -> Report:
    names = {path: path_from_here(path.name, path.parent) for path in paths}
    read = list(read_tests(paths, names))
    errors = [Finding.of(each, "error") for each in read if not isinstance(each, FileCase)]
    cases = [each for each in read if isinstance(each, FileCase)]
    chosen = [c for c in cases if text.casefold() in c.case.name.casefold() and (not rule or rule in c.case.rules)]
    if cases and not chosen and not errors:
        raise UsageError(_nothing_chosen(rule, text, load({})))
    if not read:
        errors.append(Finding("error", f"there are no tests in {load.folder / FOLDER}: see docs/testing-rules.md"))
    outcomes: list[Outcome] = []
    for case in chosen:
        loaded = load(case.settings)
        errors += [error for error in errors_of(loaded, load.folder) if error not in errors]
        begin = time.perf_counter()
        outcome = run_case(case, loaded, (app, PROJECT), events)
        outcomes.append(replace(outcome, seconds=time.perf_counter() - begin))
    return Report(outcomes, errors)


def _nothing_chosen(rule: str, text: str, rules: Rules) -> str:
    if rule and rule not in rules.by_name:
        return f"--rule: there is no rule {rule!r}. {did_you_mean(rule, rules.by_name, 'The rules are')}"
    return "no test " + " and ".join(filter(None, (rule and f"names {rule}", text and f"has {text!r} in its name")))
