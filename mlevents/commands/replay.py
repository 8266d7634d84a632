"""``mlevents replay``: run events again, or take in what did not get in; tells what was done, line by line.

All it does is write rows and messages, so it works on a deployed app's storage as on this machine's: with the login of
whoever runs it, and the rules of this folder.
"""

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.storage_account import Storage
from dispatch.replay.deadletters import BlobResult, Selection, dead_letters, ingest
from dispatch.replay.redeliver import Ingested, redeliver_rejected
from dispatch.replay.replay import Replayed, ReplayOptions, find, replay_unmatched
from dispatch.replay.replay import replay as replay_event
from dispatch.settings import CONNECTION, Environment, Names, SettingsError
from mlevents.app_settings import LocalSettings
from mlevents.commands.replay_report import Wish
from mlevents.console import Console
from mlevents.lenient_json import BadFile

_DID = {
    "replayed": ("replayed", "good"),
    "created": ("new", "good"),
    "requeued": ("queued again", "odd"),
    "unchanged": ("left", "faint"),
    "refused": ("not replayed", "bad"),
}
_CAME = {"new": "good", "duplicate": "faint", "rejected": "bad"}
_ROLES = "Storage Table Data Contributor and Storage Queue Data Message Sender, and for dead letters Storage Blob Data"


def replay(app: Path, wish: Wish) -> int:
    """Do it, and print what was done; returns an exit code: 1 if something that was asked for was not done.

    Settings are those of the environment, else those that `mlevents start` would use; but if the environment says where
    storage is, then only the environment does.
    """
    console = Console(sys.stdout, remember=0)
    if str(app) not in sys.path:
        sys.path.append(str(app))  # where your own handlers are
    try:
        with _quiet():
            return _replay(app, wish, console)
    except (StorageError, BadFile, SettingsError) as error:
        console.say(_told(error), "bad")
        return 1


def _replay(folder: Path, wish: Wish, console: Console) -> int:
    settings, notes = settings_of(folder, os.environ)
    storage, names = Storage.of(Environment(settings)), Names.of(Environment(settings))
    app = App.from_settings(settings, folder)
    with storage.table(names.table) as client:
        where = client.url.partition("?")[0]
    for line in (*notes, f"storage is {where}, table {names.table}"):
        console.say(line, "faint")
    if app.rules.workspaces is None:
        raise SettingsError(
            "workspaces.yaml is refused, so no rule matches; `mlevents check` says what is wrong with it"
        )
    for file in app.rules.refused:
        console.say(f"{file} is refused: its rules are not asked; `mlevents check` says why", "odd")
    if wish.dry_run:
        console.say("dry run: this is what would be done", "odd")
    report = Report(console)
    _run(wish, app, storage, report)
    console.say(report.counts())
    return 1 if report.failed else 0


