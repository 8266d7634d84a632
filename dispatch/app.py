"""Where the app is put together: its rules, its inbox, its queue and its clock, once, when first needed."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Self

from dispatch.inbox.inbox import Inbox
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureQueue, AzureTable, Queue
from dispatch.log import log_event
from dispatch.rules import load
from dispatch.rules.rule import Rules
from dispatch.secrets import NO_SECRETS, Secrets
from dispatch.settings import APP_FOLDER, KILL_GRACE, Environment, Names, function_timeout, retention

TWO_VERSIONS = timedelta(hours=1)  # of the app may run at once for as long: one may have rules that the other has not


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class App:
    """All that receiving an event and carrying out an action need."""

    rules: Rules
    inbox: Inbox
    queue: Queue  # of actions
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = sleep
    secrets: Secrets = NO_SECRETS
    retention: timedelta = timedelta(days=90)  # how long history is kept
    events: Queue | None = None  # into which Event Grid may put them

    @classmethod
    def from_settings(cls, values: Mapping[str, str], folder: Path = APP_FOLDER) -> Self:
        """Put together from app settings and the app's folder; mistakes in the rules are logged, each.

        Raises SettingsError, which names the setting. Makes no request.
        """
        settings = Environment(values)
        names, storage = Names.of(settings), Storage.of(settings)
        names.check()
        lease = function_timeout(settings, folder / "host.json") + KILL_GRACE
        loaded = load(folder / settings.get("MLEVENTS_RULES", "rules"), values, folder)
        for error in loaded.errors:
            log_event("rules.mistake", logging.ERROR, mistake=str(error))
        inbox = Inbox(AzureTable(storage.table(names.table)), lease)
        queue = AzureQueue(storage.queue(names.actions))
        events = AzureQueue(storage.queue(names.events))
        secrets = Secrets.of_settings(values)
        return cls(loaded, inbox, queue, secrets=secrets, retention=retention(settings), events=events)


class LazyApp:
    """The app, put together at the first call; a failure is raised to that caller and tried anew at the next."""

    def __init__(self, make: Callable[[], App] = lambda: App.from_settings(os.environ)) -> None:
        self._make, self._lock = make, Lock()
        self._app: App | None = None

    def __call__(self) -> App:
        """The one App. Raises SettingsError."""
        with self._lock:
            self._app = self._app or self._make()
            return self._app
