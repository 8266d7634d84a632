"""Stories of events and what comes of them, told over and over with something else going wrong each time.

The host and Event Grid are as small as they can be: everything comes twice, and again until it was handled; the sweep
runs every few minutes. tests/simulation has larger ones.
"""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from dispatch.act import act, rearm
from dispatch.app import App
from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import event_key
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.tables import Table
from dispatch.receive import receive
from dispatch.rules import load
from dispatch.rules.rule import Rules
from dispatch.sweep import GRACE, sweep
from schemas import Event
from tests.kit.faults import ERRORS, Effect, Faults, FaultyStorage
from tests.kit.scripted_handler import Staged
from tests.kit.storage import Clock, Died, Limits, MemoryTable, seeded
from tests.kit.world import LEASE, SETTINGS, WORKSPACES

DAY = "2026-11-22"  # of all events
ENDED = {"succeeded", "skipped", "failed"}
AGAIN = timedelta(seconds=30)  # Event Grid's second attempt
RELEASED = timedelta(minutes=1)  # host.json's visibilityTimeout: a message whose call failed
ABANDONED = timedelta(minutes=10)  # a message whose host is gone
SWEEPS = GRACE + timedelta(minutes=1)  # how often the timer runs
ROUNDS = 100  # of the sweep, until all is as it should be


@dataclass(frozen=True)
class Story:
    """Rules files, events in the order in which they come, and how it all should end."""

    name: str
    files: Mapping[str, str]
    events: tuple[Event, ...]
    ends: Mapping[tuple[str, str], str]  # by event and rule: the statuses in which it may end, between spaces
    mended: Mapping[str, str] = field(default_factory=dict)  # files as they are once all is quiet
    loses: tuple[str, str] = ("", "")  # the event and rule whose first message the queue loses
    poisons: tuple[str, str] = ("", "")  # the event and rule whose first message comes as a poison message, too
    most_dequeues: int = 10
    check: Callable[["Telling"], None] = lambda telling: None

    @cache  # noqa: B019 - a handful of stories, which live as long as the tests
    def rules(self, mended: bool) -> Rules:
        """The rules, really loaded from files."""
        with TemporaryDirectory() as name:
            folder = Path(name) / "rules"
            folder.mkdir()
            for file, text in {"workspaces.yaml": WORKSPACES, **self.files, **(self.mended if mended else {})}.items():
                (folder / file).write_text(text)
            return load(folder, SETTINGS)

    def stages(self, rule: str) -> set[int]:
        """What its handler must do, sooner or later; an attempt that is to be repeated need not have been made."""
        found = self.rules(mended=True).get(rule)
        assert found is not None
        assert isinstance(found.handler, Staged)
        return {number for number, word in enumerate(found.handler.script) if word != "retry"}

    def __hash__(self) -> int:
        return hash(self.name)


