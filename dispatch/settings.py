"""App settings, typed: the names of the table and the queues, the function timeout and the retention of history.

`dispatch.inbox.storage_account` reads the settings of the storage account.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from handlers.duration import format_duration, parse_duration

APP_FOLDER = Path(__file__).resolve().parent.parent
CONNECTION = "AzureWebJobsStorage"  # the triggers in function_app.py use it, too
KILL_GRACE = timedelta(seconds=60)  # from a function's timeout to the end of its lease, since clocks differ


class SettingsError(Exception):
    """An app setting is missing or invalid. The message names it and the value to write."""


class Environment:
    """App settings by name. As in the host, names ignore case, ``__`` equals ``:``, and an empty setting is not set."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {_normal(name): value.strip() for name, value in values.items()}

    def get(self, name: str, default: str = "") -> str:
        """The setting, or `default`. Raises SettingsError for a Key Vault reference that was not resolved."""
        value = self.raw(name)
        if value.startswith("@Microsoft.KeyVault("):
            raise SettingsError(
                f"the app setting {name} is a Key Vault reference that Azure could not resolve: "
                "check that the secret exists and that the app's identity has the role Key Vault Secrets User"
            )
        return value or default

    def raw(self, name: str) -> str:
        """The setting, even if it is an unresolved Key Vault reference; empty if it is not set. Raises nothing."""
        return self._values.get(_normal(name), "")


@dataclass(frozen=True)
class Names:
    """The names of the app's table and queues. Reading them raises nothing: the host needs them to index the triggers.

    Azure Storage limits the names (learn.microsoft.com, "Understanding the Table service data model" and "Naming queues
    and metadata"). A queue's name leaves room for the suffix ``-poison``, which the host appends.
    """

    table: str = "mlevents"
    actions: str = "mlevents-actions"
    events: str = "mlevents-events"

    @classmethod
    def of(cls, settings: Environment) -> Self:
        """Read MLEVENTS_TABLE, MLEVENTS_QUEUE and MLEVENTS_EVENTS_QUEUE; make them slot settings if you use slots."""
        return cls(
            settings.raw("MLEVENTS_TABLE") or cls.table,
            settings.raw("MLEVENTS_QUEUE") or cls.actions,
            settings.raw("MLEVENTS_EVENTS_QUEUE") or cls.events,
        )

    def check(self) -> None:
        """Raises SettingsError for a name that Azure Storage would refuse."""
        if not re.fullmatch("[A-Za-z][A-Za-z0-9]{2,62}", self.table):
            raise SettingsError(f"MLEVENTS_TABLE is {self.table!r}; write 3 to 63 letters and digits, a letter first")
        for name, value in (("MLEVENTS_QUEUE", self.actions), ("MLEVENTS_EVENTS_QUEUE", self.events)):
            if not re.fullmatch("(?!.*--)[a-z0-9][a-z0-9-]{1,54}[a-z0-9]", value):
                raise SettingsError(
                    f"{name} is {value!r}; write 3 to 56 lower-case letters, digits and single hyphens between them"
                )


def function_timeout(settings: Environment, host_json: Path) -> timedelta:
    """How long the host lets a function run: from the host's override in the environment, else from host.json.

    Raises SettingsError if the timeout is missing or unlimited: leases are derived from it.
    """
    text = settings.get("AzureFunctionsJobHost__functionTimeout")
    where = "the app setting AzureFunctionsJobHost__functionTimeout"
    if not text:
        where = f"functionTimeout in {host_json.name}"
        try:
            text = str(json.loads(host_json.read_text(encoding="utf-8"))["functionTimeout"])
        except KeyError:
            raise SettingsError(f'{where} is missing; add "functionTimeout": "00:05:00"') from None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise SettingsError(f"{where} cannot be read: {type(error).__name__}: {error}") from error
    days, _, clock = text.rpartition(".")
    try:
        hours, minutes, seconds = (int(part) for part in clock.split(":"))
        span = timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=seconds)
    except ValueError as error:
        raise SettingsError(f"{where} is {text!r}; write hours, minutes and seconds: 00:05:00") from error
    if span <= timedelta():
        raise SettingsError(f"{where} is {text!r}; it must be longer than zero, and limited")
    return span


def retention(settings: Environment) -> timedelta:
    """How long history is kept: MLEVENTS_RETENTION, else 90 days. Raises SettingsError.

    It is at least two days: Event Grid redelivers an event for one day, and duplicates are recognised by its rows.
    """
    try:
        span = parse_duration(settings.get("MLEVENTS_RETENTION", "90d"))
    except ValueError as error:
        raise SettingsError(f"MLEVENTS_RETENTION: {error}") from error
    if span < timedelta(days=2):
        raise SettingsError(f"MLEVENTS_RETENTION is {format_duration(span)}; it must be at least 2d")
    return span


def _normal(name: str) -> str:
    return name.replace("__", ":").casefold()
