"""Several hosts on one storage account, whose workers are killed again and again.

No event is lost, and an effect is repeated only if its worker died before recording it.
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
from tests.kit.processes import EXAMPLE, run_hosts, settings_of
from tests.kit.started import ROOT

pytestmark = pytest.mark.no_cover  # slow under coverage, and other tests cover the same lines

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
    """Events of as many runs, 40 seconds apart."""
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
    """The events as Event Grid may deliver them: some twice, and in any order."""
    chance = random.Random(SEED)
    sent = [event.wire() for event in (*events, *chance.sample(events, round(len(events) * share)))]
    chance.shuffle(sent)
    return sent


@dataclass
class Scenario:
    """Events, the settings of the hosts that receive them, and the records and effects afterwards."""

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
        """The records of all actions, by event and rule."""
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
        """Carry out the remaining actions in this process, with a clock that runs ahead."""
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
        """Wait until the workers have carried out the remaining actions; a sweep sends messages that are missing."""
        until, app = time.monotonic() + seconds, self.app()
        with self.queue() as queue, pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "dispatch.sweep.GRACE", timedelta(seconds=10)
            )  # the queue is empty, so no message is in transit
            while left := self.open():
                assert time.monotonic() < until, f"these do not end: {left}"
                if not queue.get_queue_properties().approximate_message_count:
                    sweep(app)
                time.sleep(1)


@pytest.fixture
def scenario(azurite: Azurite, tmp_path: Path) -> Scenario:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "workspaces.yaml").write_text((ROOT / "samples" / "rules" / "workspaces.yaml").read_text())
    (rules / "team.yaml").write_text(RULES.replace("FILE", str(tmp_path / "effects.jsonl")))
    return Scenario(tmp_path, settings_of(azurite.connection_string, rules), [])


@dataclass
class Totals:
    """The number of effects, and how many of them are repetitions."""

    effects: int
    repeated: int


def check(scenario: Scenario, killed: set[int]) -> Totals:
    """Assert that every action has ended once, and that only killed workers left repeated effects."""
    expected = {(event.id, rule) for event in scenario.events for rule in ("once", "then")}
    expected |= {(event.id, "later") for event in scenario.events if event.data.run_status == "Failed"}
    records = scenario.records()
    assert records.keys() == expected
    for record in records.values():
        assert record.status == "succeeded"
        assert sum(moment.status in ENDED for moment in record.timeline) == 1
    assert scenario.open() == []
    done: defaultdict[tuple[str, str], list[Effect]] = defaultdict(list)
    for effect in effects_in(scenario.file):
        done[effect.event, effect.rule].append(effect)
    assert done.keys() == expected
    for effects in done.values():
        assert len({effect.key for effect in effects}) == 1
        assert {effect.pid for effect in effects[:-1]} <= killed
    count = sum(map(len, done.values()))
    return Totals(count, count - len(done))


def test_nothing_is_lost_when_two_workers_are_killed(scenario: Scenario) -> None:
    """Three times, while they carry out actions, which another worker then continues."""
    scenario.events = some_events(60)
    deliveries = with_duplicates(scenario.events, 0.3)
    with run_hosts(2, scenario.settings, scenario.folder, SEED) as hosts:
        for start in range(0, len(deliveries), 26):
            hosts.deliver_all(deliveries[start : start + 26], at_once=4)
            hosts.kill_one()
    scenario.end()
    assert len(hosts.killed) == 3
    check(scenario, hosts.killed)


@pytest.mark.soak
def test_nothing_is_lost_when_one_of_four_workers_is_killed_every_second(scenario: Scenario) -> None:
    """With two thousand events, three in ten of them twice."""
    scenario.events = some_events(2_000)
    with run_hosts(4, scenario.settings, scenario.folder, SEED) as hosts:
        with hosts.kills(every=1.0, at_least=60):
            hosts.deliver_all(with_duplicates(scenario.events, 0.3), at_once=16)
        scenario.wait_for_the_end(seconds=900)
    totals = check(scenario, hosts.killed)
    print(
        f"\n{len(scenario.events)} events, {hosts.deliveries} deliveries ({hosts.failed} failed), "
        f"{len(hosts.killed)} workers killed, {len(scenario.records())} actions, {totals.effects} effects, "
        f"{totals.repeated} of them repeated"
    )
