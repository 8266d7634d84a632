"""Days of events, duplicates, disorder, deaths, an outage, a refused rules file: nothing is lost, no order broken."""

import random
from hashlib import sha256

import pytest

from tests.kit.stale_reads import StaleReads, VersionedTable
from tests.simulation.invariants import check
from tests.simulation.world import Plan, Simulation

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

SEED = 20261122
FEW = Plan(SEED, events=100, days=0.25, refused=1, outage=0.5)


def digest(simulation: Simulation) -> str:
    """Stands for all that is recorded."""
    return sha256(repr(simulation.histories()).encode()).hexdigest()


def test_half_a_day() -> None:
    """With two hours of a refused rules file and an hour without storage."""
    simulation = Simulation(Plan(SEED, events=400, days=0.5)).run()
    print(simulation.figures())
    check(simulation)
    for what in ("workers killed", "machines lost", "calls that died", "calls that failed"):
        assert simulation.site.figures[what] > 0, what
    assert simulation.grid.figures["duplicates"] > 50
    assert simulation.journal.mishaps["retry"] > 10


def test_a_seed_tells_the_same_story_again() -> None:
    """To the last row: what fails once can be looked at."""
    one, same = (Simulation(FEW).run() for _ in range(2))
    other = Simulation(Plan(SEED + 1, FEW.events, FEW.days)).run()
    assert digest(one) == digest(same) != digest(other)


def simulated_behind(seed: int) -> tuple[Simulation, int]:
    """A simulation whose workers read what is up to eight commits old, and how often that made a difference."""
    table = VersionedTable()
    reader = StaleReads(table, random.Random(seed), most=8)
    simulation = Simulation(Plan(seed, FEW.events, FEW.days, refused=1, outage=0.5), table, reader).run()
    check(simulation, behind=True)
    return simulation, reader.stale


def test_readers_that_are_behind_do_no_harm() -> None:
    """Nothing is lost, no two workers are at one action, and every order is kept; an effect may be had again."""
    _, stale = simulated_behind(SEED)
    assert stale > 20


@pytest.mark.soak
def test_a_hundred_thousand_events() -> None:
    """Five days."""
    simulation = Simulation(Plan(SEED, events=100_000, days=5)).run()
    print(f"\n{simulation.figures()}")
    check(simulation)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_a_day_of_many_kinds(seed: int) -> None:
    """Twenty days of a thousand events, each with other accidents."""
    check(Simulation(Plan(seed, events=1_000)).run())


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_readers_that_are_behind_never_do_harm(seed: int) -> None:
    """Twenty seeds."""
    simulated_behind(seed)
