"""Models with and without code, of workspaces and registries; managed, Kubernetes and batch endpoints."""

from pathlib import Path

from emulator import Azure
from mlevents.local.azurite import Azurite
from schemas import WorkspaceId
from schemas.links import endpoints_link
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.site import DEV, PROD

CODE = str(Path(__file__).parent / "code")

CUSTOM = {"environment": "azureml:serving:3", "code": CODE, "scoring_script": "score.py"}


def deployment_properties(azure: Azure, endpoint: str = "churn") -> dict[str, object]:
    """The properties of the endpoint's only deployment."""
    [deployment] = azure.endpoints.deployments(endpoint).values()
    found: dict[str, object] = deployment["properties"]
    return found


def test_custom_model_is_deployed_with_its_environment_and_code(make: MakeSite, azure: Azure, azurite: Azurite) -> None:
    """All versions of the model share one upload, because the folder does not change."""
    azure.state.storage = azurite.connection_string
    azure.assets.add_environment("serving", "3")
    site = make(**CUSTOM)
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.send("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    found = deployment_properties(azure)
    assert found["environmentId"] == f"{PROD}/environments/serving/versions/3"
    code = found["codeConfiguration"]
    assert isinstance(code, dict)
    assert code["scoringScript"] == "score.py"
    uploads = [call for call in azure.calls.all if call.method == "PUT" and "/codes/" in call.path]
    assert len(uploads) == 1
    azure.models.register("churn", "8", {"stage": "production"}, type="custom_model")
    site.send("8")
    site.run()
    assert site.outcome("churn-8")[0] == "succeeded"
    assert len([call for call in azure.calls.all if call.method == "PUT" and "/codes/" in call.path]) == 1


def test_environment_variables_are_templates(make: MakeSite, azure: Azure) -> None:
    site = make(environment_variables={"MODEL_VERSION": "{{ data.modelVersion }}", "MODE": "fast"})
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    assert deployment_properties(azure)["environmentVariables"] == {"MODEL_VERSION": "7", "MODE": "fast"}


def test_registered_code_asset_is_used(make: MakeSite, azure: Azure) -> None:
    azure.assets.add_environment("serving", "3")
    code = azure.assets.add_code("scoring", "1")
    site = make(**CUSTOM | {"code": "azureml:scoring:1"})
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.send("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    assert deployment_properties(azure)["codeConfiguration"] == {"codeId": code, "scoringScript": "score.py"}


def test_missing_environment_is_reported(make: MakeSite, azure: Azure) -> None:
    azure.assets.add_code("scoring", "1")
    site = make(**CUSTOM | {"code": "azureml:scoring:1"}, traffic=[100])
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.send("7")
    site.run()
    status, note = site.outcome()
    assert status == "failed"
    assert "serving" in note
    assert azure.endpoints.deployments("churn") == {}


def test_model_of_a_registry_is_deployed(make: MakeSite, azure: Azure) -> None:
    """Registries raise no events, so the event is that of a workspace's model."""
    id = azure.models.register("churn", "7", registry="acme", type="mlflow_model")
    site = make(model="azureml://registries/acme/models/{{ data.modelName }}/versions/{{ data.modelVersion }}")
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    assert deployment_properties(azure)["model"] == id


def test_registry_model_is_deployed_to_another_workspace(make: MakeSite, azure: Azure) -> None:
    """A model of the event's own workspace cannot be: the rules do not load with such a rule."""
    model = azure.models.register("churn", "7", registry="acme", type="mlflow_model")
    version = "azureml://registries/acme/models/churn/versions/{{ data.modelVersion }}"
    site = make(workspace="churn-prod", model=version)
    site.register("7", workspace=DEV)
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    assert deployment_properties(azure)["model"] == model
    assert azure.endpoints.get("churn", workspace="churn-dev") is None


def test_kubernetes_deployment_needs_no_instance_type(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("k8s", "Kubernetes")
    site = make(compute="k8s", instance_count=2)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    found = deployment_properties(azure)
    assert found["endpointComputeType"] == "Kubernetes"
    assert not found.get("instanceType")
    endpoint = azure.endpoints.get("churn")
    assert endpoint is not None
    assert str(endpoint["properties"]["compute"]).endswith("/computes/k8s")
    assert endpoint["properties"]["authMode"] == "Key"
    assert site.traffic() == {"7": 100}


def test_new_batch_deployment_becomes_the_default(make: MakeSite, azure: Azure) -> None:
    azure.workspaces.add_compute("cpu-cluster")
    batch = {"compute": "cpu-cluster", "mini_batch_size": 5}
    site = make(batch=batch, keep=0, instance_count=2, bake=None)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    assert site.actions["churn-7"].details["link"] == endpoints_link(WorkspaceId.parse(PROD))
    assert azure.calls.matching("PUT batchEndpoints/churn")[0].body["properties"]["authMode"] == "AADToken"
    first = azure.endpoints.default_deployment("churn")
    assert site.version("churn", first) == "7"
    assert deployment_properties(azure)["miniBatchSize"] == 5
    site.register("8")
    site.run()
    assert site.outcome("churn-8")[0] == "succeeded"
    assert site.version("churn", azure.endpoints.default_deployment("churn")) == "8"
    assert site.versions() == ["8"]
