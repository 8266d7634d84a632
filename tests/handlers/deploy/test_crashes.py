"""A worker can crash before and after every request to Azure and every call to storage, in every scenario.

A run without a crash records the writes to Azure of each scenario, and counts the calls. A run with a crash must write
the same, each change once and in the same order, leave no deployment behind, and end with the expected traffic.
`make test` crashes at a sample of the calls, `make soak` at all of them and at pairs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from dispatch.act import rearm
from dispatch.inbox.messages import Message
from emulator import Azure
from handlers.deploy.plan import ACTION_TAG
from tests.handlers.deploy.site import (
    CRASHED,
    DELETE_EIGHT,
    DEV,
    EIGHT,
    ENDPOINT,
    EXPECTS_ZERO,
    PROD,
    PUT_EIGHT,
    PUT_TRAFFIC,
    SEVEN,
    CrashAtWrite,
    Site,
)
from tests.kit.faults import CrashAt

pytestmark = [pytest.mark.services, pytest.mark.no_cover]  # other tests cover the same lines


@dataclass(frozen=True)
class Scenario:
    """What exists in Azure, the settings of the rule, and the expected outcome."""

    name: str
    status: str
    traffic: dict[str, int]
    settings: dict[str, Any]
    note: str
    prepare: Callable[[Azure], None]
    repeats: bool = False  # may a change of traffic be requested twice, because reads never show that it was requested?


def nothing(_: Azure) -> None:
    """No endpoint."""


def seven(azure: Azure) -> None:
    """The endpoint with version 7, which an earlier action deployed."""
    azure.endpoints.add("churn", traffic={SEVEN: 100})
    model = azure.models.register("churn", "7", {"stage": "production"})
    azure.endpoints.add_deployment("churn", SEVEN, model, tags={ACTION_TAG: "of-an-earlier-action"})


def bad_container(azure: Azure) -> None:
    """The container of version 8 crashes."""
    seven(azure)
    azure.faults.fail_deployment(EIGHT, CRASHED, logs="ModuleNotFoundError: sklearn")


def bad_under_load(azure: Azure) -> None:
    """Version 8 passes the smoke test until it gets traffic."""
    seven(azure)

    def scorer(_: Any) -> Any:
        return [0] if not azure.endpoints.traffic("churn").get(EIGHT) else None

    azure.scoring.set_response("churn", EIGHT, scorer=scorer)


def failing_update(azure: Azure) -> None:
    """Azure accepts changes of the traffic, but they fail."""
    seven(azure)
    azure.faults.fail_update("churn", "no healthy replica")


def newer_environment(azure: Azure) -> None:
    """While version 8 is rolled out, a newer environment is registered than the one that `latest` stood for."""
    azure.assets.add_environment("serving", "3", serves=True)
    added: list[str] = []

    def add(call: Any) -> None:
        if call.target == PUT_TRAFFIC and not added:
            added.append(azure.assets.add_environment("serving", "4"))

    azure.calls.after(add)


def good_metrics(azure: Azure) -> None:
    """Version 8 gets requests, and answers them."""
    seven(azure)
    azure.endpoints.set_requests(200, failed=1, p95=120, deployment=EIGHT)


def bad_metrics(azure: Azure) -> None:
    """Version 8 gets requests, and fails once it has half of the traffic."""
    good_metrics(azure)

    def worsen(_: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 50:
            azure.endpoints.set_requests(200, failed=30, deployment=EIGHT)

    azure.calls.after(worsen)


GUARDED = {"traffic": [10, 50, 100], "keep": 0, "guard": {"errors": "1%", "p95": "500ms", "min_requests": 100}}
FILES = {"deployment": "samples/rules/deployments/churn.yml", "environment": "azureml:serving@latest"}
SCENARIOS = (
    Scenario("first", "succeeded", {"8": 100}, {}, "churn:8 serves churn", nothing),
    Scenario("next", "succeeded", {"8": 100}, {"traffic": [50, 100], "keep": 0}, "churn:8 serves churn", seven),
    Scenario("bad-container", "failed", {"7": 100}, {}, f"is Failed: ResourceNotReady: {CRASHED}", bad_container),
    Scenario(
        "bad-under-load",
        "failed",
        {"7": 100},
        EXPECTS_ZERO,
        "unhealthy with 10 %",
        bad_under_load,
    ),
    Scenario("fail-update", "failed", {"7": 100}, {}, "BadRequest: no healthy replica", failing_update, repeats=True),
    Scenario("guarded", "succeeded", {"8": 100}, GUARDED, "churn:8 serves churn", good_metrics),
    Scenario("guard-fails", "failed", {"7": 100}, GUARDED, "the guard failed with 50 % of the traffic", bad_metrics),
    Scenario("files", "succeeded", {"8": 100}, FILES, "churn:8 serves churn", newer_environment),
)


def with_stale_reads(scenario: Scenario, reads: int = 2) -> Scenario:
    """The same scenario, with operations that complete at once and reads that do not show it yet."""

    def prepare(azure: Azure) -> None:
        scenario.prepare(azure)
        azure.operations.set_duration(polls=0)
        azure.faults.stale_reads(reads)
        azure.faults.late_reads(reads, "onlineEndpoints/*")

    return replace(scenario, prepare=prepare)


@contextmanager
def running(scenario: Scenario, crash: CrashAt, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run the scenario in a new Azure and a new app. Requeue actions that a crash left open, as the sweep does."""
    with TemporaryDirectory() as folder, Azure(PROD, DEV) as azure:
        for name, value in azure.settings.items():
            monkeypatch.setenv(name, value)
        scenario.prepare(azure)
        site = Site.of(azure, Path(folder), "", scenario.settings, crash)
        site.register("8")
        site.run()
        for _ in range(8):
            if site.actions["churn-8"].ended:
                break
            site.world.clock.forward(minutes=30)
            tickets = {id: record.message_version for id, record in site.world.history().actions}
            for id in site.world.app.inbox.backlog.open_actions("2026-11-22"):
                rearm(str(Message(id, tickets[id])), site.world.app)
            site.run()
        yield site


