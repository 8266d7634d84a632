"""Months of deadlines around a change of daylight saving, in virtual time, compared with a simple oracle.

Two watches whose clocks differ by up to two minutes look every five minutes or so. Events come, come late, or do not
come; Event Grid delivers them hours late; the app is down for hours or days; rules are changed, removed and deployed
again, by one instance earlier than by the other.
"""

import json
import logging
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from dispatch.app import App
from dispatch.evidence.deadlines import decide_deadlines
from dispatch.inbox.errors import Unavailable
from dispatch.receive import receive
from dispatch.rules.expectations.keys import Expect
from dispatch.rules.rule import Rules
from dispatch.sweep import sweep
from dispatch.watch import timer
from dispatch.watch.timer import watch
from schemas import Expected, RunCompleted
from tests.dispatch.evidence.expecting import expecting
from tests.kit.any_input import any_input, one_in
from tests.kit.world import World, rules

pytestmark = pytest.mark.no_cover  # other tests cover the same lines

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# The clock changes in these zones within days of the middle of the span; in some by half an hour, or at midnight.
ZONES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "America/Santiago": ("2026-04-05", "2026-09-06"),
    "Africa/Cairo": ("2026-04-24", "2026-10-30"),
    "America/Havana": ("2026-03-08", "2026-11-01"),
    "Asia/Kolkata": ("2026-03-29", "2026-10-25"),
}
TIMES = ("00:00", "00:30", "01:30", "01:59", "02:00", "02:15", "02:30", "03:00", "06:30", "12:00", "23:30", "23:59")
WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


@dataclass(frozen=True)
class Said:
    """What a rule expects."""

    name: str
    zone: str
    by: str
    days: tuple[str, ...] = ()
    holiday: str = ""
    within: int = 0  # hours

    @property
    def text(self) -> str:
        text = f'event: RunCompleted, when: data.experimentName StringIn {self.name}, by: "{self.by}", '
        text += f"timezone: {self.zone}"
        text += f", days: [{', '.join(self.days)}]" if self.days else ""
        text += f', holidays: "{self.holiday}"' if self.holiday else ""
        return text + (f", within: {self.within}h" if self.within else "")

    def deadlines(self, first: datetime, last: datetime) -> Iterator[tuple[str, datetime, datetime]]:
        """The day, the beginning and the deadline of each day, by looking at the clock in each minute."""
        begins, ends = clock_of(self.zone, first, last)
        hour, minute = map(int, self.by.split(":"))
        for day, begin in begins.items():
            date = datetime.fromisoformat(day)
            if (self.days and WEEK[date.weekday()] not in self.days) or self.holiday in (day, day[5:]):
                continue
            wall = f"{day} {hour:02}:{minute:02}"
            if (at := ends.get(wall)) is None:  # the clock skips this minute: as long after the jump as it is after it
                shown = sorted(text for text in ends if text < wall)
                if not shown:
                    continue
                jump = ends[shown[-1]]
                before = datetime.fromisoformat(shown[-1])
                at = jump + (datetime.fromisoformat(wall) - before)
            if first + 2 * DAY < at < last - 2 * DAY:
                yield day, at - self.within * HOUR if self.within else begin, at


@cache
def clock_of(zone: str, first: datetime, last: datetime) -> tuple[dict[str, datetime], dict[str, datetime]]:
    """The first minute of each day of a zone, and the last minute in which its clock shows each time."""
    begins: dict[str, datetime] = {}
    ends: dict[str, datetime] = {}
    moment, local = first, ZoneInfo(zone)
    while moment < last:
        wall = f"{moment.astimezone(local):%Y-%m-%d %H:%M}"
        begins.setdefault(wall[:10], moment)
        ends[wall] = moment
        moment += MINUTE
    return begins, ends


@dataclass
class Active:
    """What the oracle knows of one version of a rule."""

    since: datetime  # deadlines until then do not count
    gone: datetime | None = None


