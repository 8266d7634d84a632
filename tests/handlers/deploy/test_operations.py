"""What is begun is looked after: its operation tells how it gets on, and why it has failed."""

import pytest

from emulator import Azure
from handlers.azure.arm import Arm
from handlers.azure.ml.endpoints import Endpoints
from handlers.azure.ml.resources import Deployment, Endpoint
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.test_failures import (
    CRASHED,
    DELETE_EIGHT,
    EIGHT,
    PUT_EIGHT,
    SEVEN,
    as_before,
    deployed,
    serving,
)

__all__ = ["serving"]  # a fixture
ENDPOINT = "onlineEndpoints/churn"
NO_CORES = "Not enough subscription CPU quota. The amount of CPU quota requested is 8"


def test_operations_may_go_on_only_when_they_are_asked_for(serving: MakeSite, azure: Azure) -> None:
    """As azure-ai-ml's own poller does: a deployment, its traffic, and the end of an older one."""
    azure.operations.set_duration(polls=1, status_only=True)
    site = serving(traffic=[100], keep=0, timeout="30m")
    status, note = deployed(site)
    assert (status, site.traffic(), site.versions()) == ("succeeded", {"8": 100}, ["8"]), note


def test_what_goes_wrong_is_undone_by_operations_that_go_on_only_when_they_are_asked_for(
    make: MakeSite, azure: Azure
) -> None:
    azure.operations.set_duration(polls=1, status_only=True)
    azure.faults.fail_deployment("churn-7*", CRASHED)
    site = make(timeout="30m")
    site.register("7")
    site.run()
    assert (site.end()[0], site.versions()) == ("failed", [])
    assert CRASHED in site.end()[1]


def test_a_change_of_traffic_that_fails_is_told_in_the_service_s_words(serving: MakeSite, azure: Azure) -> None:
    """The endpoint itself is well, and shows the old split."""
    azure.faults.fail_update("churn", "the deployment has no healthy replica")
    site = serving()
    status, note = deployed(site)
    assert (status, as_before(site)) == ("failed", True)
    assert "the traffic could not be changed to" in note
    assert "the deployment has no healthy replica" in note
    assert len(azure.calls.matching(f"GET {ENDPOINT}")) < 20


def test_an_old_deployment_whose_deletion_fails_is_named(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what its operation says, at once."""
    monkeypatch.setattr(Endpoints, "failure", lambda *_: "Conflict: it is locked")
    azure.operations.set_duration(polls=0, match="PUT *")
    site = serving(keep=0, traffic=[100])
    status, note = deployed(site)
    assert status == "succeeded"
    assert f"{SEVEN} could not be deleted: Conflict: it is locked" in note


def test_why_it_failed_is_told_where_location_is_all_there_is(serving: MakeSite, azure: Azure) -> None:
    azure.state.async_header = False
    azure.faults.fail_deployment(EIGHT, CRASHED)
    site = serving()
    status, note = deployed(site)
    assert (status, as_before(site)) == ("failed", True)
    assert f"the deployment {EIGHT} is Failed: HTTP 400: ResourceNotReady: {CRASHED}" in note
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


@pytest.mark.parametrize("polls", [0, 1], ids=["by the deployment", "by the operation"])
def test_quota_that_is_found_missing_as_machines_are_looked_for_is_told_with_what_to_do(
    serving: MakeSite, azure: Azure, polls: int
) -> None:
    azure.operations.set_duration(polls=polls)
    azure.faults.fail_deployment(EIGHT, NO_CORES, code="OutOfQuota")
    site = serving()
    status, note = deployed(site)
    assert (status, as_before(site)) == ("failed", True)
    assert "choose another instance_type" in note
    assert NO_CORES in note


def test_quota_that_the_subscription_lacks_is_not_waited_for(serving: MakeSite, azure: Azure) -> None:
    message = "Operation could not be completed as it results in exceeding approved standardDSv2Family Cores quota."
    azure.faults.fail(PUT_EIGHT, status=409, code="OperationNotAllowed", message=message, times=None)
    site = serving()
    status, note = deployed(site)
    assert (status, as_before(site)) == ("failed", True)
    assert "choose another instance_type" in note
    assert "exceeding approved" in note
    assert len(azure.calls.matching(PUT_EIGHT)) == 1


@pytest.mark.parametrize("asked", [False, True])
def test_an_endpoint_that_could_not_be_made_does_not_stand_in_the_way(
    make: MakeSite, azure: Azure, asked: bool
) -> None:
    """It is deleted, and the next version makes it anew."""
    azure.operations.set_duration(status_only=asked)
    azure.faults.fail_endpoint("churn", "no address is left in the subnet")
    site = make(traffic=[100])
    site.register("7")
    site.run()
    status, note = site.end()
    assert (status, azure.endpoints.get("churn")) == ("failed", None)
    assert "the endpoint churn is Failed: BadRequest: no address is left in the subnet" in note
    assert "The endpoint was deleted" in note
    assert site.writes() == [f"PUT {ENDPOINT}", f"DELETE {ENDPOINT}"]
    azure.state.plan.endpoint_failures.clear()
    site.register("8")
    site.run()
    assert site.end("churn-8")[0] == "succeeded"


def test_an_endpoint_that_could_not_be_made_and_cannot_be_deleted_is_named(make: MakeSite, azure: Azure) -> None:
    azure.faults.fail_endpoint("churn", "no address is left in the subnet")
    azure.faults.fail(f"DELETE {ENDPOINT}", status=403, code="AuthorizationFailed", message="no role", times=None)
    site = make()
    site.register("7")
    site.run()
    status, note = site.end()
    assert status == "failed"
    assert "no address is left in the subnet. The endpoint could not be deleted: HTTP 403" in note
    assert "no role" in note


def test_an_endpoint_that_could_not_be_made_and_is_used_already_is_left(make: MakeSite, azure: Azure) -> None:
    """Somebody else was quick to put a deployment behind it."""
    model = azure.models.register("churn", "1")

    def use_it(call: object) -> None:
        if azure.endpoints.get("churn") and not azure.endpoints.deployments("churn"):
            azure.endpoints.add_deployment("churn", "by-hand", model)

    azure.faults.fail_endpoint("churn", "no address is left in the subnet")
    azure.calls.after(use_it)
    site = make()
    site.register("7")
    site.run()
    assert site.end()[0] == "failed"
    assert "Delete or fix the endpoint, then replay the event" in site.end()[1]
    assert list(azure.endpoints.deployments("churn")) == ["by-hand"]


@pytest.mark.parametrize("state", ["succeeded", "SUCCEEDED", "Succeeded"])
def test_states_are_known_in_any_case(state: str) -> None:
    properties = {"provisioningState": state}
    assert Deployment.of({"properties": properties}).state == "Succeeded"
    assert Endpoint.online({"properties": properties}).state == "Succeeded"
    assert Endpoint.batch({"properties": {"provisioningState": "Thinking"}}).state == "Thinking"


def test_a_list_that_goes_on_where_it_is_not_followed_is_not_taken_for_whole(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is deleted on the strength of half a list."""
    follow = Arm.at
    monkeypatch.setattr(Arm, "at", lambda arm, url: None if "/deployments?" in url else follow(arm, url))
    azure.state.page = 1
    status, note = deployed(site := serving(keep=0, traffic=[100]))
    assert (status, site.traffic(), site.versions()) == ("succeeded", {"8": 100}, ["7", "8"])
    assert "older deployments could not be listed: the list" in note
