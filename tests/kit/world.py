"""`World`: the app in one process, over storage in memory, with a scripted handler and a clock that tests set."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import uuid4

from dispatch.act import act
from dispatch.app import App
from dispatch.facts.source import Ask
from dispatch.inbox.history.records import DayHistory
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.rows import ActionRecord
from dispatch.receive import receive
from dispatch.rules import load
from dispatch.telemetry import Telemetry
from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import AzureLimits, Clock, MemoryQueue, MemoryTable
from schemas import Event
from schemas.facts import FACTS, Facts
from tests.kit.faults import CrashAt

LEASE = timedelta(minutes=6)
WORKSPACES = """
workspaces:
  churn-dev:  { id: "${RULES_WS_CHURN_DEV}",  env: dev,  team: churn }
  churn-prod: { id: "${RULES_WS_CHURN_PROD}", env: prod, team: churn }
"""
# A storage account, to append to WORKSPACES: that of the examples of events of blobs.
ACCOUNT = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod"
    "/providers/Microsoft.Storage/storageAccounts/churnlanding"
)
STORAGE = f"storage:\n  churn-landing: {{ id: {ACCOUNT}, env: dev, team: churn, tier: raw }}\n"
ARM = "/subscriptions/{0}/resourceGroups/rg-ml-{1}/providers/Microsoft.MachineLearningServices/workspaces/churn-{1}"
SETTINGS = {
    "RULES_WS_CHURN_DEV": ARM.format("11111111-1111-1111-1111-111111111111", "dev"),
    "RULES_WS_CHURN_PROD": ARM.format("22222222-2222-2222-2222-222222222222", "prod"),
    "RULES_STORAGE_CHURN": ACCOUNT,
}


class Call(NamedTuple):
    """The arguments of one call of a handler."""

    event: Event
    action: Action


class Scripted(Handler[Event]):
    """A handler with one outcome per call of an action, in the order of its script; the last one repeats.

    `calls` has the calls by `world`, which keeps tests apart.
    """

    world: str
    script: tuple[str, ...] = ("succeed",)

    calls: ClassVar[defaultdict[str, list[Call]]] = defaultdict(list)
    crashes: ClassVar[dict[str, CrashAt]] = {}

    def run(self, event: Event, action: Action) -> Outcome:
        record = self.calls[self.world].append
        if crash := self.crashes.get(self.world):
            record = crash.around(record)
        record(Call(event, action))
        of_action = [call for call in self.calls[self.world] if call.action.key == action.key]
        word, _, rest = self.script[min(len(of_action), len(self.script)) - 1].partition(" ")
        return self._outcome(word, rest, len(of_action))

    def _outcome(self, word: str, rest: str, calls: int) -> Outcome:
        match word:
            case "succeed":
                return Succeeded(rest or "done", {"calls": calls})
            case "skip":
                return Skipped(rest or "nothing to do")
            case "wait":
                return CheckBack(timedelta(seconds=int(rest or 60)), {"call": calls}, f"call {calls}")
            case "retry":
                raise RetryLater(rest or "busy")
            case "throttle":
                raise RetryLater("429", timedelta(seconds=int(rest)), throttled=True)
            case "forbidden":
                raise RetryLater("403", max_elapsed=timedelta(minutes=30))
            case "give-up":
                raise GiveUp(rest or "broken")
            case "break":
                raise LookupError(rest or "no such thing")
            case "nothing":
                return None  # type: ignore[return-value]  # a handler without type checks may
        raise AssertionError(word)


def knows_nothing(event: Event, name: str, within: float) -> Facts:
    """A service that has no value about the object of an event."""
    return FACTS[name]()


@dataclass
class World:
    """An App over storage in memory, and operations on it."""

    rules: str
    folder: Path
    crash: CrashAt = field(default_factory=CrashAt)
    workspaces: str = WORKSPACES
    name: str = field(default_factory=lambda: uuid4().hex)
    clock: Clock = field(default_factory=Clock)
    telemetry: Telemetry = field(default_factory=Telemetry)
    ask: Ask = knows_nothing  # what the service says about the objects of events

    def __post_init__(self) -> None:
        self.table = AzureLimits(MemoryTable())
        self.queue = MemoryQueue(self.clock)
        self.write(self.rules)
        Scripted.crashes[self.name] = self.crash

    def write(self, rules: str, file: str = "team.yaml") -> None:
        """Write a rules file and load all. ``SCRIPTED`` stands for the scripted handler, ``WORLD`` for this world."""
        folder = self.folder / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "workspaces.yaml").write_text(self.workspaces)
        text = rules.replace("SCRIPTED", "tests.kit.world:Scripted").replace("WORLD", self.name)
        (folder / file).write_text(text)
        self.loaded = load(folder, SETTINGS)

    @property
    def app(self) -> App:
        """The app without faults."""
        inbox = Inbox(self.table, LEASE)
        return App(self.loaded, inbox, self.queue, self.clock, self.sleep, telemetry=self.telemetry, ask=self.ask)

    def sleep(self, seconds: float) -> None:
        """Move the clock, as time.sleep would."""
        self.clock.forward(seconds=seconds)

    @property
    def crashing_app(self) -> App:
        """The app in a worker that crashes at the points of `crash`."""
        inbox = Inbox(self.crash.table(self.table), LEASE)
        queue = self.crash.queue(self.queue)
        return App(self.loaded, inbox, queue, self.clock, self.sleep, telemetry=self.telemetry, ask=self.ask)

    def receive(self, *events: Event) -> None:
        """Receive events in Event Grid's schema."""
        for event in events:
            receive(json.dumps(event.wire()), self.app)

    def run(self, most: int = 1_000) -> None:
        """Deliver messages until there are none, moving the clock to the time of each."""
        app = self.crashing_app
        self.queue.drain(lambda message: act(message, app), crashes=(WorkerDied,), most=most)

    def step(self, times: int = 1) -> None:
        """Deliver the next messages, moving the clock to the time of each."""
        for _ in range(times):
            first = min(self.queue.messages)
            self.queue.messages.remove(first)
            self.clock.time = max(self.clock.time, first[0])
            act(first[1], self.crashing_app)

    @property
    def calls(self) -> list[Call]:
        """The calls of the scripted handler, in order."""
        return Scripted.calls[self.name]

    def history(self, day: str = "2026-11-22") -> DayHistory:
        """The record of a day."""
        return self.app.inbox.history.day(day)

    @property
    def actions(self) -> dict[str, ActionRecord]:
        """The actions by rule, of tests with one event."""
        return {id.rule: record for day in self.app.inbox.history.days() for id, record in self.history(day).actions}

    def ends(self) -> dict[str, str]:
        """The status of the actions by rule."""
        return {rule: record.status for rule, record in self.actions.items()}


