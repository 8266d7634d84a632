"""Inject faults into storage under the real SDKs, over a real network, in front of Azurite.

One scenario makes every call to storage: an event is delivered twice; rules retry, wait, follow, share a lock and have
guards; a rules file is fixed; the host gives up a message; the sweep requeues an action. It runs once without faults,
and then once for each fault at each kind of request.
"""

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from uuid import uuid4

import pytest
from azure.core.pipeline.transport import RequestsTransport

from dispatch.act import act, rearm
from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.records import DayHistory
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureQueue, AzureTable
from dispatch.receive import receive
from dispatch.settings import Environment
from dispatch.sweep import sweep
from mlevents.local.azurite import Azurite
from schemas import Event
from tests.dispatch.test_receive import RAW
from tests.kit.faulty_proxy import CONFLICT, FAULTS, FaultyProxy, NetworkFault, Request, running_proxy
from tests.kit.world import LEASE, Scripted, World, rule, rules

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

DAY = "2026-11-22"
SEED = 20261122
RULES = rules(
    rule("retries", "retry", "wait 60", "succeed", latest_only="true", at_most="{ count: 1, every: 1d }"),
    rule("fails", "give-up"),
    rule("follows", after="{ rules: [retries, fails], outcome: any }"),
    rule("locked").replace("SCRIPTED", "tests.dispatch.inbox.test_storage_faults:Locked"),
)
FIXED = rules(rule("fixed", "wait 5", "succeed"), rule("fixed-after", after="{ rules: fails, outcome: failed }"))
CALLS = {"retries": 3, "fails": 1, "follows": 1, "locked": 1, "fixed": 2, "fixed-after": 1}
ENDS = {rule: "failed" if rule == "fails" else "succeeded" for rule in CALLS}


class Locked(Scripted):
    """A scripted handler whose actions share one lock."""

    def lock(self, event: Event) -> str:
        return event.object


@dataclass
class Undelayed:
    """The real queue without delays: the app sends a message again that comes too early."""

    inner: AzureQueue

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        self.inner.send(message)


@dataclass
class ScenarioRun:
    """One run of the scenario through the proxy; `direct` reads without it."""

    world: World
    app: App
    direct: Inbox
    messages: list[str]  # those in the queue
    repeated: Counter[str] = field(default_factory=Counter)  # calls of handlers that could not be settled
    released: list[str] = field(default_factory=list)
    timelines: dict[str, list[str]] = field(default_factory=dict)  # of each action, when the run has ended

    def run(self) -> None:
        """Run from the first delivery until no work is left."""
        for _ in range(2):
            self._deliver()
        self.world.write(FIXED, "other.yaml")
        self.app = App(self.world.loaded, self.app.inbox, self.app.queue, self.world.clock, self.world.sleep)
        poison = self._dequeue()[:1]
        self._try(lambda: rearm(poison[0], self.app))
        for _ in range(60):
            for message in self._dequeue():
                self._act(message)
            self.world.clock.forward(minutes=1)
            if not self.released and not self.messages:
                if self.ended:
                    return
                self.world.clock.forward(minutes=11)
                self._try(lambda: sweep(self.app))

    def _deliver(self) -> None:
        """Deliver the event as Event Grid does, until it is accepted; then it must be recorded."""
        while not self._try(lambda: receive(RAW, self.app)):
            self.world.clock.forward(seconds=30)
        assert len(self.direct.history.day(DAY).events) == 1

    def _dequeue(self) -> list[str]:
        """Take all messages, those of failed calls first."""
        messages = self.released + self.messages
        self.released.clear()
        self.messages.clear()
        return messages

    @property
    def ended(self) -> bool:
        """Is there no open or deferred work?"""
        return not self.direct.backlog.open_actions(DAY) and not list(self.direct.backlog.deferred_matches(DAY))

    def _act(self, message: str) -> None:
        before = len(self.world.calls)
        if not self._try(lambda: act(message, self.app)):
            self.released.append(message)
            self.repeated.update(call.action.rule for call in self.world.calls[before:])

    def _try(self, call: Callable[[], None]) -> bool:
        """Make a call; False if it raised StorageError."""
        try:
            call()
        except StorageError:
            return False
        return True

    @property
    def history(self) -> DayHistory:
        return self.direct.history.day(DAY)


