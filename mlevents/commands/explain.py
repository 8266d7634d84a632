"""``mlevents explain``: say of each rule why it acts on an event, or why it does not."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

import typer

from dispatch.app import App
from dispatch.facts.kept import kept_facts, kept_source, values_of
from dispatch.guards.base import Standing
from dispatch.guards.standings import standings_now
from dispatch.inbox.history.records import StoredEvent, ends_of
from dispatch.replay.deadletters import BadBlob, events_of
from dispatch.rules.explain import Verdict, explain
from handlers.base import shorten
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples
from mlevents.commands.show import find
from mlevents.console import Console
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import print_json, print_verdicts, verdict_json
from schemas import Event, EventError, parse_event
from schemas.alert import Alert

cli = command_line()

_VALUE = 200  # characters of a value that is printed


class Explained(NamedTuple):
    """An event with the verdict of each rule, or the reason why it would be rejected."""

    event: Event | None
    verdicts: list[Verdict]
    rejected: str = ""
    recorded: StoredEvent | None = None
    guards: Mapping[str, Sequence[Standing]] = MappingProxyType({})  # of the rules that match
    facts: Mapping[str, str] = MappingProxyType({})  # what Azure ML has said about the object, by key


@cli.command(
    epilog=examples(
        "mlevents explain brave_kiwi_7x",
        "mlevents explain samples/run_status_changed.json",
        "az storage blob download … | mlevents explain -",
    )
)
def explain_event(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE|-",
            help="A recorded event, by a name as for `mlevents show`; or a file or standard input with events as JSON.",
        ),
    ],
    *,
    rule: Annotated[str, typer.Option(help="Only the verdict of this rule.")] = "",
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Say of each rule why it acts on an event, or why it does not.

    The rules are those in the app's folder, as they are now. The reason is the
    first part of the rule that does not hold (on, in, when, after), with the value
    that the event has. Of a rule that matches, the guards are shown as they stand
    now. A file may be a sample, an event, or a dead letter.
    Exit code: 0 if a rule matches; 1 if none does, or if there is no such event.
    """
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        known = record.app.rules
        if rule and rule not in known.by_name:
            raise UsageError(f"--rule: there is no rule {rule!r} in force; see `mlevents check`")
        with record.in_environment():
            found = [*_explained(source, record.app)]
        for each in found if rule else ():
            each.verdicts[:] = [verdict for verdict in each.verdicts if verdict.rule == rule]
        mask = record.app.secrets.mask
        if as_json:
            print_json([_json(each) for each in found], console, mask)
        else:
            for file in known.refused:
                console.print(f"{file} is invalid, so its rules match nothing: see `mlevents check`", "warning")
            for each in found:
                _print(each, console)
            if not found:
                text = f"there is no recorded event {source}, and no such file: `mlevents show` says if it was rejected"
                console.print(text, "error")
        return 0 if any(verdict.matches for each in found for verdict in each.verdicts) else 1
    return outcome.code


def _explained(source: str, app: App) -> Iterator[Explained]:
    text = _text(source)
    if text is None:
        for stored in find(source, app)[0]:
            try:
                yield _verdicts(stored.record.event, app, stored)
            except EventError as error:
                yield Explained(None, [], str(error), stored)
        return
    try:
        texts = events_of(text)
    except BadBlob as error:
        yield Explained(None, [], str(error))
        return
    for each in texts:
        try:
            yield _verdicts(parse_event(each), app)
        except EventError as error:
            yield Explained(None, [], str(error))


def _text(source: str) -> str | None:
    """The text of a file or of standard input; None if there is no such file."""
    if source == "-":
        return sys.stdin.read()
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source} cannot be read: {error}") from error


def _verdicts(event: Event, app: App, stored: StoredEvent | None = None) -> Explained:
    if isinstance(event, Alert):
        return Explained(event, [], recorded=stored)
    ends = ends_of(stored) if stored else []
    context, values = app.rules.context(event), dict[str, str]()
    if stored:
        context = replace(context, facts=kept_source(app.inbox.table, stored))
        values = values_of(kept_facts(app.inbox.table, stored))
    verdicts, guards = explain(app.rules, context, ends), {}
    for rule in (app.rules.by_name[verdict.rule] for verdict in verdicts if verdict.matches):
        guards[rule.name] = standings_now(rule, context, ends, app, stored)
    return Explained(event, verdicts, recorded=stored, guards=guards, facts=values)


def _print(found: Explained, console: Console) -> None:
    if found.event is None:
        console.print(f"the event is rejected: {found.rejected}", "error", indent=4)
        return
    event = found.event
    console.print(f"{type(event).__name__}  {event.resource.name}  {event.object}  {event.id}", "bold", indent=4)
    print_verdicts(found.verdicts, console, guards=found.guards)
    for key, value in found.facts.items():
        console.print(f"{key}: {shorten(' '.join(value.split()), _VALUE)}", "faint", indent=4)
    matching = sum(verdict.matches for verdict in found.verdicts)
    console.print(f"{matching} of {len(found.verdicts)} rules match", "success" if matching else "warning")


def _json(found: Explained) -> dict[str, object]:
    event = found.event
    return {
        "id": event.id if event else None,
        "type": type(event).__name__ if event else None,
        "rejected": found.rejected or None,
        "facts": dict(found.facts),
        "verdicts": [verdict_json(each, found.guards.get(each.rule, ())) for each in found.verdicts],
    }
