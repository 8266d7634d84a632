"""``mlevents doctor``: find what is wrong with an app: on this machine, in its storage, or in Azure."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dispatch.app import utc_now
from dispatch.inbox.errors import StorageError
from dispatch.settings import SettingsError
from mlevents import PROJECT
from mlevents.app_rules import load_rules
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples
from mlevents.commands.doctor.report import as_json as report_json
from mlevents.commands.doctor.report import print_diagnosis, print_summary
from mlevents.console import Console
from mlevents.doctor import host, names, published, rules, runtime, settings
from mlevents.doctor.diagnosis import Diagnoses, Diagnosis, Group, Subject
from mlevents.record import describe, open_record, reported
from mlevents.views import print_json

_SETTINGS, _STORAGE = Group("settings"), Group("storage")

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents doctor  # without any request",
        "mlevents doctor --storage mystorage",
        "mlevents doctor --json",
    )
)
def doctor(
    account: Annotated[
        str, typer.Argument(metavar="[ACCOUNT]", help="With --storage: a deployed app's account.", show_default=False)
    ] = "",
    *,
    storage: Annotated[
        bool, typer.Option("--storage", help="Try the storage account: that of the settings, or ACCOUNT.")
    ] = False,
    as_json: AsJson = False,
    app: AppFolder = PROJECT,
) -> int:
    """Find what is wrong with an app, and say what to do about it.

    Without options it makes no request: it checks Python and the lock file,
    host.json, settings, rules, handlers, and what would be published.
    Exit code: 0 without errors (warnings do not count), 1 with errors,
    2 for invalid arguments.
    """
    if account and not storage:
        raise UsageError(f"{account!r} is no option; write --storage {account}")
    console = Console(None if as_json else sys.stdout, remember=0)
    found: list[Diagnosis] = []
    with reported(console) as outcome:
        for each in _examined(app, account, storage=storage):
            found.append(each)
            print_diagnosis(each, console)
        if as_json:
            print_json(report_json(found), Console(sys.stdout, remember=0))
        else:
            print_summary(found, console)
        outcome.code = 1 if any(each.severity == "error" for each in found) else 0
    return outcome.code


def _examined(folder: Path, account: str, *, storage: bool) -> Diagnoses:
    """All diagnoses, group by group. An error that keeps a group from being checked is a diagnosis, too."""
    subject, failures = subject_of(folder)
    yield from failures
    yield from runtime.check(subject, utc_now().date())
    yield from host.check(subject)
    yield from settings.check(subject)
    yield from names.check(subject)
    yield from rules.check(subject)
    yield from published.check(subject)
    if storage:
        yield from _of_storage(folder, account)


def subject_of(folder: Path) -> tuple[Subject, list[Diagnosis]]:
    """The app in a folder with the settings of this machine, and what keeps settings or rules from being read."""
    failures = []
    try:
        local = LocalSettings.load(folder)
    except BadFile as error:
        failures.append(_SETTINGS.error(str(error), str(folder), "correct the file"))
        local = LocalSettings({})
    environment, _ = local.environment(os.environ)
    subject = Subject(folder, environment, local.values, local.name)
    try:
        return replace(subject, rules=load_rules(folder, environment)), failures
    except SettingsError as error:
        failures.append(_SETTINGS.error(str(error), local.name, "correct the setting: README.md lists them"))
    except BadFile:
        pass  # host.json: its group reports it
    return subject, failures


def _of_storage(folder: Path, account: str) -> Diagnoses:
    from mlevents.doctor import activity
    from mlevents.doctor import storage as access

    try:
        record = open_record(folder, account)
        yield from access.check(record, utc_now)
        yield from activity.check(record)
    except (StorageError, SettingsError, BadFile) as error:
        yield _STORAGE.error(describe(error), to_do="correct it, and run the command again")
