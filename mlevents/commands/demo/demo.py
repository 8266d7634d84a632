"""``mlevents demo``: run the app on samples, and check what it does.

The app runs as `mlevents start` runs it, on free ports, with the rules in samples/rules. First, the demo delivers
sample events over HTTP, as Event Grid does, and the app sends mails. Then the emulated Azure ML raises the events, or
none where Azure ML has none (silence.py, azure_ml.py). The app's clock is fast (demo_app.py): a roll-out takes seconds.
"""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from dispatch.app import App
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord, EventRecord, Rejected
from mlevents import PROJECT
from mlevents.app_settings import LocalSettings
from mlevents.cli import AppFolder, command_line, examples
from mlevents.commands.demo.azure_ml import Models
from mlevents.commands.demo.deliveries import FUNCTION, deliver, deliveries, differences
from mlevents.commands.demo.silence import Silence, rules_for_demo
from mlevents.commands.demo.stage import Stage
from mlevents.console import Console
from mlevents.local.app import LocalApp
from mlevents.local.mailbox import Mail
from mlevents.local.options import FOLDER
from mlevents.local.running import FAILURES

LONGEST = 120.0  # seconds until every action has settled; a second is usual
LOGS = "log-everything"  # the rule that logs every event
CLOCK_SPEED = 10  # seconds of the app's clock in a real second: see demo_app.py
NEXT = (  # commands to try after the demo, and what they are for
    ("MLEVENTS_RULES=samples/rules make start", "the same app and rules, for you"),
    ("mlevents send run_status_changed", "send it an event"),
    ("mlevents show brave_kiwi_t5m0xr7c4d", "what came of it"),
    ("mlevents explain brave_kiwi_t5m0xr7c4d", "why each rule acts or does not"),
    ("make demo KEEP=1", "this demo, and the app stays"),
)
STYLES = {"succeeded": "success", "skipped": "warning"}  # by status

cli = command_line()


@cli.command(epilog=examples("mlevents demo", "mlevents demo --keep"))
def demo(
    app: AppFolder = PROJECT,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the app running afterwards, until Ctrl-C.")] = False,
) -> int:
    """Run the app on sample events, and check that it sends mails and deploys models.

    Everything runs on this machine, on free ports, and needs no Azure. The demo
    takes about a minute.
    Exit code: 0 if every effect was as expected, 1 if not.
    """
    console = Console(sys.stdout, remember=0)
    try:
        return _demo(app, console, keep=keep)
    except FAILURES as error:
        console.problem(str(error), getattr(error, "stack", ""))
        return 1


def _demo(app: Path, console: Console, *, keep: bool) -> int:
    started = time.monotonic()
    console.print("Starting the function app, Azurite, a mailbox and an emulated Azure ML …")
    folder = app / FOLDER / "demo"  # apart from the mails of `mlevents start`
    example = app / "local.settings.json.example"
    rules = rules_for_demo(app / "samples/rules", folder / "rules", datetime.now(UTC))
    with LocalApp(app, settings=_settings(example, rules), settings_file=example, folder=folder, azure=True) as local:
        console.print(f"Listening at {local.url} after {time.monotonic() - started:.1f} s. Delivering:")
        console.print()
        inbox = App.from_settings(local.environment, app).inbox
        errors = _play(app, local, inbox, console)
        console.print()
        for line in errors:
            console.print(f"not as expected: {line}", "error")
        histories = [inbox.history.day(day) for day in inbox.history.days()]
        counts = [sum(len(getattr(history, what)) for history in histories) for what in ("events", "actions")]
        verdict = "failed" if errors else "all as expected"
        text = f"{counts[0]} events, {counts[1]} actions, {verdict}, {time.monotonic() - started:.1f} s"
        console.print(text, "error" if errors else "success")
        if keep:
            local.invoke("sweep")  # the timer may be minutes away, and the page reads what the sweep has indexed
        show_next(console, local if keep else None)
        if keep:
            with suppress(KeyboardInterrupt):
                Event().wait()
    return 1 if errors else 0