class Telling:
    """One telling of a story."""

    def __init__(
        self,
        story: Story,
        faults: Faults | None = None,
        table: MemoryTable | None = None,
        reader: Table | None = None,
        skew: Callable[[], timedelta] = timedelta,
        *,
        twice: bool = True,  # are events and messages delivered so?
    ) -> None:
        self.story, self.faults = story, faults or Faults()
        self.clock, self._skew, self._twice = Clock(), skew, twice
        self._behind = reader is not None
        table = table or MemoryTable()
        self.inbox = Inbox(table, LEASE)  # for looking at it from outside
        self._storage = FaultyStorage(self.faults, Limits(reader or table), self)  # as the workers see it
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._next_sweep = self.clock.time + SWEEPS
        self._order = count()
        self._sent: set[str] = set()
        self._ids = {event_key(event)[1]: event.id for event in story.events}
        self._mended = False
        self._start_worker()

    def tell(self) -> "Telling":
        """From the first event to the end, or until it is plain that it does not come to one."""
        Staged.stages[self.story.name] = self.faults.effect
        with seeded(self.story.name):  # for the jitter of retries: the nth call is the same one in every telling
            self._tell()
        return self

    def _tell(self) -> None:
        for place, event in enumerate(self.story.events):
            raw = json.dumps(event.wire())
            for again in (0, 5) if self._twice else (0,):
                self._at(timedelta(seconds=place + again), partial(self._receive, raw))
        self._until_quiet()
        self._mended = True
        self._start_worker()
        for _ in range(ROUNDS):
            self.clock.time = self._next_sweep
            self._sweep()
            self._until_quiet()
            if self.is_over():
                return

    def _sweep(self) -> None:
        self._next_sweep = self.clock.time + SWEEPS
        self._guarded(partial(sweep, self._app), lambda _: None)

    def is_over(self) -> bool:
        """Has everything ended that ought to?"""
        ended = {place for place, record in self.actions().items() if record.ended}
        return ended >= {*self.story.ends} and not self.inbox.backlog.open_actions(DAY) and not self.left_undecided()

    def left_undecided(self) -> list[object]:
        """Events and ends of actions that wait for rules files."""
        return list(self.inbox.backlog.deferred_matches(DAY))

    def actions(self) -> dict[tuple[str, str], ActionRecord]:
        """By event and rule."""
        history = self.inbox.history.day(DAY)
        return {(history.events[id.event].id, id.rule): record for id, record in history.actions}

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """The queue, which delivers every new message twice, and may lose one."""
        if message in self._sent:
            self._queue(message, after)
            return
        self._sent.add(message)
        words = json.loads(message)
        place = (self._ids[words["event"]], words["rule"])
        first = words["ticket"] == 1
        if not (first and place == self.story.loses):
            self._queue(message, after)
            if self._twice:
                self._queue(message, after + timedelta(seconds=1))
        if first and place == self.story.poisons:
            self._at(after + timedelta(seconds=3), partial(self._rearm, message))

    def _start_worker(self) -> None:
        """A process: with a clock of its own, and nothing in memory that the one before it knew."""
        skew = self._skew()
        inbox = Inbox(self._storage, LEASE)
        self._app = App(
            self.story.rules(self._mended), inbox, self._storage, lambda: self.clock.time + skew, self._sleep
        )

    def _sleep(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)

    def _until_quiet(self) -> None:
        for _ in range(2_000):
            if not self._agenda:
                return
            if self._agenda[0][0] > self._next_sweep:
                self.clock.time = self._next_sweep
                self._sweep()
                continue
            at, _, happens = heapq.heappop(self._agenda)
            self.clock.time = max(self.clock.time, at)
            happens()
        raise AssertionError("it does not become quiet")

    def _at(self, after: timedelta, happens: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.clock.time + after, next(self._order), happens))

    def _guarded(self, call: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        """Have a worker make a call. One that died is started anew."""
        self.faults.begin()
        try:
            call()
        except ERRORS as error:
            if isinstance(error, Conflict) and not self._behind:
                raise  # who sees the table as it is knows what to do about it
            if isinstance(error, Died):
                self._start_worker()
            failed(error)

    def _receive(self, raw: str) -> None:
        again = partial(self._at, AGAIN, partial(self._receive, raw))
        self._guarded(partial(receive, raw, self._app), lambda _: again())

    def _queue(self, message: str, after: timedelta, dequeued: int = 1) -> None:
        self._at(after, partial(self._act, message, dequeued))

    def _act(self, message: str, dequeued: int) -> None:
        def failed(error: BaseException) -> None:
            if dequeued >= self.story.most_dequeues and isinstance(error, Unavailable):
                self._at(timedelta(), partial(self._rearm, message))
            else:
                self._queue(message, ABANDONED if isinstance(error, Died) else RELEASED, dequeued + 1)

        self._guarded(partial(act, message, self._app), failed)

    def _rearm(self, message: str) -> None:
        again = partial(self._at, ABANDONED, partial(self._rearm, message))
        self._guarded(partial(rearm, message, self._app), lambda _: again())


def check(telling: Telling) -> None:
    """What holds after every story, whatever went wrong."""
    check_record(telling)
    repeated = Counter(telling.faults.effects) - Counter({*telling.faults.effects})
    assert repeated <= telling.faults.excused, "an effect is repeated only if a fault came between it and its record"


def check_record(telling: Telling) -> None:
    """That all has ended as it should, each action once and under one key."""
    actions = telling.actions()
    assert {place: record.status for place, record in actions.items() if record.status not in ENDED} == {}
    assert {*actions} == {*telling.story.ends}
    for place, record in actions.items():
        assert record.status in telling.story.ends[place].split(), place
        assert sum(moment.status in ENDED for moment in record.timeline) == 1, place
    assert telling.inbox.backlog.open_actions(DAY) == []
    assert telling.left_undecided() == []
    history = telling.inbox.history.day(DAY)
    assert len(history.events) == len(telling.story.events)
    assert history.rejected == []
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    done: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for effect in telling.faults.effects:
        keys[effect.event, effect.rule].add(effect.key)
        done[effect.event, effect.rule].add(effect.stage)
    assert all(len(of_one) == 1 for of_one in keys.values()), "an action keeps its key"
    for place, record in actions.items():
        if record.status != "skipped":  # as only guards do here
            assert telling.story.stages(place[1]) <= done[place], f"{place} has {record.status} without being done"
    telling.story.check(telling)


def swept(telling: Telling) -> list[tuple[str, str]]:
    """Which actions the sweep has had to queue again."""
    notes = {place: [moment.note for moment in record.timeline] for place, record in telling.actions().items()}
    return [place for place in notes if "queued again by the sweep" in notes[place]]


def effects_of(telling: Telling, rule: str) -> list[Effect]:
    """A rule's effects, in the order in which they were done."""
    return [effect for effect in telling.faults.effects if effect.rule == rule]
