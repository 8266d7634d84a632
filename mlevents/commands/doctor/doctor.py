"""``mlevents doctor``: find what is wrong with an app: on this machine, in its storage, or in Azure."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from dispatch.app import utc_now
from dispatch.inbox.errors import StorageError
from dispatch.settings import CONNECTION, Environment, SettingsError
from mlevents import PROJECT
from mlevents.app_rules import load_rules
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples
from mlevents.commands.doctor import live_test
from mlevents.commands.doctor.live_test import Terminal
from mlevents.commands.doctor.report import as_json as report_json
from mlevents.commands.doctor.report import print_diagnosis, print_summary
from mlevents.console import Console
from mlevents.doctor import function_app as azure_app
from mlevents.doctor import host, names, published, roles, rules, runtime, settings, workspaces
from mlevents.doctor.diagnosis import Diagnoses, Diagnosis, Group, Subject
from mlevents.doctor.live import Pace
from mlevents.record import describe, open_record, record_of, reported
from mlevents.views import print_json

_SETTINGS, _STORAGE, _APP = Group("settings"), Group("storage"), Group("function app")
PACE = Pace()  # of the live test
_RESOLVED = "https://key-vault.invalid/resolved-by-azure"  # stands for a secret that only the app gets

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents doctor  # without any request",
        "mlevents doctor --storage mystorage",
        "mlevents doctor --function-app my-events -g my-rg",
        "mlevents doctor --live --function-app my-events -g my-rg --rule mail-failed-runs",
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
    function_app: Annotated[
        str, typer.Option(metavar="NAME", help="A deployed function app, by its name or ARM id.")
    ] = "",
    resource_group: Annotated[
        str, typer.Option("--resource-group", "-g", metavar="NAME", help="Its resource group.")
    ] = "",
    live: Annotated[
        bool,
        typer.Option("--live", help="With --function-app: raise a real event, and see that it is mailed about."),
    ] = False,
    rule: Annotated[str, typer.Option(metavar="NAME", help="With --live: the rule that mails.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="With --live: do not ask.")] = False,
    as_json: AsJson = False,
    app: AppFolder = PROJECT,
) -> int:
    """Find what is wrong with an app, and say what to do about it.

    Without options it makes no request: it checks Python and the lock file,
    host.json, settings, rules, handlers, and what would be published. With
    --function-app, it checks the settings and the identity of the deployed app,
    its storage, its workspaces and their event subscriptions, with your login.
    --live raises an event through a scratch resource group, which is deleted at
    the end, waits for the mail, and prints a report to paste into an issue.
    Exit code: 0 without errors (warnings do not count), 1 with errors,
    2 for invalid arguments.
    """
    if account and not storage:
        raise UsageError(f"{account!r} is no option; write --storage {account}")
    if resource_group and not function_app and not app.is_dir():
        app, function_app = PROJECT, app.name  # `--app NAME -g GROUP`, as az would take it
    if bool(resource_group) != bool(function_app) and "/" not in function_app:
        raise UsageError("--function-app and --resource-group belong together, unless the app is given by its ARM id")
    if live and not function_app:
        raise UsageError("--live needs --function-app and --resource-group")
    console = Console(None if as_json else sys.stdout, remember=0)
    found: list[Diagnosis] = []

    def emit(each: Diagnosis) -> None:
        found.append(each)
        print_diagnosis(each, console)

    with reported(console) as outcome:
        if live:
            _live(app, (function_app, resource_group), rule, Terminal(console, emit, yes))
        else:
            for each in _examined(app, account, function_app, resource_group, storage=storage):
                emit(each)
        if as_json:
            print_json(report_json(found), Console(sys.stdout, remember=0))
        else:
            print_summary(found, console)
        outcome.code = 1 if any(each.severity == "error" for each in found) else 0
    return outcome.code


def _examined(folder: Path, account: str, function_app: str, group: str, *, storage: bool) -> Diagnoses:
    """All diagnoses, group by group. An error that keeps a group from being checked is a diagnosis, too."""
    subject, failures = subject_of(folder)
    deployed = None
    if function_app:
        try:
            deployed = azure_app.read(function_app, group, _subscriptions_of(subject))
        except azure_app.NotFound as error:
            failures.append(_APP.error(str(error), to_do="check the names; `az login`, and `az account set`"))
    if deployed and deployed.settings is not None:
        subject, failures = _with_settings_of(deployed, subject)
    yield from failures
    yield from runtime.check(subject, utc_now().date(), deployed.python if deployed else None)
    yield from host.check(subject)
    yield from settings.check(subject)
    yield from names.check(subject)
    yield from rules.check(subject)
    yield from published.check(subject)
    if deployed:
        yield from settings.unresolved(deployed.references, subject.source)
        yield from azure_app.check(deployed, settings.functions_of(folder))
        yield from roles.check(subject, deployed, account_of(subject.environment))
    if (storage and (account or not is_local(subject.environment))) or deployed:
        yield from workspaces.check(subject)
        yield from workspaces.subscriptions(subject, deployed.id if deployed else "")
    if storage or deployed:
        yield from _of_storage(subject, account, deployed.name if deployed else "")


def _live(folder: Path, names: tuple[str, str], rule: str, terminal: Terminal) -> None:
    """The live test of a deployed app, by its name and resource group. Raises UsageError."""
    local, _ = subject_of(folder)
    try:
        deployed = azure_app.read(*names, _subscriptions_of(local))
    except azure_app.NotFound as error:
        raise UsageError(f"--function-app: {error}") from error
    live_test.run(_with_settings_of(deployed, local)[0], deployed, rule, PACE, terminal)


def _subscriptions_of(subject: Subject) -> list[str]:
    listed = subject.rules.workspaces if subject.rules else None
    return list(dict.fromkeys(each.id.subscription for each in listed or ()))


def _with_settings_of(deployed: azure_app.FunctionApp, local: Subject) -> tuple[Subject, list[Diagnosis]]:
    """The app with the settings of a deployed one. Azure resolves Key Vault references; here, others stand for them."""
    own = dict(deployed.settings or {})
    known = {
        name: local.environment.get(name) or _RESOLVED if value.startswith("@Microsoft.KeyVault(") else value
        for name, value in own.items()
    }
    source = f"the function app {deployed.name}"
    return _loaded(Subject(local.folder, known, own, source, deployed=True))


def subject_of(folder: Path) -> tuple[Subject, list[Diagnosis]]:
    """The app in a folder with the settings of this machine, and what keeps settings or rules from being read."""
    failures = []
    try:
        local = LocalSettings.load(folder)
    except BadFile as error:
        failures.append(_SETTINGS.error(str(error), str(folder), "correct the file"))
        local = LocalSettings({})
    environment, _ = local.environment(os.environ)
    subject, more = _loaded(Subject(folder, environment, local.values, local.name))
    return subject, [*failures, *more]


def _loaded(subject: Subject) -> tuple[Subject, list[Diagnosis]]:
    """The app with its rules, unless a setting keeps them from being loaded."""
    try:
        return replace(subject, rules=load_rules(subject.folder, subject.environment)), []
    except SettingsError as error:
        return subject, [
            _SETTINGS.error(str(error), subject.source, "correct the setting: docs/reference/settings.md lists them")
        ]
    except BadFile:  # host.json: its group reports it
        return subject, []


def _of_storage(subject: Subject, account: str, app_name: str) -> Diagnoses:
    from mlevents.doctor import activity
    from mlevents.doctor import storage as access

    try:
        record = record_of(subject.folder, subject.environment) if app_name else open_record(subject.folder, account)
        yield from access.check(record, utc_now, app_name)
        yield from activity.check(record)
    except (StorageError, SettingsError, BadFile) as error:
        yield _STORAGE.error(describe(error), to_do="correct it, and run the command again")


def account_of(environment: Mapping[str, str]) -> str:
    """The name of the storage account in the settings; empty if they have none."""
    values = Environment(environment)
    if name := values.raw(f"{CONNECTION}__accountName"):
        return name
    found = re.search(r"AccountName=([^;]+)", values.raw(CONNECTION), re.IGNORECASE)
    host = urlsplit(values.raw(f"{CONNECTION}__queueServiceUri")).hostname or ""
    return found[1] if found else host.partition(".")[0]


def is_local(environment: Mapping[str, str]) -> bool:
    """Is the storage account one on this machine, whose app acts in an emulated Azure?"""
    text = Environment(environment).raw(CONNECTION)
    return "UseDevelopmentStorage=true" in text or account_of(environment) == "devstoreaccount1"
