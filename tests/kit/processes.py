"""Several hosts on one storage account, events that come to any of them, and workers that are killed meanwhile."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from mlevents.local.app import LocalApp
from tests.kit.started import ROOT

EXAMPLE = ROOT / "local.settings.json.example"
PATIENCE = 100  # deliveries of one event: more means that it will never be taken


def settings_of(connection_string: str, rules: Path, timeout: str = "00:00:20") -> dict[str, str]:
    """A table and queues of a test's own, and rules."""
    name = uuid4().hex[:12]
    return {
        "AzureWebJobsStorage": connection_string,
        "MLEVENTS_TABLE": f"t{name}",
        "MLEVENTS_QUEUE": f"actions-{name}",
        "MLEVENTS_EVENTS_QUEUE": f"events-{name}",
        "MLEVENTS_RULES": str(rules),
        "AzureFunctionsJobHost__functionTimeout": timeout,
    }


@dataclass
class Crowd:
    """The hosts, and what was done to them."""

    apps: Sequence[LocalApp]
    chance: random.Random
    killed: set[int] = field(default_factory=set)
    deliveries: int = 0
    refused: int = 0  # deliveries that were not answered with success
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, event: dict[str, Any]) -> None:
        """To any of the hosts; again, as Event Grid would, until one answers with success."""
        for _ in range(PATIENCE):
            app = self.chance.choice(self.apps)
            with self._lock:
                self.deliveries += 1
            with suppress(requests.RequestException):
                headers = {"aeg-event-type": "Notification"}
                answer = requests.post(app.url_of("azureml_event"), json=[event], headers=headers, timeout=30)
                if answer.status_code == 202:
                    return
            with self._lock:
                self.refused += 1
        raise AssertionError(f"{event['id']} was delivered {PATIENCE} times, and never taken")

    def deliver_all(self, events: Sequence[dict[str, Any]], at_once: int) -> None:
        """In this order, so many at a time."""
        with ThreadPoolExecutor(at_once) as threads:
            list(threads.map(self.deliver, events))

    def kill_one(self) -> None:
        """With SIGKILL, as when the machine ends a process that wants too much memory."""
        alive = {pid for app in self.apps if (pid := app.worker_pid) is not None} - self.killed
        if alive:
            self.killed.add(pid := self.chance.choice(sorted(alive)))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def dying(self, every: float, at_least: int) -> Iterator[None]:
        """While this lasts, and until enough are dead, one worker dies every so many seconds."""
        over = threading.Event()

        def kill() -> None:
            while not over.is_set() or len(self.killed) < at_least:
                time.sleep(every)
                self.kill_one()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()


@contextmanager
def crowd(count: int, settings: dict[str, str], folder: Path, seed: int) -> Iterator[Crowd]:
    """So many hosts, each with a worker process of its own."""
    with ExitStack() as stack:
        apps = [
            stack.enter_context(
                LocalApp(ROOT, settings=settings, settings_file=EXAMPLE, folder=folder / str(n), mailbox=False)
            )
            for n in range(count)
        ]
        yield Crowd(apps, random.Random(seed))