Plan = Callable[[int], NetworkFault | None]


class RunScenario(Protocol):
    """Runs the scenario with the faults of a plan."""

    def __call__(self, plan: Plan, *, conflicts: bool = False) -> tuple[ScenarioRun, FaultyProxy]: ...


@pytest.fixture(scope="module")
def quick() -> Iterator[list[FaultyProxy]]:
    """Shorten sleeps, and the timeout of a request that gets no response. Append the current proxy to this list."""
    proxy, send = list[FaultyProxy](), RequestsTransport.send

    def impatient(self: RequestsTransport, request: Any, **how: Any) -> Any:
        fault = proxy[-1].next_fault if proxy and str(proxy[-1].port) in request.url else None
        return send(self, request, **{**how, **({"read_timeout": 0.1} if fault and fault.is_silent else {})})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RequestsTransport, "send", impatient)
        patch.setattr(RequestsTransport, "sleep", lambda *_: None)
        yield proxy


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(scope="module")
def run_scenario(quick: list[FaultyProxy], azurite: Azurite) -> RunScenario:
    """Run the scenario with the faults of a plan, in a new table and a new queue."""

    def run_scenario(plan: Plan, *, conflicts: bool = False) -> tuple[ScenarioRun, FaultyProxy]:
        name = f"t{uuid4().hex}"
        with ExitStack() as stack:
            proxy = stack.enter_context(running_proxy(azurite))
            storage, direct = (
                Storage.of(Environment({"AzureWebJobsStorage": one.connection_string})) for one in (proxy, azurite)
            )
            world = World(RULES, Path(stack.enter_context(TemporaryDirectory())))
            world.write("rules: [nonsense]", "other.yaml")
            inbox = Inbox(AzureTable(stack.enter_context(storage.table(name))), LEASE)
            queue = Undelayed(AzureQueue(stack.enter_context(storage.queue(name))))
            inspected = Inbox(AzureTable(stack.enter_context(direct.table(name))), LEASE)
            app = App(world.loaded, inbox, queue, world.clock, world.sleep)
            run = ScenarioRun(world, app, inspected, proxy.delivered)
            proxy.plan, proxy.conflicts = plan, conflicts
            quick.append(proxy)
            run.run()
            check(run, proxy)
            run.timelines = {
                record.rule: [f"{entry.status} {entry.note}" for entry in record.timeline]
                for _, record in run.history.actions
            }
        return run, proxy

    return run_scenario


def check(run: ScenarioRun, proxy: FaultyProxy) -> None:
    """Check that each action ended once, that no call was repeated without a reason, and that no work is left."""
    happened = "; ".join(proxy.injected)
    history = run.history
    assert {record.rule: record.status for _, record in history.actions} == ENDS, happened
    for _, record in history.actions:
        assert sum(entry.status in {"succeeded", "failed"} for entry in record.timeline) == 1, happened
    assert run.ended, happened
    assert history.rejected == [], happened
    calls = Counter(call.action.rule for call in run.world.calls)
    assert calls - run.repeated <= Counter(CALLS) <= calls, f"{calls} after {happened}"
    keys = {(call.action.rule, call.action.key) for call in run.world.calls}
    assert len(keys) == len(CALLS), happened


def at(place: int, fault: NetworkFault) -> Plan:
    """A fault at one request."""
    return lambda number: fault if number == place else None


def no_fault(number: int) -> None:
    """No fault at any request."""


@pytest.fixture(scope="module")
def undisturbed(run_scenario: RunScenario) -> tuple[ScenarioRun, FaultyProxy]:
    return run_scenario(no_fault)


def test_the_scenario_makes_every_kind_of_request(undisturbed: tuple[ScenarioRun, FaultyProxy]) -> None:
    """Without faults no handler is called twice."""
    run, proxy = undisturbed
    assert Counter(call.action.rule for call in run.world.calls) == CALLS
    kinds = Counter(request.kind for request in proxy.requests)
    assert kinds.keys() == {"create the table", "create the queue", "commit", "read", "send"}


