"""Many events in windows, with faults at random calls: each event is acted on in exactly one window."""

import logging
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.crash_enumeration import Scenario, ScenarioRun, check
from tests.kit.faults import Fault, FaultKind, Faults
from tests.kit.scenarios import file, scripted_rule
from tests.kit.scenarios_of_windows import COLLECTED, windows_of

pytestmark = [pytest.mark.no_cover]  # other tests cover the same lines

KINDS = (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER, FaultKind.UNAVAILABLE, FaultKind.RESPONSE_LOST)
CALLS = 20  # of an event, at least: it comes twice, and so do its messages


def scenario_of(count: int, seed: int) -> Scenario:
    """Events of three owners, a second apart, in windows for each owner."""
    name = f"many-{count}-{seed}"
    rule = scripted_rule("collected", "retry", "succeed", collect="{ for: 5m, by: data.runTags.owner }")
    events = tuple(
        RunStatusChanged.example(
            id=f"e{n}",
            run_id=f"run-{n}",
            run_tags={"owner": "abc"[n % 3]},
            run_properties={},
            event_time=(NOW - timedelta(hours=5) + timedelta(seconds=n)).isoformat(),
        )
        for n in range(count)
    )
    ends = {(event.id, "collected"): "succeeded skipped" for event in events}
    return replace(COLLECTED, name=name, files={"team.yaml": file(name, rule)}, events=events, ends=ends)


def run_with_random_faults(count: int, every: int, seed: int) -> ScenarioRun:
    """Run it with a fault at one of `every` calls, and check that each event is in exactly one window."""
    chance, scenario = random.Random(seed), scenario_of(count, seed)
    calls = count * CALLS
    faults = [Fault(call, chance.choice(KINDS)) for call in sorted(chance.sample(range(1, calls), calls // every))]
    run = ScenarioRun(scenario, Faults(faults))
    try:
        check(run.run())
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    return run


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="mlevents")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_each_event_is_in_one_window_with_faults_at_random_calls(seed: int) -> None:
    """One call in thirty crashes the worker, or fails."""
    run = run_with_random_faults(60, every=30, seed=seed)
    assert run.faults.injected > 20
    assert len(windows_of(run, "collected")) < 30


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_each_of_ten_thousand_events_is_in_one_window(seed: int) -> None:
    """In windows of a hundred events, with a fault at one of two hundred calls."""
    run = run_with_random_faults(10_000, every=200, seed=seed)
    sizes = Counter(len(events) for events in windows_of(run, "collected"))
    print(f"\n{run.faults.injected} faults, {sizes.total()} windows of {min(sizes)} to {max(sizes)} events")
