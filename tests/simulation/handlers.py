"""Handlers of a simulation, and the log of their calls and effects, which the invariants compare with the record."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, NamedTuple

from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from mlevents.testing.runs import WorkerDied
from schemas import Event
from tests.kit.faults import Effect
from tests.simulation.host import FunctionApp, Invocation
from tests.simulation.scheduler import Scheduler
from tests.simulation.script import Script

SKIPPED = "nothing to do"  # the note of a handler that skips
SERVICES = 50  # services that handlers call; each may answer 429
RETRY_AFTER = 300.0  # seconds, of a 429
PROPAGATION = 20.0  # seconds until all workers know of a 429
SKEW = 60.0  # seconds by which two clocks differ at most


class Call(NamedTuple):
    """A call of a handler, which all guards have allowed."""

    seconds: float
    rule: str
    event: str
    stage: int
    by_frozen_worker: bool  # which may have been frozen between the guards and the call


class Simulated(Handler[Event]):
    """Follows the script of its simulation, in one stage or several."""

    simulation: str
    stages: int = 1

    logs: ClassVar[dict[str, "HandlerLog"]] = {}  # by simulation

    def run(self, event: Event, action: Action) -> Outcome:
        return self.logs[self.simulation].run(self, event, action)

    def destination(self, event: Event) -> str | None:
        return service_of(event)


class Locked(Simulated):
    """A simulated handler with one lock per object."""

    def run(self, event: Event, action: Action) -> Outcome:
        return super().run(event, action)

    def lock(self, event: Event) -> str | None:
        return event.object


def service_of(event: Event) -> str:
    """The service that the handler calls about an event."""
    return f"service {sum(map(ord, event.id)) % SERVICES}"


@dataclass
class HandlerLog:
    """Runs simulated handlers by their scripts, and logs calls, effects and violations."""

    script: Script
    scheduler: Scheduler
    function_app: FunctionApp
    rng: random.Random
    effects: Counter[Effect] = field(default_factory=Counter)
    repeatable: Counter[Effect] = field(default_factory=Counter)  # a fault came between the effect and its record
    calls: list[Call] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    calls_while_throttled: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)  # processes that a handler has killed, by event
    lock_holders: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # events, in order

    _calls: Counter[tuple[str, int]] = field(default_factory=Counter)  # by key of the action and stage
    _running: dict[str, Invocation] = field(default_factory=dict)  # by key of the action
    _throttled: dict[str, float] = field(default_factory=dict)  # the time at which it was recorded, by service

    def __post_init__(self) -> None:
        self.function_app.on_unrecorded_effect = self._allow_repetition
        self.function_app.on_throttle_recorded = self._throttle_recorded
        self.function_app.on_throttle_unrecorded = self._throttle_unrecorded

    def run(self, handler: Simulated, event: Event, action: Action) -> Outcome:
        """Make one call of a handler, by its script."""
        stage, key = int(action.state.get("stage", 0)), str(action.key)
        frozen = self.function_app.current().worker.frozen_until > 0
        self.calls.append(Call(self.scheduler.seconds, action.rule, event.id, stage, frozen))
        if lock := handler.lock(event):
            self._log_lock(lock, event)
        since = self.scheduler.seconds - self._throttled.get(service_of(event), -RETRY_AFTER)
        if PROPAGATION < since < RETRY_AFTER - SKEW:
            self.calls_while_throttled.append(f"{action.rule}: called its service {since:.0f} s after its 429")
        with self._only_call(key, action):
            call = self._calls[key, stage]
            self._calls[key, stage] += 1
            script = self.script.stages(event.id, action.rule, handler.stages)[stage]
            self.scheduler.sleep(self.rng.expovariate(1 / 2))
            if call < len(script.faults):
                self._inject(script.faults[call], event)
            effect = Effect(action.rule, event.id, key, step=stage)
            self.effects[effect] += 1
            self.function_app.current().unrecorded = effect
            self.scheduler.sleep(self.rng.expovariate(1 / 2))
            return _outcome(script.outcome, stage)

    def _inject(self, fault: str, event: Event) -> None:
        self.faults[fault] += 1
        match fault:
            case "retry":
                raise RetryLater("busy")
            case "break":
                raise LookupError("no such thing")
            case "throttle":
                invocation = self.function_app.current()
                invocation.throttled_by = service_of(event)
                invocation.failed_before = self.function_app.network.failed
                raise RetryLater("429", timedelta(seconds=RETRY_AFTER), throttled=True)
            case "hang":
                self.scheduler.sleep(100_000)
            case "kill":
                self.kills[event.id] += 1
                self.function_app.kill(self.function_app.current().worker, "workers killed by a handler")
                raise WorkerDied
        raise AssertionError(fault)

    @contextmanager
    def _only_call(self, key: str, action: Action) -> Iterator[None]:
        """Log a violation if another worker runs the same action."""
        this, other = self.function_app.current(), self._running.get(key)
        if other and not other.worker.frozen_until:  # a frozen worker does not notice that its lease has expired
            self.violations.append(f"{action.rule}: two workers at the same time, at {self.scheduler.now()}")
        self._running[key] = this
        try:
            yield
        finally:
            if self._running.get(key) is this:
                del self._running[key]

    def _log_lock(self, lock: str, event: Event) -> None:
        holders = self.lock_holders[lock]
        if not holders or holders[-1] != event.id:
            holders.append(event.id)

    def _allow_repetition(self, effect: object) -> None:
        """Allow an effect to be repeated, because its invocation ended before it was recorded."""
        if isinstance(effect, Effect):
            self.repeatable[effect] += 1

    def _throttle_recorded(self, service: str) -> None:
        self._throttled[service] = self.scheduler.seconds

    def _throttle_unrecorded(self, service: str) -> None:
        """Log a violation, unless an earlier 429 of the service, which still applies, is recorded."""
        if self.scheduler.seconds - self._throttled.get(service, -RETRY_AFTER) >= RETRY_AFTER:
            self.violations.append(f"{service}: its 429 was not recorded")


def _outcome(outcome: str, stage: int) -> Outcome:
    word, _, seconds = outcome.partition(" ")
    match word:
        case "wait":
            return CheckBack(timedelta(seconds=int(seconds)), {"stage": stage + 1})
        case "skip":
            return Skipped(SKIPPED)
        case "succeed":
            return Succeeded("done")
    raise GiveUp("broken")