def possible(requests: list[Request], times: int) -> Iterator[tuple[int, NetworkFault]]:
    """Each fault at the first request of each shape, and as many consecutive requests as `times` says."""
    first = {request.shape: place for place, request in reversed([*enumerate(requests)])}
    for place in sorted(first.values()):
        for fault in FAULTS:
            yield place, replace(fault, times=times)
        if requests[place].kind == "commit":
            yield place, CONFLICT


def costs_nothing(run: ScenarioRun, fault: NetworkFault) -> bool:
    """Was the failed request repeated, so that no handler was called again and no worker was taken for dead?"""
    died = any("died" in entry for timeline in run.timelines.values() for entry in timeline)
    return not run.repeated and (fault.conflict or not died)


@pytest.mark.parametrize("status", ["running", "waiting", "succeeded"])
def test_a_lost_response_to_a_commit_changes_nothing(
    status: str, run_scenario: RunScenario, undisturbed: tuple[ScenarioRun, FaultyProxy]
) -> None:
    """Commits that claim an action, delay it and end it."""
    lost = next(fault for fault in FAULTS if fault.name == "closed after")
    requests = undisturbed[1].requests
    place = next(n for n, request in enumerate(requests) if f'"status": "{status}"' in request.shape)
    run, _ = run_scenario(at(place, lost))
    assert run.timelines == undisturbed[0].timelines


def test_a_fault_at_any_request_does_no_harm(
    run_scenario: RunScenario, undisturbed: tuple[ScenarioRun, FaultyProxy]
) -> None:
    """A sample; the soak has all of them."""
    proxy = undisturbed[1]
    chance = random.Random(SEED)
    for times in (1, 3):
        for place, fault in chance.sample([*possible(proxy.requests, times)], 2):
            run, _ = run_scenario(at(place, fault))
            assert times > 1 or costs_nothing(run, fault), f"{fault} at {place}"


def test_a_conflict_at_every_kind_of_commit_does_no_harm(run_scenario: RunScenario) -> None:
    """In one run, at the first commit of each shape. The soak has each alone, as has test_crashes.py in memory."""
    run, proxy = run_scenario(no_fault, conflicts=True)
    shapes = {request.shape for request in proxy.requests if request.kind == "commit"}
    assert proxy.injected == [f"{CONFLICT}: commit"] * len(shapes)
    assert len(shapes) > 10
    assert not run.repeated
    assert any("died" in entry for timeline in run.timelines.values() for entry in timeline), (
        "the claim of another worker"
    )


def frequent_faults(seed: int) -> Plan:
    """A random fault at one request in five."""

    def plan(number: int) -> NetworkFault | None:
        chance = random.Random(f"{seed} {number}")
        return chance.choice((*FAULTS, CONFLICT)) if chance.random() < 0.2 else None

    return plan


def test_frequent_faults_do_no_harm(run_scenario: RunScenario) -> None:
    _, proxy = run_scenario(frequent_faults(SEED))
    assert len(proxy.injected) > 5


@pytest.mark.soak
@pytest.mark.parametrize("first", range(SEED, SEED + 100, 20))
def test_frequent_faults_do_no_harm_with_many_seeds(first: int, run_scenario: RunScenario) -> None:
    runs = [run_scenario(frequent_faults(seed))[1] for seed in range(first, first + 20)]
    injected, of = sum(len(one.injected) for one in runs), sum(len(one.requests) for one in runs)
    print(f"\n{injected} of {of} requests had a fault, in {len(runs)} runs")


@pytest.mark.soak
@pytest.mark.parametrize("times", [1, 3])
def test_every_fault_of_storage_at_every_request_changes_nothing(
    times: int, run_scenario: RunScenario, undisturbed: tuple[ScenarioRun, FaultyProxy]
) -> None:
    """A single fault changes nothing: the SDKs repeat the request, and the app recognizes its own commits."""
    proxy = undisturbed[1]
    count, repeated = 0, Counter[str]()
    for place, fault in possible(proxy.requests, times):
        run, _ = run_scenario(at(place, fault))
        count, repeated = count + 1, repeated + run.repeated
        assert times > 1 or costs_nothing(run, fault), f"{fault} at {place}"
    kinds = len({request.shape for request in proxy.requests})
    print(f"\n{kinds} kinds of requests; {count} runs, faults x{times}; handlers called again: {dict(repeated)}")
