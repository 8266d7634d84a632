"""The real azure-ai-ml client, unpatched, and batch endpoints."""

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from emulator import WORKSPACE, Azure
from tests.emulator.conftest import Send

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ModelBatchDeployment


def deployment(model: str, name: str = "churn-7", **more: Any) -> "ModelBatchDeployment":
    from azure.ai.ml.entities import ModelBatchDeployment, ModelBatchDeploymentSettings

    settings = ModelBatchDeploymentSettings(instance_count=2, mini_batch_size=5, output_action="append_row")
    more = {"compute": "cluster", "settings": settings, **more}
    return ModelBatchDeployment(name=name, endpoint_name="churn", model=model, **more)


def test_new_deployment_becomes_the_default(azure: Azure, client: "MLClient") -> None:
    """The client writes the endpoint back with its name."""
    from azure.ai.ml.entities import BatchEndpoint

    compute = azure.workspaces.add_compute("cluster")
    model = azure.models.register("churn", "7")
    new = BatchEndpoint(name="churn", auth_mode="AADToken", tags={"a": "b"})  # the client's default violates the schema
    made = client.batch_endpoints.begin_create_or_update(new).result()
    assert (made.provisioning_state, made.auth_mode) == ("Succeeded", "aad_token")
    client.batch_deployments.begin_create_or_update(deployment(model)).result()
    properties = azure.endpoints.deployments("churn")["churn-7"]["properties"]
    assert properties["model"] == {"referenceType": "Id", "assetId": model}
    assert properties["compute"] == compute
    assert properties["outputAction"] == "AppendRow"
    assert azure.endpoints.default_deployment("churn") == ""
    endpoint = client.batch_endpoints.get("churn")
    endpoint.defaults, endpoint.auth_mode = {"deployment_name": "churn-7"}, "AADToken"
    client.batch_endpoints.begin_create_or_update(endpoint).result()
    assert azure.endpoints.default_deployment("churn") == "churn-7"
    assert client.batch_endpoints.get("churn").defaults.deployment_name == "churn-7"


def test_batch_endpoints_and_deployments_are_listed_and_deleted(azure: Azure, client: "MLClient") -> None:
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn", "Batch", default="churn-7")
    azure.endpoints.add_deployment("churn", "churn-6", model)
    azure.endpoints.add_deployment("churn", "churn-7", model)
    assert [endpoint.name for endpoint in client.batch_endpoints.list()] == ["churn"]
    assert [one.name for one in client.batch_deployments.list("churn")] == ["churn-6", "churn-7"]
    assert client.batch_deployments.get("churn-6", "churn").provisioning_state == "Succeeded"
    client.batch_deployments.begin_delete("churn-6", "churn").result()
    with pytest.raises(HttpResponseError, match="it is the default deployment"):
        client.batch_deployments.begin_delete("churn-7", "churn")
    client.batch_endpoints.begin_delete("churn").result()
    with pytest.raises(ResourceNotFoundError):
        client.batch_endpoints.get("churn")


def test_batch_deployment_requires_compute_environment_and_code(azure: Azure, client: "MLClient") -> None:
    """An MLflow model requires only a compute."""
    model = azure.models.register("churn", "7", type="custom_model")
    azure.workspaces.add_compute("cluster")
    azure.endpoints.add("churn", "Batch")
    with pytest.raises(HttpResponseError, match="An environment is required"):
        client.batch_deployments.begin_create_or_update(deployment(model))
    with pytest.raises(HttpResponseError, match=r"The compute '.*/elsewhere' does not exist"):
        client.batch_deployments.begin_create_or_update(
            deployment(azure.models.register("churn", "8"), compute="elsewhere")
        )


def test_deployment_of_a_pipeline_component_needs_no_model(azure: Azure, send: Send) -> None:
    component = f"{WORKSPACE}/components/score/versions/1"
    spec = {"properties": {"componentSpec": {"name": "score"}}}
    assert send("PUT", "components/score/versions/1", spec).status_code == 201
    azure.endpoints.add("churn", "Batch")
    reference = {"referenceType": "Id", "assetId": component}
    configuration = {"deploymentConfigurationType": "PipelineComponent", "componentId": reference, "settings": {}}
    body = {"location": "westeurope", "properties": {"deploymentConfiguration": configuration}}
    assert send("PUT", "batchEndpoints/churn/deployments/score", body).status_code == 201
    assert azure.endpoints.deployments("churn")["score"]["properties"]["deploymentConfiguration"] == configuration


def test_failed_batch_deployment_has_its_error(azure: Azure, client: "MLClient") -> None:
    azure.workspaces.add_compute("cluster")
    azure.endpoints.add("churn", "Batch")
    azure.faults.fail_deployment(message="the image cannot be built", code="ImageBuildFailure")
    with pytest.raises(HttpResponseError, match="the image cannot be built"):
        client.batch_deployments.begin_create_or_update(deployment(azure.models.register("churn", "7"))).result()
    assert azure.endpoints.deployments("churn")["churn-7"]["properties"]["provisioningState"] == "Failed"