def rule(name: str, *script: str, on: str = "RunStatusChanged", **keys: Any) -> str:
    """A rule of a rules file, with a scripted handler."""
    words = ", ".join(f'"{word}"' for word in script or ("succeed",))
    given = {"do": "SCRIPTED", "with": f"{{ world: WORLD, script: [{words}] }}"}
    return entry({"name": name, **({} if "after" in keys else {"on": on}), **keys, **given})


def entry(keys: Mapping[str, object]) -> str:
    """A rule of a rules file, with one line for each key, in this order."""
    return "  - " + "\n    ".join(f"{key}: {value}" for key, value in keys.items()) + "\n"


def rules(*texts: str) -> str:
    """A rules file."""
    return "rules:\n" + "".join(texts)


def alerting_world(folder: Path, *texts: str, script: str = "succeed") -> World:
    """A world with a scripted handler for alerts."""
    world = World(rules(*texts), folder)
    handler = "tests.kit.world:Scripted"
    alerts = f'alerts: {{ do: "{handler}", with: {{ world: {world.name}, script: ["{script}"] }} }}\n'
    world.workspaces = WORKSPACES + alerts
    world.write(world.rules)
    assert world.loaded.alerts
    return world


def alerts(world: World) -> list[Call]:
    """The calls of the handler for alerts."""
    return [call for call in world.calls if call.action.rule.startswith("-alerts")]