@dataclass
class Months:
    """A random history, and what must be raised."""

    seed: int
    world: World
    first: datetime
    last: datetime
    zone: str
    every: timedelta

    expected: set[tuple[str, str, datetime]] = field(default_factory=set)  # rule, day, deadline
    active: dict[Said, Active] = field(default_factory=dict)
    events: list[tuple[str, datetime, datetime]] = field(default_factory=list)  # name, time, when it is received
    failed: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.all_deadlines: dict[Said, list[tuple[str, datetime, datetime]]] = {}
        self.skews = [timedelta(seconds=self.random.randint(-120, 120)) for _ in range(2)]

    def said(self, name: str) -> Said:
        chance = self.random
        days = tuple(chance.sample(WEEK, chance.randint(2, 6))) if chance.random() < 0.3 else ()
        holiday = f"{self.first + chance.randint(5, 15) * DAY:%m-%d}" if chance.random() < 0.3 else ""
        within = chance.choice([0, 0, 6, 12, 30, 200])
        by = chance.choice([time for time in TIMES if time != "00:00" or within])
        return Said(name, self.zone, by, days, holiday, within)

    def versions(self) -> list[tuple[datetime, tuple[Said, ...], bool]]:
        """When which rules are deployed, and whether the file is refused."""
        current = {name: self.said(name) for name in ("a", "b", "c")}
        found = [(self.first, tuple(current.values()), False)]
        at = self.first + 3 * DAY
        while (at := at + self.random.randint(60, 6 * 24 * 60) * MINUTE) < self.last:
            kind, name = self.random.random(), self.random.choice("abc")
            if kind < 0.5:
                current[name] = self.said(name)
                found.append((at, tuple(current.values()), False))
            elif kind < 0.75:
                without = tuple(each for each in current.values() if each.name != name)
                found += [(at, without, False)]
                found.append(
                    (at + self.random.choice([20, 50, 70, 300, 3000]) * MINUTE, tuple(current.values()), False)
                )
            else:
                found += [(at, (), True), (at + self.random.randint(5, 600) * MINUTE, tuple(current.values()), False)]
        return sorted(found, key=lambda each: each[0])

    def completions(self, versions: list[tuple[datetime, tuple[Said, ...], bool]]) -> None:
        """Events near the deadlines of all versions: in time, at the last second, late, delivered late, or none."""
        chance = self.random
        near = {(said.name, at) for _, all_said, _ in versions for said in all_said for _, _, at in self.of(said)}
        for name, at in sorted(near):
            if chance.random() < 0.6:
                after = chance.choice([-600, -90, -1, 0, 0, 1, 60, 240])
                when = at + timedelta(minutes=after, seconds=chance.choice([-59, -1, 0, 0, 1, 30]))
                delay = chance.choice([1, 5, 30, 170, 400, 20_000, 100_000])
                self.events.append((name, when, when + timedelta(seconds=delay)))

    def of(self, said: Said) -> list[tuple[str, datetime, datetime]]:
        if said not in self.all_deadlines:
            self.all_deadlines[said] = [*said.deadlines(self.first - 3 * DAY, self.last + 3 * DAY)]
        return self.all_deadlines[said]

    def outages(self) -> list[tuple[datetime, datetime]]:
        found = []
        for _ in range(self.random.randint(0, 4)):
            begin = self.first + self.random.random() * (self.last - self.first)
            found.append((begin, begin + self.random.choice([0.2, 2, 20, 23.9, 26, 60]) * HOUR))
        return found

    def run(self) -> None:
        """Play it."""
        versions, outages = self.versions(), self.outages()
        self.completions(versions)
        lag = [timedelta(), timedelta(minutes=self.random.choice([0, 3, 12]))]
        apps: list[tuple[datetime, int]] = []
        for number in range(2):
            at = self.first + number * 2 * MINUTE
            while at < self.last:
                apps.append((at, number))
                at += self._pause(at) + timedelta(seconds=self.random.randint(-20, 20))
        happening: list[tuple[datetime, int, tuple[str, datetime] | int]] = [
            *((at, 1, number) for at, number in apps),
            *((received, 0, (name, when)) for name, when, received in self.events),
            *((self.first + n * self.random.choice([2, 3]) * HOUR, 2, -1) for n in range(24 * 20)),
        ]
        happening.sort(key=lambda each: each[:2])
        loaded = self._loaded(versions)
        self.recorded: list[tuple[str, datetime]] = []
        for at, kind, what in happening:
            self.world.clock.time = at
            if kind == 0 and isinstance(what, tuple):
                self._receive(*what, self._version(loaded, at, timedelta())[2])
            elif any(begin <= at < end for begin, end in outages) or at > self.last:
                continue
            elif kind == 1 and isinstance(what, int):
                _, all_said, app_rules = self._version(loaded, at, lag[what])
                self._watch(at, self.skews[what], all_said, app_rules)
            else:
                sweep(self.world.app)

    def _pause(self, at: datetime) -> timedelta:
        """Five minutes, or the longer pause of a short simulation if no deadline is near."""
        near = any(at - HOUR < d < at + self.every + HOUR for found in self.all_deadlines.values() for _, _, d in found)
        return 5 * MINUTE if near else self.every

    def _loaded(
        self, versions: list[tuple[datetime, tuple[Said, ...], bool]]
    ) -> list[tuple[datetime, tuple[Said, ...], Rules]]:
        found = []
        for at, all_said, refused in versions:
            texts = [expecting(said.text, said.name) for said in all_said]
            self.world.write("rules: oops" if refused else rules(*texts))
            assert refused or not self.world.loaded.errors
            found.append((at, all_said, self.world.loaded))
        return found

    def _version(
        self, loaded: list[tuple[datetime, tuple[Said, ...], Rules]], at: datetime, lag: timedelta
    ) -> tuple[datetime, tuple[Said, ...], Rules]:
        return [each for each in loaded if each[0] + lag <= max(at, self.first + HOUR)][-1]

    def _app(self, app_rules: Rules, skew: timedelta) -> App:
        self.world.loaded = app_rules
        app = self.world.app
        object.__setattr__(app, "now", lambda: self.world.clock() + skew)
        return app

    def _receive(self, name: str, when: datetime, app_rules: Rules) -> None:
        event = RunCompleted.example(
            id=f"{name}{when.isoformat()}", event_time=when.isoformat(), experiment_name=name, run_id=f"run-{name}"
        )
        receive(json.dumps(event.wire()), self._app(app_rules, self.random.choice(self.skews)))
        self.recorded.append((name, when))

    def _watch(self, at: datetime, skew: timedelta, all_said: tuple[Said, ...], app_rules: Rules) -> None:
        app = self._app(app_rules, skew)
        if self.random.random() < 0.03:  # storage is unavailable
            self.failed += 1
            with suppress(Unavailable):
                decide_deadlines(app, lambda: False)
            return
        self._oracle(at + skew, all_said, refused=bool(app_rules.refused))
        watch(app)

    def _oracle(self, now: datetime, all_said: tuple[Said, ...], *, refused: bool) -> None:
        """What a watch at this time must raise."""
        for said in all_said:
            known = self.active.get(said)
            if known is None or (known.gone and now > known.gone + HOUR):
                known = self.active[said] = Active(now)
            known.gone = None
            for day, since, at in self.of(said):
                if max(known.since, now - DAY) < at <= now - 3 * MINUTE:
                    came = any(name == said.name and since <= when <= at for name, when in self.recorded)
                    self.expected |= set() if came else {(said.name, day, at)}
            known.since = max([known.since, *(at for _, _, at in self.of(said) if at <= now - 3 * MINUTE)])
        for said, known in self.active.items():
            if said not in all_said and not refused and known.gone is None:
                known.gone = now

    def raised(self) -> list[tuple[str, str, datetime]]:
        inbox = self.world.app.inbox
        found = [record.event for day in inbox.history.days() for record in inbox.history.day(day).events.values()]
        expected = [event for event in found if isinstance(event, Expected)]
        return [(event.data.rule, event.data.day, event.data.deadline) for event in expected if event.data.deadline]


