"""The order of versions: which one is deployed, and which are skipped."""

import pytest

from dispatch.facts.source import Ask
from dispatch.replay.replay import ReplayOptions, find, replay
from emulator import Azure
from schemas.facts import ModelFacts
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import Site


def statuses(site: Site) -> dict[str, str]:
    """The status of each action, by the id of its event."""
    return {event: record.status for event, record in site.actions.items()}


def creations(site: Site) -> int:
    """How many deployments were created."""
    return sum(write.startswith("PUT") and "/deployments/" in write for write in site.writes())


def test_of_ten_versions_in_a_minute_only_the_last_is_deployed(make: MakeSite, azure: Azure) -> None:
    """Each action checks for a later version once it has the lock."""
    site = make(keep=0)
    for version in range(1, 11):
        site.register(str(version))
        site.world.clock.forward(seconds=6)
    site.run()
    assert site.traffic() == {"10": 100}
    assert creations(site) == 1
    assert list(statuses(site).values()).count("succeeded") == 1
    assert "superseded by churn:10" in site.outcome("churn-1")[1]


def test_versions_registered_during_a_rollout_wait_and_all_but_the_last_are_skipped(
    make: MakeSite, azure: Azure
) -> None:
    """The rollout in progress is not interrupted."""
    site = make(keep=0, traffic=[50, 100])
    site.register("1")
    site.run(steps=12)
    for version in ("2", "3", "4"):
        site.register(version)
    site.run()
    assert statuses(site) == {
        "churn-1": "succeeded",
        "churn-2": "skipped",
        "churn-3": "skipped",
        "churn-4": "succeeded",
    }
    assert site.traffic() == {"4": 100}
    assert creations(site) == 2


def test_numeric_versions_are_compared_as_numbers(make: MakeSite, azure: Azure) -> None:
    """As texts, 10 would come before 9."""
    site = make()
    for version in ("9", "10"):
        site.register(version)
    site.run()
    assert site.traffic() == {"10": 100}


