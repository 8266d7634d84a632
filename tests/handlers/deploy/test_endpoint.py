"""Creation of the endpoint, and its failures."""

from datetime import timedelta
from typing import Any

import pytest

from emulator import Azure
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import EIGHT, ENDPOINT, PUT_TRAFFIC, deploy_eight, resource_properties


def test_refused_creation_of_the_endpoint_is_reported(make: MakeSite, azure: Azure) -> None:
    azure.faults.fail(PUT_TRAFFIC, status=400, code="BadRequest", message="the name is taken in this region")
    site = make()
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert status == "failed"
    assert "the name is taken in this region" in note


def test_endpoint_that_had_failed_before_is_not_deleted(serving: MakeSite, azure: Azure) -> None:
    resource_properties(azure)["provisioningState"] = "Failed"
    site = serving()
    status, note = deploy_eight(site)
    assert (status, site.writes()) == ("failed", [])
    assert "the endpoint churn is Failed" in note
    assert "Delete or fix the endpoint, then replay the event" in note


def test_endpoint_that_is_slower_than_the_timeout_is_reported(make: MakeSite, azure: Azure) -> None:
    azure.operations.set_duration(polls=10_000, match=PUT_TRAFFIC)
    site = make(timeout="10m")
    site.register("7")
    site.run()
    assert site.outcome() == ("failed", "not done within 10m")
    assert site.writes() == [PUT_TRAFFIC]


@pytest.mark.parametrize("status_only", [False, True])
def test_failed_endpoint_is_deleted_and_created_again_for_the_next_version(
    make: MakeSite, azure: Azure, status_only: bool
) -> None:
    azure.operations.set_duration(status_only=status_only)
    azure.faults.fail_endpoint("churn", "no address is left in the subnet")
    site = make(traffic=[100])
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert (status, azure.endpoints.get("churn")) == ("failed", None)
    assert "the endpoint churn is Failed: BadRequest: no address is left in the subnet" in note
    assert "The endpoint was deleted" in note
    assert site.writes() == [PUT_TRAFFIC, f"DELETE {ENDPOINT}"]
    azure.state.plan.endpoint_failures.clear()
    site.register("8")
    site.run()
    assert site.outcome("churn-8")[0] == "succeeded"


def test_failed_endpoint_that_cannot_be_deleted_is_reported(make: MakeSite, azure: Azure) -> None:
    azure.faults.fail_endpoint("churn", "no address is left in the subnet")
    azure.faults.fail(f"DELETE {ENDPOINT}", status=403, code="AuthorizationFailed", message="no role", times=None)
    site = make()
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert status == "failed"
    assert "no address is left in the subnet. The endpoint could not be deleted: HTTP 403" in note
    assert "no role" in note


def test_failed_endpoint_that_someone_uses_is_not_deleted(make: MakeSite, azure: Azure) -> None:
    """Someone else created a deployment behind it."""
    model = azure.models.register("churn", "1")

    def create_deployment(call: object) -> None:
        if azure.endpoints.get("churn") and not azure.endpoints.deployments("churn"):
            azure.endpoints.add_deployment("churn", "manual", model)

    azure.faults.fail_endpoint("churn", "no address is left in the subnet")
    azure.calls.after(create_deployment)
    site = make()
    site.register("7")
    site.run()
    assert site.outcome()[0] == "failed"
    assert "Delete or fix the endpoint, then replay the event" in site.outcome()[1]
    assert list(azure.endpoints.deployments("churn")) == ["manual"]


def test_existing_endpoint_that_is_not_found_for_a_moment_is_not_created_again(serving: MakeSite, azure: Azure) -> None:
    """Creating it again would drop its traffic."""
    reads: list[str] = []

    def hide(call: Any) -> None:
        if call.target == f"GET {ENDPOINT}" or (call.method == "GET" and call.path.endswith(ENDPOINT)):
            reads.append(call.path)
            if len(reads) == 1:
                azure.faults.fail(f"GET {ENDPOINT}", status=404, code="ResourceNotFound", times=2)

    azure.calls.after(hide)
    site = serving()
    status, note = deploy_eight(site)
    assert len(reads) > 3
    assert (status, site.traffic()) == ("succeeded", {"8": 100}), note
    assert all(call.body["properties"].get("traffic") for call in azure.calls.matching(PUT_TRAFFIC))


def test_denied_creation_of_the_endpoint_fails_after_30_minutes_with_the_reason(make: MakeSite, azure: Azure) -> None:
    """Neither the `timeout` of four hours nor the rule's `retry` counts."""
    azure.faults.fail(PUT_TRAFFIC, status=403, code="AuthorizationFailed", message="no role", times=None)
    site = make()
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert status == "failed"
    assert "HTTP 403: AuthorizationFailed: no role (for 3" in note
    moments = site.actions["churn-7"].timeline
    assert timedelta(minutes=30) <= moments[-1].at - moments[0].at < timedelta(hours=1)
    assert len(azure.calls.matching(PUT_TRAFFIC)) < 10


def test_two_failed_reads_with_good_reads_between_them_do_not_create_the_endpoint_again(
    serving: MakeSite, azure: Azure
) -> None:
    resource_properties(azure)["provisioningState"] = "Updating"
    reads: list[str] = []

    def hide_twice(call: Any) -> None:
        if call.target != f"GET {ENDPOINT}":
            return
        reads.append(call.path)
        if len(reads) in {2, 6}:
            azure.faults.fail(f"GET {ENDPOINT}", status=404, code="ResourceNotFound")
        if len(reads) == 10:
            resource_properties(azure)["provisioningState"] = "Succeeded"

    azure.calls.after(hide_twice)
    status, note = deploy_eight(serving(traffic=[100]))
    assert status == "succeeded", note
    assert [call.body["properties"]["traffic"] for call in azure.calls.matching(PUT_TRAFFIC)] == [{EIGHT: 100}]
