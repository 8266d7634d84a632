"""``mlevents watch``: what the watch cannot see, and the events that never came, which it can take in."""

import sys
from typing import Annotated

import typer

from dispatch.health import unseen_by_watch
from dispatch.watch.reconcile import missing_days, take_in
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, command_line, examples
from mlevents.console import Console
from mlevents.findings import counted
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import print_json

cli = command_line()

Day = Annotated[
    str, typer.Option("--take-in", metavar="DAY", help="Take in the events of this day that never came: 2026-11-21.")
]


@cli.command(epilog=examples("mlevents watch", "mlevents watch --take-in 2026-11-21"))
def watch(day: Day = "", *, as_json: AsJson = False, storage: StorageAccount = "", app: AppFolder = PROJECT) -> int:
    """Show what the watch cannot see, and take in events that never came.

    --take-in receives the events of a day that never came, as the lists of Azure ML
    show them. Doing it again changes nothing; but an event that Event Grid still
    delivers is another one, and rules act on it again.
    Exit code: 0 if nothing is unseen or missing, or was taken in; else 1.
    """
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        shared, now = record.app.inbox.shared, record.app.now()
        taken = take_in(record.app, day) if day else 0
        unseen, missing = unseen_by_watch(shared, now), missing_days(shared)
        if as_json:
            days = [
                {key: value[key] for key in ("day", "workspace", "count", "taken") if key in value} for value in missing
            ]
            print_json({"unseen": unseen, "missing": days, "takenIn": taken}, console)
            return 0 if taken or not (unseen or missing) else 1
        for line in record.notes:
            console.print(line, "faint")
        for line in unseen:
            console.print(line, "error")
        for value in missing:
            done = f", taken in at {value['taken'][:16]}" if "taken" in value else ""
            console.print(
                f"{value['day']} {value['workspace']}: {counted(int(value['count']), 'event')} never came{done}"
            )
        if day:
            console.print(f"taken in: {counted(taken, 'event')}", "success" if taken else "warning")
            return 0 if taken else 1
        if not unseen and not missing:
            console.print("nothing is unseen, and nothing is missing", "success")
        return 1 if unseen or any("taken" not in value for value in missing) else 0
    return outcome.code