def check(site: Site, scenario: Scenario, writes: list[str]) -> None:
    status, note = site.outcome("churn-8")
    assert status == scenario.status, note
    assert scenario.note in note
    assert site.traffic() == scenario.traffic
    assert site.versions() == sorted(scenario.traffic)
    assert (without_repeats(site) if scenario.repeats else site.writes()) == writes
    if scenario.name == "files":
        properties = site.azure.endpoints.deployments("churn")[EIGHT]["properties"]
        assert properties["environmentId"].endswith("/serving/versions/3")
        assert properties["environmentVariables"] == {"MODEL_VERSION": "8"}


def without_repeats(site: Site) -> list[str]:
    """The writes, without repeated requests for the same traffic for version 8."""
    calls = [call for call in site.azure.calls.all if call.method in {"PUT", "DELETE"}]
    forth: list[dict[str, int]] = [
        call.body["properties"]["traffic"] if call.target == PUT_TRAFFIC else {} for call in calls
    ]
    pairs = zip(calls, forth, [{}, *forth], strict=False)
    return [call.target for call, now, last in pairs if not (now.get(EIGHT) and now == last)]


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[list[str], int]]:
    """For each scenario, the writes and the number of calls of a worker that does not crash."""
    found = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for scenario in SCENARIOS:
            with running(scenario, crash := CrashAt(), monkeypatch) as site:
                found[scenario.name] = site.writes(), crash.calls
                check(site, scenario, site.writes())
    return found


def crash_points(measured: dict[str, tuple[list[str], int]], scenario: Scenario) -> list[tuple[int, str]]:
    return [(call, when) for call in range(1, measured[scenario.name][1] + 1) for when in ("before", "after")]


