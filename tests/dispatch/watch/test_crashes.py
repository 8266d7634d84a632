"""Each change is raised exactly once, whatever dies, whatever storage loses, and with two watchers at once."""

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import strategies as st

from dispatch.app import App
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.tables import Table
from dispatch.watch import looks
from tests.dispatch.watch.azure import FakeAzure, refusal
from tests.dispatch.watch.watching import REGISTRY, WORKSPACE, Watching
from tests.kit.any_input import any_input
from tests.kit.faults import ERRORS, Fault, Faults, FaultyStorage
from tests.kit.interleaved import Interleaved
from tests.kit.world import LEASE

TYPES = ("ModelTagged", "ModelArchived", "ModelRestored", "RegistryModelRegistered", "DeploymentFailed", "JobMissed")
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/churn"


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Watching:
    found = Watching.on(folder, *TYPES)
    found.azure = FakeAzure(found.world.clock, **options)
    for scope in (WORKSPACE, REGISTRY):
        found.azure.put(scope, {})
    found.azure.put(ENDPOINT, {"provisioningState": "Succeeded"})
    trigger = {"triggerType": "Cron", "expression": "10 9 * * *"}
    found.azure.put(f"{WORKSPACE}/schedules/nightly", {"trigger": trigger})
    for version in ("1", "2"):
        found.azure.model(WORKSPACE, "churn", version, tags={"stage": "new"})
    monkeypatch.setattr(looks, "service", lambda: found.azure)
    return found


def change_everything(found: Watching) -> None:
    found.world.clock.forward(seconds=5)
    found.azure.model(WORKSPACE, "churn", "1", tags={"stage": "production"}, isArchived=True)
    found.azure.model(WORKSPACE, "churn", "2", tags={"stage": "staging"})
    found.azure.model(REGISTRY, "churn", "1")
    found.azure.put(f"{ENDPOINT}/deployments/churn-1", {"provisioningState": "Failed"})


