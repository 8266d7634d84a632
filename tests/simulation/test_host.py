"""The simulated host handles messages, timeouts and crashes as the real one does."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from dispatch.app import App
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.rules.rule import Rules
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import MemoryTable
from tests.simulation import host
from tests.simulation.host import FunctionApp, Machine
from tests.simulation.queues import Queue
from tests.simulation.scheduler import Scheduler
from tests.simulation.storage import Network, RemoteStorage

Handle = Callable[[str], None]


class TwoMachines(FunctionApp):
    """Two machines that run the functions of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Handle, rearm: Handle = lambda text: None) -> None:
        monkeypatch.setattr(host, "act", lambda text, app: act(text))
        monkeypatch.setattr(host, "rearm", lambda text, app: rearm(text))
        scheduler, rng = Scheduler(), random.Random(1)
        actions, poison = Queue(scheduler, rng), Queue(scheduler, rng)
        network = Network(scheduler, rng, failing=0.0)
        storage = RemoteStorage(network, MemoryTable(), actions)
        app = App(Rules(), Inbox(storage, timedelta(minutes=6)), storage, scheduler.now)
        super().__init__(scheduler, network, rng, actions, poison, lambda: app, size=2)

    def current_machine(self) -> Machine:
        """The machine of the invocation whose task runs."""
        [machine] = [machine for machine in self.machines if machine.worker is self.current().worker]
        return machine


def test_the_message_of_a_successful_call_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TwoMachines(monkeypatch, lambda text: app.scheduler.sleep(1))
    app.actions.put("m")
    app.scheduler.run(60)
    assert (len(app.actions), len(app.poison)) == (0, 0)


def test_a_failing_message_is_retried_every_minute_and_poisoned_after_ten_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """host.json has visibilityTimeout and maxDequeueCount. The poison queue has its own function."""
    at: list[float] = []
    poison: list[str] = []

    def fail(text: str) -> None:
        at.append(app.scheduler.seconds)
        raise Unavailable("no route to storage")

    app = TwoMachines(monkeypatch, fail, poison.append)
    app.actions.put("m")
    app.scheduler.run(3_600)
    assert len(at) == 10
    assert all(60 <= later - earlier <= 67 for earlier, later in pairwise(at))
    assert poison == ["m"]
    assert (len(app.actions), len(app.poison)) == (0, 0)


def test_a_failing_poison_message_is_retried_every_ten_minutes_up_to_ten_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A poison queue has no poison queue. After the tenth call the function is not called again."""
    at: list[float] = []

    def fail(text: str) -> None:
        at.append(app.scheduler.seconds)
        raise Unavailable("no route to storage")

    app = TwoMachines(monkeypatch, lambda text: None, fail)
    app.poison.put("m")
    app.scheduler.run(7_200)
    assert len(at) == 10
    assert all(later - earlier >= 600 for earlier, later in pairwise(at))
    app.scheduler.run(86_400)
    assert len(at) == 10


def test_a_call_beyond_function_timeout_ends_every_call_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their messages are visible again a minute later."""
    ended: list[tuple[str, float]] = []

    def act(text: str) -> None:
        start = app.scheduler.seconds
        try:
            app.scheduler.sleep(1e6 if text == "hangs" and not ended else 400)
        except WorkerDied:
            ended.append((text, app.scheduler.seconds - start))
            raise

    app = TwoMachines(monkeypatch, act)
    del app.machines[1:]
    app.actions.put("hangs")
    app.scheduler.run(200)
    app.actions.put("bystander")
    app.scheduler.run(120)
    assert [text for text, _ in ended] == ["hangs", "bystander"]
    assert ended[0][1] == pytest.approx(300)
    assert ended[1][1] < 110
    assert app.figures["timeouts"] == 1


def test_the_messages_of_a_lost_machine_stay_invisible_for_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a crashed process do so for one minute, because its host releases them."""
    at: list[float] = []

    def act(text: str) -> None:
        at.append(app.scheduler.seconds)
        if len(at) < 3:
            machine = app.current_machine()
            (machine.replace if len(at) == 1 else machine.restart)()
            app.scheduler.sleep(1)

    app = TwoMachines(monkeypatch, act)
    app.actions.put("m")
    app.scheduler.run(3_600)
    assert len(at) == 3
    assert 600 <= at[1] - at[0] <= 610
    assert 60 <= at[2] - at[1] <= 70


def test_a_frozen_machine_continues_its_call_while_another_one_has_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It cannot delete the message, which has been received again."""
    started: list[float] = []
    ended: list[float] = []

    def act(text: str) -> None:
        started.append(app.scheduler.seconds)
        if len(started) == 1:
            app.current_machine().freeze(650)
        app.scheduler.sleep(60 if len(started) == 1 else 100)
        ended.append(app.scheduler.seconds)

    app = TwoMachines(monkeypatch, act)
    app.actions.put("m")
    app.scheduler.run(660)
    assert [600 <= at < 610 for at in started] == [False, True]
    assert len(ended) == 1
    assert 650 <= ended[0] < 651
    assert len(app.actions) == 1
    app.scheduler.run(60)
    assert (len(ended), len(app.actions)) == (2, 0)


def test_a_deployment_restarts_the_machines_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions run at the same time meanwhile."""
    app = TwoMachines(monkeypatch, lambda text: None)
    before = [machine.worker for machine in app.machines]
    app.deploy()
    app.scheduler.run(30)
    restarted = [machine.worker is not worker for machine, worker in zip(app.machines, before, strict=True)]
    assert restarted == [True, False]
    app.scheduler.run(90)
    assert all(machine.worker not in before for machine in app.machines)
    assert all(machine.worker for machine in app.machines)


def test_an_outage_of_tables_fails_calls_to_tables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[str] = []

    def act(text: str) -> None:
        worker_app = app.current().worker.app
        try:
            worker_app.queue.send("another", timedelta(days=1))
            outcomes.append("sent")
            worker_app.inbox.history.days()
        except Exception as error:
            outcomes.append(str(error))
            raise

    app = TwoMachines(monkeypatch, act)
    app.network.tables_down = True
    app.actions.put("m")
    app.scheduler.run(30)
    assert outcomes == ["sent", "storage: Service Unavailable"]