def settings_of(folder: Path, inherited: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """App settings, and what to tell about them. Raises BadFile.

    A connection string in the file must not win over an account's name in the environment, as it would if both were in
    one place.
    """
    local = LocalSettings.load(folder)
    notes = [*local.notes]
    if any(value for name, value in inherited.items() if _is_storage(name)):
        kept = {name: value for name, value in local.values.items() if not _is_storage(name)}
        if len(kept) < len(local.values):
            notes.append(f"storage is as the environment has it, not as {local.name}")
        local = replace(local, values=kept)
    settings, more = local.environment(inherited)
    return settings, [*notes, *more]


@dataclass
class Report:
    """Prints what is done, and counts it."""

    console: Console
    done: Counter[str] = field(default_factory=Counter)
    failed: bool = False

    def replayed(self, done: Replayed) -> None:
        """One line for the event, and one for each of its rules."""
        record = done.event.record
        time = f"{done.event.time:%Y-%m-%d %H:%M:%S}"
        self.console.say(f"{time}  {record.event_type}  {record.workspace}  {record.object}  {record.id}")
        self.done["events"] += 1
        for step in done.steps:
            did, style = _DID[step.status]
            self.console.say(f"    {step.rule:<30}  {did:<12}  {step.reason}", style)
            self.done[did] += 1
            self.failed = self.failed or step.status == "refused"

    def taken_in(self, event: Ingested, indent: str = "") -> None:
        """One line for the event."""
        words = (f"{event.status:<8}", event.event_type, event.object, event.id, event.reason)
        self.console.say(indent + "  ".join(word for word in words if word), _CAME[event.status])
        self.done["events"] += 1
        self.done[event.status] += 1
        self.failed = self.failed or event.status == "rejected"

    def emptied(self, blob: BlobResult) -> None:
        """One line for the blob, and one for each event in it."""
        self.done["blobs"] += 1
        self.console.say("  ".join(filter(None, (blob.name, "deleted" if blob.deleted else "", blob.problem))))
        for event in blob.events:
            self.taken_in(event, "    ")
        self.failed = self.failed or bool(blob.problem)

    def problem(self, text: str) -> None:
        """Something was not done."""
        self.console.say(text, "bad")
        self.failed = True

    def counts(self) -> str:
        """How many of everything."""
        others = ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()) if what != "events")
        return f"{self.done['events']} events{': ' if others else ''}{others}"


def _run(wish: Wish, app: App, storage: Storage, report: Report) -> None:
    if wish.event:
        _replay_event(wish, app, report)
    elif wish.rejected:
        for event in redeliver_rejected(app, wish.since, wish.until, dry_run=wish.dry_run):
            report.taken_in(event)
    elif wish.dead_letters:
        _take_in(wish, app, storage, report)
    elif wish.since and wish.until:
        for done in replay_unmatched(app, wish.since, wish.until, dry_run=wish.dry_run):
            if done.steps:
                report.replayed(done)
            else:
                report.done["events"] += 1
                report.done["match no rule"] += 1


def _replay_event(wish: Wish, app: App, report: Report) -> None:
    options = ReplayOptions(rule=wish.rule, all=wish.all, same_key=wish.same_key)
    found = False
    for event in find(wish.event, app, wish.day):
        found = True
        report.replayed(replay_event(event, app, options, dry_run=wish.dry_run))
    if not found:
        days = app.inbox.history.days()
        report.problem(
            f"there is no event {wish.event}{f' of {wish.day}' if wish.day else ''}; "
            + (f"{len(days)} days have events, the last is {days[-1]}" if days else "nothing is recorded there at all")
        )


def _take_in(wish: Wish, app: App, storage: Storage, report: Report) -> None:
    with storage.container(wish.dead_letters) as container:
        letters, others = dead_letters(container, Selection(wish.prefix, wish.since, wish.until))
        for blob in ingest(letters, container, app, delete=wish.delete, dry_run=wish.dry_run):
            report.emptied(blob)
    if others:
        report.console.say(
            f"{len(others)} blobs are left: they are not named as dead letters are, like {others[0]}", "odd"
        )


def _is_storage(name: str) -> bool:
    return name.replace("__", ":").casefold().partition(":")[0] == CONNECTION.casefold()


@contextmanager
def _quiet() -> Iterator[None]:
    """What the app logs is told by this command, in its own words."""
    handler, root = logging.NullHandler(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _told(error: Exception) -> str:
    """What went wrong, in a line, and what to do about it."""
    text = str(error).strip().partition("\n")[0]
    match error:
        case StorageError(status=401) | StorageError(__cause__=ClientAuthenticationError()):
            return f"storage does not know you: {text}. Log in with `az login`"
        case StorageError(status=403):
            return f"storage refuses you: {text} Your login needs the roles {_ROLES} Contributor"
        case StorageError(__cause__=ServiceRequestError()):
            return f"storage cannot be reached: {text}"
        case StorageError():
            return f"storage: {text}"
    return text
