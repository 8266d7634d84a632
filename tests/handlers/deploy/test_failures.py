"""When it goes wrong: the traffic is where it was, nothing is left behind, and what is said helps."""

from collections.abc import Callable
from typing import Any

import pytest

from emulator import Azure
from handlers.azure.ml.names import deployment_name
from handlers.azure.ml.resources import ModelRef
from handlers.deploy.plan import ACTION_TAG
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import PROD, Site

SEVEN = deployment_name(ModelRef("churn", "7", workspace=PROD))
EIGHT = deployment_name(ModelRef("churn", "8", workspace=PROD))
REQUEST = "samples/churn-request.json"
PUT_EIGHT, DELETE_EIGHT = (f"{method} onlineEndpoints/churn/deployments/{EIGHT}" for method in ("PUT", "DELETE"))
CRASHED = "User container has crashed or terminated."


@pytest.fixture
def serving(make: MakeSite, azure: Azure) -> MakeSite:
    """Makes an app whose endpoint serves version 7 already."""
    azure.endpoints.add("churn", traffic={SEVEN: 100})
    model = azure.models.register("churn", "7", {"stage": "production"})
    azure.endpoints.add_deployment("churn", SEVEN, model, tags={ACTION_TAG: "of-an-earlier-action"})
    return make


def deployed(site: Site) -> tuple[str, str]:
    """Have version 8 registered; how it ended."""
    site.register("8")
    site.run()
    return site.end("churn-8")


def as_before(site: Site) -> bool:
    return site.traffic() == {"7": 100} and site.versions() == ["7"]


def test_a_failed_deployment_is_reported_with_the_service_s_words_and_the_log(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED, logs="Traceback\nModuleNotFoundError: No module named 'sklearn'")
    site = serving()
    status, note = deployed(site)
    assert status == "failed"
    assert f"churn:8 was not deployed: the deployment {EIGHT} is Failed" in note
    assert CRASHED in note
    assert "No module named 'sklearn'" in note
    assert "no traffic was moved" in note
    assert as_before(site)
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


def test_a_failed_deployment_is_left_to_be_looked_at_if_the_rule_says_so(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)
    site = serving(leave_failed=True)
    status, note = deployed(site)
    assert (status, site.traffic(), site.versions()) == ("failed", {"7": 100}, ["7", "8"])
    assert f"{EIGHT} was left" in note


def test_a_replay_after_a_failure_makes_the_deployment_anew(serving: MakeSite, azure: Azure) -> None:
    """What an earlier action left Failed is deleted first: it is not taken for the new one."""
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, state="Failed", tags={ACTION_TAG: "another"})
    site = serving(traffic=[100])
    site.tell("8")
    site.run()
    assert site.end("churn-8")[0] == "succeeded"
    assert site.writes() == [DELETE_EIGHT, PUT_EIGHT, "PUT onlineEndpoints/churn"]
    assert site.traffic() == {"8": 100}


def test_one_that_is_there_and_well_is_not_made_again(serving: MakeSite, azure: Azure) -> None:
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, tags={ACTION_TAG: "another"})
    site = serving(traffic=[100])
    site.tell("8")
    site.run()
    assert site.end("churn-8")[0] == "succeeded"
    assert site.writes() == ["PUT onlineEndpoints/churn"]


def test_one_that_was_there_before_is_not_deleted_when_it_fails(serving: MakeSite, azure: Azure) -> None:
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, tags={ACTION_TAG: "another"})
    azure.scoring.set_response("churn", EIGHT, status=400, body="bad")
    site = serving(smoke_test=REQUEST)
    site.tell("8")
    site.run()
    assert site.end("churn-8")[0] == "failed"
    assert (site.writes(), site.versions()) == ([], ["7", "8"])


SMOKE: list[tuple[dict[str, Any], Any, str]] = [
    ({"status": 400, "body": {"message": "unknown column"}}, REQUEST, "unknown column"),
    ({"status": 503, "body": "no healthy upstream"}, REQUEST, "no healthy upstream"),
    ({"status": 401}, REQUEST, "HTTP 401"),
    ({"body": [1]}, {"request": REQUEST, "expect": "{{ answer == [0] }}"}, "not as expected: [1]"),
    ({"body": []}, {"request": REQUEST, "expect": "{{ answer[0].score > 0 }}"}, "UndefinedError"),
]


