"""Shares, bake and health checks, and what restores the traffic."""

from datetime import timedelta
from typing import Any

import pytest

from emulator import Azure
from handlers.deploy.limits import TRAFFIC_SETTLED
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import (
    EIGHT,
    ENDPOINT,
    EXPECTS_ZERO,
    PROD,
    PUT_TRAFFIC,
    REQUEST,
    SEVEN,
    deploy_eight,
    hide_endpoint,
    is_unchanged,
    resource_properties,
    unhealthy_from,
)


def test_first_model_gets_an_endpoint_a_deployment_and_all_traffic(make: MakeSite, azure: Azure) -> None:
    site = make()
    model = site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded"
    assert site.writes() == [
        PUT_TRAFFIC,
        f"PUT onlineEndpoints/churn/deployments/{SEVEN}",
        PUT_TRAFFIC,
    ]
    assert azure.endpoints.traffic("churn") == {SEVEN: 100}
    deployment = azure.endpoints.deployments("churn")[SEVEN]
    assert deployment["properties"]["model"] == model
    assert deployment["tags"]["mlevents_rule"] == "deploy-it"
    endpoint = azure.endpoints.get("churn")
    assert endpoint is not None
    assert endpoint["properties"]["authMode"] == "AADToken"
    assert endpoint["tags"]["mlevents_event"] == "churn-7"
    sent = azure.calls.matching(PUT_TRAFFIC)[0].body["properties"]
    assert (sent["authMode"], sent["publicNetworkAccess"]) == ("AADToken", "Enabled")


def test_next_version_gets_the_traffic_share_by_share(make: MakeSite, azure: Azure) -> None:
    site = make(traffic=[10, 50, 100], keep=0)
    site.register("7")
    site.run()
    before = len(azure.calls.all)
    site.register("8")
    site.run()
    assert site.outcome("churn-8")[0] == "succeeded"
    shares = [
        call.body["properties"]["traffic"]
        for call in azure.calls.all[before:]
        if call.target.startswith(PUT_TRAFFIC) and "deployments" not in call.path
    ]
    assert shares == [{SEVEN: 90, EIGHT: 10}, {SEVEN: 50, EIGHT: 50}, {EIGHT: 100}]
    assert azure.endpoints.traffic("churn") == {EIGHT: 100}
    assert list(azure.endpoints.deployments("churn")) == [EIGHT]


def test_poll_shortens_neither_the_bake_nor_the_confirmation_of_the_traffic(make: MakeSite, azure: Azure) -> None:
    """The app's clock moves by the pauses only."""
    took = {}
    for poll in (None, "1s"):
        site = make(traffic=[10, 100], bake="1m", poll=poll)
        for version in ("7", "8") if poll else ("5", "6"):
            site.register(version)
            site.run()
        moments = site.actions[f"churn-{version}"].timeline
        took[poll] = moments[-1].at - moments[0].at
    assert azure.endpoints.traffic("churn") == {EIGHT: 100}
    assert timedelta(minutes=1) + 2 * TRAFFIC_SETTLED <= took["1s"] < took[None]


@pytest.mark.parametrize("share", [10, 50, 100])
def test_failed_smoke_test_during_the_bake_restores_the_traffic(serving: MakeSite, azure: Azure, share: int) -> None:
    azure.scoring.set_response("churn", EIGHT, scorer=unhealthy_from(azure, share))
    site = serving(**EXPECTS_ZERO)
    status, note = deploy_eight(site)
    assert status == "failed"
    assert f"unhealthy with {share} % of the traffic" in note
    assert "the traffic of churn is restored" in note
    assert is_unchanged(site)


def test_failed_provisioning_state_during_the_bake_restores_the_traffic(serving: MakeSite, azure: Azure) -> None:
    """The rule has no smoke test."""

    def break_deployment(call: Any) -> None:
        if call.target.startswith("GET") and azure.endpoints.traffic("churn").get(EIGHT) == 10:
            azure.faults.break_deployment("churn", EIGHT, state="Failed")

    azure.calls.after(break_deployment)
    site = serving()
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "unhealthy with 10 %" in note
    assert is_unchanged(site)


def test_rollout_that_is_slower_than_the_timeout_restores_the_traffic(serving: MakeSite, azure: Azure) -> None:
    site = serving(bake="2h", timeout="4h1m")  # two pauses of two hours; the deployment takes longer than a minute
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "not done within 4h1m" in note
    assert is_unchanged(site)


def test_refused_change_of_traffic_deletes_the_deployment(serving: MakeSite, azure: Azure) -> None:
    """400 is a permanent refusal."""
    azure.faults.fail(PUT_TRAFFIC, status=400, code="BadRequest", message="traffic is under a freeze")
    site = serving()
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "traffic is under a freeze" in note
    assert is_unchanged(site)


def test_stale_reads_cause_no_second_change_of_traffic(serving: MakeSite, azure: Azure) -> None:
    azure.faults.stale_reads(3)
    site = serving(keep=0)
    assert deploy_eight(site)[0] == "succeeded", site.outcome("churn-8")
    assert site.traffic() == {"8": 100}
    assert site.versions() == ["8"]
    shares = [call.body["properties"]["traffic"] for call in azure.calls.all if call.target == PUT_TRAFFIC]
    assert shares == [{SEVEN: 90, EIGHT: 10}, {SEVEN: 50, EIGHT: 50}, {EIGHT: 100}]