def _settings(example: Path, rules: Path) -> dict[str, str]:
    """The app's settings: they win over the environment, whose storage account and mail server may be real ones."""
    return {
        **LocalSettings.read(example).values,
        "MLEVENTS_RULES": str(rules),
        "EMAIL_ACS_ENDPOINT": "",
        "MLEVENTS_ARM_ENDPOINT": "",
        "PYTHON_SCRIPT_FILE_NAME": "demo_app.py",
        "DEMO_CLOCK_SPEED": str(CLOCK_SPEED),
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.5",  # host.json has five seconds
    }


def _play(app: Path, local: LocalApp, inbox: Inbox, console: Console) -> list[str]:
    """Deliver the events, print their effects, and play the scenario; returns a line for each unexpected effect."""
    stage = Stage(local, console)
    silence, models = Silence(stage), Models(stage)
    for each in (stage, silence, models):
        each.prepare()
    todo = list(deliveries(app / "samples"))
    errors = deliver(todo, local, console)
    errors += settle(local, inbox)
    histories = [inbox.history.day(day) for day in inbox.history.days()]
    events = {key: event for history in histories for key, event in history.events.items()}
    actions = [action for history in histories for action in history.actions]
    show_actions(events, actions, [each for history in histories for each in history.rejected], console)
    show_mails(local.mails, console)
    errors += differences(todo, events, actions, local)
    errors += stage.play({**silence.first_parts, **models.parts, **silence.last_parts})
    return errors + settle(local, inbox)


def show_next(console: Console, kept: LocalApp | None) -> None:
    """Print what to try next, and the address of an app that keeps running."""
    console.print()
    if kept:
        console.print(f"The app keeps running. See what happened at {kept.url}/api/web", "bold")
        console.print("Send it events at:")
        console.print(f"  {kept.url_of(FUNCTION)}")
        console.print("Ctrl-C stops everything.")
        return
    console.print("What to try next", "bold")
    for command, purpose in NEXT:
        console.print(f"  {command:<39}  {purpose}", indent=4)


def settle(local: LocalApp, inbox: Inbox) -> list[str]:
    """Wait until every action has ended. If they do not, returns that and what the app printed."""
    try:
        local.wait(lambda: not any(inbox.backlog.open_actions(day) for day in inbox.history.days()), LONGEST, pause=0.2)
    except TimeoutError:
        return [f"not all actions have ended within {LONGEST:.0f} s", *local.lines]
    return []


def show_actions(
    events: Mapping[str, EventRecord],
    actions: list[tuple[ActionId, ActionRecord]],
    rejected: list[Rejected],
    console: Console,
) -> None:
    """Print each event with its actions, except those that only log it, and each rejected event.

    Times are real seconds from the event's receipt to the action's end. Events are in the order of their receipt,
    actions in the order of their start.
    """
    console.print("Recorded events and actions", "bold")
    for key, event in sorted(events.items(), key=lambda item: item[1].received):
        console.print(f"  {event.event_type.rpartition('.')[2]} {_short(event.event.label)}")
        of_this = [(id, record) for id, record in actions if id.event == key and id.rule != LOGS]
        for id, record in sorted(of_this, key=lambda action: action[1].started):
            took = (record.timeline[-1].at - event.received).total_seconds() / CLOCK_SPEED
            note = record.note.partition(" via ")[0]  # the mail server is the mailbox, on any port
            text = _short(f"    {record.status:<9}  {id.rule}, {took:.2f} s: {note}")
            console.print(text, STYLES.get(record.status, "error"), indent=15)
    for one in rejected:
        console.print(f"  rejected: {one.kind}", "warning")
        console.print(f"    {_short(one.reason, 300)}", indent=4)
    console.print()


def show_mails(mails: list[Mail], console: Console) -> None:
    """Print a line for each mail."""
    console.print("Mails", "bold")
    for mail in mails:
        console.print(_short(f"  to {', '.join(mail.recipients)}: {mail.subject}"))


def _short(text: str, limit: int = 78) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
