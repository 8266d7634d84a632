"""Stale reads and clocks that differ by a minute lose nothing and break no order.

An effect may be repeated, as after a crash: a worker that does not see that it still has the lease records nothing.
"""

import logging
import random
from datetime import timedelta

import pytest

from dispatch.inbox.tables import Row
from tests.kit.crash_enumeration import Scenario, ScenarioRun, check_record
from tests.kit.scenarios import SCENARIOS
from tests.kit.stale_reads import StaleReads, VersionedTable

pytestmark = pytest.mark.no_cover  # other tests cover the same lines

MOST = 8  # commits that a reader may be behind: more than lie between an action's row and its first effect
SKEW = 30.0  # seconds that a worker's clock may be fast or slow
EACH_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def run_with_stale_reads(scenario: Scenario, seed: int) -> int:
    """Run it with stale reads; returns how many there were."""
    chance, table = random.Random(seed), VersionedTable()
    reader = StaleReads(table, chance, MOST)
    run = ScenarioRun(scenario, table=table, reader=reader, skew=lambda: timedelta(seconds=chance.uniform(-SKEW, SKEW)))
    try:
        check_record(run.run())
    except Exception as error:
        error.add_note(f"scenario {scenario.name!r}, seed {seed}")
        raise
    return reader.stale


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="mlevents")


@EACH_SCENARIO
def test_stale_reads_lose_nothing(scenario: Scenario) -> None:
    """A dozen seeds; many more are in the soak."""
    assert sum(run_with_stale_reads(scenario, seed) for seed in range(12)) > 50


@pytest.mark.soak
@EACH_SCENARIO
def test_stale_reads_lose_nothing_with_many_seeds(scenario: Scenario) -> None:
    """A thousand seeds."""
    stale = sum(run_with_stale_reads(scenario, seed) for seed in range(1_000))
    print(f"\n{scenario.name}: {stale} stale reads")


def test_a_stale_read_sees_the_rows_of_one_point_in_time() -> None:
    """It sees all rows of a commit or none, deleted rows, and the old values of changed rows."""
    table = VersionedTable()
    [etag, _] = table.commit("p", Row("a", {"n": 1}), Row("b", {"n": 1}))
    table.commit("p", Row("a", {"n": 2}, etag), delete=("b",))
    assert [(row.key, row.values["n"]) for row in table.as_of(1, "p", "", "~")] == [("a", 1), ("b", 1)]
    assert [(row.key, row.values["n"]) for row in table.as_of(2, "p", "", "~")] == [("a", 2)]
    assert table.as_of(0, "p", "", "~") == []
