"""The app in one process, over storage in memory: events go in, the queue is emptied, the record is looked at."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import uuid4

from dispatch.act import act
from dispatch.app import App
from dispatch.inbox.history import DayHistory
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.rows import ActionRecord
from dispatch.receive import receive
from dispatch.rules import load
from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from schemas import Event
from tests.kit.faults import CrashAt, WorkerDied
from tests.kit.storage import AzureLimits, Clock, MemoryQueue, MemoryTable

LEASE = timedelta(minutes=6)
WORKSPACES = """
workspaces:
  churn-dev:  { id: "${RULES_WS_CHURN_DEV}",  env: dev,  team: churn }
  churn-prod: { id: "${RULES_WS_CHURN_PROD}", env: prod, team: churn }
"""
ARM = "/subscriptions/{0}/resourceGroups/rg-ml-{1}/providers/Microsoft.MachineLearningServices/workspaces/churn-{1}"
SETTINGS = {
    "RULES_WS_CHURN_DEV": ARM.format("11111111-1111-1111-1111-111111111111", "dev"),
    "RULES_WS_CHURN_PROD": ARM.format("22222222-2222-2222-2222-222222222222", "prod"),
}


class Call(NamedTuple):
    """What a handler was given."""

    event: Event
    action: Action


class Scripted(Handler[Event]):
    """Answers as its script says, one word a call and the last for ever; `calls` has what it was given.

    `world` keeps the calls of one test apart from those of another.
    """

    world: str
    script: tuple[str, ...] = ("succeed",)

    calls: ClassVar[defaultdict[str, list[Call]]] = defaultdict(list)
    crashes: ClassVar[dict[str, CrashAt]] = {}

    def run(self, event: Event, action: Action) -> Outcome:
        ring = self.calls[self.world].append
        if crash := self.crashes.get(self.world):
            ring = crash.around(ring)
        ring(Call(event, action))
        mine = [call for call in self.calls[self.world] if call.action.key == action.key]
        word, _, rest = self.script[min(len(mine), len(self.script)) - 1].partition(" ")
        return self._answer(word, rest, len(mine))

    def _answer(self, word: str, rest: str, calls: int) -> Outcome:
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
                raise RetryLater("403", patience=timedelta(minutes=30))
            case "give-up":
                raise GiveUp(rest or "broken")
            case "break":
                raise LookupError(rest or "no such thing")
            case "nothing":
                return None  # type: ignore[return-value]  # what a careless handler answers
        raise AssertionError(word)


@dataclass
class World:
    """An App over storage in memory, and what one does to it."""

    rules: str
    folder: Path
    crash: CrashAt = field(default_factory=CrashAt)
    workspaces: str = WORKSPACES
    name: str = field(default_factory=lambda: uuid4().hex)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.table = AzureLimits(MemoryTable())
        self.queue = MemoryQueue(self.clock)
        self.write(self.rules)
        Scripted.crashes[self.name] = self.crash

    def write(self, rules: str, file: str = "team.yaml") -> None:
        """Write a rules file; ``SCRIPTED`` in it stands for the scripted handler, ``WORLD`` for this world's name."""
        folder = self.folder / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "workspaces.yaml").write_text(self.workspaces)
        text = rules.replace("SCRIPTED", "tests.kit.world:Scripted").replace("WORLD", self.name)
        (folder / file).write_text(text)
        self.loaded = load(folder, SETTINGS)

    @property
    def app(self) -> App:
        """The app as it works undisturbed."""
        return App(self.loaded, Inbox(self.table, LEASE), self.queue, self.clock, self.sleep)

    def sleep(self, seconds: float) -> None:
        """As time.sleep, on the clock."""
        self.clock.forward(seconds=seconds)

    @property
    def crashing_app(self) -> App:
        """The app as it dies where the test says."""
        inbox = Inbox(self.crash.table(self.table), LEASE)
        return App(self.loaded, inbox, self.crash.queue(self.queue), self.clock, self.sleep)

    def receive(self, *events: Event) -> None:
        for event in events:
            receive(json.dumps(event.wire()), self.app)

    def run(self, most: int = 1_000) -> None:
        """Deliver messages until there are none, moving the clock."""
        app = self.crashing_app
        self.queue.drain(lambda message: act(message, app), died=(WorkerDied,), most=most)

    def step(self, times: int = 1) -> None:
        """Deliver the messages that come first, moving the clock; of those that are left nothing is said."""
        for _ in range(times):
            first = min(self.queue.messages)
            self.queue.messages.remove(first)
            self.clock.time = max(self.clock.time, first[0])
            act(first[1], self.crashing_app)

    @property
    def calls(self) -> list[Call]:
        return Scripted.calls[self.name]

    def history(self, day: str = "2026-11-22") -> DayHistory:
        return self.app.inbox.history.day(day)

    @property
    def actions(self) -> dict[str, ActionRecord]:
        """The actions of the one event that these tests mostly have, by rule."""
        return {id.rule: record for day in self.app.inbox.history.days() for id, record in self.history(day).actions}

    def ends(self) -> dict[str, str]:
        return {rule: record.status for rule, record in self.actions.items()}


def rule(name: str, *script: str, on: str = "RunStatusChanged", **keys: Any) -> str:
    """A rule of a rules file, for a scripted handler."""
    head = [] if "after" in keys else [f"on: {on}"]
    more = [f"{key}: {value}" for key, value in keys.items()]
    words = ", ".join(f'"{word}"' for word in script or ("succeed",))
    lines = [f"name: {name}", *head, *more, "do: SCRIPTED", f"with: {{ world: WORLD, script: [{words}] }}"]
    return "  - " + "\n    ".join(lines) + "\n"


def rules(*texts: str) -> str:
    """A rules file."""
    return "rules:\n" + "".join(texts)
