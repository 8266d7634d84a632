"""Nothing is lost and order is kept, despite duplicates, disorder, crashes, an outage and a refused rules file."""

import random
from hashlib import sha256

import pytest

from tests.kit.stale_reads import StaleReads, VersionedTable
from tests.simulation.invariants import check
from tests.simulation.simulation import Parameters, Simulation

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # other tests cover the same lines

SEED = 20261122
SMALL = Parameters(SEED, events=100, days=0.25, refused=1, outage=0.5)


def digest(simulation: Simulation) -> str:
    """A hash of the record."""
    return sha256(repr(simulation.histories()).encode()).hexdigest()


def test_invariants_hold_over_half_a_day() -> None:
    """A rules file is refused for two hours, and storage is unavailable for one."""
    simulation = Simulation(Parameters(SEED, events=400, days=0.5)).run()
    print(simulation.figures())
    check(simulation)
    for figure in ("workers killed", "machines lost", "calls that died", "calls that failed"):
        assert simulation.function_app.figures[figure] > 0, figure
    assert simulation.event_grid.figures["duplicates"] > 50
    assert simulation.handlers.faults["retry"] > 10


def test_equal_seeds_give_equal_records() -> None:
    """A failure can be repeated."""
    one, same = (Simulation(SMALL).run() for _ in range(2))
    other = Simulation(Parameters(SEED + 1, SMALL.events, SMALL.days)).run()
    assert digest(one) == digest(same) != digest(other)


def simulate_stale_reads(seed: int) -> int:
    """Check a simulation whose workers read rows of up to eight commits ago; return the number of stale reads."""
    table = VersionedTable()
    reader = StaleReads(table, random.Random(seed), most=8)
    simulation = Simulation(Parameters(seed, SMALL.events, SMALL.days, refused=1, outage=0.5), table, reader).run()
    check(simulation, stale_reads=True)
    return reader.stale


def test_stale_reads_lose_nothing_and_keep_order() -> None:
    """They also never let two workers run one action, but effects may be repeated."""
    assert simulate_stale_reads(SEED) > 20


@pytest.mark.soak
def test_invariants_hold_for_a_hundred_thousand_events() -> None:
    """Over five days."""
    simulation = Simulation(Parameters(SEED, events=100_000, days=5)).run()
    print(f"\n{simulation.figures()}")
    check(simulation)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_invariants_hold_for_many_seeds(seed: int) -> None:
    """A day with a thousand events each."""
    check(Simulation(Parameters(seed, events=1_000)).run())


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_stale_reads_lose_nothing_for_many_seeds(seed: int) -> None:
    simulate_stale_reads(seed)