@pytest.mark.parametrize(("answer", "test", "said"), SMOKE, ids=["400", "503", "401", "unexpected", "undefined"])
def test_a_deployment_that_fails_the_smoke_test_gets_no_traffic(
    serving: MakeSite, azure: Azure, answer: dict[str, Any], test: Any, said: str
) -> None:
    azure.scoring.set_response("churn", EIGHT, **answer)
    site = serving(smoke_test=test)
    status, note = deployed(site)
    assert status == "failed"
    assert "the smoke test failed" in note
    assert said in note
    assert as_before(site)
    assert site.writes() == [PUT_EIGHT, DELETE_EIGHT]


def test_the_smoke_test_goes_to_the_new_deployment_alone(serving: MakeSite, azure: Azure) -> None:
    azure.scoring.set_response("churn", SEVEN, status=500)
    site = serving(smoke_test=REQUEST, traffic=[100])
    assert deployed(site)[0] == "succeeded"
    assert [call.status for call in azure.scoring.calls] == [200, 200]
    assert azure.scoring.calls[0].body["input_data"]["columns"][0] == "tenure_months"


def test_a_smoke_test_may_fail_for_a_moment(serving: MakeSite, azure: Azure) -> None:
    """A deployment that was provisioned a moment ago may not be reached yet."""
    azure.faults.fail("POST */score*", status=503, times=2)
    site = serving(smoke_test=REQUEST, traffic=[100])
    assert deployed(site)[0] == "succeeded"


