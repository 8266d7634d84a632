"""Days of the app's life: events, Event Grid, machines, storage, and all that goes wrong, from one seed."""

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
from dispatch.inbox.history import DayHistory
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.tables import Table
from dispatch.rules import load
from dispatch.rules.rule import Rules
from tests.kit.storage import MemoryTable, seeded
from tests.kit.world import LEASE, SETTINGS
from tests.simulation.agenda import Agenda
from tests.simulation.deeds import DEADLY, Deed, Journal
from tests.simulation.event_grid import HOUR, EventGrid
from tests.simulation.host import FunctionApp, Machine
from tests.simulation.queues import Queue
from tests.simulation.storage import Reach, Weather
from tests.simulation.workload import RULES, Workload

SKEW = 30.0  # seconds that a process's clock may be fast or slow, where it is not right


@dataclass(frozen=True)
class Plan:
    """What is simulated: all of it follows from these numbers."""

    seed: int
    events: int
    days: float = 1.0
    duplicates: float = 0.3
    deaths: float = 4.0  # of worker processes, per hour
    refused: float = 2.0  # hours that a rules file is
    outage: float = 1.0  # hours that storage is away

    def __str__(self) -> str:
        return f"--seed {self.seed} --events {self.events} --days {self.days:g}"


@dataclass
class Simulation:
    """A world, from its first event until all is quiet."""

    plan: Plan
    table: MemoryTable = field(default_factory=MemoryTable)
    reader: Table | None = None  # what the workers read, if not the table itself
    log: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        plan = self.plan
        self.agenda = Agenda()
        self.workload = Workload(plan.seed, plan.events, plan.days)
        self.weather = Weather(self.agenda, self._chance("weather"))
        self.actions = Queue(self.agenda, self._chance("queue"), twice=0.01)
        self.poison = Queue(self.agenda, self._chance("poison queue"))
        self.inbox = Inbox(self.table, LEASE)  # for looking at it from outside
        self._rules = _loaded(str(plan.seed), frozenset())
        self._broken: set[str] = set()
        self._skews = self._chance("clocks")
        self.site = FunctionApp(
            self.agenda, self.weather, self._chance("host"), self.actions, self.poison, self._make_app
        )
        self.grid = EventGrid(self.agenda, self.site, self._chance("event grid"), plan.duplicates)
        deadly = [fact.id for fact in self.workload.facts if DEADLY in fact.rules][:: max(1, plan.events // 5)]
        self.journal = Journal(plan.seed, self.agenda, self.site, self._chance("handlers"), frozenset(deadly))
        self._deaths = self._chance("deaths")
        self.seconds = 0.0

    def run(self) -> Self:
        """From the first event to the last, with all that goes wrong; then in peace until all is quiet."""
        began = time.perf_counter()
        Deed.journals[str(self.plan.seed)] = self.journal
        try:
            with _counted(self.log), seeded(self.plan.seed):  # for the jitter of retries
                self._happen()
                self._until_quiet()
        finally:
            self.agenda.close()
        self.seconds = time.perf_counter() - began
        return self

    def is_quiet(self) -> bool:
        """Is there nothing more to be done, as far as an outsider sees?"""
        days = self.inbox.history.days()
        return (
            not self.grid.under_way
            and not len(self.actions)
            and not len(self.poison)
            and not any(self.inbox.backlog.open_actions(day) for day in days)
            and not any(True for day in days for _ in self.inbox.backlog.deferred_matches(day))
        )

    def figures(self) -> str:
        """For people."""
        journal, days = self.journal, self.agenda.seconds / 86_400
        totals = {
            "events": self.plan.events,
            "effects": sum(journal.effects.values()),
            "effects lost before they were recorded": sum(journal.excused.values()),
            "storage calls that failed": self.weather.failed,
            "messages": self.actions.puts,
        }
        counts = (totals, self.grid.figures, self.site.figures, journal.mishaps, self.log)
        told = ", ".join(f"{count} {what}" for some in counts for what, count in sorted(some.items()))
        return f"{self.plan}: {days:.1f} virtual days in {self.seconds:.0f} s; {told}"

    def histories(self) -> list[DayHistory]:
        """All that is recorded, by day."""
        return [self.inbox.history.day(day) for day in self.inbox.history.days()]

    def _happen(self) -> None:
        plan, span = self.plan, self.plan.days * 86_400
        for fact in self.workload.facts:
            self.agenda.after(fact.at, partial(self.grid.publish, fact.raw))
        refused, outage = plan.refused * HOUR, plan.outage * HOUR
        self._between(span * 0.3, refused, partial(self._break, "other.yaml"))
        self._between(span * 0.3 + refused * 0.4, refused, partial(self._break, "third.yaml"))
        self._between(span * 0.7, outage, lambda away: setattr(self.weather, "tables_away", away))
        self._between(span * 0.7 + outage * 0.5, outage * 0.5, lambda away: setattr(self.weather, "queues_away", away))
        self._die()
        self.agenda.run(span)

    def _between(self, begins: float, lasts: float, change: Callable[[bool], None]) -> None:
        self.agenda.after(begins, lambda: change(True))
        self.agenda.after(begins + lasts, lambda: change(False))

    def _break(self, file: str, broken: bool) -> None:
        """Somebody publishes the app with a mistake in a rules file, or without it."""
        self._broken ^= {file}
        self._rules = _loaded(str(self.plan.seed), frozenset(self._broken))
        self.site.deploy()

    def _die(self) -> None:
        """Every now and then, a worker process or a machine that has something to do."""
        busy = [machine for machine in self.site.machines if machine.worker and machine.worker.running]
        if busy:
            self._kill(self._deaths.choice(busy))
            wait = self._deaths.expovariate(self.plan.deaths / HOUR)
        else:
            wait = 1.0
        if self.agenda.seconds < self.plan.days * 86_400:
            self.agenda.after(wait, self._die)

    def _kill(self, machine: Machine) -> None:
        assert machine.worker is not None
        lot = self._deaths.random()
        if lot < 0.1:
            machine.stand_still(self._deaths.uniform(200, 900))
        elif lot < 0.3:
            machine.be_gone()
        else:
            self.site.kill(machine.worker, "workers killed")

    def _until_quiet(self) -> None:
        """Up to ten days more: what retries for hours, and what Event Grid still has."""
        for _ in range(10 * 24):
            if self.is_quiet():
                return
            self.agenda.run(HOUR)

    def _make_app(self) -> App:
        """A process: with a clock of its own, the rules of its time, and nothing in memory."""
        reach = Reach(self.weather, self.reader or self.table, self.actions, self._recorded)
        wrong = self._skews.random() < 0.1
        skew = timedelta(seconds=self._skews.uniform(-SKEW, SKEW) if wrong else 0)
        return App(self._rules, Inbox(reach, LEASE), reach, lambda: self.agenda.now() + skew, self.agenda.sleep)

    def _recorded(self, partition: str) -> None:
        self.site.recorded(partition)

    def _chance(self, of: str) -> random.Random:
        """Each part draws its own lots: what one does leaves the others' as they are."""
        return random.Random(f"{self.plan.seed} {of}")


@contextmanager
def _counted(log: Counter[str]) -> Iterator[None]:
    """Count the warnings and errors that the app logs, by the name of what happened, instead of writing them."""

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


def _loaded(world: str, broken: frozenset[str]) -> Rules:
    """The rules, really loaded from files, of which some have a mistake."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "rules"
        folder.mkdir()
        for file, text in RULES.items():
            mistake = "    nonsense: true\n" if file in broken else ""
            (folder / file).write_text(text.replace("WORLD", f'"{world}"') + mistake)
        rules = load(folder, SETTINGS)
    assert {*rules.refused} == {f"rules/{file}" for file in broken}, rules.errors
    return rules
