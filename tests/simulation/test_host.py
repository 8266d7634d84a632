"""The simulated host does with messages, timeouts and deaths what the real one does."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from dispatch.app import App
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.rules.rule import Rules
from tests.kit.faults import WorkerDied
from tests.kit.storage import MemoryTable
from tests.simulation import host
from tests.simulation.agenda import Agenda
from tests.simulation.host import FunctionApp
from tests.simulation.queues import Queue
from tests.simulation.storage import Reach, Weather

Handle = Callable[[str], None]


class Site(FunctionApp):
    """Two machines whose functions are the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Handle, rearm: Handle = lambda text: None) -> None:
        monkeypatch.setattr(host, "act", lambda text, app: act(text))
        monkeypatch.setattr(host, "rearm", lambda text, app: rearm(text))
        agenda, chance = Agenda(), random.Random(1)
        actions, poison = Queue(agenda, chance), Queue(agenda, chance)
        weather = Weather(agenda, chance, failing=0.0)
        reach = Reach(weather, MemoryTable(), actions)
        app = App(Rules(), Inbox(reach, timedelta(minutes=6)), reach, agenda.now)
        super().__init__(agenda, weather, chance, actions, poison, lambda: app, size=2)


def test_a_message_that_is_done_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, lambda text: site.agenda.sleep(1))
    site.actions.put("m")
    site.agenda.run(60)
    assert (len(site.actions), len(site.poison)) == (0, 0)


def test_one_that_fails_comes_again_after_a_minute_and_is_poison_after_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """As host.json says: visibilityTimeout, maxDequeueCount. The poison queue has a function of its own."""
    at: list[float] = []
    poison: list[str] = []

    def fail(text: str) -> None:
        at.append(site.agenda.seconds)
        raise Unavailable("away")

    site = Site(monkeypatch, fail, poison.append)
    site.actions.put("m")
    site.agenda.run(3_600)
    assert len(at) == 10
    assert all(60 <= later - earlier <= 67 for earlier, later in pairwise(at))
    assert poison == ["m"]
    assert (len(site.actions), len(site.poison)) == (0, 0)


def test_poison_that_fails_comes_again_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no poison queue of a poison queue. After the tenth time nobody calls the function any more."""
    at: list[float] = []

    def fail(text: str) -> None:
        at.append(site.agenda.seconds)
        raise Unavailable("away")

    site = Site(monkeypatch, lambda text: None, fail)
    site.poison.put("m")
    site.agenda.run(7_200)
    assert len(at) == 10
    assert all(later - earlier >= 600 for earlier, later in pairwise(at))
    site.agenda.run(86_400)
    assert len(at) == 10


def test_who_takes_too_long_takes_the_whole_process_with_him(monkeypatch: pytest.MonkeyPatch) -> None:
    """After functionTimeout, with all that runs there; their messages come again a minute later."""
    ended: list[tuple[str, float]] = []

    def act(text: str) -> None:
        began = site.agenda.seconds
        try:
            site.agenda.sleep(1e6 if text == "hangs" and not ended else 400)
        except WorkerDied:
            ended.append((text, site.agenda.seconds - began))
            raise

    site = Site(monkeypatch, act)
    del site.machines[1:]
    site.actions.put("hangs")
    site.agenda.run(200)
    site.actions.put("bystander")
    site.agenda.run(120)
    assert [text for text, _ in ended] == ["hangs", "bystander"]
    assert ended[0][1] == pytest.approx(300)
    assert ended[1][1] < 110
    assert site.figures["timeouts"] == 1


def test_a_machine_that_is_gone_releases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its messages come again when their ten minutes are over; those of a process that died, after one."""
    at: list[float] = []

    def act(text: str) -> None:
        at.append(site.agenda.seconds)
        if len(at) < 3:
            [machine] = [m for m in site.machines if m.worker is site.current().worker]
            (machine.be_gone if len(at) == 1 else machine.restart)()
            site.agenda.sleep(1)

    site = Site(monkeypatch, act)
    site.actions.put("m")
    site.agenda.run(3_600)
    assert len(at) == 3
    assert 600 <= at[1] - at[0] <= 610
    assert 60 <= at[2] - at[1] <= 70


def test_a_machine_that_stands_still_goes_on_as_if_nothing_had_been(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile another one has its message; and it cannot delete that."""
    began: list[float] = []
    ended: list[float] = []

    def act(text: str) -> None:
        began.append(site.agenda.seconds)
        if len(began) == 1:
            [machine] = [m for m in site.machines if m.worker is site.current().worker]
            machine.stand_still(650)
        site.agenda.sleep(60 if len(began) == 1 else 100)
        ended.append(site.agenda.seconds)

    site = Site(monkeypatch, act)
    site.actions.put("m")
    site.agenda.run(660)
    assert [600 <= at < 610 for at in began] == [False, True]
    assert len(ended) == 1
    assert 650 <= ended[0] < 651
    assert len(site.actions) == 1
    site.agenda.run(60)
    assert (len(ended), len(site.actions)) == (2, 0)


def test_a_deployment_changes_the_machines_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that two versions are at work at once."""
    site = Site(monkeypatch, lambda text: None)
    before = [machine.worker for machine in site.machines]
    site.deploy()
    site.agenda.run(30)
    changed = [machine.worker is not worker for machine, worker in zip(site.machines, before, strict=True)]
    assert changed == [True, False]
    site.agenda.run(90)
    assert all(machine.worker not in before for machine in site.machines)
    assert all(machine.worker for machine in site.machines)


def test_storage_that_is_away_fails_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table and the queue each for itself."""
    outcomes: list[str] = []

    def act(text: str) -> None:
        app = site.current().worker.app
        try:
            app.queue.send("another", timedelta(days=1))
            outcomes.append("sent")
            app.inbox.history.days()
        except Exception as error:
            outcomes.append(str(error))
            raise

    site = Site(monkeypatch, act)
    site.weather.tables_away = True
    site.actions.put("m")
    site.agenda.run(30)
    assert outcomes == ["sent", "storage: Service Unavailable"]
