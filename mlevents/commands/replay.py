"""``mlevents replay``: run recorded events again, or accept events that were rejected or dead-lettered.

It only writes rows and messages. So it works on a deployed app's storage as on this machine's, with the login of the
user who runs it and the rules of this folder.
"""

import re
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dispatch.app import App
from dispatch.inbox.storage_account import Storage
from dispatch.replay.deadletters import Selection, dead_letters, ingest
from dispatch.replay.redeliver import redeliver_rejected
from dispatch.replay.replay import ReplayOptions, find, replay_unmatched
from dispatch.replay.replay import replay as replay_event
from dispatch.replay.who import user
from dispatch.settings import SettingsError
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples, moment
from mlevents.commands.replay_failed import Wanted, replay_failed
from mlevents.commands.replay_report import Report
from mlevents.console import Console
from mlevents.findings import counted
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import print_json

# What can be replayed, and the options that go with it.
_OPTIONS = {
    "event": {"day", "rule", "all", "same_key"},
    "unmatched": {"since", "until"},
    "failed": {"since", "until", "rule", "yes"},
    "rejected": {"since", "until"},
    "dead_letters": {"since", "until", "prefix", "delete"},
}
_NAMES = {"event": "EVENT_ID", "since": "--from"}  # the others are named after their fields

cli = command_line()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The arguments of the command. Exactly one of the first five is given."""

    event: str = ""  # its Event Grid id, or its key
    unmatched: bool = False
    failed: bool = False
    rejected: bool = False
    dead_letters: str = ""  # a container's name or URL
    day: str = ""
    rule: str = ""
    all: bool = False
    same_key: bool = False
    since: datetime | None = None
    until: datetime | None = None
    prefix: str = ""
    delete: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False
    storage: str = ""  # the account; "" if the settings name it

    def check(self) -> None:
        """Raises UsageError if some arguments do not go together."""
        given = {name for name in self.__dataclass_fields__ if getattr(self, name)}
        kinds = [kind for kind in _OPTIONS if kind in given]
        if not kinds:
            raise UsageError("Name an EVENT_ID, or give one of --failed, --unmatched, --rejected and --dead-letters")
        if len(kinds) > 1:
            raise UsageError(f"{_name(kinds[1])} does not go with {_name(kinds[0])}")
        for name in sorted(given & set().union(*_OPTIONS.values()) - _OPTIONS[kinds[0]]):
            raise UsageError(f"{_name(name)} does not go with {_name(kinds[0])}")
        if self.rule and self.all:
            raise UsageError("--all does not go with --rule")
        if self.unmatched and not (self.since and self.until):
            raise UsageError("--unmatched needs --from and --until")
        if self.failed and not self.since:
            raise UsageError("--failed needs --from; without --until, it ends now")
        if self.failed and not (self.yes or self.dry_run or (sys.stdin.isatty() and not self.as_json)):
            raise UsageError("--failed asks before it acts: with --json or without a terminal, add --yes or --dry-run")
        if self.since and self.until and self.since >= self.until:
            raise UsageError("--from is not before --until")


def _name(field: str) -> str:
    return _NAMES.get(field, f"--{field.replace('_', '-')}")


def _day(text: str) -> str:
    if text and text != "undated" and not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise typer.BadParameter(f"{text!r} is not a day; write 2026-11-22, or undated")
    return text


_EVENT, _OTHERS = "Options for EVENT_ID", "Options for --failed, --unmatched, --rejected, --dead-letters"


@cli.command(
    epilog=examples(
        "mlevents replay EVENT_ID --dry-run",
        "mlevents replay --failed --from 2026-11-22 --rule mail-failed-runs",
        "mlevents replay --unmatched --from 2026-11-20 --until 2026-11-23",
        "mlevents replay --dead-letters deadletter --prefix AZUREML-EVENT/2026/11",
    )
)
def replay(
    event: Annotated[str, typer.Argument(metavar="EVENT_ID", help="An event's Event Grid id, or its key.")] = "",
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Actions that failed, of events of a period.")] = False,
    unmatched: Annotated[bool, typer.Option("--unmatched", help="Events of a period that matched no rule.")] = False,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Events that the app rejected, and would accept now.")
    ] = False,
    dead_letters: Annotated[
        str, typer.Option(metavar="CONTAINER", help="Events in this blob container, by its name or URL.")
    ] = "",
    day: Annotated[
        str,
        typer.Option(
            parser=_day, metavar="DAY", rich_help_panel=_EVENT, help="Only an event of this day, or `undated`."
        ),
    ] = "",
    rule: Annotated[
        str, typer.Option(help="Only this rule's action: of EVENT_ID however it ended, with --failed if it failed.")
    ] = "",
    all: Annotated[
        bool, typer.Option("--all", rich_help_panel=_EVENT, help="Also replay actions that succeeded.")
    ] = False,
    same_key: Annotated[
        bool,
        typer.Option(
            "--same-key",
            rich_help_panel=_EVENT,
            help="Keep the keys of the actions, to finish work that may be half done.",
        ),
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=moment, metavar="TIME", rich_help_panel=_OTHERS, help="Not before this time."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="TIME", rich_help_panel=_OTHERS, help="Before this time."),
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(
            rich_help_panel=_OTHERS,
            help="Only dead letters whose names begin with this, like SUBSCRIPTION/2026/11.",
        ),
    ] = "",
    delete: Annotated[
        bool, typer.Option("--delete", rich_help_panel=_OTHERS, help="Delete dead letters that were accepted.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", rich_help_panel=_OTHERS, help="With --failed: do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Run recorded events again, or accept events that were rejected or dead-lettered.

    --failed counts the actions, and asks before it runs them again.
    Uses the storage account that the environment names, such as a deployed
    app's; if it names none, this machine's. The rules are those in the app's
    folder. Times are ISO 8601, in UTC unless they have an offset: 2026-11-22,
    2026-11-22T08:00, 2026-11-22T08:00+01:00. A date alone means its midnight.
    docs/replay.md explains which actions run again.
    Exit code: 0 if everything was replayed, 1 if not, 2 for invalid arguments.
    """
    request = Request(
        event=event,
        failed=failed,
        unmatched=unmatched,
        rejected=rejected,
        dead_letters=dead_letters,
        day=day,
        rule=rule,
        all=all,
        same_key=same_key,
        since=since,
        until=until,
        prefix=prefix,
        delete=delete,
        yes=yes,
        dry_run=dry_run,
        as_json=as_json,
        storage=storage,
    )
    request.check()
    return run(app, request)


