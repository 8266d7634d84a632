"""Deletion of older deployments."""

from typing import Any

import pytest

from emulator import Azure
from handlers.azure.arm import Arm
from handlers.azure.ml.endpoints import Endpoints
from handlers.deploy.plan import ACTION_TAG
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import EIGHT, ENDPOINT, REQUEST, SEVEN, SHORT_RETRY, deploy_eight, hide_endpoint


def test_only_deployments_of_this_handler_are_deleted(serving: MakeSite, azure: Azure) -> None:
    """Deployments of others stay, whether or not they have traffic."""
    model = azure.models.register("churn", "1")
    azure.endpoints.add_deployment("churn", "manual", model)
    azure.endpoints.add_deployment("churn", "old-one", model, tags={ACTION_TAG: "x"})
    site = serving(keep=0, traffic=[100])
    assert deploy_eight(site)[0] == "succeeded"
    assert sorted(azure.endpoints.deployments("churn")) == [EIGHT, "manual"]


def test_result_links_to_the_endpoint(serving: MakeSite) -> None:
    site = serving(traffic=[100])
    deploy_eight(site)
    link = site.actions["churn-8"].details["link"]
    assert link.startswith("https://ml.azure.com/endpoints/realtime/churn/detail?wsid=/subscriptions/")
    assert link.endswith("/workspaces/churn-prod")


def test_keep_is_the_number_of_older_deployments_that_stay(serving: MakeSite, azure: Azure) -> None:
    site = serving(keep=1, traffic=[100])
    for version in ("8", "9", "10"):
        azure.clock.forward(hours=1)
        site.register(version)
        site.run()
    assert site.versions() == ["10", "9"]
    assert site.traffic() == {"10": 100}


def test_refused_deletion_does_not_undo_the_rollout(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail("DELETE *", status=400, code="BadRequest", message="it is locked", times=None)
    site = serving(keep=0, traffic=[100])
    status, note = deploy_eight(site)
    assert (status, site.traffic()) == ("succeeded", {"8": 100})
    assert f"{SEVEN} could not be deleted" in note
    assert "it is locked" in note


def test_older_deployment_whose_deletion_fails_is_named(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operation reports the failure, so there is no wait for the limit."""
    monkeypatch.setattr(Endpoints, "failure", lambda *_: "Conflict: it is locked")
    azure.operations.set_duration(polls=0, match="PUT *")
    site = serving(keep=0, traffic=[100])
    status, note = deploy_eight(site)
    assert status == "succeeded"
    assert f"{SEVEN} could not be deleted: Conflict: it is locked" in note


def test_incomplete_list_of_deployments_deletes_nothing(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link to the next page is not followed."""
    follow = Arm.get_url
    monkeypatch.setattr(Arm, "get_url", lambda arm, url: None if "/deployments?" in url else follow(arm, url))
    azure.state.page = 1
    status, note = deploy_eight(site := serving(keep=0, traffic=[100]))
    assert (status, site.traffic(), site.versions()) == ("succeeded", {"8": 100}, ["7", "8"])
    assert "older deployments could not be listed: the list" in note


def test_denied_deletion_does_not_undo_the_rollout(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail("DELETE *", status=403, code="AuthorizationFailed", message="no role", times=None)
    site = serving(rule=SHORT_RETRY, keep=0, traffic=[100])
    how, note = deploy_eight(site)
    assert (how, site.traffic()) == ("succeeded", {"8": 100})
    assert f"{SEVEN} could not be deleted: HTTP 403: AuthorizationFailed: no role" in note


def test_denied_list_of_deployments_does_not_undo_the_rollout(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail(f"GET {ENDPOINT}/deployments", status=403, message="no role", times=None)
    site = serving(rule=SHORT_RETRY, traffic=[100])
    how, note = deploy_eight(site)
    assert (how, site.traffic()) == ("succeeded", {"8": 100})
    assert "older deployments could not be listed: HTTP 403" in note


def test_endpoint_that_is_not_found_for_a_moment_does_not_end_the_cleanup(serving: MakeSite, azure: Azure) -> None:
    """The read fails while older deployments are listed."""

    def is_last_health_check(call: Any) -> bool:
        return bool("/score" in call.path and azure.endpoints.traffic("churn").get(EIGHT) == 100)

    hidden = hide_endpoint(azure, is_last_health_check)
    site = serving(traffic=[100], keep=0, smoke_test=REQUEST)
    status, note = deploy_eight(site)
    assert hidden
    assert (status, site.versions()) == ("succeeded", ["8"]), note
