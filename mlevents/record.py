"""The app's record for commands that read or change it: Azurite's on this machine, or a deployed app's storage."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.storage_account import Storage
from dispatch.settings import CONNECTION, Environment, Names, SettingsError
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.console import Console

_LOCAL = ("127.0.0.1", "localhost")
_ROLES = "Storage Table Data Contributor and Storage Queue Data Message Sender, and for dead letters Storage Blob Data"

StorageAccount = Annotated[
    str,
    typer.Option(
        "--storage",
        metavar="ACCOUNT",
        help="A deployed app's storage account, opened with your login. Default: as the settings say.",
    ),
]


@dataclass(frozen=True, slots=True)
class Record:
    """An app over its storage, and lines to print about where its settings are from."""

    app: App
    storage: Storage
    names: Names
    notes: tuple[str, ...]
    settings: Mapping[str, str]

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Put the app's settings into the environment of this process, where handlers read theirs."""
        before = dict(os.environ)
        os.environ.update({name: text for name, text in self.settings.items() if "=" not in name})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def open_record(folder: Path, account: str = "") -> Record:
    """The record of the app in a folder. Makes no request. Raises BadFile and SettingsError.

    Settings are those of the environment, else those that `mlevents start` would use; but if the environment or
    `account` names a storage account, then only they do.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # for the app's own handlers
    inherited = dict(os.environ)
    if account:
        inherited = {name: value for name, value in inherited.items() if not _is_storage(name)}
        inherited[f"{CONNECTION}__accountName"] = account
    settings, notes = settings_of(folder, inherited)
    return record_of(folder, settings, notes)


def record_of(folder: Path, settings: Mapping[str, str], notes: Sequence[str] = ()) -> Record:
    """The record of an app with these settings. Makes no request. Raises BadFile and SettingsError."""
    environment = Environment(settings)
    storage, names = Storage.of(environment), Names.of(environment)
    app = App.from_settings(settings, folder)
    with storage.table(names.table) as client:
        url = client.url.partition("?")[0]
    return Record(app, storage, names, (*notes, f"storage is {url}, table {names.table}"), settings)


def settings_of(folder: Path, inherited: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """App settings, and lines to print about their sources. Raises BadFile.

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


def _is_storage(name: str) -> bool:
    return name.replace("__", ":").casefold().partition(":")[0] == CONNECTION.casefold()


@dataclass(slots=True)
class Outcome:
    """The exit code of a command."""

    code: int = 0


@contextmanager
def reported(console: Console) -> Iterator[Outcome]:
    """Print an error of storage, of settings or of a file in one line, with what to do; the exit code is then 1.

    What the app logs meanwhile is discarded: a command reports the same, in its own lines.
    """
    handler, root, outcome = logging.NullHandler(), logging.getLogger(), Outcome()
    root.addHandler(handler)
    try:
        yield outcome
    except (StorageError, BadFile, SettingsError) as error:
        console.print(describe(error), "error")
        outcome.code = 1
    finally:
        root.removeHandler(handler)


def is_local_url(url: str) -> bool:
    """Does the URL, or a text with it, lead to storage on this machine?"""
    return any(host in url for host in _LOCAL)


def describe(error: Exception) -> str:
    """The error in one line, with what to do about it."""
    text = str(error).strip().partition("\n")[0]
    match error:
        case StorageError(status=401) | StorageError(__cause__=ClientAuthenticationError()):
            return f"storage does not know you: {text.rstrip('.')}. Log in with `az login`"
        case StorageError(status=403):
            return f"storage refuses you: {text} Your login needs the roles {_ROLES} Contributor"
        case StorageError(__cause__=ServiceRequestError()):
            hint = "; is `mlevents start` running?" if is_local_url(text) else ""
            return f"storage cannot be reached: {text}{hint}"
        case StorageError():
            return f"storage: {text}"
    return text
