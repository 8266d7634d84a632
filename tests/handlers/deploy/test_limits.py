"""Every limit is a time: the same with a short, the default and a long `poll`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from handlers.deploy import limits
from handlers.errors import PROPAGATION
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import (
    EIGHT,
    ENDPOINT,
    PROD,
    PUT_EIGHT,
    REQUEST,
    SEVEN,
    CrashAtWrite,
    Site,
    deploy_eight,
    is_unchanged,
)

DEPLOYMENT = f"{ENDPOINT}/deployments/{EIGHT}"
ALMOST, MORE = 0.9, 2.5  # of a limit


REPEATED = [pytest.mark.no_cover, pytest.mark.soak]  # the default covers the same lines


@pytest.fixture(
    params=[
        pytest.param("1s", marks=REPEATED, id="1s"),
        pytest.param(None, id="default"),
        pytest.param("5m", marks=REPEATED, id="5m"),
    ]
)
def poll(request: pytest.FixtureRequest) -> str | None:
    """The rule's `poll`."""
    value: str | None = request.param
    return value


class Schedule:
    """Lets faults begin and end at times of the one clock that the app and the emulator share."""

    def __init__(self, site: Site) -> None:
        self._azure, self._clock = site.azure, site.world.clock
        self._skipping = timedelta()
        self._calls: list[tuple[str, datetime]] = []
        self._due: list[tuple[datetime, Callable[[], None]]] = []
        self._triggers: list[tuple[Callable[[Any], bool], Callable[[], None]]] = []
        self._azure.calls.before(self._before)
        self._azure.calls.after(self._after)

    @property
    def now(self) -> datetime:
        return self._clock.time

    def when(self, condition: Callable[[Any], bool], then: Callable[[], None]) -> None:
        """Run `then` once, after the first call that meets the condition."""
        self._triggers.append((condition, then))

    def later(self, span: timedelta, then: Callable[[], None]) -> None:
        """Run `then` before the first request after this time has passed."""
        self._due.append((self.now + span, then))

    def fault(self, begins: Callable[[Any], bool], match: str, status: int, span: timedelta) -> None:
        """After the first call that meets the condition, answer calls that match with an error.

        The error lasts for `span`, which counts from the first such answer. All but the last minute is skipped.
        """

        def begin() -> None:
            self._azure.faults.fail(match, status=status, times=None)
            self.when(lambda call: call.status == status, end)

        def end() -> None:
            self.later(span, self._azure.faults.clear)
            self._skipping = max(span - timedelta(minutes=1), timedelta())

        self.when(begins, begin)

    def skip(self, span: timedelta, begins: Callable[[Any], bool]) -> None:
        """After the first call that meets the condition, move the clock by this time, a part at each call."""

        def begin() -> None:
            self._skipping = span

        self.when(begins, begin)

    def times_of(self, target: str) -> list[datetime]:
        """The times of the calls with this method and path."""
        return [at for called, at in self._calls if called == target]

    def gap(self, target: str) -> timedelta:
        """The time between the two calls of this kind."""
        first, second = self.times_of(target)
        return second - first

    def _before(self, _: Any) -> None:
        for at, then in [item for item in self._due if item[0] <= self.now]:
            self._due.remove((at, then))
            then()

    def _after(self, call: Any) -> None:
        self._calls.append((call.target, self.now))
        for condition, then in list(self._triggers):
            if condition(call):
                self._triggers.remove((condition, then))
                then()
        part = min(self._skipping, limits.MAX_GAP / 6)
        self._skipping -= part
        self._clock.forward(seconds=part.total_seconds())


def is_put(target: str) -> Callable[[Any], bool]:
    return lambda call: bool(call.target == f"PUT {target}")


def is_get(target: str) -> Callable[[Any], bool]:
    return lambda call: bool(call.target == f"GET {target}")


def bakes_with_half(azure: Azure) -> Callable[[Any], bool]:
    """A health check while the new deployment has half of the traffic."""
    return lambda call: "/score" in call.path and azure.endpoints.traffic("churn").get(EIGHT) == 50


def ended(site: Site) -> datetime:
    return site.actions["churn-8"].timeline[-1].at


@pytest.mark.parametrize(("part", "status"), [(ALMOST, "succeeded"), (MORE, "failed")])
def test_a_model_is_awaited_for_its_limit(
    make: MakeSite, azure: Azure, poll: str | None, part: float, status: str
) -> None:
    site = make(poll=poll, traffic=[100])
    schedule, span = Schedule(site), part * limits.MODEL_VISIBLE
    skipped = min(span, limits.MODEL_VISIBLE) - timedelta(seconds=5)
    schedule.skip(skipped, lambda call: call.status == 404 and "/models/" in call.path)

    def register() -> None:
        azure.models.register("churn", "7", {"stage": "production"})

    schedule.later(span, register)
    site.send("7")
    site.run()
    assert site.outcome()[0] == status, site.outcome()
    assert status == "succeeded" or "the model churn:7 was not found in churn-prod within 5m" in site.outcome()[1]


