"""Creation of the deployment, and its failures."""

from typing import Any

import pytest

from emulator import Azure
from handlers.azure.arm import Arm
from handlers.azure.ml.resources import Deployment, Endpoint
from handlers.deploy.plan import ACTION_TAG
from schemas import WorkspaceId
from schemas.links import endpoint_link
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import (
    CRASHED,
    DELETE_EIGHT,
    EIGHT,
    PROD,
    PUT_EIGHT,
    PUT_TRAFFIC,
    deploy_eight,
    is_unchanged,
)


def test_failed_deployment_is_reported_with_the_service_error_and_the_log(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED, logs="Traceback\nModuleNotFoundError: No module named 'sklearn'")
    site = serving()
    status, note = deploy_eight(site)
    assert status == "failed"
    assert f"churn:8 was not deployed: the deployment {EIGHT} is Failed" in note
    assert CRASHED in note
    assert "No module named 'sklearn'" in note
    assert "no traffic was moved" in note
    assert is_unchanged(site)
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


def test_replay_after_a_failure_creates_the_deployment_again(serving: MakeSite, azure: Azure) -> None:
    """The failed deployment of the earlier action is deleted first."""
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, state="Failed", tags={ACTION_TAG: "another"})
    site = serving(traffic=[100])
    site.send("8")
    site.run()
    assert site.outcome("churn-8")[0] == "succeeded"
    assert site.writes() == [DELETE_EIGHT, PUT_EIGHT, PUT_TRAFFIC]
    assert site.traffic() == {"8": 100}


def test_existing_healthy_deployment_is_not_created_again(serving: MakeSite, azure: Azure) -> None:
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, tags={ACTION_TAG: "another"})
    site = serving(traffic=[100])
    site.send("8")
    site.run()
    assert site.outcome("churn-8")[0] == "succeeded"
    assert site.writes() == [PUT_TRAFFIC]


def test_deployment_that_is_slower_than_the_timeout_is_deleted(serving: MakeSite, azure: Azure) -> None:
    azure.operations.set_duration(polls=40, match=PUT_EIGHT)
    site = serving(timeout="10m")
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "not done within 10m" in note
    assert is_unchanged(site)


def test_lack_of_quota_that_only_the_service_knows_is_reported_with_advice(serving: MakeSite, azure: Azure) -> None:
    """Azure reserves a fifth more cores than run, and may deny access to usages."""
    azure.faults.fail("GET */usages*", status=403, code="AuthorizationFailed", times=None)
    azure.workspaces.set_quota("DSv2", 6)
    site = serving(instance_count=2)
    status, note = deploy_eight(site)
    assert (status, is_unchanged(site)) == ("failed", True)
    assert "Not enough quota" in note
    assert "choose another instance_type" in note


def test_deployment_that_an_earlier_action_is_deleting_is_awaited(serving: MakeSite, azure: Azure) -> None:
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, state="Deleting", tags={ACTION_TAG: "another"})

    def finish(call: Any) -> None:
        if call.target == f"GET onlineEndpoints/churn/deployments/{EIGHT}" and len(azure.calls.all) > 15:
            found = azure.state.find(f"{PROD}/onlineEndpoints/churn/deployments/{EIGHT}")
            if found and found.properties["provisioningState"] == "Deleting":
                azure.state.remove(found.id)

    azure.calls.after(finish)
    site = serving(traffic=[100])
    site.send("8")
    site.run()
    assert site.outcome("churn-8")[0] == "succeeded", site.outcome("churn-8")
    assert site.writes() == [PUT_EIGHT, PUT_TRAFFIC]


def test_report_ends_with_a_whole_link_to_the_endpoint(serving: MakeSite, azure: Azure) -> None:
    """A long log does not push it out."""
    azure.faults.fail_deployment(EIGHT, "x" * 2_000, logs="y" * 2_000)
    note = deploy_eight(serving())[1]
    link = note.rpartition(" ")[2]
    assert link == endpoint_link(WorkspaceId.parse(PROD), "churn")
    assert "The end of its log: yyy" in note


def test_failure_is_reported_without_the_log_if_it_cannot_be_read(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)
    azure.faults.fail("POST */getLogs", status=500, times=None)
    site = serving()
    status, note = deploy_eight(site)
    assert (status, is_unchanged(site)) == ("failed", True)
    assert CRASHED in note
    assert "log" not in note


