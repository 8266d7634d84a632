"""What the handlers of a simulation do, and the journal of it: what an outsider would have seen.

What happens to an action is drawn from its event and rule, so that it is the same whatever else happens.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, NamedTuple

from dispatch.inbox.rows import Status
from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from schemas import Event
from tests.kit.faults import WorkerDied
from tests.simulation.agenda import Agenda
from tests.simulation.host import FunctionApp, Invocation

DEADLY = "note"  # the rule whose handlers may
IDLE = "nothing to do"  # why a handler skips
SERVICES = 50  # that answer 429 now and then, each for itself
PAUSE = 300.0  # seconds that they want
FOREVER = 1_000  # times: what goes wrong so often never goes right
ENDS: dict[str, Status] = {"succeed": "succeeded", "give up": "failed", "skip": "skipped"}  # by a last stage's answer
FRESH, SKEW = 20.0, 60.0  # seconds: until all know of a pause; by which two clocks differ


class Effect(NamedTuple):
    """Something done in the world, which cannot be taken back."""

    rule: str
    event: str
    key: str
    stage: int


class Entry(NamedTuple):
    """A call of a handler that all guards let pass."""

    seconds: float
    rule: str
    event: str
    stage: int


class Stage(NamedTuple):
    """A part of an action: what goes wrong at first, and how it ends."""

    mishaps: tuple[str, ...]
    answer: str

    @property
    def comes_off(self) -> bool:
        """Is it done, sooner or later?"""
        return len(self.mishaps) < FOREVER


class End(NamedTuple):
    """How an action is to end, and how many of its stages are to be done before."""

    status: Status
    stages: int


class Deed(Handler[Event]):
    """Does what the journal of its world says, in one stage or in several."""

    world: str
    stages: int = 1

    journals: ClassVar[dict[str, "Journal"]] = {}

    def run(self, event: Event, action: Action) -> Outcome:
        return self.journals[self.world].do(self, event, action)

    def destination(self, event: Event) -> str | None:
        return self.journals[self.world].service(event)


class Exclusive(Deed):
    """One at a time per object."""

    def run(self, event: Event, action: Action) -> Outcome:
        return super().run(event, action)

    def lock(self, event: Event) -> str | None:
        return event.object


@dataclass
class Journal:
    """What was done, by whom and when, and what must not have been."""

    seed: int
    agenda: Agenda
    site: FunctionApp
    chance: random.Random
    deadly: frozenset[str] = frozenset()  # events on which the handlers of DEADLY end their process, every time
    effects: Counter[Effect] = field(default_factory=Counter)
    excused: Counter[Effect] = field(default_factory=Counter)  # lost before they could be recorded
    entries: list[Entry] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    intrusions: list[str] = field(default_factory=list)  # calls while the service wanted to be left alone
    mishaps: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)  # by event: how often it ended a process
    turns: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # by lock: events, in order

    _calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    _running: dict[str, Invocation] = field(default_factory=dict)
    _paused: dict[str, float] = field(default_factory=dict)  # by service: since when all can know of its pause

    def __post_init__(self) -> None:
        self.site.on_loss, self.site.on_pause, self.site.on_deaf = self._lose, self._pause, self._miss

    def do(self, deed: Deed, event: Event, action: Action) -> Outcome:
        """One call of a handler."""
        stage, key = int(action.state.get("stage", 0)), str(action.key)
        self.entries.append(Entry(self.agenda.seconds, action.rule, event.id, stage))
        if lock := deed.lock(event):
            self._take_turn(lock, event)
        since = self.agenda.seconds - self._paused.get(self.service(event), -PAUSE)
        if FRESH < since < PAUSE - SKEW:
            self.intrusions.append(f"{action.rule}: called {since:.0f} s after the service asked for a pause")
        with self._alone(key, action):
            call = self._calls[key, stage]
            self._calls[key, stage] += 1
            plan = self.plan(event.id, action.rule, deed.stages)[stage]
            self.agenda.sleep(self.chance.expovariate(1 / 2))
            if call < len(plan.mishaps):
                self._go_wrong(plan.mishaps[call], event)
            effect = Effect(action.rule, event.id, key, stage)
            self.effects[effect] += 1
            self.site.current().unrecorded = effect
            self.agenda.sleep(self.chance.expovariate(1 / 2))
            return _answered(plan.answer, stage)

    def service(self, event: Event) -> str:
        """What an action talks to."""
        return f"service {sum(map(ord, event.id)) % SERVICES}"

    def plan(self, event: str, rule: str, stages: int) -> list[Stage]:
        """What happens to an action."""
        if rule == DEADLY and event in self.deadly:
            return [Stage(("kill",) * FOREVER, "succeed")]
        chance = random.Random(f"{self.seed}|{event}|{rule}")
        return [Stage(_mishaps(chance), _answer(chance, last=n == stages - 1)) for n in range(stages)]

    def end(self, event: str, rule: str, stages: int) -> End:
        """What becomes of an action that no guard keeps from being called."""
        plan = self.plan(event, rule, stages)
        for number, stage in enumerate(plan):
            if not stage.comes_off:
                return End("failed", number)
        return End(ENDS[plan[-1].answer], stages)

    def _go_wrong(self, mishap: str, event: Event) -> None:
        self.mishaps[mishap] += 1
        match mishap:
            case "retry":
                raise RetryLater("busy")
            case "break":
                raise LookupError("no such thing")
            case "throttle":
                call = self.site.current()
                call.wish, call.failed = self.service(event), self.site.weather.failed
                raise RetryLater("429", timedelta(seconds=PAUSE), throttled=True)
            case "hang":
                self.agenda.sleep(100_000)
            case "kill":
                self.kills[event.id] += 1
                self.site.kill(self.site.current().worker, "workers killed by a handler")
                raise WorkerDied
        raise AssertionError(mishap)

    @contextmanager
    def _alone(self, key: str, action: Action) -> Iterator[None]:
        here, there = self.site.current(), self._running.get(key)
        if there and not there.worker.frozen_until:  # who stands still does not see its lease run out
            self.violations.append(f"{action.rule}: two workers at once, at {self.agenda.now()}")
        self._running[key] = here
        try:
            yield
        finally:
            if self._running.get(key) is here:
                del self._running[key]

    def _take_turn(self, lock: str, event: Event) -> None:
        turns = self.turns[lock]
        if not turns or turns[-1] != event.id:
            turns.append(event.id)

    def _lose(self, what: object) -> None:
        """An effect of which nothing was written down."""
        if isinstance(what, Effect):
            self.excused[what] += 1

    def _pause(self, service: str) -> None:
        """A service wants a pause, and it is written down."""
        self._paused[service] = self.agenda.seconds

    def _miss(self, service: str) -> None:
        """It is not written down: then it is because the pause that is known is long enough."""
        if self.agenda.seconds - self._paused.get(service, -PAUSE) >= PAUSE:
            self.violations.append(f"{service}: asked for a pause, and nobody knows")


def _mishaps(chance: random.Random) -> tuple[str, ...]:
    lot = chance.random()
    for share, mishaps in (
        (0.9, ()),
        (0.05, ("retry",) * chance.randint(1, 4)),
        (0.02, ("break",)),
        (0.02, ("retry", "break", "retry")),
        (0.005, ("throttle",) * chance.randint(1, 2)),
        (0.004, ("retry",) * FOREVER),
        (0.001, ("hang",)),
    ):
        lot -= share
        if lot < 0:
            return mishaps
    return ()


def _answer(chance: random.Random, *, last: bool) -> str:
    if not last:
        return f"wait {chance.choice((20, 200, 2_000, 20_000))}"
    return chance.choices(("succeed", "give up", "skip"), (95, 3, 2))[0]


def _answered(answer: str, stage: int) -> Outcome:
    word, _, seconds = answer.partition(" ")
    match word:
        case "wait":
            return CheckBack(timedelta(seconds=int(seconds)), {"stage": stage + 1})
        case "skip":
            return Skipped(IDLE)
        case "succeed":
            return Succeeded("done")
    raise GiveUp("broken")
