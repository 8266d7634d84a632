"""Rollback: the traffic, the deployment and the report."""

from dataclasses import replace
from typing import Any

import pytest

from emulator import Azure
from handlers.azure.ml.resources import Deployment, Endpoint
from handlers.deploy.plan import ACTION_TAG, Plan
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import (
    CRASHED,
    EIGHT,
    ENDPOINT,
    ERRORS,
    EXPECTS_ZERO,
    PUT_EIGHT,
    PUT_TRAFFIC,
    REQUEST,
    SEVEN,
    SHORT_RETRY,
    deploy_eight,
    hide_endpoint,
    is_unchanged,
    resource_properties,
    unhealthy_from,
)


def test_leave_failed_keeps_the_failed_deployment(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)
    site = serving(leave_failed=True)
    status, note = deploy_eight(site)
    assert (status, site.traffic(), site.versions()) == ("failed", {"7": 100}, ["7", "8"])
    assert f"{EIGHT} was left" in note


def test_deployment_of_an_earlier_action_is_not_deleted_when_it_fails(serving: MakeSite, azure: Azure) -> None:
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, tags={ACTION_TAG: "another"})
    azure.scoring.set_response("churn", EIGHT, status=400, body="bad")
    site = serving(smoke_test=REQUEST)
    site.send("8")
    site.run()
    assert site.outcome("churn-8")[0] == "failed"
    assert (site.writes(), site.versions()) == ([], ["7", "8"])


def test_traffic_that_azure_refuses_to_restore_is_reported(serving: MakeSite, azure: Azure) -> None:
    azure.scoring.set_response("churn", EIGHT, scorer=unhealthy_from(azure, 10))
    azure.faults.fail(PUT_TRAFFIC, status=400, message="a freeze denied", after=1, times=None)
    site = serving(**EXPECTS_ZERO)
    status, note = deploy_eight(site)
    assert (status, site.traffic()) == ("failed", {"7": 90, "8": 10})
    assert "Restore the traffic of churn manually" in note
    assert "a freeze denied" in note
    assert "unhealthy with 10 %" in note


def test_deployment_that_cannot_be_deleted_is_named(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)
    azure.faults.fail("DELETE *", status=400, code="BadRequest", message="it is locked", times=None)
    site = serving()
    status, note = deploy_eight(site)
    assert (status, site.traffic()) == ("failed", {"7": 100})
    assert f"the deployment {EIGHT} could not be deleted: HTTP 400: BadRequest: it is locked" in note


def test_new_deployment_with_traffic_from_someone_else_is_not_deleted(serving: MakeSite, azure: Azure) -> None:
    """Someone gives it traffic during the smoke test."""

    def set_traffic(call: Any) -> None:
        if call.method == "POST" and "/score" in call.path:
            resource_properties(azure)["traffic"] = {SEVEN: 50, EIGHT: 50}

    azure.calls.after(set_traffic)
    azure.scoring.set_response("churn", EIGHT, status=400)
    site = serving(smoke_test=REQUEST)
    status, note = deploy_eight(site)
    assert (status, site.traffic()) == ("failed", {"7": 50, "8": 50})
    assert "was left, because someone else gave it traffic" in note


def test_rollback_completes_though_operations_advance_only_when_polled(make: MakeSite, azure: Azure) -> None:
    azure.operations.set_duration(polls=1, status_only=True)
    azure.faults.fail_deployment("churn-7*", CRASHED)
    site = make(timeout="30m")
    site.register("7")
    site.run()
    assert (site.outcome()[0], site.versions()) == ("failed", [])
    assert CRASHED in site.outcome()[1]


@pytest.mark.parametrize(("status", "code", "message"), ERRORS[1:])
def test_report_names_the_cause_and_the_error_of_the_deletion(
    serving: MakeSite, azure: Azure, status: int, code: str, message: str
) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED, logs="No module named sklearn")
    azure.faults.fail("DELETE *", status=status, code=code, message=message, times=None)
    site = serving(rule=SHORT_RETRY)
    how, note = deploy_eight(site)
    assert (how, site.traffic()) == ("failed", {"7": 100})
    assert f"the deployment {EIGHT} could not be deleted: HTTP {status}: {code}: {message} (for" in note
    assert f"is Failed: ResourceNotReady: {CRASHED}" in note
    assert "No module named sklearn" in note


@pytest.mark.parametrize(
    ("match", "now"),
    [
        pytest.param(PUT_TRAFFIC, "it is churn-7", id="write"),
        pytest.param(f"GET {ENDPOINT}", "it cannot be read", id="read", marks=pytest.mark.soak),
    ],
)
def test_traffic_that_cannot_be_restored_for_hours_is_reported(
    serving: MakeSite, azure: Azure, match: str, now: str
) -> None:
    denied: list[bool] = []

    def deny(call: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 10 and "/score" in call.path and not denied:
            denied.append(True)
            azure.faults.fail(match, status=403, message="role removed", times=None)

    azure.scoring.set_response("churn", EIGHT, scorer=unhealthy_from(azure, 10))
    azure.calls.after(deny)
    site = serving(rule=SHORT_RETRY, **EXPECTS_ZERO)
    how, note = deploy_eight(site)
    assert (how, site.traffic()) == ("failed", {"7": 90, "8": 10})
    assert f"Restore the traffic of churn manually: {now}" in note
    assert "role removed" in note
    assert ("unhealthy with 10 %" in note) == (match == PUT_TRAFFIC)


@pytest.mark.parametrize("accepts", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["deleted", "refused"])
def test_deployment_whose_creation_is_stuck_is_deleted(serving: MakeSite, azure: Azure, accepts: bool) -> None:
    """The deployment would stay in Creating."""

    def cancel_creation(request: Any) -> None:
        if request.method == "DELETE" and accepts:
            for operation in azure.state.operations.values():
                operation.status = "Canceled"

    azure.operations.set_duration(polls=10_000, match=PUT_EIGHT)
    azure.calls.before(cancel_creation)
    site = serving(timeout="10m")
    how, note = deploy_eight(site)
    assert (how, site.traffic()) == ("failed", {"7": 100})
    assert "not done within 10m" in note
    assert site.versions() == (["7"] if accepts else ["7", "8"])
    assert accepts or "could not be deleted: HTTP 409" in note


def test_traffic_is_restored_though_the_endpoint_is_not_found_for_a_moment(serving: MakeSite, azure: Azure) -> None:
    azure.scoring.set_response("churn", EIGHT, scorer=unhealthy_from(azure, 10))
    hidden = hide_endpoint(azure, lambda call: call.path.endswith("/getLogs"), times=2)
    site = serving(**EXPECTS_ZERO)
    status, note = deploy_eight(site)
    assert hidden
    assert (status, is_unchanged(site)) == ("failed", True), note


def test_stale_read_of_the_traffic_does_not_keep_a_failed_deployment(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the restore, one replica still shows the previous traffic."""
    read = Plan.read
    reads: list[Endpoint | None] = []

    def behind(plan: Plan) -> tuple[Endpoint | None, Deployment | None]:
        endpoint, found = read(plan)
        reads.append(endpoint)
        if endpoint and len(reads) == 1:
            endpoint = replace(endpoint, traffic={SEVEN: 90, EIGHT: 10})
        return endpoint, found

    monkeypatch.setattr(Plan, "read", behind)
    azure.scoring.set_response("churn", EIGHT, scorer=unhealthy_from(azure, 10))
    site = serving(**EXPECTS_ZERO)
    status, note = deploy_eight(site)
    assert reads
    assert (status, is_unchanged(site)) == ("failed", True), note