def test_azure_may_take_as_long_as_recorded(make: MakeSite, azure: Azure, poll: str | None) -> None:
    """90 seconds for the endpoint and for its traffic, ten minutes for the deployment: nothing is sent twice."""
    azure.operations.set_duration(seconds=90, match=f"PUT {ENDPOINT}")
    azure.operations.set_duration(seconds=600, match="PUT */deployments/*")
    site = make(poll=poll)
    schedule = Schedule(site)
    schedule.skip(timedelta(seconds=580), lambda call: "PUT" in call.target and "/deployments/" in call.target)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    assert [write.partition("-")[0] for write in site.writes()] == [
        f"PUT {ENDPOINT}",
        f"PUT {ENDPOINT}/deployments/churn",
        f"PUT {ENDPOINT}",
    ]


def test_a_slow_change_of_traffic_is_not_rolled_back(serving: MakeSite, azure: Azure, poll: str | None) -> None:
    azure.operations.set_duration(seconds=90, match=f"PUT {ENDPOINT}")
    site = serving(poll=poll)
    schedule = Schedule(site)

    def skip() -> None:
        schedule.skip(timedelta(seconds=50), is_get(ENDPOINT))
        schedule.when(is_put(ENDPOINT), skip)

    schedule.when(is_put(ENDPOINT), skip)
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")
    assert len(schedule.times_of(f"PUT {ENDPOINT}")) == 3


@pytest.mark.parametrize(("part", "status"), [(ALMOST, "succeeded"), (1.2, "failed")])
def test_a_change_of_traffic_is_awaited_for_its_limit(
    serving: MakeSite, azure: Azure, poll: str | None, part: float, status: str
) -> None:
    span = part * limits.TRAFFIC_VISIBLE
    azure.operations.set_duration(seconds=span.total_seconds(), match=f"PUT {ENDPOINT}")
    site = serving(poll=poll, traffic=[100])
    schedule = Schedule(site)

    def skip() -> None:
        schedule.skip(min(span, limits.TRAFFIC_VISIBLE) - timedelta(seconds=20), is_get(ENDPOINT))
        schedule.when(is_put(ENDPOINT), skip)

    schedule.when(is_put(ENDPOINT), skip)
    outcome, note = deploy_eight(site)
    assert outcome == status, note
    assert (site.traffic(), "the endpoint never showed the traffic" in note) == (
        ({"8": 100}, False) if status == "succeeded" else ({"7": 100}, True)
    )


@pytest.mark.parametrize(("part", "status"), [(0.7, "succeeded"), (MORE, "failed")])
def test_an_endpoint_counts_as_deleted_after_its_limit(
    serving: MakeSite, azure: Azure, poll: str | None, part: float, status: str
) -> None:
    site = serving(poll=poll, smoke_test=REQUEST)
    schedule = Schedule(site)
    schedule.fault(bakes_with_half(azure), f"GET {ENDPOINT}", 404, part * limits.ENDPOINT_MISSING)
    outcome, note = deploy_eight(site)
    assert outcome == status, note
    assert ("the endpoint churn was deleted" in note) == (status == "failed")


def test_a_refused_request_is_repeated_after_its_limit(serving: MakeSite, azure: Azure, poll: str | None) -> None:
    azure.faults.fail(f"PUT {DEPLOYMENT}", status=409, code="ScopeLocked")
    site = serving(poll=poll, traffic=[100])
    schedule = Schedule(site)
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")
    assert limits.REFUSAL_SETTLED <= schedule.gap(f"PUT {DEPLOYMENT}") < 2 * limits.REFUSAL_SETTLED


def test_a_request_without_an_answer_is_repeated_after_its_limit(
    serving: MakeSite, azure: Azure, poll: str | None
) -> None:
    azure.faults.close_before(1, f"PUT {DEPLOYMENT}")
    site = serving(poll=poll, traffic=[100])
    schedule = Schedule(site)
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")
    assert limits.OUTCOME_KNOWN <= schedule.gap(f"PUT {DEPLOYMENT}") < 1.5 * limits.OUTCOME_KNOWN


def test_a_request_that_a_crashed_worker_sent_may_be_invisible_for_almost_the_limit(
    serving: MakeSite, azure: Azure, tmp_path: Path, poll: str | None
) -> None:
    """The deployment is not created a second time."""
    site = Site.of(azure, tmp_path, "", {"poll": poll, "traffic": [100]}, CrashAtWrite(1))
    schedule = Schedule(site)

    def hide() -> None:
        azure.faults.fail(f"GET {DEPLOYMENT}", status=404, times=None)
        schedule.when(is_get(DEPLOYMENT), lambda: schedule.later(ALMOST * limits.OUTCOME_KNOWN, azure.faults.clear))

    schedule.when(is_put(DEPLOYMENT), hide)
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")
    assert len(schedule.times_of(f"PUT {DEPLOYMENT}")) == 1