def run(folder: Path, request: Request) -> int:
    """Replay, and print what was done; returns the exit code."""
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        return _run(folder, request, console)
    return outcome.code


def _run(folder: Path, request: Request, console: Console) -> int:
    record = open_record(folder, request.storage)
    app, lines = record.app, Console(None) if request.as_json else console
    for line in record.notes:
        lines.print(line, "faint")
    if app.rules.workspaces is None:
        raise SettingsError("workspaces.yaml is invalid, so no rule matches; `mlevents check` lists its errors")
    for file in app.rules.refused:
        lines.print(f"{file} is invalid: its rules are not matched; `mlevents check` lists its errors", "warning")
    if request.dry_run:
        lines.print("dry run: this is what would be done", "warning")
    report = Report(lines, request.as_json)
    _replay(request, app, record.storage, report)
    lines.print(report.counts())
    if request.as_json:
        print_json(report.json(dry_run=request.dry_run), console)
    return 1 if report.failed else 0


def _replay(request: Request, app: App, storage: Storage, report: Report) -> None:
    if request.event:
        _replay_event(request, app, report)
    elif request.failed and request.since:
        wanted = Wanted(request.since, request.until or app.now(), request.rule, request.yes, request.dry_run)
        replay_failed(wanted, app, report)
    elif request.rejected:
        for event in redeliver_rejected(app, request.since, request.until, dry_run=request.dry_run):
            report.accepted(event)
    elif request.dead_letters:
        _accept_dead_letters(request, app, storage, report)
    elif request.since and request.until:
        for replayed in replay_unmatched(app, request.since, request.until, by=user(), dry_run=request.dry_run):
            report.replayed(replayed) if replayed.steps else report.unmatched()


def _replay_event(request: Request, app: App, report: Report) -> None:
    options = ReplayOptions(rule=request.rule, all=request.all, same_key=request.same_key)
    found = False
    for event in find(request.event, app, request.day):
        found = True
        report.replayed(replay_event(event, app, options, by=user(), dry_run=request.dry_run))
    if not found:
        days = app.inbox.history.days()
        last = f"{_days(len(days))} events, the last is {days[-1]}" if days else "the table has no events at all"
        of_day = f" of {request.day}" if request.day else ""
        by_name = f"; `mlevents show {shlex.quote(request.event)}` finds events by a name"
        hint = by_name if days and not request.day else ""
        report.problem(f"there is no event {request.event}{of_day}; {last}{hint}")


def _days(number: int) -> str:
    return f"{counted(number, 'day')} {'has' if number == 1 else 'have'}"


def _accept_dead_letters(request: Request, app: App, storage: Storage, report: Report) -> None:
    with storage.container(request.dead_letters) as container:
        letters, others = dead_letters(container, Selection(request.prefix, request.since, request.until))
        for blob in ingest(letters, container, app, delete=request.delete, dry_run=request.dry_run):
            report.blob(blob)
    if others:
        text = f"not named like a dead letter, and left: {counted(len(others), 'blob')}, such as {others[0]}"
        report.console.print(text, "warning")
