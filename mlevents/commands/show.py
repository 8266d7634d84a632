"""``mlevents show``: show an event with its actions, found by its id or by a run, a model, an endpoint or a job."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from dispatch.app import App
from dispatch.inbox.history.entry import Entry
from dispatch.inbox.history.lookup import recent_days
from dispatch.inbox.history.records import StoredEvent
from dispatch.inbox.rows import Rejected
from dispatch.inbox.tables import read_row
from dispatch.inbox.windows.shown import Shown, windows_of
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, command_line, examples
from mlevents.console import Console
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import event_json, payload_of, print_event, print_json, print_whole_event, windows_json

_MOST = 50  # events of one name
_ELSEWHERE = (  # where an event may be that has not arrived
    "not delivered yet, or given up: `mlevents replay --dead-letters CONTAINER --dry-run` lists dead letters",
    "not sent: does the workspace have an event subscription to this app, without a filter? See docs/event-grid.md",
    "of another form: `mlevents events --text TEXT` searches payloads; a name is whole",
)

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
        reasons = {entry.key: _reason(entry, record.app) for entry in rejected}
        shown = found if as_json else found[:1]  # a list of several events has no windows
        windows = {event.key: windows_of(event, record.app.inbox.windows) for event in shown}
        if as_json:
            print_json(_json(found, rejected, reasons, windows), console)
            return 0 if found or rejected else 1
        for line in record.notes:
            console.print(line, "faint")
        _print(name, found, rejected, reasons, console, windows=windows)
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
    if not events and not rejected and (event := history.by_key(name)):
        events = [event]
    return events, rejected[:_MOST]


def _reason(entry: Entry, app: App) -> str:
    """Why an event was rejected; empty if its record cannot be read. Raises StorageError."""
    row = read_row(app.inbox.table, entry.day, entry.key)
    with suppress(LookupError, TypeError, ValueError):
        return Rejected.of(row).reason if row else ""
    return ""


def _print(
    name: str,
    found: list[StoredEvent],
    rejected: list[Entry],
    reasons: Mapping[str, str],
    console: Console,
    *,
    windows: Mapping[str, Mapping[str, Shown]],
) -> None:
    if len(found) == 1:
        print_whole_event(found[0], console, windows[found[0].key])
    else:
        for event in found:
            print_event(event, console)
            console.print(f"{'':<21}one of {len(found)}: `mlevents show {event.key}`", "faint", indent=21)
    for entry in rejected:
        reason = f"{entry.kind}: {reasons[entry.key]}" if reasons[entry.key] else entry.kind
        text = f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.type or 'an event'} was rejected: {reason}"
        console.print(text, "error", indent=21)
    if rejected:
        console.print("once the reason is removed: `mlevents replay --rejected` accepts such events", "faint")
    if not found and not rejected:
        text = f"nothing is recorded under {name}: no event of this id, run, model, endpoint or job has arrived"
        console.print(text, "error")
        for line in _ELSEWHERE:
            console.print(line, "faint", indent=4)


def _json(
    found: list[StoredEvent],
    rejected: list[Entry],
    reasons: Mapping[str, str],
    windows: Mapping[str, Mapping[str, Shown]],
) -> dict[str, Any]:
    return {
        "events": [
            {**event_json(event), "payload": payload_of(event), "windows": windows_json(windows[event.key])}
            for event in found
        ],
        "rejected": [
            {"id": e.id, "type": e.type, "kind": e.kind, "at": e.at.isoformat(), "reason": reasons[e.key]}
            for e in rejected
        ],
    }