def test_an_outage_of_the_app_uses_up_no_limit(serving: MakeSite, azure: Azure, poll: str | None) -> None:
    """The deployment is not found before the outage, nor by the first read after it."""
    site = serving(poll=poll, traffic=[100])
    schedule = Schedule(site)
    schedule.when(is_put(DEPLOYMENT), lambda: azure.faults.fail(f"GET {DEPLOYMENT}", status=404, times=3))
    schedule.when(
        lambda call: call.target == f"GET {DEPLOYMENT}" and call.status == 404 and bool(schedule.times_of(PUT_EIGHT)),
        lambda: site.world.clock.forward(hours=1),
    )
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")


def test_traffic_is_confirmed_after_its_limit(serving: MakeSite, azure: Azure, poll: str | None) -> None:
    azure.operations.set_duration(polls=0)
    site = serving(poll=poll, traffic=[100])
    schedule = Schedule(site)
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")
    [sent] = schedule.times_of(f"PUT {ENDPOINT}")
    assert limits.TRAFFIC_SETTLED <= ended(site) - sent < 2 * limits.TRAFFIC_SETTLED


@pytest.mark.parametrize(("part", "status"), [(0.7, "succeeded"), (MORE, "failed")])
def test_unexpected_traffic_is_tolerated_for_its_limit(
    serving: MakeSite, azure: Azure, poll: str | None, part: float, status: str
) -> None:
    site = serving(poll=poll, smoke_test=REQUEST)
    schedule = Schedule(site)
    endpoint = azure.state.require(f"{PROD}/{ENDPOINT}")

    def change(eight: int) -> None:
        endpoint.properties["traffic"] = {SEVEN: 100 - eight, EIGHT: eight}

    def begin() -> None:
        change(20)
        span = part * limits.CONCURRENT_CHANGE
        schedule.when(is_get(ENDPOINT), lambda: schedule.later(span, lambda: change(50)))

    schedule.when(bakes_with_half(azure), begin)
    outcome, note = deploy_eight(site)
    assert outcome == status, note
    assert ("someone else changed the traffic" in note) == (status == "failed")


@pytest.mark.parametrize("part", [ALMOST, MORE])
@pytest.mark.parametrize(("status", "limit"), [(503, limits.READY_TO_SCORE), (403, PROPAGATION)])
def test_a_deployment_that_does_not_answer_is_awaited_for_its_limit(  # noqa: PLR0917 - pytest gives them by name
    serving: MakeSite, azure: Azure, poll: str | None, status: int, limit: timedelta, part: float
) -> None:
    site = serving(poll=poll, smoke_test=REQUEST, traffic=[100])
    schedule = Schedule(site)
    schedule.fault(is_put(DEPLOYMENT), "POST */score*", status, part * limit)
    outcome, note = deploy_eight(site)
    assert outcome == ("succeeded" if part < 1 else "failed"), note
    assert part < 1 or (is_unchanged(site) and f"HTTP {status}" in note)


@pytest.mark.parametrize(("part", "status"), [(0.7, "succeeded"), (MORE, "failed")])
def test_a_failed_health_check_is_tolerated_for_its_limit(
    serving: MakeSite, azure: Azure, poll: str | None, part: float, status: str
) -> None:
    site = serving(poll=poll, smoke_test=REQUEST)
    schedule = Schedule(site)
    schedule.fault(bakes_with_half(azure), "POST */score*", 500, part * limits.UNHEALTHY)
    outcome, note = deploy_eight(site)
    assert outcome == status, note
    assert ("unhealthy with 50 % of the traffic" in note) == (status == "failed")


@pytest.mark.parametrize(("part", "reported"), [(ALMOST, False), (MORE, True)])
def test_the_deletion_of_an_older_deployment_is_awaited_for_its_limit(
    serving: MakeSite, azure: Azure, poll: str | None, part: float, reported: bool
) -> None:
    span = part * limits.DELETION
    azure.operations.set_duration(seconds=span.total_seconds(), match="DELETE *")
    site = serving(poll=poll, keep=0, traffic=[100])
    schedule = Schedule(site)
    schedule.skip(min(span, limits.DELETION) - timedelta(seconds=20), lambda call: call.method == "DELETE")
    status, note = deploy_eight(site)
    assert (status, site.traffic()) == ("succeeded", {"8": 100})
    assert (f"{SEVEN} could not be deleted: it is still Deleting" in note) == reported


@pytest.mark.parametrize(("part", "reported"), [(ALMOST, False), (MORE, True)])
def test_a_rollback_awaits_the_deletion_for_its_limit(
    serving: MakeSite, azure: Azure, poll: str | None, part: float, reported: bool
) -> None:
    span = part * limits.ROLLBACK_DELETION
    azure.operations.set_duration(seconds=span.total_seconds(), match="DELETE *")
    azure.faults.fail_deployment(EIGHT)
    site = serving(poll=poll)
    schedule = Schedule(site)
    schedule.skip(
        min(span, limits.ROLLBACK_DELETION) - timedelta(seconds=90), lambda call: call.target == f"DELETE {DEPLOYMENT}"
    )
    status, note = deploy_eight(site)
    assert status == "failed"
    assert ("should be deleted, but is still Deleting" in note) == reported
    assert site.versions() == (["7", "8"] if reported else ["7"])