def simulate(seed: int, every: timedelta, days: int = 28) -> Months:
    """Simulate some days around a change of the clock."""
    chance = random.Random(seed)
    zone = chance.choice([*ZONES])
    middle = datetime.combine(datetime.fromisoformat(chance.choice(ZONES[zone])), time(), UTC)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(timer, "PARTS", (decide_deadlines,))
        first, last = middle - days / 2 * DAY, middle + days / 2 * DAY
        months = Months(seed, World(rules(expecting()), Path(folder)), first, last, zone, every)
        months.run()
        raised = months.raised()
        assert len(raised) == len(set(raised)), "an event is raised once for each deadline"
        assert sorted(raised) == sorted(months.expected)
    return months


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="mlevents")


@any_input(1, 200, seed=st.integers(0, 2**40))
def test_each_deadline_is_decided_as_the_oracle_says(seed: int) -> None:
    """Watches are hours apart if no deadline is near."""
    simulate(seed, 6 * HOUR, days=10)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_each_deadline_of_months_with_a_watch_every_five_minutes(seed: int) -> None:
    months = simulate(seed, 5 * MINUTE)
    print(f"\n{months.zone}: {len(months.events)} events, {len(months.expected)} missing")


@pytest.mark.parametrize("change", one_in(4, [f"{zone} {date}" for zone, dates in ZONES.items() for date in dates]))
def test_deadlines_are_those_that_a_clock_shows(change: str) -> None:
    """Each time of day around a change of the clock, by looking at the clock in each minute."""
    zone, date = change.split()
    middle = datetime.combine(datetime.fromisoformat(date), time(), UTC)
    first, last = middle - 3 * DAY, middle + 4 * DAY
    for by in [f"{hour:02}:{minute:02}" for hour in (0, 1, 2, 3, 23) for minute in (0, 15, 30, 59)]:
        calendar = Expect.model_validate({"event": ["RunCompleted"], "by": by}).calendar(zone)
        found = calendar.between(first + 2 * DAY, last - 2 * DAY - MINUTE)
        decided = [(str(deadline.day), deadline.since, deadline.at) for deadline in found]
        assert decided == [*Said("a", zone, by).deadlines(first, last)]
