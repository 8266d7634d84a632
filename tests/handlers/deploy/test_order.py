"""One roll-out at a time changes an endpoint, the newest model ends up serving, and no event is believed blindly."""

import pytest

from dispatch.replay.replay import ReplayOptions, find, replay
from emulator import Azure
from schemas import ModelRegistered
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import DEV, PROD, Site


def ends(site: Site) -> dict[str, str]:
    return {event: record.status for event, record in site.actions.items()}


def creations(site: Site) -> int:
    return sum(write.startswith("PUT") and "/deployments/" in write for write in site.writes())


def test_of_ten_models_in_a_minute_the_last_one_serves_and_few_are_deployed(make: MakeSite, azure: Azure) -> None:
    """Whoever's turn it is looks whether a later version has been registered."""
    site = make(keep=0)
    for version in range(1, 11):
        site.register(str(version))
        site.world.clock.forward(seconds=6)
    site.run()
    assert site.traffic() == {"10": 100}
    assert creations(site) == 1
    assert list(ends(site).values()).count("succeeded") == 1
    assert "superseded by churn:10" in site.end("churn-1")[1]


def test_while_one_is_rolled_out_the_others_wait(make: MakeSite, azure: Azure) -> None:
    """Those in between are skipped; what began is not stopped half-way."""
    site = make(keep=0, traffic=[50, 100])
    site.register("1")
    site.run(steps=12)
    for version in ("2", "3", "4"):
        site.register(version)
    site.run()
    assert ends(site) == {"churn-1": "succeeded", "churn-2": "skipped", "churn-3": "skipped", "churn-4": "succeeded"}
    assert site.traffic() == {"4": 100}
    assert creations(site) == 2


def test_the_order_is_that_of_numbers(make: MakeSite, azure: Azure) -> None:
    """9 is earlier than 10, as it is not for texts."""
    site = make()
    for version in ("9", "10"):
        site.register(version)
    site.run()
    assert site.traffic() == {"10": 100}


