"""The real azure-ai-ml client and assets, in a workspace and in a registry."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from emulator import WORKSPACE, Azure
from mlevents.local.azurite import Azurite
from tests.emulator.conftest import Send, refused
from tests.emulator.test_client_online import managed, targets

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def test_client_reads_models_of_a_workspace(azure: Azure, client: "MLClient") -> None:
    azure.models.register("churn", "7", {"stage": "production"}, properties={"auc": "0.87"})
    azure.models.register("churn", "8", type="custom_model")
    model = client.models.get("churn", "7")
    assert (model.tags, model.properties, model.type) == ({"stage": "production"}, {"auc": "0.87"}, "mlflow_model")
    assert model.id == f"{WORKSPACE}/models/churn/versions/7"
    assert model.creation_context.created_at
    assert client.models.get("churn", label="latest").version == "8"
    assert [model.version for model in client.models.list("churn")] == ["8", "7"]
    assert [(model.name, model.latest_version) for model in client.models.list()] == [("churn", "8")]
    assert targets(azure)[:2] == [
        "GET models/churn/versions/7 2023-08-01-preview",
        "GET models/churn/versions 2023-08-01-preview",
    ]


def test_models_are_tagged_archived_and_deleted(azure: Azure, client: "MLClient") -> None:
    for version in ("7", "8", "9"):
        azure.models.register("churn", version)
    azure.models.set_tags("churn", "7", {"stage": "staging"})
    model = client.models.get("churn", "7")
    model.tags["stage"] = "production"
    client.models.create_or_update(model)
    assert client.models.get("churn", "7").tags == {"stage": "production"}
    azure.models.archive("churn", "8")
    azure.models.delete("churn", "9")
    assert [model.version for model in client.models.list("churn")] == ["7"]
    with pytest.raises(ResourceNotFoundError):
        client.models.get("churn", "9")


def test_late_reads_do_not_find_a_new_model(azure: Azure, client: "MLClient") -> None:
    """An event may arrive before the replicas have the model."""
    azure.models.register("churn", "7", late_reads=2)
    for _ in range(2):
        with pytest.raises(ResourceNotFoundError):
            client.models.get("churn", "7")
    assert client.models.get("churn", "7").version == "7"


def test_client_reads_models_of_a_registry(azure: Azure, registry: "MLClient") -> None:
    """Discovery leads to the registry's data plane. Models there raise no events."""
    id = azure.models.register("churn", "7", {"stage": "production"}, registry="acme")
    assert id == "azureml://registries/acme/models/churn/versions/7"
    assert registry.models.get("churn", "7").tags == {"stage": "production"}
    assert registry.models.get("churn", label="latest").version == "7"
    assert [model.name for model in registry.models.list()] == ["churn"]
    assert targets(azure)[0] == "GET /registrymanagement/v1.0/registries/acme/discovery v1.0"
    assert azure.events.all == []


def test_client_registers_and_reads_environments(azure: Azure, client: "MLClient", registry: "MLClient") -> None:
    from azure.ai.ml.entities import Environment

    azure.assets.add_environment("serving", "1", registry="acme")
    created = client.environments.create_or_update(
        Environment(name="serving", version="1", image="acme/serving:1", conda_file={"name": "serving"})
    )
    assert created.id == f"{WORKSPACE}/environments/serving/versions/1"
    assert client.environments.get("serving", label="latest").image == "acme/serving:1"
    assert registry.environments.get("serving", "1").name == "serving"


