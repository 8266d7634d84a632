"""What goes to Azure for the CLI's files: what azure-ai-ml itself sends, with the rule's own settings in place."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from handlers.azure.ml import workspace as gateway
from handlers.lineage import RULE_TAG
from mlevents.local.azurite import Azurite
from schemas import ModelRegistered, WorkspaceId
from tests.handlers.deploy.conftest import MakeSite
from tests.handlers.deploy.files.conftest import Write
from tests.handlers.deploy.site import PROD, SEVEN

MODEL = f"{PROD}/models/churn/versions/7"
MANAGED = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: churn
model: azureml:churn:3
description: The churn model.
environment:
  image: mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest
  inference_config:
    liveness_route: { port: 8501, path: /v1/models/churn }
    readiness_route: { port: 8501, path: /v1/models/churn }
    scoring_route: { port: 8501, path: "/v1/models/churn:predict" }
environment_variables: { MODEL_BASE_PATH: /var/azureml-app, WORKERS: "2" }
model_mount_path: /var/models
instance_type: Standard_DS2_v2
instance_count: 2
app_insights_enabled: true
egress_public_network_access: disabled
liveness_probe: { initial_delay: 30, period: 10, timeout: 2, success_threshold: 1, failure_threshold: 30 }
readiness_probe: { initial_delay: 10, period: 5 }
request_settings: { request_timeout_ms: 90000, max_concurrent_requests_per_instance: 4, max_queue_wait_ms: 500 }
scale_settings: { type: default }
data_collector:
  collections:
    model_inputs: { enabled: "true" }
  rolling_rate: hour
  sampling_rate: 0.5
properties: { team: churn }
tags: { owner: churn-team }
"""
KUBERNETES = """
$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
name: blue
type: kubernetes
endpoint_name: churn
instance_type: small
instance_count: 3
resources:
  requests: { cpu: "0.5", memory: "0.5Gi" }
  limits: { cpu: "1", memory: "1Gi", nvidia.com/gpu: "1" }
scale_settings: { type: target_utilization, min_instances: 1, max_instances: 3, target_utilization_percentage: 70 }
"""
BATCH = """
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: blue
type: model
endpoint_name: churn
compute: azureml:cpu-cluster
resources: { instance_count: 2 }
settings:
  mini_batch_size: 20
  max_concurrency_per_instance: 2
  output_action: summary_only
  retry_settings: { max_retries: 3, timeout: 300 }
  error_threshold: 5
  logging_level: info
  environment_variables: { MODE: fast }
"""
OLD_BATCH = """
$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json
name: blue
endpoint_name: churn
compute: azureml:cpu-cluster
resources: { instance_count: 3 }
mini_batch_size: 5
retry_settings: { max_retries: 2, timeout: 60 }
environment_variables: { MODE: slow }
"""


def sent(azure: Azure, target: str) -> dict[str, Any]:
    """The body of the last PUT of a resource, without tags."""
    body = dict(azure.calls.matching(f"PUT {target}")[-1].body)
    return {name: value for name, value in body.items() if name != "tags"}


def loaded(path: Path, load: str, **options: Any) -> Any:
    """What a function of azure-ai-ml loads from a file."""
    from azure.ai.ml.entities import _load_functions

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # marshmallow's, about its next version
        return getattr(_load_functions, load)(path, **options)


def sent_by_client(azure: Azure, path: Path, load: str, collection: str, operations: str) -> dict[str, Any]:
    """The body that azure-ai-ml sends for a file, with the name and the model of the roll-out."""
    client = gateway.connect(WorkspaceId.parse(PROD)).client
    changes = [{"name": SEVEN}, {"model": f"azureml:{MODEL}"}]
    getattr(client, operations).begin_create_or_update(loaded(path, load, params_override=changes))
    return sent(azure, f"{collection}/churn/deployments/{SEVEN}")