@pytest.mark.parametrize("after", [1, 3, 5], ids=["confirmation", "bake", "next share"])
def test_traffic_that_someone_else_changes_is_left_as_it_is(serving: MakeSite, azure: Azure, after: int) -> None:
    reads: list[str] = []

    def change_traffic(call: Any) -> None:
        if azure.endpoints.traffic("churn") == {SEVEN: 50, EIGHT: 50} and call.target == f"GET {ENDPOINT}":
            reads.append(call.line)
        if len(reads) == after:
            resource_properties(azure)["traffic"] = {SEVEN: 80, EIGHT: 20}

    azure.calls.after(change_traffic)
    site = serving()
    status, note = deploy_eight(site)
    assert (status, site.traffic()) == ("failed", {"7": 80, "8": 20})
    assert "someone else changed the traffic" in note
    assert site.versions() == ["7", "8"]


def test_unexpected_reads_with_expected_reads_between_them_are_tolerated(serving: MakeSite, azure: Azure) -> None:
    half = {SEVEN: 50, EIGHT: 50}
    reads: list[str] = []

    def change_every_third_read(request: Any) -> None:
        if request.method == "GET" and request.path.endswith(ENDPOINT) and azure.endpoints.traffic("churn") == half:
            reads.append(request.path)
            if len(reads) % 3 == 0:
                resource_properties(azure)["traffic"] = {SEVEN: 80, EIGHT: 20}

    def restore(_: Any) -> None:
        if azure.endpoints.traffic("churn") == {SEVEN: 80, EIGHT: 20}:
            resource_properties(azure)["traffic"] = half

    azure.calls.before(change_every_third_read)
    azure.calls.after(restore)
    site = serving(bake="5m")
    status, note = deploy_eight(site)
    assert len(reads) >= 6
    assert (status, site.traffic()) == ("succeeded", {"8": 100}), note


def test_change_of_traffic_that_never_shows_is_rolled_back(serving: MakeSite, azure: Azure) -> None:
    """The original traffic is requested all the same: the change may have had an effect."""
    azure.faults.stale_reads(60)
    site = serving()
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "the endpoint never showed the traffic" in note
    assert is_unchanged(site)


def test_endpoint_that_fails_during_a_change_of_traffic_is_rolled_back(serving: MakeSite, azure: Azure) -> None:
    """Azure accepts the change, and then the endpoint fails."""

    def break_endpoint(call: Any) -> None:
        if call.target == PUT_TRAFFIC and not broken:
            broken.append(True)
            azure.clock.forward(hours=1)
            azure.operations.set_duration(polls=1)
            resource_properties(azure)["provisioningState"] = "Failed"

    broken: list[bool] = []
    azure.operations.set_duration(seconds=60, match=PUT_TRAFFIC)
    azure.calls.after(break_endpoint)
    site = serving()
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "the traffic could not be changed to" in note
    assert is_unchanged(site)


def test_deletion_of_the_endpoint_ends_the_rollout(serving: MakeSite, azure: Azure) -> None:
    def delete_endpoint(call: Any) -> None:
        if azure.endpoints.get("churn") and azure.endpoints.traffic("churn").get(EIGHT) == 10:
            azure.state.remove(f"{PROD}/onlineEndpoints/churn")

    azure.calls.after(delete_endpoint)
    site = serving()
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "the endpoint churn was deleted" in note


def test_deployment_that_is_deleted_during_the_bake_is_unhealthy(serving: MakeSite, azure: Azure) -> None:
    deleted: list[bool] = []

    def delete_deployment(call: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 50 and not deleted:
            deleted.append(True)
            azure.state.remove(f"{PROD}/onlineEndpoints/churn/deployments/{EIGHT}")

    azure.calls.after(delete_deployment)
    site = serving()
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "the deployment is missing" in note
    assert is_unchanged(site)


def test_one_failed_health_check_is_tolerated(serving: MakeSite, azure: Azure) -> None:
    failed: list[bool] = []

    def fail_once(call: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 10 and not failed:
            failed.append(True)
            azure.faults.fail("POST */score*", status=503)

    azure.calls.after(fail_once)
    assert deploy_eight(serving(smoke_test=REQUEST))[0] == "succeeded"


def test_failed_change_of_traffic_is_reported_with_the_service_error(serving: MakeSite, azure: Azure) -> None:
    """The endpoint itself stays healthy, with the old traffic."""
    azure.faults.fail_update("churn", "the deployment has no healthy replica")
    site = serving()
    status, note = deploy_eight(site)
    assert (status, is_unchanged(site)) == ("failed", True)
    assert "the traffic could not be changed to" in note
    assert "the deployment has no healthy replica" in note
    assert len(azure.calls.matching(f"GET {ENDPOINT}")) < 20


@pytest.mark.parametrize("times", [2, pytest.param(3, marks=pytest.mark.soak)])
def test_endpoint_that_is_not_found_for_a_moment_is_not_taken_for_deleted(
    serving: MakeSite, azure: Azure, times: int
) -> None:
    hidden = hide_endpoint(
        azure, lambda call: "/score" in call.path and azure.endpoints.traffic("churn").get(EIGHT) == 50, times
    )
    site = serving(traffic=[50, 100], smoke_test=REQUEST)
    status, note = deploy_eight(site)
    assert hidden
    assert (status, site.traffic()) == (("succeeded", {"8": 100}) if times < 3 else ("failed", {"7": 100})), note
