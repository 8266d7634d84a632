"""The app: its rules, its inbox, its queues and its clock, built once, when they are first needed."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Self

from dispatch.facts.source import Ask, ask_service
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureQueue, AzureTable, Queue
from dispatch.log import log_event
from dispatch.rules import load
from dispatch.rules.rule import Rules
from dispatch.secrets import NO_SECRETS, Secrets
from dispatch.settings import APP_FOLDER, KILL_GRACE, Environment, Names, function_timeout, retention
from dispatch.telemetry import Telemetry

TWO_VERSIONS = timedelta(hours=1)  # how long two versions of the app, with different rules, may run side by side


def utc_now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class App:
    """Everything that receiving an event and carrying out an action need."""

    rules: Rules
    inbox: Inbox
    queue: Queue  # of actions
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = sleep
    secrets: Secrets = NO_SECRETS
    retention: timedelta = timedelta(days=90)  # of history
    events: Queue | None = None  # of events, where Event Grid delivers into a queue
    name: str = ""  # of the function app; on one machine its address, "localhost:7071"
    telemetry: Telemetry = field(default_factory=Telemetry)
    ask: Ask = ask_service  # for what a service knows about the object of an event

    @classmethod
    def from_settings(cls, values: Mapping[str, str], folder: Path = APP_FOLDER) -> Self:
        """Build the app, and log each error and each warning about the rules. Raises SettingsError."""
        app = cls.build(values, folder)
        for error in app.rules.errors:
            log_event("rules.mistake", logging.ERROR, mistake=str(error))
        for warning in app.rules.warnings:
            log_event("rules.warning", logging.WARNING, warning=str(warning))
        return app

    @classmethod
    def build(cls, values: Mapping[str, str], folder: Path = APP_FOLDER) -> Self:
        """Build the app from app settings and the app's folder. Makes no request.

        Raises SettingsError, which names the setting.
        """
        settings = Environment(values)
        names, storage = Names.of(settings), Storage.of(settings)
        names.check()
        lease = function_timeout(settings, folder / "host.json") + KILL_GRACE
        loaded = load(folder / settings.get("MLEVENTS_RULES", "rules"), values, folder)
        inbox = Inbox(AzureTable(storage.table(names.table)), lease)
        queue = AzureQueue(storage.queue(names.actions))
        events = AzureQueue(storage.queue(names.events))
        secrets = Secrets.of_settings(values)
        name = settings.get("WEBSITE_SITE_NAME") or settings.get("WEBSITE_HOSTNAME")
        return cls(
            loaded,
            inbox,
            queue,
            secrets=secrets,
            retention=retention(settings),
            events=events,
            name=name,
            telemetry=Telemetry.of_process(),
        )


class LazyApp:
    """The app, built at the first call. A failure is raised to the caller, and the next call tries again."""

    def __init__(self, build: Callable[[], App] = lambda: App.from_settings(os.environ)) -> None:
        self._build, self._lock = build, Lock()
        self._app: App | None = None

    def __call__(self) -> App:
        """The one App of this process. Raises SettingsError."""
        with self._lock:
            self._app = self._app or self._build()
            return self._app