@pytest.mark.parametrize(
    ("text", "settings", "load", "collection"),
    [
        pytest.param(MANAGED, {}, "load_online_deployment", "onlineEndpoints", id="managed"),
        pytest.param(KUBERNETES, {"compute": "k8s"}, "load_online_deployment", "onlineEndpoints", id="kubernetes"),
        pytest.param(BATCH, {"bake": None}, "load_model_batch_deployment", "batchEndpoints", id="batch"),
        pytest.param(OLD_BATCH, {"bake": None}, "load_batch_deployment", "batchEndpoints", id="older batch"),
    ],
)  # fmt: skip
def test_deployment_is_the_one_that_azure_ai_ml_sends(  # noqa: PLR0917 - two of them are fixtures
    make: MakeSite, azure: Azure, write: Write, tmp_path: Path,
    text: str, settings: dict[str, Any], load: str, collection: str,
) -> None:  # fmt: skip
    azure.workspaces.add_compute("k8s", "Kubernetes")
    azure.workspaces.add_compute("cpu-cluster")
    site = make(deployment=write("deployments/churn.yml", text), **settings)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    ours = sent(azure, f"{collection}/churn/deployments/{SEVEN}")
    operations = "batch_deployments" if collection.startswith("batch") else "online_deployments"
    assert ours == sent_by_client(azure, tmp_path / "rules/deployments/churn.yml", load, collection, operations)
    assert (ours["properties"]["model"] or {}) in (MODEL, {"assetId": MODEL, "referenceType": "Id"})


ENDPOINT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: churn
description: Scores customers.
auth_mode: key
public_network_access: disabled
identity:
  type: user_assigned
  user_assigned_identities:
    - resource_id: /subscriptions/s/resourceGroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/churn
properties: { team: churn }
tags: { owner: churn-team, model: "{{ data.modelName }}" }
"""


@pytest.mark.parametrize(
    ("text", "settings", "load", "collection"),
    [
        pytest.param(ENDPOINT, {}, "load_online_endpoint", "onlineEndpoints", id="managed"),
        pytest.param("name: churn\ntags: {a: b}\n", {}, "load_online_endpoint", "onlineEndpoints", id="defaults"),
        pytest.param(
            "name: churn\nauth_mode: aml_token\ncompute: azureml:k8s\n",
            {}, "load_online_endpoint", "onlineEndpoints", id="kubernetes",
        ),
        pytest.param(
            "name: churn\nauth_mode: aad_token\n",
            {"batch": {"compute": "cpu-cluster"}, "bake": None}, "load_batch_endpoint", "batchEndpoints", id="batch",
        ),
    ],
)  # fmt: skip
def test_endpoint_is_the_one_that_azure_ai_ml_sends(  # noqa: PLR0917 - two of them are fixtures
    make: MakeSite, azure: Azure, write: Write, tmp_path: Path,
    text: str, settings: dict[str, Any], load: str, collection: str,
) -> None:  # fmt: skip
    azure.workspaces.add_compute("k8s", "Kubernetes")
    azure.workspaces.add_compute("cpu-cluster")
    site = make(endpoint_file=write("endpoints/churn.yml", text), **settings)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    creation = azure.calls.matching(f"PUT {collection}/churn")[0].body
    ours = {name: value for name, value in creation.items() if name != "tags"}
    endpoint = loaded(tmp_path / "rules/endpoints/churn.yml", load)
    rest: Callable[..., Any] = getattr(
        endpoint, "_to_rest_batch_endpoint" if collection.startswith("batch") else "_to_rest_online_endpoint"
    )
    theirs = rest(creation["location"]).as_dict()
    theirs.pop("tags")
    if compute := theirs["properties"].get("compute"):
        theirs["properties"]["compute"] = f"{PROD}/computes/{compute}"
    assert ours == theirs
    assert creation["tags"][RULE_TAG] == "deploy-it"


def test_texts_of_the_file_are_rendered_for_the_event(make: MakeSite, azure: Azure, write: Write) -> None:
    """Numbers and booleans become the texts that Azure ML has for variables and tags."""
    text = """
