"""Storage that fails in the middle of things, under the real SDKs, over a real network, against Azurite.

A story is told in which every call to storage is made: an event comes, twice; rules retry, wait, follow, take turns
and have guards; a rules file is mended; the host gives up a message; the sweep takes up what is left. It is told once
undisturbed, and then once for each kind of request and each thing that can happen to one.
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
from dispatch.inbox.history import DayHistory
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureQueue, AzureTable
from dispatch.receive import receive
from dispatch.settings import Environment
from dispatch.sweep import sweep
from mlevents.local.azurite import Azurite
from schemas import Event
from tests.dispatch.test_receive import RAW
from tests.kit.faulty_proxy import FAULTS, RIVALRY, Fault, Middleman, Request, standing_between
from tests.kit.world import LEASE, Scripted, World, rule, rules

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

DAY = "2026-11-22"
SEED = 20261122
RULES = rules(
    rule("retries", "retry", "wait 60", "succeed", latest_only="true", at_most="{ count: 1, every: 1d }"),
    rule("fails", "give-up"),
    rule("follows", after="{ rules: [retries, fails], outcome: any }"),
    rule("in-turn").replace("SCRIPTED", "tests.dispatch.inbox.test_storage_faults:InTurn"),
)
MENDED = rules(rule("mended", "wait 5", "succeed"), rule("mended-after", after="{ rules: fails, outcome: failed }"))
CALLS = {"retries": 3, "fails": 1, "follows": 1, "in-turn": 1, "mended": 2, "mended-after": 1}
ENDS = {rule: "failed" if rule == "fails" else "succeeded" for rule in CALLS}


class InTurn(Scripted):
    """Runs one at a time."""

    def lock(self, event: Event) -> str:
        return event.object


@dataclass
class Undelayed:
    """The real queue, where no message waits: the app itself puts back what comes too early."""

    inner: AzureQueue

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        self.inner.send(message)


@dataclass
class Telling:
    """The story, told over storage that a middleman stands before; looked at past him."""

    world: World
    app: App
    past: Inbox
    messages: list[str]  # those in the queue
    repeated: Counter[str] = field(default_factory=Counter)  # calls of handlers whose end could not be written down
    released: list[str] = field(default_factory=list)
    timelines: dict[str, list[str]] = field(default_factory=dict)  # of each action in the end: what it says

    def tell(self) -> None:
        """From the first delivery until nothing is left to be done."""
        for _ in range(2):
            self._deliver()
        self.world.write(MENDED, "other.yaml")
        self.app = App(self.world.loaded, self.app.inbox, self.app.queue, self.world.clock, self.world.sleep)
        poison = self._taken()[:1]
        self._try(lambda: rearm(poison[0], self.app))
        for _ in range(60):
            for message in self._taken():
                self._act(message)
            self.world.clock.forward(minutes=1)
            if not self.released and not self.messages:
                if self.ended:
                    return
                self.world.clock.forward(minutes=11)
                self._try(lambda: sweep(self.app))

    def _deliver(self) -> None:
        """As Event Grid does: again until it is answered with success, and then it must be there."""
        while not self._try(lambda: receive(RAW, self.app)):
            self.world.clock.forward(seconds=30)
        assert len(self.past.history.day(DAY).events) == 1

    def _taken(self) -> list[str]:
        """All messages that are there, and those that came back because their calls failed."""
        taken = self.released + self.messages
        self.released.clear()
        self.messages.clear()
        return taken

    @property
    def ended(self) -> bool:
        """Is nothing left for the sweep either?"""
        return not self.past.backlog.open_actions(DAY) and not list(self.past.backlog.deferred_matches(DAY))

    def _act(self, message: str) -> None:
        before = len(self.world.calls)
        if not self._try(lambda: act(message, self.app)):
            self.released.append(message)
            self.repeated.update(call.action.rule for call in self.world.calls[before:])

    def _try(self, call: Callable[[], None]) -> bool:
        """Whether it succeeded. Raises whatever is not storage's own error."""
        try:
            call()
        except StorageError:
            return False
        return True

    @property
    def history(self) -> DayHistory:
        return self.past.history.day(DAY)


