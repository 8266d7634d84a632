"""Runs a scenario many times, each time with other faults, and checks its end.

It has a minimal Event Grid and host: they deliver everything twice, repeat failed deliveries, and run the sweep every
few minutes. tests/simulation has more realistic ones.
"""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from dispatch.act import act, rearm
from dispatch.app import App
from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import UNDATED, event_key
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.tables import Table
from dispatch.receive import receive
from dispatch.rules import load
from dispatch.rules.rule import ALERTS, Rules
from dispatch.sweep import GRACE, sweep
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import AzureLimits, Clock, MemoryTable
from schemas import Event
from schemas.alert import Alert
from schemas.facts import RunFacts
from tests.kit.faults import ERRORS, Effect, Faults, FaultyStorage
from tests.kit.indexed import index_errors, is_indexed
from tests.kit.scripted_handler import ScriptedSteps
from tests.kit.storage import seeded
from tests.kit.world import LEASE, SETTINGS, WORKSPACES

DAY = "2026-11-22"  # of all events
ENDED = {"succeeded", "skipped", "failed"}
REDELIVERY = timedelta(seconds=30)  # Event Grid's second attempt
RELEASED = timedelta(minutes=1)  # host.json's visibilityTimeout: a message whose call failed
ABANDONED = timedelta(minutes=10)  # a message whose host has crashed
SWEEPS = GRACE + timedelta(minutes=1)  # how often the timer runs
MAX_SWEEPS = 100  # all actions must end before


@dataclass(frozen=True)
class Scenario:
    """Rules files, events in the order of their delivery, and how each action must end."""

    name: str
    files: Mapping[str, str]
    events: tuple[Event, ...]
    ends: Mapping[tuple[str, str], str]  # by event and rule: the allowed statuses, separated by spaces
    fixed: Mapping[str, str] = field(default_factory=dict)  # files that replace these when the queue is empty
    loses: tuple[str, str] = ("", "")  # the event and rule whose first message the queue loses
    poisons: tuple[str, str] = ("", "")  # the event and rule whose first message also arrives as a poison message
    most_dequeues: int = 10
    known: RunFacts = field(default_factory=RunFacts)  # what the service says about the run
    check: Callable[["ScenarioRun"], None] = lambda run: None

    @cache  # noqa: B019 - a few scenarios, which live as long as the tests
    def rules(self, fixed: bool) -> Rules:
        """The rules, loaded from files."""
        with TemporaryDirectory() as name:
            folder = Path(name) / "rules"
            folder.mkdir()
            for file, text in {"workspaces.yaml": WORKSPACES, **self.files, **(self.fixed if fixed else {})}.items():
                (folder / file).write_text(text)
            return load(folder, SETTINGS)

    def steps(self, rule: str) -> set[int]:
        """The steps that the handler of a rule must take; those that raise RetryLater are optional."""
        found = self.rules(fixed=True).get(rule)
        assert found is not None
        assert isinstance(found.handler, ScriptedSteps)
        return {number for number, word in enumerate(found.handler.script) if word != "retry"}

    def __hash__(self) -> int:
        return hash(self.name)