def brief(events: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((event["eventType"].removeprefix("Mlevents."), event["subject"]) for event in events)


EXPECTED = Counter(
    [
        ("ModelTagged", "models/churn:1"),
        ("ModelArchived", "models/churn:1"),
        ("ModelTagged", "models/churn:2"),
        ("RegistryModelRegistered", "models/churn:1"),
        ("DeploymentFailed", "endpoints/churn/deployments/churn-1"),
        ("JobMissed", "schedules/nightly"),
    ]
)


def scenario(folder: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults) -> Watching:
    """A first look, changes, a look with faults, and two without."""
    found = made(folder, monkeypatch)
    storage = FaultyStorage(faults, found.world.table, found.world.queue)
    app = App(found.world.loaded, Inbox(storage, LEASE), storage, found.world.clock, found.world.sleep)
    with random_order(0):
        found.look()
        found.look(after=timedelta(minutes=20))
        change_everything(found)
        with suppress(*ERRORS):
            found.look(app)
    found.look(after=timedelta(hours=1))
    found.look()
    return found


class random_order:  # noqa: N801 - used as a statement
    """The same order of looks in every run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __enter__(self) -> None:
        self._state = random.getstate()
        random.seed(self._seed)

    def __exit__(self, *_: object) -> None:
        random.setstate(self._state)


@cache
def possible() -> tuple[Fault, ...]:
    faults = Faults()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        assert brief(scenario(Path(folder), patch, faults).raised()) == EXPECTED
    return tuple(faults.possible())


def test_every_fault_at_every_call_to_storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A crash before and after it, storage that is unavailable, a lost response, a conflict."""
    assert len(possible()) > 100
    for number, fault in enumerate(possible()):
        folder = tmp_path / str(number)
        folder.mkdir()
        faults = Faults([fault])
        found = scenario(folder, monkeypatch, faults)
        assert brief(found.raised()) == EXPECTED, str(fault)
        assert faults.injected == 1


@dataclass
class History:
    """A random history: changes at the service, and looks of two watchers, one of which interrupts the other."""

    seed: int
    found: Watching

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.tags: dict[str, list[tuple[str, dict[str, str]]]] = {}  # by version, with the time
        self.registered: set[str] = set()
        self.failed: dict[str, str] = {}

    def run(self) -> None:
        for version in ("1", "2"):
            self.tags[version] = [("", {"stage": "new"})]
        self.found.look()
        for _ in range(self.random.randint(3, 12)):
            self.random.choice([self.tag, self.tag, self.register, self.fail, self.look, self.look, self.look])()
        self.found.azure.fault = lambda number, path: None
        for _ in range(3):
            self.found.look(after=timedelta(hours=2))

    def tick(self) -> str:
        self.found.world.clock.forward(seconds=self.random.randint(1, 90))
        return self.found.azure.now.isoformat().replace("+00:00", "Z")

    def tag(self) -> None:
        version, stage = self.random.choice("12"), self.random.choice(["a", "b", "c"])
        at, tags = self.tick(), {"stage": stage}
        self.found.azure.model(WORKSPACE, "churn", version, tags=tags)
        self.tags[version].append((at, tags))

    def register(self) -> None:
        self.tick()
        name, version = self.random.choice(["churn", "fraud"]), str(self.random.randint(1, 5))
        if f"{REGISTRY}/models/{name}/versions/{version}" not in self.found.azure.resources:
            self.found.azure.model(REGISTRY, name, version)
            self.registered.add(f"models/{name}:{version}")

    def fail(self) -> None:
        name = self.random.choice("xy")
        self.failed[f"endpoints/churn/deployments/{name}"] = self.tick()
        self.found.azure.put(f"{ENDPOINT}/deployments/{name}", {"provisioningState": "Failed"})

    def look(self) -> None:
        world = self.found.world
        change = self.random.random()
        nested = self.random.randint(1, 60)

        def interrupt() -> None:
            if change < 0.5:
                self.tag()
            if change < 0.8:
                self._try(world.app)

        number = self.random.randint(1, 12) + len(self.found.azure.calls)
        status = self.random.choice([403, 429, 500, 0, 0, 0])
        self.found.azure.fault = lambda n, path: refusal(status) if status and n == number else None
        table: Table = Interleaved(world.table, nested, interrupt)
        if self.random.random() < 0.5:
            faults = Faults(self._faults())
            storage = FaultyStorage(faults, table, world.queue)
            self._try(App(world.loaded, Inbox(storage, LEASE), storage, world.clock, world.sleep))
        else:
            self._try(App(world.loaded, Inbox(table, LEASE), world.queue, world.clock, world.sleep))

    def _faults(self) -> list[Fault]:
        at = self.random.randint(1, 80)
        return [fault for fault in possible() if fault.call % 80 == at % 80][:1]

    def _try(self, app: App) -> None:
        with suppress(*ERRORS):
            self.found.look(app)

    def check(self) -> None:
        """Changes of a version are a chain without gaps, from its first tags to its last; all else comes once."""
        raised = self.found.raised()
        for version, states in self.tags.items():
            tagged = [
                e for e in raised if e["eventType"].endswith("Tagged") and e["subject"] == f"models/churn:{version}"
            ]
            before = {"stage": "new"}
            for event in tagged:
                assert event["data"]["previousTags"] == before
                before = event["data"]["modelTags"]
                assert (event["eventTime"], before) in states
            assert before == states[-1][1]
        registered = [event["subject"] for event in raised if event["eventType"].endswith("RegistryModelRegistered")]
        assert sorted(registered) == sorted(self.registered)
        failed = [
            (event["subject"], event["eventTime"]) for event in raised if "DeploymentFailed" in event["eventType"]
        ]
        assert len(failed) == len(set(failed))
        assert set(self.failed.items()) <= set(failed)


@any_input(60, 3_000, seed=st.integers(0, 2**40))
def test_each_change_is_raised_once_over_random_histories(seed: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, random_order(seed):
        history = History(seed, made(Path(folder), patch))
        history.run()
        history.check()
