"""``mlevents send``: send a sample or a file as a new event to a running app, and say what came of it."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import requests
import typer

from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.keys import event_key
from mlevents import PROJECT
from mlevents.app_settings import LocalSettings
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples
from mlevents.console import Console
from mlevents.event_files import BadEvent, change_event, read_event, spelled
from mlevents.local.options import APP_NOTE, FOLDER
from mlevents.local.running import PORT
from mlevents.record import Record, StorageAccount, open_record, reported
from mlevents.views import event_json, print_event, print_json
from schemas import EventError, parse_event

KEY = "MLEVENTS_EVENTGRID_KEY"  # the environment variable with the system key eventgrid_extension
_PAUSE = 0.5  # seconds between two looks at the record

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents send run_status_changed data.runTags.owner=alice@example.com",
        "mlevents send event.json --function-app my-events --resource-group my-rg --storage mystorage",
    )
)
def send(
    source: Annotated[
        str,
        typer.Argument(metavar="SAMPLE|FILE|-", help="A file of samples/ by its name, another file, or - for stdin."),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Changes of the event: data.runStatus=Failed, data.runTags.owner=x."),
    ] = None,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the event's id and time: known ones are duplicates.")
    ] = False,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait for the ends of the event's actions.")] = 30,
    function: Annotated[str, typer.Option(help="The function that receives it.")] = "azureml_event",
    url: Annotated[str, typer.Option(help="The app's base URL.", show_default="the local host")] = "",
    function_app: Annotated[
        str, typer.Option(metavar="NAME", help=f"A deployed app. Its key is that of {KEY}, else `az` asks for it.")
    ] = "",
    resource_group: Annotated[str, typer.Option(metavar="NAME", help="The resource group of the deployed app.")] = "",
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Send a sample or a file as a new event to a running app, and say what came of it.

    The event gets a fresh id and the current time, so that it is no duplicate. The
    app is that of `mlevents start`, or a deployed one; what came of it is read from
    the app's storage, as for `mlevents show`.
    Exit code: 0 if the app received the event and no action of it has failed, 1 if
    not, 2 for invalid arguments.
    """
    event = _event(source, changes or [], app)
    if not keep:
        _make_new(event)
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        target = _target(function, url, function_app, resource_group, app)
        if reason := _delivered(target, event):
            console.print(reason, "error")
            return 1
        found = _followed(event, record, wait)
        if as_json:
            print_json({"event": event, "recorded": event_json(found) if found else None}, console)
        elif found:
            print_event(found, console)
        else:
            text = f"the app has answered, and has not recorded {event.get('id')} as an event: it was rejected, "
            console.print(f"{text}or the app has another storage: `mlevents show {event.get('id')}`", "error")
        failed = found is None or any(action.status == "failed" for action in actions_of(found).values())
        return 1 if failed else 0
    return outcome.code


def _event(source: str, changes: list[str], folder: Path) -> dict[str, Any]:
    """The event to send. Raises UsageError."""
    try:
        event = read_event(source, Path(), folder)
        for change in changes:
            key, equals, value = change.partition("=")
            if not equals:
                raise BadEvent(f"{change!r} is no change; write KEY=VALUE, like data.runTags.owner=alice@example.com")
            change_event(event, {key: value})
    except BadEvent as error:
        raise UsageError(str(error)) from error
    return event


def _make_new(event: dict[str, Any]) -> None:
    event[spelled(event, "id")] = str(uuid4())
    time_key = "time" if "specversion" in event else "eventTime"
    event[spelled(event, time_key)] = datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _target(function: str, url: str, function_app: str, resource_group: str, folder: Path) -> str:
    """The URL to which the event is posted. Raises UsageError and BadFile."""
    if function_app:
        base, key = (
            url or f"https://{function_app}.azurewebsites.net",
            os.environ.get(KEY) or _key(function_app, resource_group),
        )
    else:
        base, key = url or _local_app(folder), os.environ.get(KEY, "")
    code = f"&code={quote(key, safe='')}" if key and not base.startswith("http://localhost") else ""
    return f"{base.rstrip('/')}/runtime/webhooks/eventgrid?functionName={quote(function)}{code}"


def _local_app(folder: Path) -> str:
    """The URL of the app that `mlevents start` runs, else that of `func start`. Raises BadFile."""
    try:
        return str(json.loads((folder / FOLDER / APP_NOTE).read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, LookupError, TypeError):  # no app, or one that has just started or was killed
        return f"http://localhost:{LocalSettings.load(folder).port or PORT}"


def _key(function_app: str, resource_group: str) -> str:
    """The app's system key for Event Grid's webhook, as `az` prints it. Raises UsageError."""
    if not resource_group:
        raise UsageError(f"--function-app needs --resource-group, to ask `az` for its key, or {KEY}")
    command = ["az", "functionapp", "keys", "list", "--name", function_app, "--resource-group", resource_group]
    query = ["--query", "systemKeys.eventgrid_extension", "--output", "tsv"]
    try:
        done = subprocess.run([*command, *query], capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
    except FileNotFoundError:
        raise UsageError(f"`az` is not installed: set {KEY} to the app's system key eventgrid_extension") from None
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise UsageError(f"`az` does not give the key of {function_app}: {said[-1] if said else error}") from None
    return done.stdout.strip()


def _delivered(target: str, event: dict[str, Any]) -> str:
    """Post the event as Event Grid does; returns the reason if the app did not take it, without the key."""
    where = target.partition("&code=")[0]
    try:
        answer = requests.post(target, json=[event], headers={"aeg-event-type": "Notification"}, timeout=60)
    except requests.RequestException as error:
        hint = "; is `mlevents start` running?" if "//localhost" in target else ""
        late = "no answer within a minute" if isinstance(error, requests.Timeout) else "no connection"
        return f"{where} cannot be reached: {late}{hint}"
    if answer.status_code in (200, 202):
        return ""
    return f"{where} answered {answer.status_code}: {answer.text[:200]}".rstrip(": ")


def _followed(event: dict[str, Any], record: Record, seconds: int) -> StoredEvent | None:
    """The recorded event, once all its actions have ended or the time is over; None if it is not recorded."""
    try:
        day, key = event_key(parse_event(json.dumps(event)))
    except EventError:
        return None
    until, found = time.monotonic() + seconds, None
    while True:
        found = record.app.inbox.history.event(day, key)
        if found and all(action.ended for action in actions_of(found).values()):
            return found
        if time.monotonic() > until:
            return found
        time.sleep(_PAUSE)