class ScenarioRun:
    """One run of a scenario."""

    def __init__(
        self,
        scenario: Scenario,
        faults: Faults | None = None,
        table: MemoryTable | None = None,
        reader: Table | None = None,
        skew: Callable[[], timedelta] = timedelta,
        *,
        twice: bool = True,  # deliver each event and message twice
    ) -> None:
        self.scenario, self.faults = scenario, faults or Faults()
        self.clock, self._skew, self._twice = Clock(), skew, twice
        self._stale = reader is not None
        table = table or MemoryTable()
        self.inbox = Inbox(table, LEASE)  # reads without faults
        self._storage = FaultyStorage(self.faults, AzureLimits(reader or table), self)  # as the workers see it
        self._scheduled: list[tuple[datetime, int, Callable[[], None]]] = []
        self._next_sweep = self.clock.time + SWEEPS
        self._order = count()
        self._sent: set[str] = set()
        self._ids = {event_key(event)[1]: event.id for event in scenario.events}
        self._fixed = False
        self._start_worker()

    def run(self) -> "ScenarioRun":
        """Run from the first event until all actions have ended, at most for `MAX_SWEEPS` sweeps."""
        ScriptedSteps.effects[self.scenario.name] = self.faults.effect
        with seeded(self.scenario.name):  # the jitter of retries: call n is the same one in every run
            self._run()
        return self

    def _run(self) -> None:
        for position, event in enumerate(self.scenario.events):
            raw = json.dumps(event.wire())
            for again in (0, 5) if self._twice else (0,):
                self._at(timedelta(seconds=position + again), partial(self._receive, raw))
        self._until_empty()
        self._fixed = True
        self._start_worker()
        for _ in range(MAX_SWEEPS):
            self.clock.time = self._next_sweep
            self._sweep()
            self._until_empty()
            if self.is_over():
                return

    def _sweep(self) -> None:
        self._next_sweep = self.clock.time + SWEEPS
        self._guarded(partial(sweep, self._app), lambda _: None)

    def is_over(self) -> bool:
        """Have all expected actions ended, with no open or deferred work left, and all indexed?"""
        ended = {action for action, record in self.actions().items() if record.ended}
        states = self.inbox.shared.all("failed|").values()
        unreported = self.inbox.backlog.markers(DAY).failed or any(
            {"tally", "alert"} & state.keys() for state in states
        )
        open = [id for day in (DAY, UNDATED) for id in self.inbox.backlog.open_actions(day)]
        left = open or unreported or self.deferred() or not is_indexed(self.inbox)
        return ended >= {*self.scenario.ends} and not left

    def deferred(self) -> list[object]:
        """The deferred matches."""
        return list(self.inbox.backlog.deferred_matches(DAY))

    def actions(self) -> dict[tuple[str, str], ActionRecord]:
        """The records of all actions but alerts, by event and rule."""
        return {place: record for place, record in self._actions().items() if not place[1].startswith(ALERTS)}

    def alerts(self) -> list[ActionRecord]:
        """The records of the alerts about failed actions of `DAY`."""
        return [record for (_, rule), record in self._actions().items() if rule.startswith(ALERTS)]

    def digests(self) -> list[Alert]:
        """The alerts that report several failures."""
        events = [record.event for record in self.inbox.history.day(UNDATED).events.values()]
        return [event for event in events if isinstance(event, Alert)]

    def _actions(self) -> dict[tuple[str, str], ActionRecord]:
        history = self.inbox.history.day(DAY)
        return {(history.events[id.event].id, id.rule): record for id, record in history.actions}

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """Enqueue a message, twice if it is new, unless the scenario loses it."""
        if message in self._sent:
            self._queue(message, after)
            return
        self._sent.add(message)
        content = json.loads(message)
        action = (self._ids.get(content["event"], "an alert"), content["rule"])
        first = content["ticket"] == 1
        if not (first and action == self.scenario.loses):
            self._queue(message, after)
            if self._twice:
                self._queue(message, after + timedelta(seconds=1))
        if first and action == self.scenario.poisons:
            self._at(after + timedelta(seconds=3), partial(self._rearm, message))

    def _start_worker(self) -> None:
        """Start a worker process, with its own clock and without the memory of the previous one."""
        skew = self._skew()
        inbox = Inbox(self._storage, LEASE)
        rules, scenario = self.scenario.rules(self._fixed), self.scenario
        now = lambda: self.clock.time + skew  # noqa: E731
        self._app = App(rules, inbox, self._storage, now, self._sleep, ask=lambda *_: scenario.known)

    def _sleep(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)

    def _until_empty(self) -> None:
        for _ in range(2_000 + 100 * len(self.scenario.events)):
            if not self._scheduled:
                return
            if self._scheduled[0][0] > self._next_sweep:
                self.clock.time = self._next_sweep
                self._sweep()
                continue
            at, _, call = heapq.heappop(self._scheduled)
            self.clock.time = max(self.clock.time, at)
            call()
        raise AssertionError("the queue does not become empty")

    def _at(self, after: timedelta, call: Callable[[], None]) -> None:
        heapq.heappush(self._scheduled, (self.clock.time + after, next(self._order), call))

    def _guarded(self, call: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        """Make a call in a worker; if it crashes, start another worker."""
        self.faults.begin()
        try:
            call()
        except ERRORS as error:
            if isinstance(error, Conflict) and not self._stale:
                raise  # without stale reads the app handles every conflict
            if isinstance(error, WorkerDied):
                self._start_worker()
            failed(error)

    def _receive(self, raw: str) -> None:
        again = partial(self._at, REDELIVERY, partial(self._receive, raw))
        self._guarded(partial(receive, raw, self._app), lambda _: again())

    def _queue(self, message: str, after: timedelta, dequeued: int = 1) -> None:
        self._at(after, partial(self._act, message, dequeued))

    def _act(self, message: str, dequeued: int) -> None:
        def failed(error: BaseException) -> None:
            if dequeued >= self.scenario.most_dequeues and isinstance(error, Unavailable):
                self._at(timedelta(), partial(self._rearm, message))
            else:
                self._queue(message, ABANDONED if isinstance(error, WorkerDied) else RELEASED, dequeued + 1)

        self._guarded(partial(act, message, self._app), failed)

    def _rearm(self, message: str) -> None:
        again = partial(self._at, ABANDONED, partial(self._rearm, message))
        self._guarded(partial(rearm, message, self._app), lambda _: again())


def check(run: ScenarioRun) -> None:
    """Check the record, and that effects are repeated only after a fault."""
    check_record(run)
    repeated = Counter(run.faults.effects) - Counter({*run.faults.effects})
    assert repeated <= run.faults.repeatable, "an effect is repeated only after a fault between it and its record"


def check_record(run: ScenarioRun) -> None:
    """Check that each action ended once, with an allowed status and under one key."""
    actions = run.actions()
    assert {action: record.status for action, record in actions.items() if record.status not in ENDED} == {}
    assert {*actions} == {*run.scenario.ends}
    for action, record in actions.items():
        assert record.status in run.scenario.ends[action].split(), action
        assert sum(moment.status in ENDED for moment in record.timeline) == 1, action
    assert run.inbox.backlog.open_actions(DAY) == []
    assert run.deferred() == []
    history = run.inbox.history.day(DAY)
    assert len(history.events) == len(run.scenario.events)
    assert history.rejected == []
    assert [*index_errors(run.inbox)] == []
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    done: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for effect in run.faults.effects:
        keys[effect.event, effect.rule].add(effect.key)
        done[effect.event, effect.rule].add(effect.step)
    assert all(len(of_one) == 1 for of_one in keys.values()), "an action keeps its key"
    for action, record in actions.items():
        if record.status != "skipped":  # only guards skip here
            assert run.scenario.steps(action[1]) <= done[action], f"{action} has {record.status} without its effects"
    run.scenario.check(run)


def swept(run: ScenarioRun) -> list[tuple[str, str]]:
    """The actions that the sweep has queued again."""
    notes = {action: [moment.note for moment in record.timeline] for action, record in run.actions().items()}
    return [action for action in notes if "queued again by the sweep" in notes[action]]


def effects_of(run: ScenarioRun, rule: str) -> list[Effect]:
    """The effects of a rule, in their order."""
    return [effect for effect in run.faults.effects if effect.rule == rule]