def test_the_order_of_versions_that_are_no_numbers_is_that_in_which_they_came(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.register("zebra")
    azure.clock.forward(minutes=5)
    site.register("ant")
    site.run()
    assert site.traffic() == {"ant": 100}
    assert "superseded by churn:ant" in site.end("churn-zebra")[1]


def replayed(site: Site, event: str) -> None:
    """Replay an event, whatever came of it, and let the app work."""
    [written] = find(event, site.world.app)
    replay(written, site.world.app, ReplayOptions(all=True))
    site.run()


@pytest.mark.parametrize(("older", "status", "serves"), [(False, "skipped", "8"), (True, "succeeded", "7")])
def test_an_older_version_than_the_one_that_serves_is_skipped(
    make: MakeSite, azure: Azure, older: bool, status: str, serves: str
) -> None:
    """Unless the rule allows it: a replay of the older one's event is a way to roll back; a late event is not."""
    site = make(allow_older=older, traffic=[100])
    azure.models.register("churn", "7", {"stage": "production"})
    azure.clock.forward(minutes=5)
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add("churn", traffic={"eight": 100})
    azure.endpoints.add_deployment("churn", "eight", model)
    site.world.clock.forward(days=1)
    site.tell("7")
    site.run()
    assert (site.end("churn-7")[0], site.traffic()) == ("skipped", {"8": 100})
    replayed(site, "churn-7")
    assert site.end("churn-7")[0] == status
    assert site.traffic() == {serves: 100}


def test_events_that_come_late_and_in_disorder_lead_to_the_newest_though_older_ones_are_allowed(
    make: MakeSite, azure: Azure
) -> None:
    """As after a pause of the app: all versions are there before any action begins."""
    site = make(allow_older=True, traffic=[100], keep=0)
    for version in ("1", "2", "3"):
        azure.models.register("churn", version, {"stage": "production"})
        azure.clock.forward(minutes=5)
    site.world.clock.forward(days=1)
    for version in ("3", "1", "2"):
        site.tell(version)
    site.run()
    assert (site.traffic(), creations(site)) == ({"3": 100}, 1)


@pytest.mark.parametrize(("version", "status"), [("9", "skipped"), ("6", "succeeded")])
def test_a_model_that_serves_may_be_named_in_short(make: MakeSite, azure: Azure, version: str, status: str) -> None:
    """As in a deployment's YAML: it is one of the same workspace."""
    azure.models.register("churn", version, {"stage": "trial"})
    azure.endpoints.add("churn", traffic={"by-hand": 100})
    azure.endpoints.add_deployment("churn", "by-hand", f"azureml:churn:{version}")
    site = make(traffic=[100])
    site.register("7")
    site.run()
    assert site.end()[0] == status, site.end()


def test_one_that_serves_and_is_later_stops_an_older_one_even_if_its_tags_are_others(
    make: MakeSite, azure: Azure
) -> None:
    """Somebody has deployed it by hand."""
    site = make()
    model = azure.models.register("churn", "8", {"stage": "trial"})
    azure.endpoints.add("churn", traffic={"eight": 100})
    azure.endpoints.add_deployment("churn", "eight", model)
    site.register("7")
    site.run()
    assert site.end() == ("skipped", "churn serves churn:8, which is later than churn:7")


def test_a_later_version_without_the_tag_supersedes_nothing(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.register("7")
    azure.models.register("churn", "8", {"stage": "trial"})
    site.run()
    assert site.traffic() == {"7": 100}


def test_a_later_version_for_another_endpoint_supersedes_nothing(make: MakeSite, azure: Azure) -> None:
    site = make(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn-*"])
    site.register("7", stage="production", endpoint="churn-eu")
    site.register("8", stage="production", endpoint="churn-us")
    azure.models.register("churn", "9", {"stage": "production"})
    azure.models.register("churn", "10", {"stage": "production", "endpoint": "elsewhere"})
    site.run()
    assert (site.traffic("churn-eu"), site.traffic("churn-us")) == ({"7": 100}, {"8": 100})


def test_another_model_behind_the_same_endpoint_is_neither_older_nor_newer(make: MakeSite, azure: Azure) -> None:
    site = make(keep=1, traffic=[100])
    site.register("12", "churn-xgb")
    site.run()
    site.register("3", "churn-nn")
    site.run()
    assert site.traffic() == {"3": 100}


def test_endpoints_of_two_workspaces_do_not_wait_for_each_other(make: MakeSite, azure: Azure) -> None:
    site = make()
    rule = site.world.loaded.by_name["deploy-it"]
    events = [ModelRegistered.example(topic=topic) for topic in (PROD, DEV, PROD.upper())]
    one, two, three = (rule.handler.lock(event) for event in events)
    assert one is not None
    assert (one == three, one == two) == (True, False)
    assert rule.handler.destination(events[0]) == rule.handler.destination(events[2]) == PROD.casefold()


def test_tags_count_as_they_are_now(make: MakeSite, azure: Azure) -> None:
    """The event may be old, or forged."""
    site = make()
    azure.models.register("churn", "7", {"stage": "trial"})
    site.tell("7", stage="production")
    site.run()
    status, note = site.end()
    assert (status, site.writes()) == ("skipped", [])
    assert "stage=trial" in note


def test_tags_that_name_another_endpoint_now_lead_nowhere(make: MakeSite, azure: Azure) -> None:
    """The lock was taken for the event's endpoint: no other may be touched."""
    site = make(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn-*"])
    azure.models.register("churn", "7", {"stage": "production", "endpoint": "churn-us"})
    site.tell("7", stage="production", endpoint="churn-eu")
    site.run()
    assert site.end()[0] == "skipped"
    assert "name the endpoint churn-us" in site.end()[1]
    assert site.writes() == []


def test_tag_names_come_in_other_case_than_they_have(make: MakeSite, azure: Azure) -> None:
    """The publisher camel-cases them: Stage arrives as stage."""
    site = make(endpoint="{{ data.modelTags.Endpoint }}", allowed_endpoints=["churn"])
    azure.models.register("churn", "7", {"Stage": "production", "Endpoint": "churn"})
    site.tell("7", stage="production", endpoint="churn")
    site.run()
    assert site.end()[0] == "succeeded", site.end()


@pytest.mark.parametrize("endpoint", ["billing", "churn", "Churn-eu", "x", "churn-" + "x" * 40, "churn-{{ 7*7 }}"])
def test_an_endpoint_that_a_tag_names_must_be_allowed(make: MakeSite, azure: Azure, endpoint: str) -> None:
    site = make(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn-*"])
    site.register("7", stage="production", endpoint=endpoint)
    site.run()
    assert site.end()[0] == "failed"
    assert azure.calls.all == []


def test_a_model_that_is_not_there_yet_is_waited_for(make: MakeSite, azure: Azure) -> None:
    """The event may be here before every replica knows the model."""
    site = make()
    azure.models.register("churn", "7", {"stage": "production"}, late_reads=4)
    site.tell("7")
    site.run()
    assert site.end()[0] == "succeeded"


def test_a_model_that_is_gone_is_not_waited_for_for_ever(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.tell("7")
    site.run()
    assert site.end() == ("failed", "the model churn:7 was not found in churn-prod within 5m")


def test_the_same_event_again_deploys_nothing_again(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.register("7")
    site.run()
    before = len(azure.calls.all)
    site.tell("7")
    site.run()
    assert len(azure.calls.all) == before


def test_what_serves_already_is_found_to_serve(make: MakeSite, azure: Azure) -> None:
    """Two rules, or a replay: nothing is written."""
    site = make()
    site.register("7")
    site.run()
    writes = len(site.writes())
    again = ModelRegistered.example(
        id="again", topic=PROD, model_name="churn", model_version="7", model_tags={"stage": "production"}
    )
    site.world.receive(again)
    site.run()
    assert site.end("again")[0] == "succeeded"
    assert len(site.writes()) == writes


def test_an_archived_model_is_deployed_if_it_is_asked_for(make: MakeSite, azure: Azure) -> None:
    site = make()
    azure.models.register("churn", "7", {"stage": "production"})
    azure.models.archive("churn", "7")
    site.tell("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()


@pytest.mark.parametrize(("minutes", "status"), [(5, "skipped"), (-5, "succeeded")])
def test_what_serves_is_compared_by_when_it_came_if_versions_are_no_numbers(
    make: MakeSite, azure: Azure, minutes: int, status: str
) -> None:
    site = make(traffic=[100])
    azure.models.register("churn", "blue", {"stage": "production"})
    azure.clock.forward(minutes=minutes)
    model = azure.models.register("churn", "red", {"stage": "trial"})
    azure.endpoints.add("churn", traffic={"by-hand": 100})
    azure.endpoints.add_deployment("churn", "by-hand", model)
    site.tell("blue")
    site.run()
    assert site.end("churn-blue")[0] == status, site.end("churn-blue")


def test_what_serves_and_is_of_no_known_form_stops_nothing(make: MakeSite, azure: Azure) -> None:
    azure.endpoints.add("churn", traffic={"by-hand": 100})
    azure.endpoints.add_deployment("churn", "by-hand", "azureml://models/churn/of-old")
    site = make(traffic=[100])
    site.register("7")
    site.run()
    assert site.end()[0] == "succeeded"
