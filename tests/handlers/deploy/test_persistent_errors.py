"""When something goes on and on going wrong: what was begun is undone, and the first reason is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator import Azure
from handlers.deploy.plan import ACTION_TAG
from handlers.deploy.state import RolloutState
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import STAGED
from tests.handlers.deploy.test_failures import (
    CRASHED,
    EIGHT,
    PUT_EIGHT,
    REQUEST,
    SEVEN,
    as_before,
    deployed,
    falls_ill,
)

ENDPOINT = "onlineEndpoints/churn"
PUT_TRAFFIC, DELETE_EIGHT = f"PUT {ENDPOINT}", f"DELETE {ENDPOINT}/deployments/{EIGHT}"
IMPATIENT = f"{STAGED}\n    retry: {{ for: 1m }}"
SICK = {"smoke_test": {"request": REQUEST, "expect": "{{ answer == [0] }}"}}
REFUSALS = [
    pytest.param(400, "BadRequest", "traffic is under a freeze", id="400"),
    pytest.param(409, "ScopeLocked", "remove the lock and try again", id="409"),
    pytest.param(403, "AuthorizationFailed", "no role", id="403", marks=pytest.mark.soak),
]


@pytest.fixture
def serving(make: MakeSite, azure: Azure) -> MakeSite:
    """Makes an app whose endpoint serves version 7 already."""
    azure.endpoints.add("churn", traffic={SEVEN: 100}, auth_mode="Key")
    model = azure.models.register("churn", "7", {"stage": "production"})
    azure.endpoints.add_deployment("churn", SEVEN, model, tags={ACTION_TAG: "of-an-earlier-action"})
    return make


@pytest.mark.parametrize(("status", "code", "message"), REFUSALS)
def test_traffic_that_cannot_be_moved_at_all_leaves_no_deployment_behind(
    serving: MakeSite, azure: Azure, status: int, code: str, message: str
) -> None:
    """However short the rule's patience is: that is for what has not begun."""
    azure.faults.fail(PUT_TRAFFIC, status=status, code=code, message=message, times=None)
    site = serving(rule=IMPATIENT, timeout="40m")
    how, note = deployed(site)
    assert (how, as_before(site)) == ("failed", True), note
    late = "not done within 40m: " if status == 409 else ""
    assert f"churn:8 was not deployed: {late}HTTP {status}: {code}: {message}" in note
    assert "the traffic of churn is restored" in note
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


def test_a_key_that_may_not_be_read_leaves_no_deployment_behind(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail("POST */listKeys", status=403, code="AuthorizationFailed", message="no listKeys", times=None)
    site = serving(smoke_test=REQUEST)
    how, note = deployed(site)
    assert (how, as_before(site)) == ("failed", True)
    assert "HTTP 403: AuthorizationFailed: no listKeys (for 3" in note


@pytest.mark.parametrize(("status", "code", "message"), REFUSALS[1:])
def test_a_deployment_that_cannot_be_deleted_is_named_and_so_is_why_it_should_be(
    serving: MakeSite, azure: Azure, status: int, code: str, message: str
) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED, logs="No module named sklearn")
    azure.faults.fail("DELETE *", status=status, code=code, message=message, times=None)
    site = serving(rule=IMPATIENT)
    how, note = deployed(site)
    assert (how, site.traffic()) == ("failed", {"7": 100})
    assert f"the deployment {EIGHT} could not be deleted: HTTP {status}: {code}: {message} (for" in note
    assert f"is Failed: ResourceNotReady: {CRASHED}" in note
    assert "No module named sklearn" in note


def test_an_old_deployment_that_cannot_be_deleted_does_not_undo_the_roll_out(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail("DELETE *", status=403, code="AuthorizationFailed", message="no role", times=None)
    site = serving(rule=IMPATIENT, keep=0, traffic=[100])
    how, note = deployed(site)
    assert (how, site.traffic()) == ("succeeded", {"8": 100})
    assert f"{SEVEN} could not be deleted: HTTP 403: AuthorizationFailed: no role" in note


def test_old_deployments_that_may_not_be_listed_do_not_undo_the_roll_out(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail(f"GET {ENDPOINT}/deployments", status=403, message="no role", times=None)
    site = serving(rule=IMPATIENT, traffic=[100])
    how, note = deployed(site)
    assert (how, site.traffic()) == ("succeeded", {"8": 100})
    assert "older deployments could not be listed: HTTP 403" in note


@pytest.mark.parametrize(
    ("match", "now"),
    [
        pytest.param(PUT_TRAFFIC, "it is churn-7", id="written"),
        pytest.param(f"GET {ENDPOINT}", "it cannot be read", id="read", marks=pytest.mark.soak),
    ],
)
def test_traffic_that_cannot_be_put_back_for_hours_is_a_case_for_somebody(
    serving: MakeSite, azure: Azure, match: str, now: str
) -> None:
    began: list[bool] = []

    def fall_ill(call: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 10 and "/score" in call.path and not began:
            began.append(True)
            azure.faults.fail(match, status=403, message="no role any more", times=None)

    azure.scoring.set_response("churn", EIGHT, scorer=falls_ill(azure, 10))
    azure.calls.after(fall_ill)
    site = serving(rule=IMPATIENT, **SICK)
    how, note = deployed(site)
    assert (how, site.traffic()) == ("failed", {"7": 90, "8": 10})
    assert f"Restore the traffic of churn manually: {now}" in note
    assert "no role any more" in note
    assert ("unhealthy with 10 %" in note) == (match == PUT_TRAFFIC)


def test_errors_far_apart_are_not_one_long_error() -> None:
    """While it bakes for hours, a service may fail now and then."""
    state, began = RolloutState(), datetime(2026, 11, 22, 12, tzinfo=UTC)
    spans = [state.record_error(began + timedelta(minutes=minutes), "oops") for minutes in (0, 15, 70, 131, 141)]
    assert [span // timedelta(minutes=1) for span in spans] == [0, 15, 70, 0, 10]
    assert state.errors == 2
    state.next_step()
    assert (state.errors, state.last_error, state.polling_since) == (0, "", None)


def test_a_defect_is_logged_and_in_the_end_undone(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app's own way with whatever is raised has its turn first."""

    def defect(*_: Any) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("handlers.azure.ml.online_endpoints.OnlineEndpoints.set_traffic", defect)
    site = serving(timeout="10m")
    how, note = deployed(site)
    assert (how, as_before(site)) == ("failed", True)
    assert "churn:8 was not deployed: not done within 10m: KeyError: 'a defect'" in note


@pytest.mark.parametrize("accepts", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["deleted", "refused"])
def test_one_that_is_being_made_for_ever_is_deleted(serving: MakeSite, azure: Azure, accepts: bool) -> None:
    """It never comes to an end of itself, and some services delete what is being made."""

    def give_it_up(request: Any) -> None:
        if request.method == "DELETE" and accepts:
            for operation in azure.state.operations.values():
                operation.status = "Canceled"

    azure.operations.set_duration(polls=10_000, match=PUT_EIGHT)
    azure.calls.before(give_it_up)
    site = serving(timeout="10m")
    how, note = deployed(site)
    assert (how, site.traffic()) == ("failed", {"7": 100})
    assert "not done within 10m" in note
    assert site.versions() == (["7"] if accepts else ["7", "8"])
    assert accepts or "could not be deleted: HTTP 409" in note