def test_log_of_the_storage_initializer_is_reported_if_the_container_never_ran(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)

    def say(call: Any) -> None:
        if call.method == "POST" and call.path.endswith("/getLogs"):
            azure.endpoints.set_logs("churn", EIGHT, "no access to the storage account", container="StorageInitializer")

    azure.calls.after(say)
    status, note = deploy_eight(serving())
    assert status == "failed"
    assert "no access to the storage account" in note


@pytest.mark.parametrize(("misses", "status"), [(3, "succeeded"), (None, "failed")], ids=["late", "never"])
def test_accepted_deployment_that_is_not_found_is_awaited(
    serving: MakeSite, azure: Azure, misses: int | None, status: str
) -> None:
    """A stale replica does not have the accepted deployment yet."""
    asked: list[bool] = []

    def hide(call: Any) -> None:
        if call.target == PUT_EIGHT and not asked:
            asked.append(True)
            azure.faults.fail(f"GET onlineEndpoints/churn/deployments/{EIGHT}", status=404, times=misses)

    azure.calls.after(hide)
    site = serving(traffic=[100])
    assert deploy_eight(site)[0] == status
    assert ("but it never appeared" in site.outcome("churn-8")[1]) == (misses is None)
    assert site.writes()[0] == PUT_EIGHT
    assert site.writes().count(PUT_EIGHT) == 1


def test_failed_batch_deployment_does_not_become_the_default(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("cpu-cluster")
    azure.endpoints.add("churn", "Batch", default="seven")
    azure.endpoints.add_deployment("churn", "seven", azure.models.register("churn", "7"))
    azure.faults.fail_deployment("churn-8*", "no such environment")
    site = make(batch={"compute": "cpu-cluster"}, bake=None)
    status, note = deploy_eight(site)
    assert status == "failed"
    assert "no such environment" in note
    assert azure.endpoints.default_deployment("churn") == "seven"
    assert list(azure.endpoints.deployments("churn")) == ["seven"]


NO_CORES = "Not enough subscription CPU quota. The amount of CPU quota requested is 8"


def test_failure_reason_is_read_from_location_without_async_operation(serving: MakeSite, azure: Azure) -> None:
    azure.state.async_header = False
    azure.faults.fail_deployment(EIGHT, CRASHED)
    site = serving()
    status, note = deploy_eight(site)
    assert (status, is_unchanged(site)) == ("failed", True)
    assert f"the deployment {EIGHT} is Failed: HTTP 400: ResourceNotReady: {CRASHED}" in note
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


@pytest.mark.parametrize("polls", [0, 1], ids=["read from the deployment", "read from the operation"])
def test_lack_of_quota_during_provisioning_is_reported_with_advice(serving: MakeSite, azure: Azure, polls: int) -> None:
    azure.operations.set_duration(polls=polls)
    azure.faults.fail_deployment(EIGHT, NO_CORES, code="OutOfQuota")
    site = serving()
    status, note = deploy_eight(site)
    assert (status, is_unchanged(site)) == ("failed", True)
    assert "choose another instance_type" in note
    assert NO_CORES in note


def test_lack_of_quota_in_the_subscription_is_not_retried(serving: MakeSite, azure: Azure) -> None:
    message = "Operation could not be completed as it results in exceeding approved standardDSv2Family Cores quota."
    azure.faults.fail(PUT_EIGHT, status=409, code="OperationNotAllowed", message=message, times=None)
    site = serving()
    status, note = deploy_eight(site)
    assert (status, is_unchanged(site)) == ("failed", True)
    assert "choose another instance_type" in note
    assert "exceeding approved" in note
    assert len(azure.calls.matching(PUT_EIGHT)) == 1


@pytest.mark.parametrize("state", ["succeeded", "SUCCEEDED", "Succeeded"])
def test_provisioning_states_ignore_case(state: str) -> None:
    properties = {"provisioningState": state}
    assert Deployment.of({"properties": properties}).state == "Succeeded"
    assert Endpoint.online({"properties": properties}).state == "Succeeded"
    assert Endpoint.batch({"properties": {"provisioningState": "Thinking"}}).state == "Thinking"


def test_operation_without_json_gives_no_reason(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway answers 200 with an HTML page."""

    def page(*_: Any) -> None:
        raise ValueError("Expecting value: line 1 column 1 (char 0)")

    monkeypatch.setattr(Arm, "get_url", page)
    azure.faults.fail_deployment(EIGHT, CRASHED)
    site = serving()
    status, note = deploy_eight(site)
    assert (status, is_unchanged(site)) == ("failed", True)
    assert "is Failed: the service gives no reason" in note