environment_variables: { VERSION: "{{ data.modelVersion }}", WORKERS: 2, FAST: yes, KEPT: file }
tags: { model: "{{ data.modelName }}", revision: 3 }
"""
    site = make(deployment=write("deployments/churn.yml", text), environment_variables={"FAST": "{{ data.modelName }}"})
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    body = azure.calls.matching(f"PUT onlineEndpoints/churn/deployments/{SEVEN}")[0].body
    variables = body["properties"]["environmentVariables"]
    assert variables == {"VERSION": "7", "WORKERS": "2", "FAST": "churn", "KEPT": "file"}
    assert body["tags"].items() >= {"model": "churn", "revision": "3", RULE_TAG: "deploy-it"}.items()
    assert body["sku"]["capacity"] == 1
    assert body["properties"]["instanceType"] == "Standard_DS3_v2"


def test_settings_of_the_rule_replace_those_of_the_files(make: MakeSite, azure: Azure, write: Write) -> None:
    azure.assets.add_environment("serving", "3", serves=True)
    site = make(
        deployment=write("deployments/churn.yml", MANAGED),
        endpoint_file=write("endpoints/churn.yml", ENDPOINT),
        instance_type="Standard_DS4_v2",
        instance_count=3,
        environment="azureml:serving:3",
        auth_mode="aad_token",
        public_network_access=True,
    )
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    body = sent(azure, f"onlineEndpoints/churn/deployments/{SEVEN}")
    assert (body["properties"]["instanceType"], body["sku"]["capacity"]) == ("Standard_DS4_v2", 3)
    assert body["properties"]["environmentId"] == f"{PROD}/environments/serving/versions/3"
    created = azure.calls.matching("PUT onlineEndpoints/churn")[0].body["properties"]
    assert (created["authMode"], created["publicNetworkAccess"].casefold()) == ("AADToken", "enabled")


@pytest.mark.parametrize("text", [BATCH, OLD_BATCH, BATCH.replace("resources: { instance_count: 2 }\n", "")])
def test_settings_of_the_rule_replace_those_of_a_batch_file(
    make: MakeSite, azure: Azure, write: Write, text: str
) -> None:
    """Settings that the rule does not have are those of the file, and not the defaults of a rule without a file."""
    azure.workspaces.add_compute("gpu-cluster")
    batch = {"compute": "gpu-cluster", "mini_batch_size": 7}
    site = make(deployment=write("deployments/churn.yml", text), batch=batch, instance_count=4, bake=None)
    site.register("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    properties = sent(azure, f"batchEndpoints/churn/deployments/{SEVEN}")["properties"]
    assert properties["compute"] == f"{PROD}/computes/gpu-cluster"
    assert (properties["miniBatchSize"], properties["resources"]["instanceCount"]) == (7, 4)
    assert properties["retrySettings"]["maxRetries"] in (2, 3)
    assert properties.get("outputFileName") is None


def test_code_beside_the_file_is_uploaded(make: MakeSite, azure: Azure, azurite: Azurite, write: Write) -> None:
    """Paths in the file begin at its folder, as for the CLI."""
    azure.state.storage = azurite.connection_string
    azure.assets.add_environment("serving", "3")
    write("code/score.py", "def init(): ...\n")
    text = "environment: azureml:serving@latest\ncode_configuration: {code: ../code, scoring_script: score.py}\n"
    site = make(deployment=write("deployments/churn.yml", text))
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    site.send("7")
    site.run()
    assert site.outcome()[0] == "succeeded", site.outcome()
    properties = sent(azure, f"onlineEndpoints/churn/deployments/{SEVEN}")["properties"]
    assert properties["codeConfiguration"]["scoringScript"] == "score.py"
    assert properties["environmentId"] == f"{PROD}/environments/serving/versions/3"


@pytest.mark.parametrize(("text", "reported"), [("liveness_probe: {period: 10}", False), ("tags: {a: b}", True)])
def test_existing_deployment_with_other_settings_is_reported(
    make: MakeSite, azure: Azure, write: Write, text: str, reported: bool
) -> None:
    """A second event of the same model finds the deployment, which serves and is left as it is."""
    site = make(deployment=write("deployments/churn.yml", "liveness_probe: {period: 10}"))
    site.register("7")
    site.run()
    write("deployments/churn.yml", text)
    site.world.write(site.world.rules)
    about = {"model_name": "churn", "model_version": "7", "model_tags": {"stage": "production"}}
    site.world.receive(ModelRegistered.example(id="again", topic=PROD, **about))
    site.run()
    status, note = site.outcome("again")
    assert status == "succeeded", note
    assert ("the deployment existed already, with other settings than the rule has now" in note) is reported
    assert len(azure.calls.matching(f"PUT onlineEndpoints/churn/deployments/{SEVEN}")) == 1
