"""A worker can crash before and after every request to Azure and every call to storage: an action starts one run.

A run without a crash counts the calls of each scenario. With a crash, the outcome must be the same. Only a run that
cannot be recognized may make the action unsure, and it is never started twice. `make test` crashes at a sample of the
calls, `make soak` at all of them and at pairs.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from emulator import Azure
from mlevents.local.azurite import Azurite
from tests.handlers.pipeline.site import DEV, FACTORY, JOB, PROD, QUIET, SYNAPSE, Site, deploy_pipeline
from tests.handlers.pipeline.test_data_factory import DECLARED
from tests.kit.emulator import trust_only
from tests.kit.faults import CrashAt

pytestmark = [QUIET, pytest.mark.services, pytest.mark.no_cover]  # other tests cover the same lines


@dataclass(frozen=True)
class Scenario:
    """The settings of the rule, what exists in Azure, and the expected outcome."""

    name: str
    settings: dict[str, Any]
    starts: str  # the request that starts the run
    status: str = "succeeded"
    unsure: bool = False  # may the action be unsure?
    prepare: Callable[[Azure], None] = field(default=lambda azure: None)


def fails(azure: Azure) -> None:
    azure.jobs.fail(message="ValueError: bad data")


def never_ends(azure: Azure) -> None:
    azure.jobs.set_duration(None)


PUT, INVOKE, CREATE = "PUT jobs/*", "POST /inference/*/jobs", f"POST {FACTORY}/pipelines/*/createRun"
CREATE_SYNAPSE = f"POST /synapse{SYNAPSE}/pipelines/*/createRun"
COMPONENT = {"job": "azureml:retrain:3", "compute": "cpu-cluster"}
SCENARIOS = (
    Scenario("file", {"job": JOB}, PUT),
    Scenario("component", COMPONENT | {"wait": True}, PUT),
    Scenario("failing", COMPONENT | {"wait": True}, PUT, "failed", prepare=fails),
    Scenario(
        "endless",
        COMPONENT | {"wait": True, "timeout": "5m", "cancel_on_timeout": True},
        PUT,
        "failed",
        prepare=never_ends,
    ),
    Scenario("batch-pipeline", {"batch_endpoint": "churn", "deployment": "retrain", "wait": True}, INVOKE),
    Scenario("batch-model", {"batch_endpoint": "churn", "deployment": "churn-7"}, INVOKE, unsure=True),
    Scenario("factory", {"data_factory": FACTORY, "pipeline": "copy-and-train", "wait": True}, CREATE),
    Scenario("factory-without-key", {"data_factory": FACTORY, "pipeline": "copy"}, CREATE, unsure=True),
    Scenario("synapse", {"synapse": SYNAPSE, "pipeline": "copy-and-train", "wait": True}, CREATE_SYNAPSE),
)
ALIKE = ("file", "failing", "endless", "synapse")  # their runs are started like those of others
BY_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def play(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> "Play":
    """A function that runs a scenario in a world of its own."""

    @contextmanager
    def run(
        scenario: Scenario, crash: CrashAt | None = None, faults: Callable[[Azure], None] = lambda azure: None
    ) -> Iterator[Site]:
        with TemporaryDirectory() as folder, Azure(PROD, DEV, storage=azurite.connection_string) as azure:
            trust_only(azure, monkeypatch)
            azure.workspaces.add_compute("cpu-cluster")
            azure.jobs.set_duration(60)
            azure.endpoints.add("churn", "Batch", default="churn-7")
            azure.endpoints.add_deployment("churn", "churn-7", azure.models.register("churn", "7"))
            deploy_pipeline(azure)
            azure.factories.add("adf-churn", {"copy-and-train": DECLARED, "copy": {}})
            azure.factories.add("syn-churn", {"copy-and-train": DECLARED}, synapse=True)
            scenario.prepare(azure)
            faults(azure)
            site = Site.of(azure, Path(folder), "", scenario.settings, crash or CrashAt())
            try:
                site.handle()
                site.run_until_ended()
                yield site
            finally:
                site.disconnect()

    return run


Play = Callable[..., Any]


def started(site: Site) -> int:
    return len(site.azure.jobs.all) + sum(len(site.azure.factories.runs(owner)) for owner in (FACTORY, SYNAPSE))


def check(site: Site, scenario: Scenario) -> None:
    """One run was started; or the action is unsure, and there are not two."""
    if scenario.unsure and site.outcome[1].startswith("unsure"):
        assert site.outcome[0] == "failed"
        assert started(site) <= 1
    else:
        assert site.outcome[0] == scenario.status, site.outcome
        assert started(site) == 1


def crash_points(play: Play, scenario: Scenario) -> list[tuple[int, str]]:
    """The calls of a worker that does not crash, each before and after. It must request one run, once."""
    with play(scenario, crash := CrashAt()) as site:
        check(site, scenario)
        assert not site.outcome[1].startswith("unsure")
        assert len(site.azure.calls.matching(scenario.starts)) == 1
    return [(call, when) for call in range(1, crash.calls + 1) for when in ("before", "after")]


@BY_SCENARIO
def test_run_is_started_once_despite_a_crash(scenario: Scenario, play: Play) -> None:
    """A sample: two crashes per scenario, one for the slow one that uploads."""
    found = crash_points(play, scenario)
    for point in found[3 + len(scenario.name) % 9 :: len(found) // 2][: 1 if scenario.name == "file" else 2]:
        with play(scenario, CrashAt(point)) as site:
            check(site, scenario)


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.name not in ALIKE], ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_run_is_started_once_despite_a_lost_response(scenario: Scenario, applied: bool, play: Play) -> None:
    with play(
        scenario,
        None,
        lambda azure: (azure.faults.close_after if applied else azure.faults.close_before)(1, scenario.starts),
    ) as site:
        check(site, scenario)
        assert len(site.azure.calls.matching(scenario.starts)) == (1 if applied else 2)


@pytest.mark.soak
@BY_SCENARIO
def test_run_is_started_once_despite_a_crash_anywhere(scenario: Scenario, play: Play) -> None:
    found = crash_points(play, scenario)
    for point in found:
        with play(scenario, CrashAt(point)) as site:
            check(site, scenario)
    print(f"\n{scenario.name}: {len(found)} crashes")


@pytest.mark.soak
@BY_SCENARIO
def test_run_is_started_once_despite_two_crashes(scenario: Scenario, play: Play) -> None:
    """Every 41st pair: the second crash may interrupt the recovery from the first."""
    pairs = list(combinations(crash_points(play, scenario), 2))[::41]
    for pair in pairs:
        with play(scenario, CrashAt(*pair)) as site:
            check(site, scenario)
    print(f"\n{scenario.name}: {len(pairs)} pairs of crashes")