@pytest.mark.parametrize("mode", ["Key", "AMLToken", "AADToken"])
def test_the_smoke_test_uses_the_endpoint_s_own_way_in(make: MakeSite, azure: Azure, mode: str) -> None:
    azure.endpoints.add("churn", auth_mode=mode)
    site = make(smoke_test=REQUEST)
    site.register("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()
    assert [call.status for call in azure.scoring.calls] == [200, 200]


def falls_ill(azure: Azure, at: int) -> Callable[[Any], Any]:
    """Answers well until the new deployment has that share."""
    return lambda _: [0] if azure.endpoints.traffic("churn").get(EIGHT, 0) < at else ["nan"]


@pytest.mark.parametrize("share", [10, 50, 100])
def test_one_that_falls_ill_while_baking_gives_the_traffic_back(serving: MakeSite, azure: Azure, share: int) -> None:
    azure.scoring.set_response("churn", EIGHT, scorer=falls_ill(azure, share))
    site = serving(smoke_test={"request": REQUEST, "expect": "{{ answer == [0] }}"})
    status, note = deployed(site)
    assert status == "failed"
    assert f"unhealthy with {share} % of the traffic" in note
    assert "the traffic of churn is restored" in note
    assert as_before(site)


def test_one_whose_state_is_bad_while_baking_gives_the_traffic_back(serving: MakeSite, azure: Azure) -> None:
    """Without a smoke test, the deployment's own state tells."""

    def once_it_has_traffic(call: Any) -> None:
        if call.target.startswith("GET") and azure.endpoints.traffic("churn").get(EIGHT) == 10:
            azure.faults.break_deployment("churn", EIGHT, state="Failed")

    azure.calls.after(once_it_has_traffic)
    site = serving()
    status, note = deployed(site)
    assert status == "failed"
    assert "unhealthy with 10 %" in note
    assert as_before(site)


def test_what_takes_too_long_is_taken_back(serving: MakeSite, azure: Azure) -> None:
    azure.operations.set_duration(polls=40, match=PUT_EIGHT)
    site = serving(timeout="10m")
    status, note = deployed(site)
    assert status == "failed"
    assert "not done within 10m" in note
    assert as_before(site)


def test_a_roll_out_that_takes_too_long_gives_the_traffic_back(serving: MakeSite, azure: Azure) -> None:
    site = serving(bake="2h", timeout="1h")
    status, note = deployed(site)
    assert status == "failed"
    assert "not done within 1h" in note
    assert as_before(site)


def test_an_unknown_endpoint_is_not_made_unless_it_may_be(make: MakeSite, azure: Azure) -> None:
    site = make(create_endpoint=False)
    site.register("7")
    site.run()
    status, note = site.end()
    assert (status, site.writes()) == ("failed", [])
    assert "there is no endpoint churn in churn-prod" in note
    assert "create_endpoint: true" in note


def test_an_endpoint_that_is_broken_is_reported(make: MakeSite, azure: Azure) -> None:
    azure.faults.fail(
        "PUT onlineEndpoints/churn", status=400, code="BadRequest", message="the name is taken in this region"
    )
    site = make()
    site.register("7")
    site.run()
    status, note = site.end()
    assert status == "failed"
    assert "the name is taken in this region" in note


@pytest.mark.parametrize(("family", "name"), [("DSv2", "Standard DSv2 Family"), ("total", "Total Cluster")])
def test_without_quota_nothing_is_begun(serving: MakeSite, azure: Azure, family: str, name: str) -> None:
    azure.workspaces.set_quota(family, 6)
    site = serving(instance_count=2)
    status, note = deployed(site)
    assert (status, site.writes()) == ("failed", [])
    assert "no quota: 2 of Standard_DS3_v2 need 8 cores" in note
    assert f"of the 6 of {name}" in note
    assert "choose another instance_type" in note


def test_quota_that_the_service_alone_knows_of_is_reported_likewise(serving: MakeSite, azure: Azure) -> None:
    """It takes a fifth more than it runs, and may not tell of its limits at all."""
    azure.faults.fail("GET */usages*", status=403, code="AuthorizationFailed", times=None)
    azure.workspaces.set_quota("DSv2", 6)
    site = serving(instance_count=2)
    status, note = deployed(site)
    assert (status, as_before(site)) == ("failed", True)
    assert "Not enough quota" in note
    assert "choose another instance_type" in note


def test_a_body_that_the_service_refuses_is_taken_back(serving: MakeSite, azure: Azure) -> None:
    """A traffic change that is refused for good: the deployment is deleted, the traffic untouched."""
    azure.faults.fail("PUT onlineEndpoints/churn", status=400, code="BadRequest", message="traffic is under a freeze")
    site = serving()
    status, note = deployed(site)
    assert status == "failed"
    assert "traffic is under a freeze" in note
    assert as_before(site)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_is_busy_is_asked_again(serving: MakeSite, azure: Azure, status: int) -> None:
    """Anywhere: nothing is repeated that was done."""
    azure.faults.fail("", status=status, times=3, after=4)
    azure.faults.fail("PUT *", status=status, times=2)
    azure.faults.fail("DELETE *", status=status, times=1)
    site = serving(keep=0, traffic=[100])
    assert deployed(site)[0] == "succeeded", site.end("churn-8")
    assert site.writes() == [
        PUT_EIGHT,
        "PUT onlineEndpoints/churn",
        f"DELETE onlineEndpoints/churn/deployments/{SEVEN}",
    ]


def test_stale_reads_do_not_mislead(serving: MakeSite, azure: Azure) -> None:
    azure.faults.stale_reads(3)
    site = serving(keep=0)
    assert deployed(site)[0] == "succeeded", site.end("churn-8")
    assert site.traffic() == {"8": 100}
    assert site.versions() == ["8"]
    shares = [
        call.body["properties"]["traffic"] for call in azure.calls.all if call.target == "PUT onlineEndpoints/churn"
    ]
    assert shares == [{SEVEN: 90, EIGHT: 10}, {SEVEN: 50, EIGHT: 50}, {EIGHT: 100}]


@pytest.mark.parametrize("after", [1, 3, 5], ids=["as it is confirmed", "as it bakes", "as it goes on"])
def test_traffic_that_somebody_else_changes_is_left_to_them(serving: MakeSite, azure: Azure, after: int) -> None:
    looks: list[str] = []

    def meddle(call: Any) -> None:
        if azure.endpoints.traffic("churn") == {SEVEN: 50, EIGHT: 50} and call.target == "GET onlineEndpoints/churn":
            looks.append(call.line)
        if len(looks) == after:
            azure.state.find(f"{PROD}/onlineEndpoints/churn").properties["traffic"] = {SEVEN: 80, EIGHT: 20}  # type: ignore[union-attr]

    azure.calls.after(meddle)
    site = serving()
    status, note = deployed(site)
    assert (status, site.traffic()) == ("failed", {"7": 80, "8": 20})
    assert "someone else changed the traffic" in note
    assert site.versions() == ["7", "8"]


def test_only_what_a_roll_out_has_made_is_tidied_up(serving: MakeSite, azure: Azure) -> None:
    """Neither what others have deployed, nor what has traffic, mirrored traffic included."""
    model = azure.models.register("churn", "1")
    azure.endpoints.add_deployment("churn", "by-hand", model)
    azure.endpoints.add_deployment("churn", "old-one", model, tags={ACTION_TAG: "x"})
    site = serving(keep=0, traffic=[100])
    assert deployed(site)[0] == "succeeded"
    assert sorted(azure.endpoints.deployments("churn")) == ["by-hand", EIGHT]


def test_as_many_are_kept_as_the_rule_says(serving: MakeSite, azure: Azure) -> None:
    site = serving(keep=1, traffic=[100])
    for version in ("8", "9", "10"):
        azure.clock.forward(hours=1)
        site.register(version)
        site.run()
    assert site.versions() == ["10", "9"]
    assert site.traffic() == {"10": 100}


def test_what_cannot_be_deleted_does_not_undo_the_roll_out(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail("DELETE *", status=400, code="BadRequest", message="it is locked", times=None)
    site = serving(keep=0, traffic=[100])
    status, note = deployed(site)
    assert (status, site.traffic()) == ("succeeded", {"8": 100})
    assert f"{SEVEN} could not be deleted" in note
    assert "it is locked" in note


def body(azure: Azure, *below: str) -> dict[str, Any]:
    """The endpoint, or what is below it, as the stand-in has it: to be changed behind everybody's back."""
    found = azure.state.find("/".join([f"{PROD}/onlineEndpoints/churn", *below]))
    assert found is not None
    return found.properties


def test_traffic_that_cannot_be_put_back_is_a_case_for_somebody(serving: MakeSite, azure: Azure) -> None:
    azure.scoring.set_response("churn", EIGHT, scorer=falls_ill(azure, 10))
    azure.faults.fail("PUT onlineEndpoints/churn", status=400, message="a freeze began", after=1, times=None)
    site = serving(smoke_test={"request": REQUEST, "expect": "{{ answer == [0] }}"})
    status, note = deployed(site)
    assert (status, site.traffic()) == ("failed", {"7": 90, "8": 10})
    assert "Restore the traffic of churn manually" in note
    assert "a freeze began" in note
    assert "unhealthy with 10 %" in note


def test_traffic_that_is_never_shown_is_put_back(serving: MakeSite, azure: Azure) -> None:
    """Forty looks long the service shows the old split: it is asked for that, to be sure."""
    azure.faults.stale_reads(60)
    site = serving()
    status, note = deployed(site)
    assert status == "failed"
    assert "the endpoint never showed the traffic" in note
    assert as_before(site)


def test_a_change_of_traffic_that_fails_is_put_back(serving: MakeSite, azure: Azure) -> None:
    """It was accepted, and then the operation failed."""

    def break_it(call: Any) -> None:
        if call.target == "PUT onlineEndpoints/churn" and not broken:
            broken.append(True)
            azure.clock.forward(hours=1)
            azure.operations.set_duration(polls=1)
            body(azure)["provisioningState"] = "Failed"

    broken: list[bool] = []
    azure.operations.set_duration(seconds=60, match="PUT onlineEndpoints/churn")
    azure.calls.after(break_it)
    site = serving()
    status, note = deployed(site)
    assert status == "failed"
    assert "the traffic could not be changed to" in note
    assert as_before(site)


def test_an_endpoint_that_is_broken_already_is_left_alone(serving: MakeSite, azure: Azure) -> None:
    body(azure)["provisioningState"] = "Failed"
    site = serving()
    status, note = deployed(site)
    assert (status, site.writes()) == ("failed", [])
    assert "the endpoint churn is Failed" in note
    assert "Delete or fix the endpoint, then replay the event" in note


def test_an_endpoint_that_takes_too_long_is_reported(make: MakeSite, azure: Azure) -> None:
    azure.operations.set_duration(polls=10_000, match="PUT onlineEndpoints/churn")
    site = make(timeout="10m")
    site.register("7")
    site.run()
    assert site.end() == ("failed", "not done within 10m")
    assert site.writes() == ["PUT onlineEndpoints/churn"]


def test_an_endpoint_that_is_deleted_meanwhile_is_the_end(serving: MakeSite, azure: Azure) -> None:
    def delete_it(call: Any) -> None:
        if azure.endpoints.get("churn") and azure.endpoints.traffic("churn").get(EIGHT) == 10:
            azure.state.remove(f"{PROD}/onlineEndpoints/churn")

    azure.calls.after(delete_it)
    site = serving()
    status, note = deployed(site)
    assert status == "failed"
    assert "the endpoint churn was deleted" in note


def test_a_deployment_that_vanishes_while_it_bakes_is_unhealthy(serving: MakeSite, azure: Azure) -> None:
    gone: list[bool] = []

    def remove_it(call: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 50 and not gone:
            gone.append(True)
            azure.state.remove(f"{PROD}/onlineEndpoints/churn/deployments/{EIGHT}")

    azure.calls.after(remove_it)
    site = serving()
    status, note = deployed(site)
    assert status == "failed"
    assert "the deployment is missing" in note
    assert as_before(site)


def test_a_deployment_that_cannot_be_deleted_is_named(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)
    azure.faults.fail("DELETE *", status=400, code="BadRequest", message="it is locked", times=None)
    site = serving()
    status, note = deployed(site)
    assert (status, site.traffic()) == ("failed", {"7": 100})
    assert f"the deployment {EIGHT} could not be deleted: HTTP 400: BadRequest: it is locked" in note


def test_a_new_deployment_that_others_gave_traffic_is_not_deleted(serving: MakeSite, azure: Azure) -> None:
    """Somebody was quicker than the smoke test."""

    def give_it_traffic(call: Any) -> None:
        if call.method == "POST" and "/score" in call.path:
            body(azure)["traffic"] = {SEVEN: 50, EIGHT: 50}

    azure.calls.after(give_it_traffic)
    azure.scoring.set_response("churn", EIGHT, status=400)
    site = serving(smoke_test=REQUEST)
    status, note = deployed(site)
    assert (status, site.traffic()) == ("failed", {"7": 50, "8": 50})
    assert "was left, because someone else gave it traffic" in note


def test_one_that_an_earlier_action_is_deleting_is_waited_for(serving: MakeSite, azure: Azure) -> None:
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add_deployment("churn", EIGHT, model, state="Deleting", tags={ACTION_TAG: "another"})

    def finish(call: Any) -> None:
        if call.target == f"GET onlineEndpoints/churn/deployments/{EIGHT}" and len(azure.calls.all) > 15:
            found = azure.state.find(f"{PROD}/onlineEndpoints/churn/deployments/{EIGHT}")
            if found and found.properties["provisioningState"] == "Deleting":
                azure.state.remove(found.id)

    azure.calls.after(finish)
    site = serving(traffic=[100])
    site.tell("8")
    site.run()
    assert site.end("churn-8")[0] == "succeeded", site.end("churn-8")
    assert site.writes() == [PUT_EIGHT, "PUT onlineEndpoints/churn"]


def test_without_a_log_it_is_reported_without_one(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)
    azure.faults.fail("POST */getLogs", status=500, times=None)
    site = serving()
    status, note = deployed(site)
    assert (status, as_before(site)) == ("failed", True)
    assert CRASHED in note
    assert "log" not in note


def test_a_container_that_never_ran_has_the_log_of_what_fetches_the_model(serving: MakeSite, azure: Azure) -> None:
    azure.faults.fail_deployment(EIGHT, CRASHED)

    def say(call: Any) -> None:
        if call.method == "POST" and call.path.endswith("/getLogs"):
            azure.endpoints.set_logs("churn", EIGHT, "no access to the storage account", container="StorageInitializer")

    azure.calls.after(say)
    status, note = deployed(serving())
    assert status == "failed"
    assert "no access to the storage account" in note


@pytest.mark.parametrize(("misses", "status"), [(3, "succeeded"), (None, "failed")], ids=["a while", "for ever"])
def test_a_deployment_that_is_not_to_be_seen_is_waited_for(
    serving: MakeSite, azure: Azure, misses: int | None, status: str
) -> None:
    """Not every replica knows at once what was accepted."""
    asked: list[bool] = []

    def hide(call: Any) -> None:
        if call.target == PUT_EIGHT and not asked:
            asked.append(True)
            azure.faults.fail(f"GET onlineEndpoints/churn/deployments/{EIGHT}", status=404, times=misses)

    azure.calls.after(hide)
    site = serving(traffic=[100])
    assert deployed(site)[0] == status
    assert ("but it never appeared" in site.end("churn-8")[1]) == (misses is None)
    assert site.writes()[0] == PUT_EIGHT
    assert site.writes().count(PUT_EIGHT) == 1


def test_a_blip_while_baking_is_not_an_illness(serving: MakeSite, azure: Azure) -> None:
    blips: list[bool] = []

    def once(call: Any) -> None:
        if azure.endpoints.traffic("churn").get(EIGHT) == 10 and not blips:
            blips.append(True)
            azure.faults.fail("POST */score*", status=503)

    azure.calls.after(once)
    assert deployed(serving(smoke_test=REQUEST))[0] == "succeeded"


def test_a_batch_deployment_that_fails_is_not_made_the_default(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("cpu-cluster")
    azure.endpoints.add("churn", "Batch", default="seven")
    azure.endpoints.add_deployment("churn", "seven", azure.models.register("churn", "7"))
    azure.faults.fail_deployment("churn-8*", "no such environment")
    site = make(batch={"compute": "cpu-cluster"}, bake=None)
    status, note = deployed(site)
    assert status == "failed"
    assert "no such environment" in note
    assert azure.endpoints.default_deployment("churn") == "seven"
    assert list(azure.endpoints.deployments("churn")) == ["seven"]