def test_a_run_without_a_crash_creates_and_deletes_each_deployment_once(
    measured: dict[str, tuple[list[str], int]],
) -> None:
    assert {name: writes for name, (writes, _) in measured.items()} == {
        "first": [PUT_TRAFFIC, PUT_EIGHT, PUT_TRAFFIC],
        "next": [PUT_EIGHT, PUT_TRAFFIC, PUT_TRAFFIC, f"DELETE {ENDPOINT}/deployments/{SEVEN}"],
        "bad-container": [PUT_EIGHT, DELETE_EIGHT],
        "bad-under-load": [PUT_EIGHT, PUT_TRAFFIC, PUT_TRAFFIC, DELETE_EIGHT],
        "fail-update": [PUT_EIGHT, PUT_TRAFFIC, PUT_TRAFFIC, DELETE_EIGHT],
        "guarded": [PUT_EIGHT, *[PUT_TRAFFIC] * 3, f"DELETE {ENDPOINT}/deployments/{SEVEN}"],
        "guard-fails": [PUT_EIGHT, *[PUT_TRAFFIC] * 3, DELETE_EIGHT],
        "files": [PUT_TRAFFIC, PUT_EIGHT, PUT_TRAFFIC],
    }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_at_any_call_changes_no_write(
    scenario: Scenario, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 151st crash point."""
    for point in crash_points(measured, scenario)[::151]:
        with running(scenario, CrashAt(point), monkeypatch) as site:
            check(site, scenario, measured[scenario.name][0])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_after_a_write_repeats_nothing_though_reads_are_stale(
    scenario: Scenario, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write of each kind: creation of an endpoint and of a deployment, each change of traffic, each deletion."""
    writes = measured[scenario.name][0]
    points = {
        "first": (1, 3),
        "bad-container": (1, 2),
        "bad-under-load": (3,),
        "next": (4,),
        "fail-update": (3,),
        "guarded": (3,),
        "guard-fails": (4,),
        "files": (2,),
    }
    for nth in points[scenario.name]:
        reads = 5 if (scenario.name, nth) == ("bad-container", 1) else 2
        with running(with_stale_reads(scenario, reads), crash := CrashAtWrite(nth), monkeypatch) as site:
            check(site, scenario, writes)
            assert crash.nth == 0


def test_a_crash_after_the_deletion_of_a_failed_deployment_deletes_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stale reads still show the failed deployment. It is not deleted again, and not mistaken for the new one."""

    def prepare(azure: Azure) -> None:
        seven(azure)
        model = f"{PROD}/models/churn/versions/8"
        azure.endpoints.add_deployment("churn", EIGHT, model, state="Failed", tags={ACTION_TAG: "of-another-action"})

    scenario = Scenario("left", "succeeded", {"8": 100}, {"traffic": [100]}, "churn:8 serves churn", prepare)
    with running(with_stale_reads(scenario), crash := CrashAtWrite(1), monkeypatch) as site:
        assert (site.outcome("churn-8")[0], crash.nth) == ("succeeded", 0)
        assert site.traffic() == {"8": 100}
        assert site.writes() == [DELETE_EIGHT, PUT_EIGHT, PUT_TRAFFIC]


@pytest.mark.soak
@pytest.mark.parametrize("reads", [2, 5])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_at_every_call_changes_no_write_though_reads_are_stale(
    scenario: Scenario, reads: int, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third crash point."""
    with running(with_stale_reads(scenario, reads), crash := CrashAt(), monkeypatch) as site:
        check(site, scenario, measured[scenario.name][0])
    points = [(call, when) for call in range(1, crash.calls + 1, 3) for when in ("before", "after")]
    for point in points:
        with running(with_stale_reads(scenario, reads), CrashAt(point), monkeypatch) as site:
            check(site, scenario, measured[scenario.name][0])
    print(f"\n{scenario.name}, stale reads: {len(points)} crashes")


@pytest.mark.soak
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_at_every_call_changes_no_write(
    scenario: Scenario, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = crash_points(measured, scenario)
    for point in points:
        with running(scenario, CrashAt(point), monkeypatch) as site:
            check(site, scenario, measured[scenario.name][0])
    print(f"\n{scenario.name}: {len(points)} crashes")


@pytest.mark.soak
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_two_crashes_change_no_write(
    scenario: Scenario, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 997th pair of crash points. The second crash can interrupt the recovery from the first."""
    pairs = list(combinations(crash_points(measured, scenario), 2))[::997]
    for pair in pairs:
        with running(scenario, CrashAt(*pair), monkeypatch) as site:
            check(site, scenario, measured[scenario.name][0])
    print(f"\n{scenario.name}: {len(pairs)} pairs of crashes")


@pytest.mark.parametrize("scenario", SCENARIOS[1:2], ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_a_lost_answer_changes_no_write(
    scenario: Scenario, applied: bool, measured: dict[str, tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost before or after Azure applies a write, which is never applied twice."""
    writes = measured[scenario.name][0]
    for nth, write in enumerate(writes, 1):
        method = write.split()[0]
        of_this_method = sum(other.startswith(method) for other in writes[:nth])

        def prepare(azure: Azure, method: str = method, count: int = of_this_method) -> None:
            scenario.prepare(azure)
            (azure.faults.close_after if applied else azure.faults.close_before)(count, f"{method} *")

        with running(replace(scenario, prepare=prepare), CrashAt(), monkeypatch) as site:
            assert [call.target for call in site.azure.calls.all if call.status is None] == [write]
            done = [c.target for c in site.azure.calls.all if c.method in {"PUT", "DELETE"} and (applied or c.status)]
            assert done == writes
            check(site, scenario, site.writes())
