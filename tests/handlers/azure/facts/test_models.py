"""The facts about model versions, from an emulated Azure."""

from emulator import WORKSPACE, Azure
from handlers.azure.facts import fetch
from schemas import ModelDeployed
from tests.handlers.azure.facts.conftest import ModelOf


def trained(azure: Azure, **tags: str) -> str:
    """Register churn by a run, which the returned name is of."""
    azure.jobs.register_model("weekly", "churn", tags)
    azure.jobs.log_metrics("weekly", {"auc": 0.93})
    return azure.jobs.start("weekly")


def test_model_has_its_flavor_its_run_and_its_metrics(azure: Azure, model_of: ModelOf) -> None:
    name = trained(azure, Stage="production", team="churn")
    facts = model_of("churn", "1")
    assert (facts.unavailable, facts.missing) == (None, ())
    assert (facts.flavor, facts.type, facts.stage) == ("sklearn", "mlflow_model", "production")
    assert facts.tags == {"Stage": "production", "team": "churn"}
    assert (facts.run_id, facts.run_name, facts.metrics) == (name, name, {"auc": 0.93})
    assert facts.run_url
    assert facts.run_url.startswith(f"https://ml.azure.com/runs/{name}?wsid=")
    assert facts.registered_by == "mlevents"
    assert facts.registered
    assert facts.url
    assert facts.url.startswith("https://ml.azure.com/model/churn:1/details?wsid=")


def test_version_that_serves_now_has_the_most_traffic(azure: Azure, model_of: ModelOf) -> None:
    ids = {version: azure.models.register("churn", version) for version in "789"}
    other = azure.models.register("other", "1")
    azure.endpoints.add("churn", traffic={"blue": 20, "green": 80})
    azure.endpoints.add("idle")
    azure.endpoints.add("more", traffic={"BLUE": 100})
    for endpoint, name, id in [
        *(("churn", "blue", ids["8"]), ("churn", "green", ids["7"]), ("churn", "red", ids["9"])),
        *(("more", "blue", other), ("idle", "blue", ids["9"])),
    ]:
        azure.endpoints.add_deployment(endpoint, name, id)
    facts = model_of("churn", "9")
    assert facts.serving_version == "7"
    assert [(each.version, each.endpoint, each.deployment, each.traffic) for each in facts.serving] == [
        ("7", "churn", "green", 80),
        ("8", "churn", "blue", 20),
    ]


def test_model_without_run_and_endpoints_has_little(azure: Azure, model_of: ModelOf) -> None:
    azure.models.register("churn", "7", type="custom_model")
    facts = model_of("churn", "7")
    assert (facts.run_id, facts.metrics, facts.serving, facts.serving_version) == (None, {}, (), None)
    assert (facts.flavor, facts.stage, facts.missing) == (None, None, ())


def test_run_is_found_by_the_models_artifacts(azure: Azure, model_of: ModelOf) -> None:
    name = azure.jobs.start("weekly")
    azure.models.register("churn", "7", properties={"azureml.artifactPrefix": f"ExperimentRun/dcid.{name}/model"})
    assert model_of("churn", "7").run_name == name


def test_flavor_is_that_which_loads_the_general_one(azure: Azure, model_of: ModelOf) -> None:
    id = azure.models.register("churn", "7")
    found = azure.state.find(id)
    assert found
    found.properties["flavors"] = {"python_function": {"data": {"loader_module": "mlflow.pytorch"}}}
    assert model_of("churn", "7").flavor == "pytorch"


def test_run_that_is_gone_and_endpoints_that_are_forbidden_are_missing(azure: Azure, model_of: ModelOf) -> None:
    trained(azure)
    azure.faults.fail("GET onlineEndpoints", status=403, times=None)
    azure.faults.fail("GET runs/*", status=404, code="UserError", message="gone", times=None)
    facts = model_of("churn", "1")
    assert facts.missing == (
        "the run: HTTP 404 from localhost: UserError: gone",
        "what is served: HTTP 403 from localhost; the app's identity needs the role Reader on the workspace",
    )
    assert facts.metrics == {"auc": 0.93}


def test_more_endpoints_than_are_read_are_missing(azure: Azure, model_of: ModelOf) -> None:
    azure.models.register("churn", "7")
    azure.state.page = 10
    for n in range(21):
        azure.endpoints.add(f"churn-{n}", traffic={"blue": 100})
    facts = model_of("churn", "7")
    assert facts.missing == ("what is served: there are more than 20 endpoints with traffic",)
    assert not facts.transient


def test_model_that_does_not_exist_is_unavailable(model_of: ModelOf) -> None:
    facts = model_of("churn", "7")
    assert facts.unavailable
    assert facts.unavailable.startswith("HTTP 404 from localhost: ResourceNotFound")


def test_event_that_names_no_model_has_no_facts() -> None:
    facts = fetch(ModelDeployed.example(topic=WORKSPACE, modelIds=""), "model", 1)
    assert (facts.unavailable, facts.transient) == ("the event does not name it", False)
