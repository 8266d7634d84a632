"""A simulation: a workload, Event Grid, machines and storage, with faults of each, from one seed."""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from dispatch.app import App
from dispatch.inbox.history.records import DayHistory
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.tables import Table
from dispatch.rules import load
from dispatch.rules.rule import Rules
from mlevents.testing.storage import MemoryTable
from tests.kit.indexed import is_indexed
from tests.kit.storage import seeded
from tests.kit.world import LEASE, SETTINGS
from tests.simulation.event_grid import HOUR, EventGrid
from tests.simulation.handlers import HandlerLog, Simulated
from tests.simulation.host import FunctionApp, Machine
from tests.simulation.queues import Queue
from tests.simulation.scheduler import Scheduler
from tests.simulation.script import CRASHING_RULE, Script
from tests.simulation.storage import Network, RemoteStorage
from tests.simulation.workload import RULES, Workload

SKEW = 30.0  # seconds by which a process's clock may be fast or slow


@dataclass(frozen=True)
class Parameters:
    """The parameters of a simulation; runs with equal parameters are equal."""

    seed: int
    events: int
    days: float = 1.0
    duplicates: float = 0.3  # the share of accepted events that are delivered again
    crashes: float = 4.0  # of worker processes, per hour
    refused: float = 2.0  # hours in which a rules file is refused
    outage: float = 1.0  # hours without storage

    def __str__(self) -> str:
        return f"--seed {self.seed} --events {self.events} --days {self.days:g}"


