"""Several hosts on one storage account, which receive events while their workers are killed."""

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
MAX_DELIVERIES = 100  # of one event


def settings_of(connection_string: str, rules: Path, timeout: str = "00:00:20") -> dict[str, str]:
    """Settings with these rules, and with a table and queues for one test."""
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
class Hosts:
    """Running hosts, with the workers that were killed and the number of deliveries."""

    apps: Sequence[LocalApp]
    rng: random.Random
    killed: set[int] = field(default_factory=set)
    deliveries: int = 0
    failed: int = 0  # deliveries whose response was not 202
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, event: dict[str, Any]) -> None:
        """Deliver an event to random hosts, as Event Grid would, until one responds with 202."""
        for _ in range(MAX_DELIVERIES):
            app = self.rng.choice(self.apps)
            with self._lock:
                self.deliveries += 1
            with suppress(requests.RequestException):
                headers = {"aeg-event-type": "Notification"}
                response = requests.post(app.url_of("azureml_event"), json=[event], headers=headers, timeout=30)
                if response.status_code == 202:
                    return
            with self._lock:
                self.failed += 1
        raise AssertionError(f"{event['id']} was delivered {MAX_DELIVERIES} times without success")

    def deliver_all(self, events: Sequence[dict[str, Any]], at_once: int) -> None:
        """Deliver events in this order, `at_once` at the same time."""
        with ThreadPoolExecutor(at_once) as threads:
            list(threads.map(self.deliver, events))

    def kill_one(self) -> None:
        """Kill a random worker with SIGKILL, as a machine without free memory does."""
        alive = {pid for app in self.apps if (pid := app.worker_pid) is not None} - self.killed
        if alive:
            self.killed.add(pid := self.rng.choice(sorted(alive)))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def kills(self, every: float, at_least: int) -> Iterator[None]:
        """Kill a worker every so many seconds until the block ends and at least so many were killed."""
        ended = threading.Event()

        def kill() -> None:
            while not ended.is_set() or len(self.killed) < at_least:
                time.sleep(every)
                self.kill_one()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            ended.set()
            killer.join()


@contextmanager
def run_hosts(count: int, settings: dict[str, str], folder: Path, seed: int) -> Iterator[Hosts]:
    """Run `count` hosts, each with its own worker process."""
    with ExitStack() as stack:
        apps = [
            stack.enter_context(
                LocalApp(ROOT, settings=settings, settings_file=EXAMPLE, folder=folder / str(n), mailbox=False)
            )
            for n in range(count)
        ]
        yield Hosts(apps, random.Random(seed))