def test_code_is_uploaded_to_storage(
    azure: Azure, client: "MLClient", azurite: Azurite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Into a container of its own, with a signature. An environment with conda packages is part of the request."""
    from azure.ai.ml.entities import CodeConfiguration, Environment

    source = tmp_path / "src"
    source.mkdir()
    (source / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return [1]\n", encoding="utf-8")
    azure.endpoints.add("churn")
    model = azure.models.register("churn", "7", type="custom_model")
    deployment = managed(
        model,
        environment=Environment(
            image="acme/serving:1", conda_file={"name": "serving", "dependencies": ["python=3.11"]}
        ),
        code_configuration=CodeConfiguration(code=str(source), scoring_script="score.py"),
    )
    client.online_deployments.begin_create_or_update(deployment).result()
    capfd.readouterr()
    properties = azure.endpoints.deployments("churn")["churn-7"]["properties"]
    code = azure.resource(properties["codeConfiguration"]["codeId"])
    environment = azure.resource(properties["environmentId"])
    assert code
    assert environment
    assert environment["properties"]["image"] == "acme/serving:1"
    container, folder = code["properties"]["codeUri"].split("/")[-2:]
    with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        (blob,) = storage.get_container_client(container).list_blobs()
        assert blob.name == f"{folder}/score.py"


def test_code_with_the_same_hash_is_uploaded_once(
    azure: Azure, client: "MLClient", tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The client searches for code by its hash."""
    from azure.ai.ml.entities import CodeConfiguration

    (tmp_path / "score.py").write_text("def init(): ...\ndef run(data): ...\n", encoding="utf-8")
    azure.endpoints.add("churn")
    model = azure.models.register("churn", "7", type="custom_model")
    environment = azure.assets.add_environment("serving", "1")
    for name in ("churn-7", "churn-8"):
        code = CodeConfiguration(code=str(tmp_path), scoring_script="score.py")
        deployment = managed(model, name, environment=environment, code_configuration=code)
        client.online_deployments.begin_create_or_update(deployment).result()
    capfd.readouterr()
    assert len(azure.calls.matching("POST codes/*/startPendingUpload")) == 1


@pytest.mark.parametrize("days", [-400, 400])
def test_upload_signatures_expire_by_the_machine_clock(azure: Azure, send: Send, days: int) -> None:
    """Azurite checks them by that clock, whatever the emulator's is."""
    azure.clock.forward(days=days)
    upload = send("POST", "codes/scorer/versions/1/startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"})
    uri = upload.json()["blobReferenceForConsumption"]["credential"]["sasUri"]
    with ContainerClient.from_container_url(uri) as container:
        container.upload_blob("score.py", b"def init(): ...")
        assert [blob.name for blob in container.list_blobs()] == ["score.py"]


def test_asset_paths_cannot_change(azure: Azure, client: "MLClient") -> None:
    from azure.ai.ml.entities import Environment

    azure.assets.add_environment("serving", "1", image="acme/serving:1")
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated"):
        client.environments.create_or_update(Environment(name="serving", version="1", image="acme/serving:2"))


def test_versions_are_listed_in_order_and_deleted_by_plain_requests(azure: Azure, send: Send) -> None:
    container = {"properties": {"tags": {"a": "b"}}}
    assert [send("PUT", "models/churn", container).status_code for _ in range(2)] == [201, 200]
    body = {"properties": {"modelUri": "azureml://x", "properties": {"auc": 0.9}}}
    assert send("PUT", "models/churn/versions/1", body).status_code == 201
    azure.models.register("churn", "2")
    listed = send("GET", "models/churn/versions", **{"$orderBy": "createdtime asc"}).json()["value"]
    assert [one["name"] for one in listed] == ["1", "2"]
    assert send("GET", "models/churn").json()["properties"]["latestVersion"] == "2"
    assert [send("DELETE", "models/churn/versions/1").status_code for _ in range(2)] == [200, 204]
    body["properties"]["properties"] = {"auc": [0.9]}
    assert (
        "properties.properties.auc must be a string, not an array"
        in refused(send("PUT", "models/churn/versions/3", body))[2]
    )
    assert [event["data"]["modelVersion"] for event in azure.events.all] == ["1", "2"]


def test_search_by_another_hash_finds_no_code(azure: Azure, send: Send) -> None:
    azure.assets.add_code("scorer", "1")
    assert send("GET", "codes/scorer/versions", hash="abc").json()["value"] == []


def test_registries_are_resources_of_resource_manager(azure: Azure, send: Send) -> None:
    azure.models.register("churn", "7", registry="acme")
    scope = f"{WORKSPACE.rpartition('/workspaces/')[0]}/registries/acme"
    assert send("GET", scope).json()["name"] == "acme"
    found = send("GET", f"{scope}/models/churn/versions/7").json()
    assert found["id"] == f"{scope}/models/churn/versions/7"


def test_registering_a_model_raises_model_registered(azure: Azure) -> None:
    """With the keys of tags and properties in camel case, as Azure ML sends them."""
    azure.models.register("churn", "7", {"Stage": "production", "GITHUB_SHA": "abc"}, properties={"AUC": "0.9"})
    (event,) = azure.events.all
    assert (event["topic"], event["subject"]) == (WORKSPACE, "models/churn:7")
    assert event["eventType"] == "Microsoft.MachineLearningServices.ModelRegistered"
    assert event["data"] == {
        "modelName": "churn",
        "modelVersion": "7",
        "modelTags": {"stage": "production", "githuB_SHA": "abc"},
        "modelProperties": {"auc": "0.9"},
    }
