"""Models of a workspace and of a registry, with code and without; managed machines, Kubernetes, batch endpoints."""

from pathlib import Path

import pytest

from emulator import Azure
from mlevents.local.azurite import Azurite
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import DEV, PROD

CODE = str(Path(__file__).parent / "code")
CUSTOM = {"environment": "azureml:serving:3", "code": CODE, "scoring_script": "score.py"}


def properties(azure: Azure, endpoint: str = "churn") -> dict[str, object]:
    """Of the one deployment there is."""
    [deployment] = azure.endpoints.deployments(endpoint).values()
    found: dict[str, object] = deployment["properties"]
    return found


def test_a_custom_model_without_code_is_refused_with_what_to_do(make: MakeSite, azure: Azure) -> None:
    site = make()
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.tell("7")
    site.run()
    status, note = site.end()
    assert status == "failed"
    assert "custom_model" in note
    assert "environment, code and a scoring_script" in note
    assert site.writes() == []


def test_a_custom_model_is_deployed_with_its_environment_and_code(
    make: MakeSite, azure: Azure, azurite: Azurite
) -> None:
    """The folder is uploaded, once for all versions of the model: its content has not changed."""
    azure.state.storage = azurite.connection_string
    azure.assets.add_environment("serving", "3")
    site = make(**CUSTOM)
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.tell("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()
    found = properties(azure)
    assert found["environmentId"] == f"{PROD}/environments/serving/versions/3"
    code = found["codeConfiguration"]
    assert isinstance(code, dict)
    assert code["scoringScript"] == "score.py"
    uploads = [call for call in azure.calls.all if call.method == "PUT" and "/codes/" in call.path]
    assert len(uploads) == 1
    azure.models.register("churn", "8", {"stage": "production"}, type="custom_model")
    site.tell("8")
    site.run()
    assert site.end("churn-8")[0] == "succeeded"
    assert len([call for call in azure.calls.all if call.method == "PUT" and "/codes/" in call.path]) == 1


def test_code_that_is_registered_already_is_used_as_it_is(make: MakeSite, azure: Azure) -> None:
    azure.assets.add_environment("serving", "3")
    code = azure.assets.add_code("scoring", "1")
    site = make(**CUSTOM | {"code": "azureml:scoring:1"})
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.tell("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()
    assert properties(azure)["codeConfiguration"] == {"codeId": code, "scoringScript": "score.py"}


def test_an_environment_that_is_not_there_is_reported(make: MakeSite, azure: Azure) -> None:
    azure.assets.add_code("scoring", "1")
    site = make(**CUSTOM | {"code": "azureml:scoring:1"}, traffic=[100])
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.tell("7")
    site.run()
    status, note = site.end()
    assert status == "failed"
    assert "serving" in note
    assert azure.endpoints.deployments("churn") == {}


def test_a_rule_may_deploy_the_registry_s_model(make: MakeSite, azure: Azure) -> None:
    """The event is about a workspace's model: registries raise none."""
    id = azure.models.register("churn", "7", registry="acme", type="mlflow_model")
    site = make(model="azureml://registries/acme/models/{{ data.modelName }}/versions/{{ data.modelVersion }}")
    site.register("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()
    assert properties(azure)["model"] == id


def test_a_model_that_the_registry_does_not_have_is_reported(make: MakeSite, azure: Azure) -> None:
    site = make(model="azureml://registries/acme/models/{{ data.modelName }}/versions/{{ data.modelVersion }}")
    site.register("7")
    site.run()
    status, note = site.end()
    assert (status, site.writes()) == ("failed", [])
    assert "azureml://registries/acme/models/churn/versions/7" in note


@pytest.mark.parametrize("id", ["churn:7", DEV + "/models/churn/versions/7", "azureml://datastores/x/paths/y"])
def test_a_model_setting_must_be_of_a_registry(make: MakeSite, azure: Azure, id: str) -> None:
    site = make(model=id)
    site.register("7")
    site.run()
    status, note = site.end()
    assert status == "failed"
    assert "azureml://registries/" in note


def test_a_model_may_serve_in_another_workspace(make: MakeSite, azure: Azure) -> None:
    """Named as in workspaces.yaml. The deployment refers to the model where it is."""
    site = make(workspace="churn-prod")
    model = site.register("7", workspace=DEV)
    site.run()
    assert site.end()[0] == "succeeded", site.end()
    assert properties(azure)["model"] == model
    assert azure.endpoints.get("churn", workspace="churn-dev") is None


def test_on_kubernetes_the_cluster_is_named_and_its_machines_need_not_be(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("k8s", "Kubernetes")
    site = make(compute="k8s", instance_count=2)
    site.register("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()
    found = properties(azure)
    assert found["endpointComputeType"] == "Kubernetes"
    assert not found.get("instanceType")
    endpoint = azure.endpoints.get("churn")
    assert endpoint is not None
    assert str(endpoint["properties"]["compute"]).endswith("/computes/k8s")
    assert endpoint["properties"]["authMode"] == "Key"
    assert site.traffic() == {"7": 100}


@pytest.mark.parametrize(
    "settings", [{"compute": "k8s"}, {"batch": {"compute": "k8s"}, "bake": None}], ids=["k8s", "batch"]
)
@pytest.mark.parametrize(("state", "said"), [("", "there is no compute k8s in churn-prod"), ("Failed", "is Failed")])
def test_a_compute_that_is_not_there_or_broken_is_reported(
    make: MakeSite, azure: Azure, settings: dict[str, object], state: str, said: str
) -> None:
    if state:
        found = azure.state.find(azure.workspaces.add_compute("k8s", "Kubernetes"))
        assert found is not None
        found.properties["provisioningState"] = state
    site = make(**settings)
    site.register("7")
    site.run()
    status, note = site.end()
    assert (status, site.writes()) == ("failed", [])
    assert said in note


def test_a_compute_that_may_not_be_read_is_left_to_the_service(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("k8s", "Kubernetes")
    azure.faults.fail("GET computes/k8s", status=403, times=None)
    site = make(compute="k8s")
    site.register("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()


@pytest.mark.parametrize(("there", "compute"), [("Kubernetes", ""), ("Managed", "k8s")])
def test_an_endpoint_of_the_other_kind_is_left_alone(make: MakeSite, azure: Azure, there: str, compute: str) -> None:
    azure.workspaces.add_compute("k8s", "Kubernetes")
    azure.endpoints.add("churn", there)
    site = make(compute=compute)
    site.register("7")
    site.run()
    status, note = site.end()
    assert (status, site.writes()) == ("failed", [])
    assert "compute: k8s" in note


def test_behind_a_batch_endpoint_the_new_deployment_becomes_the_default(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("cpu-cluster")
    batch = {"compute": "cpu-cluster", "mini_batch_size": 5}
    site = make(batch=batch, keep=0, instance_count=2, bake=None)
    site.register("7")
    site.run()
    assert site.end()[0] == "succeeded", site.end()
    assert azure.calls.matching("PUT batchEndpoints/churn")[0].body["properties"]["authMode"] == "AADToken"
    first = azure.endpoints.default_deployment("churn")
    assert site.version("churn", first) == "7"
    assert properties(azure)["miniBatchSize"] == 5
    site.register("8")
    site.run()
    assert site.end("churn-8")[0] == "succeeded"
    assert site.version("churn", azure.endpoints.default_deployment("churn")) == "8"
    assert site.versions() == ["8"]