Plan = Callable[[int], Fault | None]


class Tell(Protocol):
    """Tells the story."""

    def __call__(self, plan: Plan, *, rivals: bool = False) -> tuple[Telling, Middleman]: ...


@pytest.fixture(scope="module")
def quick() -> Iterator[list[Middleman]]:
    """Nobody pauses, nor waits long for an answer that does not come; to be told who stands between."""
    between, send = list[Middleman](), RequestsTransport.send

    def impatient(self: RequestsTransport, request: Any, **how: Any) -> Any:
        fault = between[-1].coming if between and str(between[-1].port) in request.url else None
        return send(self, request, **{**how, **({"read_timeout": 0.1} if fault and fault.is_silent else {})})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RequestsTransport, "send", impatient)
        patch.setattr(RequestsTransport, "sleep", lambda *_: None)
        yield between


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(scope="module")
def tell(quick: list[Middleman], azurite: Azurite) -> Tell:
    """Tells the story, with what happens to each request; all in storage of its own."""

    def tell(plan: Plan, *, rivals: bool = False) -> tuple[Telling, Middleman]:
        name = f"t{uuid4().hex}"
        with ExitStack() as stack:
            between = stack.enter_context(standing_between(azurite))
            storage, past = (
                Storage.of(Environment({"AzureWebJobsStorage": one.connection_string})) for one in (between, azurite)
            )
            world = World(RULES, Path(stack.enter_context(TemporaryDirectory())))
            world.write("rules: [nonsense]", "other.yaml")
            inbox = Inbox(AzureTable(stack.enter_context(storage.table(name))), LEASE)
            queue = Undelayed(AzureQueue(stack.enter_context(storage.queue(name))))
            looking = Inbox(AzureTable(stack.enter_context(past.table(name))), LEASE)
            app = App(world.loaded, inbox, queue, world.clock, world.sleep)
            telling = Telling(world, app, looking, between.delivered)
            between.plan, between.rivals = plan, rivals
            quick.append(between)
            telling.tell()
            check(telling, between)
            telling.timelines = {
                record.rule: [f"{moment.status} {moment.note}" for moment in record.timeline]
                for _, record in telling.history.actions
            }
        return telling, between

    return tell


def check(telling: Telling, between: Middleman) -> None:
    """Every action has ended, once; was done once, except where its end could not be written down; nothing is left."""
    happened = "; ".join(between.struck)
    history = telling.history
    assert {record.rule: record.status for _, record in history.actions} == ENDS, happened
    for _, record in history.actions:
        assert sum(moment.status in {"succeeded", "failed"} for moment in record.timeline) == 1, happened
    assert telling.ended, happened
    assert history.rejected == [], happened
    calls = Counter(call.action.rule for call in telling.world.calls)
    assert calls - telling.repeated <= Counter(CALLS) <= calls, f"{calls} after {happened}"
    keys = {(call.action.rule, call.action.key) for call in telling.world.calls}
    assert len(keys) == len(CALLS), happened


def at(place: int, fault: Fault) -> Plan:
    """It happens to one request."""
    return lambda number: fault if number == place else None


def healthy(number: int) -> None:
    """Nothing happens."""


@pytest.fixture(scope="module")
def undisturbed(tell: Tell) -> tuple[Telling, Middleman]:
    return tell(healthy)


def test_the_story_has_every_call(undisturbed: tuple[Telling, Middleman]) -> None:
    """Undisturbed, nothing is done twice."""
    telling, between = undisturbed
    assert Counter(call.action.rule for call in telling.world.calls) == CALLS
    kinds = Counter(request.kind for request in between.requests)
    assert kinds.keys() == {"make the table", "make the queue", "commit", "read", "send"}


