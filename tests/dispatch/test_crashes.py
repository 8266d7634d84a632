"""Inject every fault at every call to storage and every effect, one at a time and in pairs.

Each scenario runs once without faults, which counts its calls, and then once for each fault at each call. The second
fault of a pair is at a call of the run with the first one, so that it may hit the recovery.
"""

import logging
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.kit.crash_enumeration import Scenario, ScenarioRun, check, swept
from tests.kit.faults import Fault, Faults
from tests.kit.scenarios import SCENARIOS
from tests.kit.scenarios_of_absence import LASTING
from tests.kit.scenarios_of_windows import WINDOWED

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # other tests cover the same lines

SEED = 20261122
FIRSTS, SECONDS = 9, 4  # how many pairs of each scenario are in the default run
EACH_SCENARIO = pytest.mark.parametrize(
    "scenario", [*SCENARIOS, *WINDOWED, LASTING], ids=lambda scenario: scenario.name
)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Silence the log: capturing that of a thousand runs takes longer than the runs."""
    caplog.set_level(logging.CRITICAL, logger="mlevents")


def run_with(scenario: Scenario, *faults: Fault) -> ScenarioRun:
    """Run a scenario with these faults and check its end; an error names the faults."""
    run = ScenarioRun(scenario, Faults(faults))
    try:
        check(run.run())
        assert run.faults.injected == len(faults)
    except Exception as error:
        error.add_note(f"scenario {scenario.name!r}: {', and '.join(map(str, faults)) or 'no fault'}")
        raise
    return run


def pairs(scenario: Scenario) -> Iterator[tuple[Fault, Fault]]:
    """All pairs of faults; the second one is at a call of the run with the first one."""
    for first in run_with(scenario).faults.distinct():
        for second in run_with(scenario, first).faults.distinct(after=first.call):
            yield first, second


@EACH_SCENARIO
def test_without_faults_each_effect_happens_once(scenario: Scenario) -> None:
    """Each scenario makes every kind of call."""
    undisturbed = run_with(scenario)
    assert len({*undisturbed.faults.effects}) == len(undisturbed.faults.effects)
    assert {*undisturbed.faults.calls} == {"read", "commit", "send", "effect"}


@EACH_SCENARIO
def test_without_faults_the_sweep_requeues_only_lost_messages(scenario: Scenario) -> None:
    run = ScenarioRun(scenario, twice=False).run()
    check(run)
    assert swept(run) == [place for place in [scenario.loses] if place in scenario.ends]


@EACH_SCENARIO
def test_duplicates_have_no_effect(scenario: Scenario) -> None:
    """A duplicate message costs a read, because its version is old. A duplicate event costs a commit that conflicts."""
    once, twice = (ScenarioRun(scenario, twice=twice).run() for twice in (False, True))
    assert once.faults.effects == twice.faults.effects
    more = Counter(twice.faults.calls) - Counter(once.faults.calls)
    assert set(more) == {"read", "commit"}
    assert more["commit"] == len(scenario.events)


@EACH_SCENARIO
def test_a_fault_at_any_call_does_no_harm(scenario: Scenario) -> None:
    for fault in run_with(scenario).faults.possible():
        run_with(scenario, fault)


@EACH_SCENARIO
def test_two_faults_do_no_harm(scenario: Scenario) -> None:
    """A sample of the pairs; the soak has all of them."""
    chance = random.Random(SEED)
    for first in chance.sample(run_with(scenario).faults.distinct(), FIRSTS):
        seconds = run_with(scenario, first).faults.distinct(after=first.call)
        for second in chance.sample(seconds, min(SECONDS, len(seconds))):
            run_with(scenario, first, second)


@pytest.mark.soak
@EACH_SCENARIO
def test_every_pair_of_faults_does_no_harm(scenario: Scenario) -> None:
    count = 0
    for pair in pairs(scenario):
        run_with(scenario, *pair)
        count += 1
    print(f"\n{scenario.name}: {len(run_with(scenario).faults.possible())} single faults and {count} pairs")