def test_other_versions_are_compared_by_registration_time(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.register("zebra")
    azure.clock.forward(minutes=5)
    site.register("ant")
    site.run()
    assert site.traffic() == {"ant": 100}
    assert "superseded by churn:ant" in site.outcome("churn-zebra")[1]


def replay_event(site: Site, event: str) -> None:
    """Replay an event, whatever its outcome, and deliver all messages."""
    [written] = find(event, site.world.app)
    replay(written, site.world.app, ReplayOptions(all=True))
    site.run()


@pytest.mark.parametrize(("older", "status", "serves"), [(False, "skipped", "8"), (True, "succeeded", "7")])
def test_older_version_than_the_serving_one_is_skipped_unless_a_replay_allows_it(
    make: MakeSite, azure: Azure, older: bool, status: str, serves: str
) -> None:
    """Replaying the older version's event is a way to go back; a late event is not."""
    site = make(allow_older=older, traffic=[100])
    azure.models.register("churn", "7", {"stage": "production"})
    azure.clock.forward(minutes=5)
    model = azure.models.register("churn", "8", {"stage": "production"})
    azure.endpoints.add("churn", traffic={"eight": 100})
    azure.endpoints.add_deployment("churn", "eight", model)
    site.world.clock.forward(days=1)
    site.send("7")
    site.run()
    assert (site.outcome("churn-7")[0], site.traffic()) == ("skipped", {"8": 100})
    replay_event(site, "churn-7")
    assert site.outcome("churn-7")[0] == status
    assert site.traffic() == {serves: 100}


def test_late_unordered_events_deploy_the_newest_version_in_spite_of_allow_older(make: MakeSite, azure: Azure) -> None:
    """After an outage of the app, all versions are registered before any action begins."""
    site = make(allow_older=True, traffic=[100], keep=0)
    for version in ("1", "2", "3"):
        azure.models.register("churn", version, {"stage": "production"})
        azure.clock.forward(minutes=5)
    site.world.clock.forward(days=1)
    for version in ("3", "1", "2"):
        site.send(version)
    site.run()
    assert (site.traffic(), creations(site)) == ({"3": 100}, 1)


@pytest.mark.parametrize(("version", "status"), [("9", "skipped"), ("6", "succeeded")])
def test_serving_model_with_a_short_id_is_compared(make: MakeSite, azure: Azure, version: str, status: str) -> None:
    """A deployment's YAML may use the short form, which names a model of the same workspace."""
    azure.models.register("churn", version, {"stage": "trial"})
    azure.endpoints.add("churn", traffic={"manual": 100})
    azure.endpoints.add_deployment("churn", "manual", f"azureml:churn:{version}")
    site = make(traffic=[100])
    site.register("7")
    site.run()
    assert site.outcome()[0] == status, site.outcome()


def test_later_serving_version_counts_whatever_its_tags(make: MakeSite, azure: Azure) -> None:
    """Someone deployed it manually."""
    site = make()
    model = azure.models.register("churn", "8", {"stage": "trial"})
    azure.endpoints.add("churn", traffic={"eight": 100})
    azure.endpoints.add_deployment("churn", "eight", model)
    site.register("7")
    site.run()
    assert site.outcome() == ("skipped", "churn serves churn:8, which is later than churn:7")


def test_later_version_that_does_not_match_the_rule_supersedes_nothing(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.register("7")
    azure.models.register("churn", "8", {"stage": "trial"})
    site.run()
    assert site.traffic() == {"7": 100}


def test_later_version_for_another_endpoint_supersedes_nothing(make: MakeSite, azure: Azure) -> None:
    site = make(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn-*"])
    site.register("7", stage="production", endpoint="churn-eu")
    site.register("8", stage="production", endpoint="churn-us")
    azure.models.register("churn", "9", {"stage": "production"})
    azure.models.register("churn", "10", {"stage": "production", "endpoint": "elsewhere"})
    site.run()
    assert (site.traffic("churn-eu"), site.traffic("churn-us")) == ({"7": 100}, {"8": 100})


def test_another_model_behind_the_same_endpoint_is_not_compared(make: MakeSite, azure: Azure) -> None:
    site = make(keep=1, traffic=[100])
    site.register("12", "churn-xgb")
    site.run()
    site.register("3", "churn-nn")
    site.run()
    assert site.traffic() == {"3": 100}


@pytest.mark.parametrize(("minutes", "status"), [(5, "skipped"), (-5, "succeeded")])
def test_serving_version_is_compared_by_registration_time_if_not_numeric(
    make: MakeSite, azure: Azure, minutes: int, status: str
) -> None:
    site = make(traffic=[100])
    azure.models.register("churn", "blue", {"stage": "production"})
    azure.clock.forward(minutes=minutes)
    model = azure.models.register("churn", "red", {"stage": "trial"})
    azure.endpoints.add("churn", traffic={"manual": 100})
    azure.endpoints.add_deployment("churn", "manual", model)
    site.send("blue")
    site.run()
    assert site.outcome("churn-blue")[0] == status, site.outcome("churn-blue")


def test_serving_model_with_an_unknown_id_is_not_compared(make: MakeSite, azure: Azure) -> None:
    azure.endpoints.add("churn", traffic={"manual": 100})
    azure.endpoints.add_deployment("churn", "manual", "azureml://models/churn/legacy")
    site = make(traffic=[100])
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded"


def facts_by_version(**by_version: ModelFacts) -> Ask:
    """A service that knows the versions of the model by ``v`` and their number."""
    return lambda event, _name, _within: by_version[f"v{event.data.model_version}"]  # type: ignore[attr-defined]


LATE = 'when: [data.modelTags.stage StringIn production, "model.metrics.auc NumberGreaterThan 0.9"]'
GOOD, BAD = ModelFacts(metrics={"auc": 0.95}), ModelFacts(metrics={"auc": 0.5})


@pytest.mark.parametrize(("nine", "deployed"), [(BAD, "8"), (GOOD, "9")], ids=["bad", "good"])
def test_later_version_supersedes_only_if_late_conditions_are_true_for_it(
    make: MakeSite, azure: Azure, nine: ModelFacts, deployed: str
) -> None:
    """Otherwise neither would be deployed."""
    site = make(rule=LATE)
    site.world.ask = facts_by_version(v8=GOOD, v9=nine)
    for version in ("8", "9"):
        site.register(version)
    site.run()
    assert site.traffic() == {deployed: 100}
    assert list(statuses(site).values()).count("succeeded") == 1


def test_version_waits_while_a_later_one_cannot_be_decided(make: MakeSite, azure: Azure) -> None:
    site = make(rule=LATE)
    unknown = ModelFacts.without("HTTP 503 from management.azure.com", transient=True)
    site.world.ask = facts_by_version(v8=GOOD, v9=unknown)
    site.register("8")
    azure.models.register("churn", "9", {"stage": "production"})
    site.run()
    status, note = site.outcome("churn-8")
    assert (status, site.writes()) == ("failed", [])
    assert "conditions on the model cannot be decided: HTTP 503 from management.azure.com" in note
