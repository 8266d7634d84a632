"""``mlevents show``: show an event with its actions, found by its id or by a run, a model, an endpoint or a job."""

import sys
from typing import Annotated, Any

import typer

from dispatch.app import App
from dispatch.inbox.history.entry import Entry
from dispatch.inbox.history.lookup import recent_days
from dispatch.inbox.history.records import StoredEvent
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, command_line, examples
from mlevents.console import Console
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import event_json, payload_of, print_event, print_json, print_whole_event

_MOST = 50  # events of one name

cli = command_line()


@cli.command(epilog=examples("mlevents show brave_kiwi_7x", "mlevents show churn:7 --json"))
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The id of an event, or the name of a run, a model, an endpoint or a started job."
        ),
    ],
    *,
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Show an event with its actions, found by its id or by the name of its object.

    A name is compared without regard to case: a run's id, the id of its parent, a
    model (`churn`, `churn:7`), an endpoint, or a job that a rule started. One event
    is shown whole, with its payload and the timelines of its actions; several are
    listed, newest first.
    Exit code: 0 if something was found; 1 if not, or if storage cannot be read.
    """
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        found, rejected = find(name, record.app)
        if as_json:
            print_json(_json(found, rejected), console)
            return 0 if found or rejected else 1
        for line in record.notes:
            console.print(line, "faint")
        _print(name, found, rejected, console)
        return 0 if found or rejected else 1
    return outcome.code


def find(name: str, app: App) -> tuple[list[StoredEvent], list[Entry]]:
    """The events with a name, newest first, at most 50, and the rejected events with it. Raises StorageError."""
    days, history = recent_days(app.now()), app.inbox.history
    found: dict[tuple[str, str], StoredEvent | None] = {}  # None: a purge has deleted the event
    rejected = []
    for entry in app.inbox.lookup.entries(name, days):
        place = entry.day, entry.key
        if entry.kind:
            rejected.append(entry)
        elif place not in found and len(found) < _MOST:
            found[place] = history.event(*place)
    events = [event for event in found.values() if event]
    if not events:
        events = [event for day in days for event in history.events(day) if name == event.key]
    return events, rejected[:_MOST]


def _print(name: str, found: list[StoredEvent], rejected: list[Entry], console: Console) -> None:
    if len(found) == 1:
        print_whole_event(found[0], console)
    else:
        for event in found:
            print_event(event, console)
    for entry in rejected:
        text = f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.type or 'an event'} was rejected: {entry.kind}"
        console.print(f"{text}; `mlevents replay --rejected --dry-run` shows why", "error", indent=4)
    if not found and not rejected:
        console.print(
            f"nothing is recorded under {name}: no event of this id, run, model, endpoint or job has arrived", "error"
        )


def _json(found: list[StoredEvent], rejected: list[Entry]) -> dict[str, Any]:
    return {
        "events": [{**event_json(event), "payload": payload_of(event)} for event in found],
        "rejected": [{"id": e.id, "type": e.type, "kind": e.kind, "at": e.at.isoformat()} for e in rejected],
    }
