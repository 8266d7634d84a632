"""Checks of the model, the endpoint, the quota and the compute."""

import pytest

from emulator import Azure
from schemas import ModelRegistered
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import DEV, PROD, deploy_eight


def test_missing_endpoint_fails_the_action_without_create_endpoint(make: MakeSite, azure: Azure) -> None:
    site = make(create_endpoint=False)
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert (status, site.writes()) == ("failed", [])
    assert "there is no endpoint churn in churn-prod" in note
    assert "create_endpoint: true" in note


@pytest.mark.parametrize(("family", "name"), [("DSv2", "Standard DSv2 Family"), ("total", "Total Cluster")])
def test_lack_of_quota_fails_the_action_before_anything_is_created(
    serving: MakeSite, azure: Azure, family: str, name: str
) -> None:
    azure.workspaces.set_quota(family, 6)
    site = serving(instance_count=2)
    status, note = deploy_eight(site)
    assert (status, site.writes()) == ("failed", [])
    assert "no quota: 2 of Standard_DS3_v2 need 8 cores" in note
    assert f"of the 6 of {name}" in note
    assert "choose another instance_type" in note


@pytest.mark.parametrize("owner", ["another workspace", "a cluster"])
def test_quotas_of_other_workspaces_and_of_computes_do_not_count(serving: MakeSite, azure: Azure, owner: str) -> None:
    """The list has them under the same names."""
    other = azure.workspaces.add(PROD.replace("churn-prod", "other"))
    cluster = azure.workspaces.add_compute("cpu-cluster")
    azure.workspaces.set_quota("DSv2", 6, used=6, owner=other if owner == "another workspace" else cluster)
    assert deploy_eight(serving())[0] == "succeeded"


def test_quota_of_the_own_workspace_counts(serving: MakeSite, azure: Azure) -> None:
    azure.workspaces.set_quota("DSv2", 6, owner=PROD)
    status, note = deploy_eight(serving(instance_count=2))
    assert status == "failed"
    assert "no quota: 2 of Standard_DS3_v2 need 8 cores" in note
    assert "of the 6 of Standard DSv2 Family" in note


@pytest.mark.parametrize(("name", "version"), [("..", "1"), (".", "1"), ("churn", "..")])
def test_model_whose_name_consists_of_dots_is_not_read(make: MakeSite, azure: Azure, name: str, version: str) -> None:
    """Its path would be that of another resource."""
    site = make()
    site.send(version, name, stage="production")
    site.run()
    status, note = site.outcome(f"{name}-{version}")
    assert status == "failed"
    assert f"{name}:{version} is not a model: a name cannot consist of dots" in note
    assert azure.calls.all == []


def test_custom_model_without_code_fails_with_advice(make: MakeSite, azure: Azure) -> None:
    site = make()
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.send("7")
    site.run()
    status, note = site.outcome()
    assert status == "failed"
    assert "custom_model" in note
    assert "environment, code and a scoring_script" in note
    assert site.writes() == []


def test_model_that_the_registry_does_not_have_is_reported(make: MakeSite, azure: Azure) -> None:
    site = make(model="azureml://registries/acme/models/{{ data.modelName }}/versions/{{ data.modelVersion }}")
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert (status, site.writes()) == ("failed", [])
    assert "azureml://registries/acme/models/churn/versions/7" in note


@pytest.mark.parametrize("id", ["churn:7", DEV + "/models/churn/versions/7", "azureml://datastores/x/paths/y"])
def test_model_setting_must_name_a_registry(make: MakeSite, azure: Azure, id: str) -> None:
    """A template's text is known when the action runs; a text without one is refused when rules load."""
    site = make(model="{% if true %}" + id + "{% endif %}")
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert status == "failed"
    assert "azureml://registries/" in note
    with pytest.raises(AssertionError, match="begins no id of a registry's model"):
        make(model=id)


@pytest.mark.parametrize(
    "settings", [{"compute": "k8s"}, {"batch": {"compute": "k8s"}, "bake": None}], ids=["k8s", "batch"]
)
@pytest.mark.parametrize(("state", "said"), [("", "there is no compute k8s in churn-prod"), ("Failed", "is Failed")])
def test_missing_or_failed_compute_is_reported(
    make: MakeSite, azure: Azure, settings: dict[str, object], state: str, said: str
) -> None:
    if state:
        found = azure.state.find(azure.workspaces.add_compute("k8s", "Kubernetes"))
        assert found is not None
        found.properties["provisioningState"] = state
    site = make(**settings)
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert (status, site.writes()) == ("failed", [])
    assert said in note