@dataclass
class Simulation:
    """Runs a workload until all work has ended."""

    parameters: Parameters
    table: MemoryTable = field(default_factory=MemoryTable)
    reader: Table | None = None  # the table that workers read, if it is another one
    log: Counter[str] = field(default_factory=Counter)  # warnings and errors, by log event

    def __post_init__(self) -> None:
        parameters = self.parameters
        self.scheduler = Scheduler()
        self.workload = Workload(parameters.seed, parameters.events, parameters.days)
        self.network = Network(self.scheduler, self._rng("network"))
        self.actions = Queue(self.scheduler, self._rng("queue"), twice=0.01)
        self.poison = Queue(self.scheduler, self._rng("poison queue"))
        self.inbox = Inbox(self.table, LEASE)  # without faults
        self._rules = _loaded(str(parameters.seed), frozenset())
        self._refused: set[str] = set()
        self._skews = self._rng("clocks")
        self.function_app = FunctionApp(
            self.scheduler, self.network, self._rng("host"), self.actions, self.poison, self._new_app
        )
        self.event_grid = EventGrid(self.scheduler, self.function_app, self._rng("event grid"), parameters.duplicates)
        candidates = [event.id for event in self.workload.events if CRASHING_RULE in event.rules]
        self.script = Script(parameters.seed, frozenset(candidates[:: max(1, parameters.events // 5)]))
        self.handlers = HandlerLog(self.script, self.scheduler, self.function_app, self._rng("handlers"))
        self._crashes = self._rng("crashes")
        self.seconds = 0.0  # that the simulation took

    def run(self) -> Self:
        """Run the workload with faults, and then without until all work has ended."""
        start = time.perf_counter()
        Simulated.logs[str(self.parameters.seed)] = self.handlers
        try:
            with _counted(self.log), seeded(self.parameters.seed):  # for the jitter of retries
                self._run_workload()
                self._run_until_idle()
        finally:
            self.scheduler.close()
        self.seconds = time.perf_counter() - start
        return self

    def is_idle(self) -> bool:
        """Is there no delivery, message, open action, deferred match, unreported failure or row to index left?"""
        days = self.inbox.history.days()
        tallies = {name for state in self.inbox.shared.all("failed|").values() for name in state}
        return (
            not self.event_grid.pending
            and not len(self.actions)
            and not len(self.poison)
            and not any(self.inbox.backlog.open_actions(day) for day in days)
            and not any(True for day in days for _ in self.inbox.backlog.deferred_matches(day))
            and not any(self.inbox.backlog.markers(day).failed for day in days)
            and not tallies & {"tally", "alert"}
            and is_indexed(self.inbox)
        )

    def figures(self) -> str:
        """The figures of the simulation, as one line."""
        days = self.scheduler.seconds / 86_400
        totals = {
            "events": self.parameters.events,
            "effects": sum(self.handlers.effects.values()),
            "effects lost before they were recorded": sum(self.handlers.repeatable.values()),
            "storage calls that failed": self.network.failed,
            "messages": self.actions.puts,
        }
        counts = (totals, self.event_grid.figures, self.function_app.figures, self.handlers.faults, self.log)
        listed = ", ".join(f"{count} {name}" for counter in counts for name, count in sorted(counter.items()))
        return f"{self.parameters}: {days:.1f} virtual days in {self.seconds:.0f} s; {listed}"

    def histories(self) -> list[DayHistory]:
        """The record of each day."""
        return [self.inbox.history.day(day) for day in self.inbox.history.days()]

    def _run_workload(self) -> None:
        parameters, span = self.parameters, self.parameters.days * 86_400
        for event in self.workload.events:
            self.scheduler.after(event.at, partial(self.event_grid.publish, event.raw))
        refused, outage = parameters.refused * HOUR, parameters.outage * HOUR
        self._during(span * 0.3, refused, partial(self._refuse, "other.yaml"))
        self._during(span * 0.3 + refused * 0.4, refused, partial(self._refuse, "third.yaml"))
        self._during(span * 0.7, outage, lambda down: setattr(self.network, "tables_down", down))
        self._during(span * 0.7 + outage * 0.5, outage * 0.5, lambda down: setattr(self.network, "queues_down", down))
        self._crash_at_times()
        self.scheduler.run(span)

    def _during(self, start: float, duration: float, change: Callable[[bool], None]) -> None:
        """Call `change` with True at the start of a period, and with False at its end."""
        self.scheduler.after(start, lambda: change(True))
        self.scheduler.after(start + duration, lambda: change(False))

    def _refuse(self, file: str, refused: bool) -> None:
        """Publish the app with an error in a rules file, or without it."""
        self._refused ^= {file}
        assert (file in self._refused) == refused
        self._rules = _loaded(str(self.parameters.seed), frozenset(self._refused))
        self.function_app.deploy()

    def _crash_at_times(self) -> None:
        """Crash a busy machine or its worker now, and schedule the next crash."""
        busy = [machine for machine in self.function_app.machines if machine.worker and machine.worker.running]
        if busy:
            self._crash(self._crashes.choice(busy))
            wait = self._crashes.expovariate(self.parameters.crashes / HOUR)
        else:
            wait = 1.0
        if self.scheduler.seconds < self.parameters.days * 86_400:
            self.scheduler.after(wait, self._crash_at_times)

    def _crash(self, machine: Machine) -> None:
        assert machine.worker is not None
        drawn = self._crashes.random()
        if drawn < 0.1:
            machine.freeze(self._crashes.uniform(200, 900))
        elif drawn < 0.3:
            machine.replace()
        else:
            self.function_app.kill(machine.worker, "workers killed")

    def _run_until_idle(self) -> None:
        """Run up to ten more days: some actions retry for hours, and Event Grid delivers for a day."""
        for _ in range(10 * 24):
            if self.is_idle():
                return
            self.scheduler.run(HOUR)

    def _new_app(self) -> App:
        """The App of a new process: with its own clock and the current rules."""
        storage = RemoteStorage(self.network, self.reader or self.table, self.actions, self._committed)
        skewed = self._skews.random() < 0.1
        skew = timedelta(seconds=self._skews.uniform(-SKEW, SKEW) if skewed else 0)
        return App(
            self._rules, Inbox(storage, LEASE), storage, lambda: self.scheduler.now() + skew, self.scheduler.sleep
        )

    def _committed(self, partition: str) -> None:
        self.function_app.committed(partition)

    def _rng(self, part: str) -> random.Random:
        """The random generator of a part, which the other parts do not affect."""
        return random.Random(f"{self.parameters.seed} {part}")


@contextmanager
def _counted(log: Counter[str]) -> Iterator[None]:
    """Count the warnings and errors that the app logs, by log event, instead of writing them."""

    def count(record: logging.LogRecord) -> bool:
        log[getattr(record, "mlevents", {}).get("name", "tracebacks")] += 1
        return False

    logger = logging.getLogger("mlevents")
    level = logger.level
    logger.setLevel(logging.WARNING)
    logger.addFilter(count)
    try:
        yield
    finally:
        logger.removeFilter(count)
        logger.setLevel(level)


def _loaded(simulation: str, refused: frozenset[str]) -> Rules:
    """Load the rules from files, some of which have an error and are refused."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "rules"
        folder.mkdir()
        for file, text in RULES.items():
            error = "    nonsense: true\n" if file in refused else ""
            (folder / file).write_text(text.replace("SIMULATION", f'"{simulation}"') + error)
        rules = load(folder, SETTINGS)
    assert {*rules.refused} == {f"rules/{file}" for file in refused}, rules.errors
    return rules