def possible(requests: list[Request], times: int) -> Iterator[tuple[int, Fault]]:
    """Each thing that can happen to the first request of each shape, so many times in a row."""
    first = {request.shape: place for place, request in reversed([*enumerate(requests)])}
    for place in sorted(first.values()):
        for fault in FAULTS:
            yield place, replace(fault, times=times)
        if requests[place].kind == "commit":
            yield place, RIVALRY


def costs_nothing(telling: Telling, fault: Fault) -> bool:
    """A request that fails once is made again: no handler is called again, and nobody is taken for dead."""
    died = any("died" in moment for timeline in telling.timelines.values() for moment in timeline)
    return not telling.repeated and (fault.rival or not died)


@pytest.mark.parametrize("status", ["running", "waiting", "succeeded"])
def test_a_lost_answer_costs_nothing(status: str, tell: Tell, undisturbed: tuple[Telling, Middleman]) -> None:
    """To what claims, puts back and ends actions."""
    lost = next(fault for fault in FAULTS if fault.name == "hung up after")
    requests = undisturbed[1].requests
    place = next(n for n, request in enumerate(requests) if f'"status": "{status}"' in request.shape)
    telling, _ = tell(at(place, lost))
    assert telling.timelines == undisturbed[0].timelines


def test_a_fault_of_storage_does_no_harm(tell: Tell, undisturbed: tuple[Telling, Middleman]) -> None:
    """Some of those that the soak has all of."""
    between = undisturbed[1]
    chance = random.Random(SEED)
    for times in (1, 3):
        for place, fault in chance.sample([*possible(between.requests, times)], 2):
            telling, _ = tell(at(place, fault))
            assert times > 1 or costs_nothing(telling, fault), f"{fault} at {place}"


def test_a_rival_at_every_kind_of_commit_does_no_harm(tell: Tell) -> None:
    """At the first of each, in one telling; each alone is in the soak, and in test_crashes over storage in memory."""
    telling, between = tell(healthy, rivals=True)
    shapes = {request.shape for request in between.requests if request.kind == "commit"}
    assert between.struck == [f"{RIVALRY}: commit"] * len(shapes)
    assert len(shapes) > 10
    assert not telling.repeated
    assert any("died" in moment for timeline in telling.timelines.values() for moment in timeline), "a rival's claim"


def in_trouble(seed: int) -> Plan:
    """One request in five goes wrong, in one way or another."""

    def plan(number: int) -> Fault | None:
        chance = random.Random(f"{seed} {number}")
        return chance.choice((*FAULTS, RIVALRY)) if chance.random() < 0.2 else None

    return plan


def test_a_storage_that_is_always_in_trouble_does_no_harm(tell: Tell) -> None:
    _, between = tell(in_trouble(SEED))
    assert len(between.struck) > 5


@pytest.mark.soak
@pytest.mark.parametrize("first", range(SEED, SEED + 100, 20))
def test_many_storages_that_are_always_in_trouble_do_no_harm(first: int, tell: Tell) -> None:
    told = [tell(in_trouble(seed))[1] for seed in range(first, first + 20)]
    struck, of = sum(len(one.struck) for one in told), sum(len(one.requests) for one in told)
    print(f"\n{struck} of {of} requests went wrong, in {len(told)} tellings")


@pytest.mark.soak
@pytest.mark.parametrize("times", [1, 3])
def test_every_fault_of_storage_at_every_request(
    times: int, tell: Tell, undisturbed: tuple[Telling, Middleman]
) -> None:
    """Alone, it costs nothing: the SDKs repeat the request, and the app knows its own commits."""
    between = undisturbed[1]
    told, repeated = 0, Counter[str]()
    for place, fault in possible(between.requests, times):
        telling, _ = tell(at(place, fault))
        told, repeated = told + 1, repeated + telling.repeated
        assert times > 1 or costs_nothing(telling, fault), f"{fault} at {place}"
    kinds = len({request.shape for request in between.requests})
    print(f"\n{kinds} kinds of requests; {told} tellings, faults x{times}; handlers called again: {dict(repeated)}")
