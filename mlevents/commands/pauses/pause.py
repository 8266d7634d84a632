"""``mlevents pause``: let the actions of a rule wait, for example while a mail server or an endpoint is repaired."""

import sys
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated

import typer

from dispatch.inbox.pauses import EVERY_RULE
from dispatch.replay.pausing import pause as pause_rule
from dispatch.replay.who import user
from dispatch.rules.rule import Rules
from handlers.duration import parse_duration
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples
from mlevents.console import Console
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import pause_json, print_json

RuleName = Annotated[str, typer.Argument(metavar="RULE", help="The name of a rule.")]
EveryRule = Annotated[bool, typer.Option("--all", help="All rules; alerts are still sent.")]

cli = command_line()


def _duration(text: str) -> timedelta | None:
    try:
        length = parse_duration(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if length is not None and length <= timedelta():
        raise typer.BadParameter(f"{text!r} is no time: write 30m or 2h")
    return length


@cli.command(epilog=examples("mlevents pause deploy-churn --for 2h", "mlevents pause --all --storage mystorage"))
def pause(
    rule: RuleName = "",
    *,
    all: EveryRule = False,
    length: Annotated[
        timedelta | None,
        typer.Option("--for", parser=_duration, metavar="TIME", help="How long: 30m, 2h, 3d. Default: until resume."),
    ] = None,
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Let the actions of a rule, or of all rules, wait until `mlevents resume`.

    Events are received as before, and nothing is dropped: actions that have not
    started wait, and those that have started go on. Workers know of the pause
    within ten seconds. `mlevents status` lists what is paused.
    Exit code: 0 for success, 1 if storage cannot be written, 2 for invalid arguments.
    """
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        name = chosen(rule, all)
        if name and name not in record.app.rules.by_name and not record.app.rules.refused:
            raise UsageError(
                f"there is no rule {name!r} in force{_close(name, record.app.rules)}; see `mlevents check`"
            )
        found = pause_rule(record.app, name, user(), length)
        if as_json:
            print_json(pause_json(found), console)
            return 0
        for line in record.notes:
            console.print(line, "faint")
        console.print(f"{f'{name}: ' if name else ''}{found}", "warning", indent=4)
    return outcome.code


def chosen(rule: str, all: bool) -> str:
    """The rule that the arguments name, or EVERY_RULE. Raises UsageError."""
    if bool(rule) == all:
        raise UsageError("name one RULE, or give --all")
    return EVERY_RULE if all else rule


def _close(name: str, rules: Rules) -> str:
    close = get_close_matches(name, rules.by_name, 1)
    return f". Did you mean {close[0]}?" if close else ""
