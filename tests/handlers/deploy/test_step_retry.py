"""Retries of failing steps."""

from typing import Any

import pytest

from emulator import Azure
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import (
    DELETE_EIGHT,
    ERRORS,
    PUT_EIGHT,
    PUT_TRAFFIC,
    REQUEST,
    SEVEN,
    SHORT_RETRY,
    deploy_eight,
    is_unchanged,
    resource_properties,
)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_throttled_requests_are_retried_and_no_write_is_repeated(serving: MakeSite, azure: Azure, status: int) -> None:
    azure.faults.fail("", status=status, times=3, after=4)
    azure.faults.fail("PUT *", status=status, times=2)
    azure.faults.fail("DELETE *", status=status, times=1)
    site = serving(keep=0, traffic=[100])
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")
    assert site.writes() == [
        PUT_EIGHT,
        PUT_TRAFFIC,
        f"DELETE onlineEndpoints/churn/deployments/{SEVEN}",
    ]


def test_operations_that_advance_only_when_polled_complete(serving: MakeSite, azure: Azure) -> None:
    """azure-ai-ml's own poller polls operations, not resources."""
    azure.operations.set_duration(polls=1, status_only=True)
    site = serving(traffic=[100], keep=0, timeout="30m")
    status, note = deploy_eight(site)
    assert (status, site.traffic(), site.versions()) == ("succeeded", {"8": 100}, ["8"]), note


@pytest.mark.parametrize(("status", "code", "message"), ERRORS)
def test_change_of_traffic_that_keeps_failing_is_rolled_back(
    serving: MakeSite, azure: Azure, status: int, code: str, message: str
) -> None:
    """The rule's `retry` is shorter, but ends before the deployment is created."""
    azure.faults.fail(PUT_TRAFFIC, status=status, code=code, message=message, times=None)
    site = serving(rule=SHORT_RETRY, timeout="40m")
    how, note = deploy_eight(site)
    assert (how, is_unchanged(site)) == ("failed", True), note
    late = "not done within 40m: " if status == 409 else ""
    assert f"churn:8 was not deployed: {late}HTTP {status}: {code}: {message}" in note
    assert "the traffic of churn is restored" in note
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


def test_denied_endpoint_key_is_rolled_back_after_30_minutes(serving: MakeSite, azure: Azure) -> None:
    resource_properties(azure)["authMode"] = "Key"
    azure.faults.fail("POST */listKeys", status=403, code="AuthorizationFailed", message="no listKeys", times=None)
    site = serving(smoke_test=REQUEST)
    how, note = deploy_eight(site)
    assert (how, is_unchanged(site)) == ("failed", True)
    assert "HTTP 403: AuthorizationFailed: no listKeys (for 3" in note


def test_defect_is_logged_once_and_rolled_back_at_the_timeout(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first exception reaches the app, which logs it."""

    def defect(*_: Any) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("handlers.azure.ml.online_endpoints.OnlineEndpoints.set_traffic", defect)
    site = serving(timeout="10m")
    how, note = deploy_eight(site)
    assert (how, is_unchanged(site)) == ("failed", True)
    assert "churn:8 was not deployed: not done within 10m: KeyError: 'a defect'" in note