def test_compute_that_cannot_be_read_is_not_checked(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("k8s", "Kubernetes")
    azure.faults.fail("GET computes/k8s", status=403, times=None)
    site = make(compute="k8s")
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()


@pytest.mark.parametrize(("there", "compute"), [("Kubernetes", ""), ("Managed", "k8s")])
def test_endpoint_of_another_kind_fails_the_action(make: MakeSite, azure: Azure, there: str, compute: str) -> None:
    azure.workspaces.add_compute("k8s", "Kubernetes")
    azure.endpoints.add("churn", there)
    site = make(compute=compute)
    site.register("7")
    site.run()
    status, note = site.outcome()
    assert (status, site.writes()) == ("failed", [])
    assert "compute: k8s" in note


def test_current_tags_of_the_model_decide(make: MakeSite, azure: Azure) -> None:
    """The event can be old or forged."""
    site = make()
    azure.models.register("churn", "7", {"stage": "trial"})
    site.send("7", stage="production")
    site.run()
    status, note = site.outcome()
    assert (status, site.writes()) == ("skipped", [])
    assert "stage=trial" in note


def test_current_tags_that_name_another_endpoint_skip_the_event(make: MakeSite, azure: Azure) -> None:
    """The action holds the lock of the event's endpoint only."""
    site = make(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn-*"])
    azure.models.register("churn", "7", {"stage": "production", "endpoint": "churn-us"})
    site.send("7", stage="production", endpoint="churn-eu")
    site.run()
    assert site.outcome()[0] == "skipped"
    assert "name the endpoint churn-us" in site.outcome()[1]
    assert site.writes() == []


def test_tag_names_match_whatever_their_case(make: MakeSite, azure: Azure) -> None:
    """Azure ML's events have camel-cased tag names: Stage arrives as stage."""
    site = make(endpoint="{{ data.modelTags.Endpoint }}", allowed_endpoints=["churn"])
    azure.models.register("churn", "7", {"Stage": "production", "Endpoint": "churn"})
    site.send("7", stage="production", endpoint="churn")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()


@pytest.mark.parametrize("endpoint", ["billing", "churn", "Churn-eu", "x", "churn-" + "x" * 40, "churn-{{ 7*7 }}"])
def test_endpoint_in_a_tag_must_be_allowed(make: MakeSite, azure: Azure, endpoint: str) -> None:
    site = make(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn-*"])
    site.register("7", stage="production", endpoint=endpoint)
    site.run()
    assert site.outcome()[0] == "failed"
    assert azure.calls.all == []


def test_model_that_is_not_found_yet_is_awaited(make: MakeSite, azure: Azure) -> None:
    """The event can arrive before every replica has the model."""
    site = make()
    azure.models.register("churn", "7", {"stage": "production"}, late_reads=4)
    site.send("7")
    site.run()
    assert site.outcome()[0] == "succeeded"


def test_model_that_is_never_found_fails_the_action(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.send("7")
    site.run()
    assert site.outcome() == ("failed", "the model churn:7 was not found in churn-prod within 5m")


def test_duplicate_event_deploys_nothing(make: MakeSite, azure: Azure) -> None:
    site = make()
    site.register("7")
    site.run()
    before = len(azure.calls.all)
    site.send("7")
    site.run()
    assert len(azure.calls.all) == before


def test_model_that_serves_already_is_not_deployed_again(make: MakeSite, azure: Azure) -> None:
    """For example for a second rule, or after a replay."""
    site = make()
    site.register("7")
    site.run()
    writes = len(site.writes())
    again = ModelRegistered.example(
        id="again", topic=PROD, model_name="churn", model_version="7", model_tags={"stage": "production"}
    )
    site.world.receive(again)
    site.run()
    assert site.outcome("again")[0] == "succeeded"
    assert len(site.writes()) == writes


def test_archived_model_is_deployed(make: MakeSite, azure: Azure) -> None:
    site = make()
    azure.models.register("churn", "7", {"stage": "production"})
    azure.models.archive("churn", "7")
    site.send("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
