"""One look that shows what is not so changes nothing: a 404 for what is there, or traffic of a moment ago."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from emulator import Azure
from handlers.azure.arm import Arm
from handlers.azure.ml.resources import Deployment, Endpoint
from handlers.deploy.plan import Plan
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.test_failures import CRASHED, EIGHT, REQUEST, SEVEN, as_before, deployed, falls_ill, serving

__all__ = ["serving"]  # a fixture
ENDPOINT = "onlineEndpoints/churn"
EXPECTS = {"request": REQUEST, "expect": "{{ answer == [0] }}"}


def hide_once(azure: Azure, when: Callable[[Any], bool], times: int = 1) -> list[str]:
    """The endpoint is not found so many times in a row, once that was; what made it so."""
    seen: list[str] = []

    def hide(call: Any) -> None:
        if not seen and when(call):
            seen.append(call.target)
            azure.faults.fail(f"GET {ENDPOINT}", status=404, code="ResourceNotFound", times=times)

    azure.calls.after(hide)
    return seen


@pytest.mark.parametrize("times", [2, pytest.param(3, marks=pytest.mark.soak)])
def test_an_endpoint_that_is_not_to_be_seen_for_a_moment_while_it_bakes_is_not_gone(
    serving: MakeSite, azure: Azure, times: int
) -> None:
    hidden = hide_once(
        azure, lambda call: "/score" in call.path and azure.endpoints.traffic("churn").get(EIGHT) == 50, times
    )
    site = serving(traffic=[50, 100], smoke_test=REQUEST)
    status, note = deployed(site)
    assert hidden
    assert (status, site.traffic()) == (("succeeded", {"8": 100}) if times < 3 else ("failed", {"7": 100})), note


def test_an_endpoint_that_was_there_is_not_made_anew(serving: MakeSite, azure: Azure) -> None:
    """That would take its traffic away."""
    looks: list[str] = []

    def hide(call: Any) -> None:
        if call.target == f"GET {ENDPOINT}" or (call.method == "GET" and call.path.endswith(ENDPOINT)):
            looks.append(call.path)
            if len(looks) == 1:
                azure.faults.fail(f"GET {ENDPOINT}", status=404, code="ResourceNotFound", times=2)

    azure.calls.after(hide)
    site = serving()
    status, note = deployed(site)
    assert len(looks) > 3
    assert (status, site.traffic()) == ("succeeded", {"8": 100}), note
    assert all(call.body["properties"].get("traffic") for call in azure.calls.matching(f"PUT {ENDPOINT}"))


def test_nor_is_one_whose_model_serves_already(serving: MakeSite, azure: Azure) -> None:
    """Neither when older deployments are looked for, nor when they are deleted."""

    def is_watched(call: Any) -> bool:
        return bool("/score" in call.path and azure.endpoints.traffic("churn").get(EIGHT) == 100)

    hidden = hide_once(azure, is_watched)
    site = serving(traffic=[100], keep=0, smoke_test=REQUEST)
    status, note = deployed(site)
    assert hidden
    assert (status, site.versions()) == ("succeeded", ["8"]), note


def test_traffic_is_put_back_though_the_endpoint_is_not_to_be_seen_for_a_moment(
    serving: MakeSite, azure: Azure
) -> None:
    azure.scoring.set_response("churn", EIGHT, scorer=falls_ill(azure, 10))
    hidden = hide_once(azure, lambda call: call.path.endswith("/getLogs"), times=2)
    site = serving(smoke_test=EXPECTS)
    status, note = deployed(site)
    assert hidden
    assert (status, as_before(site)) == ("failed", True), note


def test_a_look_at_the_traffic_of_a_moment_ago_does_not_save_a_bad_deployment(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traffic was put back, and one replica shows what was before."""
    read = Plan.read
    looks: list[Endpoint | None] = []

    def behind(plan: Plan) -> tuple[Endpoint | None, Deployment | None]:
        endpoint, found = read(plan)
        looks.append(endpoint)
        if endpoint and len(looks) == 1:
            endpoint = replace(endpoint, traffic={SEVEN: 90, EIGHT: 10})
        return endpoint, found

    monkeypatch.setattr(Plan, "read", behind)
    azure.scoring.set_response("churn", EIGHT, scorer=falls_ill(azure, 10))
    site = serving(smoke_test=EXPECTS)
    status, note = deployed(site)
    assert looks
    assert (status, as_before(site)) == ("failed", True), note


def test_a_role_that_spreads_does_not_use_up_the_tries_of_a_busy_deployment(serving: MakeSite, azure: Azure) -> None:
    """Five times 403, then 503 once."""
    azure.faults.fail("POST */score", status=503, times=1)
    azure.faults.fail("POST */score", status=403, times=5)
    site = serving(smoke_test=REQUEST, traffic=[100])
    status, note = deployed(site)
    assert (status, site.traffic()) == ("succeeded", {"8": 100}), note


def test_an_operation_that_answers_no_json_says_nothing(
    serving: MakeSite, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a gateway's page of HTML, with 200."""

    def page(*_: Any) -> None:
        raise ValueError("Expecting value: line 1 column 1 (char 0)")

    monkeypatch.setattr(Arm, "at", page)
    azure.faults.fail_deployment(EIGHT, CRASHED)
    site = serving()
    status, note = deployed(site)
    assert (status, as_before(site)) == ("failed", True)
    assert "is Failed: the service gives no reason" in note
