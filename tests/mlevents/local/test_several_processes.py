"""Several hosts on one storage account, whose workers are killed all the time.

Nothing is lost, and nothing is done twice but by workers that died between an effect and its record.
"""

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient

from dispatch.act import act
from dispatch.app import App, utc_now
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ENDED, ActionRecord
from dispatch.inbox.storage_account import Storage
from dispatch.settings import Environment
from dispatch.sweep import GRACE, sweep
from mlevents.app_settings import LocalSettings
from mlevents.local.azurite import Azurite
from schemas import RunStatusChanged
from tests.kit.effects import Effect, effects_in
from tests.kit.processes import EXAMPLE, crowd, settings_of
from tests.kit.started import ROOT

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

SEED = 20261122
STATUSES = ("Running", "Failed", "Completed")
RULES = """
rules:
  - { name: once, on: RunStatusChanged, do: "tests.kit.effects:Append", with: { file: FILE } }
  - { name: then, after: { rules: once }, do: "tests.kit.effects:Append", with: { file: FILE } }
  - name: later
    on: RunStatusChanged
    when: [data.runStatus StringIn Failed]
    do: tests.kit.effects:Append
    with: { file: FILE, first_wait: 1 }
"""


def some_events(count: int) -> list[RunStatusChanged]:
    """Of as many runs, over a day."""
    start = datetime.fromisoformat("2026-11-22T00:00:00Z")
    return [
        RunStatusChanged.example(
            id=f"e{n}",
            run_id=f"run-{n}",
            run_status=STATUSES[n % len(STATUSES)],
            event_time=(start + timedelta(seconds=40 * n)).isoformat(),
        )
        for n in range(count)
    ]


def with_duplicates(events: Sequence[RunStatusChanged], share: float) -> list[dict[str, Any]]:
    """As Event Grid may deliver them: some again, and in any order."""
    chance = random.Random(SEED)
    sent = [event.wire() for event in (*events, *chance.sample(events, round(len(events) * share)))]
    chance.shuffle(sent)
    return sent


@dataclass
class Scene:
    """Events, the settings of hosts that take them, and what is there of them afterwards."""

    folder: Path
    settings: dict[str, str]
    events: list[RunStatusChanged]

    @property
    def file(self) -> Path:
        return self.folder / "effects.jsonl"

    def app(self, ahead: timedelta = timedelta()) -> App:
        """The app in this process; its clock may be ahead."""
        values = {**LocalSettings.read(EXAMPLE).values, **self.settings}
        return replace(App.from_settings(values, ROOT), now=lambda: utc_now() + ahead)

    def records(self) -> dict[tuple[str, str], ActionRecord]:
        """Of all actions, by event and rule."""
        inbox, found = self.app().inbox, dict[tuple[str, str], ActionRecord]()
        for day in inbox.history.days():
            history = inbox.history.day(day)
            found |= {(history.events[id.event].id, id.rule): record for id, record in history.actions}
        return found

    def open(self) -> list[ActionId]:
        """The actions that have not ended."""
        inbox = self.app().inbox
        return [id for day in inbox.history.days() for id in inbox.backlog.open_actions(day)]

    @contextmanager
    def queue(self) -> Iterator[QueueClient]:
        """The queue of actions."""
        with Storage.of(Environment(self.settings)).queue(self.settings["MLEVENTS_QUEUE"]) as queue:
            yield queue

    def end(self) -> None:
        """One more worker does what the others have left, over the next hour."""
        with self.queue() as queue:
            for n in range(10):
                later = self.app(ahead=GRACE * (n + 1.5))
                sweep(later)
                for message in queue.receive_messages():
                    act(message.content, later)
                    queue.delete_message(message)
                if not self.open():
                    return
        raise AssertionError(f"these do not end: {self.open()}")

    def wait_for_the_end(self, seconds: float) -> None:
        """The workers end what is left when leases are over; what has no message gets one from a sweep, as later on."""
        until, app = time.monotonic() + seconds, self.app()
        with self.queue() as queue, pytest.MonkeyPatch.context() as patch:
            patch.setattr("dispatch.sweep.GRACE", timedelta(seconds=10))  # the queue is empty: no message is on its way
            while left := self.open():
                assert time.monotonic() < until, f"these do not end: {left}"
                if not queue.get_queue_properties().approximate_message_count:
                    sweep(app)
                time.sleep(1)


@pytest.fixture
def scene(azurite: Azurite, tmp_path: Path) -> Scene:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "workspaces.yaml").write_text((ROOT / "rules" / "workspaces.yaml").read_text())
    (rules / "team.yaml").write_text(RULES.replace("FILE", str(tmp_path / "effects.jsonl")))
    return Scene(tmp_path, settings_of(azurite.connection_string, rules), [])


@dataclass
class Sums:
    """What a run came to."""

    effects: int
    repeated: int


def check(scene: Scene, killed: set[int]) -> Sums:
    """Every event is there, every action has ended once, and what was done twice was done by workers that died."""
    expected = {(event.id, rule) for event in scene.events for rule in ("once", "then")}
    expected |= {(event.id, "later") for event in scene.events if event.data.run_status == "Failed"}
    records = scene.records()
    assert records.keys() == expected
    for record in records.values():
        assert record.status == "succeeded"
        assert sum(moment.status in ENDED for moment in record.timeline) == 1
    assert scene.open() == []
    done: defaultdict[tuple[str, str], list[Effect]] = defaultdict(list)
    for effect in effects_in(scene.file):
        done[effect.event, effect.rule].append(effect)
    assert done.keys() == expected
    for effects in done.values():
        assert len({effect.key for effect in effects}) == 1
        assert {effect.pid for effect in effects[:-1]} <= killed
    count = sum(map(len, done.values()))
    return Sums(count, count - len(done))


def test_two_workers_that_are_killed(scene: Scene) -> None:
    """In the middle of things, one or the other, three times; what is under way then is taken up by another."""
    scene.events = some_events(60)
    deliveries = with_duplicates(scene.events, 0.3)
    with crowd(2, scene.settings, scene.folder, SEED) as hosts:
        for start in range(0, len(deliveries), 26):
            hosts.deliver_all(deliveries[start : start + 26], at_once=4)
            hosts.kill_one()
    scene.end()
    assert len(hosts.killed) == 3
    check(scene, hosts.killed)


@pytest.mark.soak
def test_four_workers_that_are_killed_every_second(scene: Scene) -> None:
    """Two thousand events, three in ten of them twice."""
    scene.events = some_events(2_000)
    with crowd(4, scene.settings, scene.folder, SEED) as hosts:
        began = time.monotonic()
        with hosts.dying(every=1.0, at_least=60):
            hosts.deliver_all(with_duplicates(scene.events, 0.3), at_once=16)
        scene.wait_for_the_end(seconds=900)
        took = time.monotonic() - began
    sums = check(scene, hosts.killed)
    print(
        f"\n{len(scene.events)} events, {hosts.deliveries} deliveries ({hosts.refused} not taken), "
        f"{len(hosts.killed)} workers killed, {len(scene.records())} actions, {sums.effects} effects, "
        f"{sums.repeated} of them repeated, {took:.0f} s"
    )
