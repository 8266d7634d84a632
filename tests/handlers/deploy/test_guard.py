"""The guard: Azure Monitor's metrics decide between the shares of a roll-out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from emulator import Azure
from handlers.azure.ml.endpoint_metrics import TrafficMetrics, traffic_metrics
from handlers.deploy.checks.guard import Guard
from handlers.deploy.handler import Deploy
from handlers.deploy.limits import METRICS_VISIBLE
from tests.handlers.azure.facts.answers import Answer, Service
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import EIGHT, ENDPOINT, deploy_eight, is_unchanged

GUARD = {"errors": "1%", "p95": "500ms", "min_requests": 100}
METRICS = f"GET {ENDPOINT}/providers/Microsoft.Insights/metrics"


def test_good_metrics_let_the_shares_pass(serving: MakeSite, azure: Azure) -> None:
    """Each share takes the bake, and the time until Azure Monitor has its last minutes."""
    azure.endpoints.set_requests(200, failed=1, p95=120, deployment=EIGHT)
    site = serving(guard=GUARD, bake="2m")
    assert deploy_eight(site)[0] == "succeeded"
    assert azure.endpoints.traffic("churn") == {EIGHT: 100}
    moments = site.actions["churn-8"].timeline
    assert moments[-1].at - moments[0].at >= 2 * (timedelta(minutes=2) + METRICS_VISIBLE)


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        (
            {"failed": 10, "status": 500},
            "200 requests failed (5 %, the limit is 1 %): 10 × HTTP 500",
        ),
        ({"failed": 10, "status": 424}, "200 requests failed (5 %, the limit is 1 %): 10 × HTTP 424"),
        ({"p95": 812}, "the p95 of 200 requests is 812 ms, the limit is 500 ms"),
    ],
)
def test_bad_metrics_restore_the_traffic(serving: MakeSite, azure: Azure, metrics: dict[str, Any], reason: str) -> None:
    """During the bake already; the reason has the numbers."""
    azure.endpoints.set_requests(200, deployment=EIGHT, **metrics)
    site = serving(guard=GUARD, bake="30m")
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "the guard failed with 10 % of the traffic: " in note
    assert reason in note
    assert "the traffic of churn is restored" in note
    assert is_unchanged(site)
    moments = site.actions["churn-8"].timeline
    assert moments[-1].at - moments[0].at < timedelta(minutes=30)


def test_failures_of_clients_do_not_count(serving: MakeSite, azure: Azure) -> None:
    azure.endpoints.set_requests(200, failed=30, status=401, deployment=EIGHT)
    assert deploy_eight(serving(guard=GUARD))[0] == "succeeded"


def test_metrics_that_turn_bad_at_a_later_share_restore_the_traffic(serving: MakeSite, azure: Azure) -> None:
    def worsen(call: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 50:
            azure.endpoints.set_requests(200, failed=30, deployment=EIGHT)

    azure.endpoints.set_requests(200, deployment=EIGHT)
    azure.calls.after(worsen)
    site = serving(guard=GUARD, bake="1m")
    status, note = deploy_eight(site)
    assert (status, "the guard failed with 50 % of the traffic: " in note) == ("failed", True)
    assert is_unchanged(site)


@pytest.mark.parametrize("requests", [None, 0.1])
def test_too_few_requests_hold_the_share_until_the_timeout(
    serving: MakeSite, azure: Azure, requests: float | None
) -> None:
    """It never passes: after the timeout the traffic is restored, with what was missing in the reason."""
    if requests:
        azure.endpoints.set_requests(requests, failed=requests, deployment=EIGHT)
    site = serving(guard=GUARD, timeout="15m")
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "not done within 15m: " in note
    assert "of 100 requests" in note
    assert is_unchanged(site)
    notes = [moment.note for moment in site.actions["churn-8"].timeline]
    assert any("; the guard holds it: " in each for each in notes)


def test_requests_of_the_other_deployment_do_not_count(serving: MakeSite, azure: Azure) -> None:
    azure.endpoints.set_requests(600, deployment="churn-7-*")
    assert "not done within 15m: 0 of 100 requests" in deploy_eight(serving(guard=GUARD, timeout="15m"))[1]


def test_metrics_that_cannot_be_read_let_nothing_pass(serving: MakeSite, azure: Azure) -> None:
    azure.endpoints.set_requests(200, deployment=EIGHT)
    azure.faults.fail(METRICS, status=403, code="AuthorizationFailed", times=None)
    site = serving(guard=GUARD)
    status, note = deploy_eight(site)
    assert (status, "AuthorizationFailed" in note) == ("failed", True)
    assert is_unchanged(site)


def test_metrics_that_fail_for_a_while_only_delay_the_roll_out(serving: MakeSite, azure: Azure) -> None:
    azure.endpoints.set_requests(200, deployment=EIGHT)
    azure.faults.fail(METRICS, status=500, times=3)
    assert deploy_eight(serving(guard=GUARD))[0] == "succeeded"


def test_first_deployment_needs_no_metrics(make: MakeSite, azure: Azure) -> None:
    """There are no shares to decide between."""
    site = make(guard=GUARD)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded"
    assert azure.calls.matching(METRICS) == []


@pytest.mark.parametrize(
    ("guard", "problem"),
    [
        ({}, "a guard needs a limit: write errors: 1%, p95: 500ms, or both"),
        ({"min_requests": 5}, "a guard needs a limit"),
        ({"errors": 1}, "1 is not a percentage below 100 %; write 1% or 0.5%"),
        ({"errors": "100%"}, "'100%' is not a percentage below 100 %"),
        ({"errors": "-1%"}, "'-1%' is not a percentage"),
        ({"p95": "500"}, "'500' is not a latency; write 500ms or 2s"),
        ({"p95": "0ms"}, "'0ms' is not a latency"),
        ({"p95": "1s", "min_requests": 0}, "greater than or equal to 1"),
        ({"p95": "1s", "p99": "1s"}, "Extra inputs are not permitted"),
    ],
)
def test_guard_with_an_error_is_refused(guard: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem.replace("(", r"\(")):
        Guard.model_validate(guard)


def test_guard_needs_shares_and_time() -> None:
    with pytest.raises(ValidationError, match="a guard decides between shares"):
        Deploy.model_validate({"endpoint": "churn", "guard": GUARD, "traffic": [100]})
    with pytest.raises(ValidationError, match="bake and guard alone take 26m for 3 shares"):
        Deploy.model_validate({"endpoint": "churn", "guard": GUARD, "timeout": "25m"})
    batch = {"endpoint": "churn", "guard": GUARD, "batch": {"compute": "c"}}
    with pytest.raises(ValidationError, match="a batch endpoint has no guard"):
        Deploy.model_validate(batch)


def test_limits_are_read_with_their_units() -> None:
    assert Guard.model_validate({"errors": "0.5 %", "p95": "2s"}) == Guard.model_construct(
        errors=0.5, p95=2_000.0, min_requests=20
    )


def test_latency_that_is_not_known_holds_the_share() -> None:
    guard = Guard.model_validate(GUARD)
    found = TrafficMetrics(requests=200)
    assert (guard.violation(found), guard.lacking(found)) == ("", "no latency of 200 requests")


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def metrics_of(requests: Any, latency: Any, until: datetime = NOON + timedelta(minutes=9)) -> tuple[Any, Service]:
    service = Service({"/metrics": lambda request: Answer(latency if "RequestLatency" in request.url else requests)})
    endpoint = f"{service.azureml.path}/onlineEndpoints/churn"
    azureml = service.azureml
    return traffic_metrics(azureml, endpoint, "churn-8", NOON + timedelta(seconds=30), until), service


def series(status: str, *values: Any) -> dict[str, Any]:
    data = [{"timeStamp": f"2026-11-22T12:0{n}:00Z", "average": value} for n, value in enumerate(values)]
    return {"metadatavalues": [{"name": {"value": "statuscode"}, "value": status}], "data": data}


def body(*found: Any) -> dict[str, Any]:
    return {"value": [{"name": {"value": "x"}, "timeseries": list(found)}]}


def test_latency_is_weighted_by_the_requests_of_its_minute() -> None:
    latency = {"data": [{"timeStamp": f"2026-11-22T12:0{n}:00Z", "average": p} for n, p in enumerate((100, 400))]}
    found, service = metrics_of(body(series("200", 90, 8), series("503", 0, 2)), body(latency))
    assert (found.requests, found.failed, found.statuses) == (100, 2, {"503": 2})
    assert found.p95 == pytest.approx(130)
    assert found.error_rate == 2
    [first, second] = service.sent("/metrics")
    assert "timespan=2026-11-22T12:01:00Z/2026-11-22T12:09:00Z" in first.url
    assert "metricnames=RequestLatency_P95" in second.url


def test_share_that_is_younger_than_a_minute_asks_for_nothing() -> None:
    found, service = metrics_of({}, {}, until=NOON + timedelta(seconds=70))
    assert (found, service.sent("/metrics")) == (TrafficMetrics(), [])


@pytest.mark.parametrize(
    "answer",
    [
        *({}, {"value": None}, {"value": [7, {"timeseries": "x"}, {"timeseries": [{"data": [None, {}]}]}]}),
        body(series("500", None, -1, "many", True, float("nan"), 10**400)),
        body({"metadatavalues": [{"name": "statuscode"}, {}], "data": []}),
    ],
)
def test_answers_of_unexpected_types_are_no_data(answer: Any) -> None:
    found, _ = metrics_of(answer, answer)
    assert found == TrafficMetrics()
    assert found.error_rate == 0
