"""`Invocations`: start jobs behind a batch endpoint.

azure-ai-ml's `invoke` is not used: it stores the deployment's name in a global variable, so that later calls in the
same process go to this deployment, too, unless they name another; and it repeats a request that may have arrived, up to
five times (Azure/azure-sdk-for-python#31166).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from handlers.azure.ml.assets import AssetRef, input_asset, resolve
from handlers.azure.ml.data_plane import DataPlane
from handlers.azure.ml.resources import Endpoint
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater
from handlers.errors import PROPAGATION

# The API's names of the CLI's types: azure-ai-ml, _schema/_deployment/batch/batch_job.py.
_TYPES = {
    "uri_file": "UriFile",
    "uri_folder": "UriFolder",
    "mltable": "MLTable",
    "custom_model": "CustomModel",
    "mlflow_model": "MLFlowModel",
    "triton_model": "TritonModel",
}


@dataclass(frozen=True, slots=True)
class BatchDeployment:
    """A deployment of a batch endpoint."""

    endpoint: str
    name: str
    scoring_uri: str
    is_pipeline: bool  # whether it deploys a pipeline component; else a model


@dataclass(frozen=True)
class Invocations:
    """Jobs behind the batch endpoints of a workspace. Methods raise what those of `AzureML` raise."""

    azureml: AzureML

    def deployment(self, endpoint: str, name: str) -> BatchDeployment:
        """Read a deployment, by default the default one. Raises RetryLater if it does not exist."""
        path = f"{self.azureml.path}/batchEndpoints/{endpoint}"
        body = self.azureml.arm.get(path)
        if body is None:
            raise self._missing(f"batch endpoint {endpoint}")
        found = Endpoint.batch(body)
        name = name or next(iter(found.traffic), "")
        if not name:
            raise GiveUp(f"the batch endpoint {endpoint} has no default deployment: the rule must name one")
        if not found.scoring_uri:
            raise RetryLater(f"the batch endpoint {endpoint} has no scoring URI yet", max_elapsed=PROPAGATION)
        deployment = self.azureml.arm.get(f"{path}/deployments/{name}") or self._find(path, name)
        if deployment is None:
            raise self._missing(f"deployment {name} behind the batch endpoint {endpoint}")
        kind = (deployment["properties"].get("deploymentConfiguration") or {}).get("deploymentConfigurationType")
        return BatchDeployment(endpoint, name, found.scoring_uri, kind == "PipelineComponent")

    def _find(self, path: str, name: str) -> dict[str, Any] | None:
        """Find a deployment in the list, without regard to case, as azure-ai-ml's `invoke` does."""
        found = self.azureml.arm.items(f"{path}/deployments")
        return next((body for body in found if str(body.get("name", "")).casefold() == name.casefold()), None)

    def _missing(self, what: str) -> RetryLater:
        return RetryLater(f"there is no {what} in {self.azureml.workspace.name}", max_elapsed=PROPAGATION)

    def latest_versions(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        """The latest version of each asset that an input names by a label. Raises RetryLater if it has none.

        A key is the name of a data asset, ``models/`` and the name of a model, or the id of another one.
        """
        found = (_asset(value) for value in inputs.values() if isinstance(value, Mapping))
        labelled = {_key(asset): asset for asset in found if asset and not asset.version}
        return {key: resolve(self.azureml, asset).version for key, asset in labelled.items()}

    def invoke(
        self,
        deployment: BatchDeployment,
        inputs: Mapping[str, Any],
        experiment: str,
        key: UUID,
        versions: Mapping[str, str],
    ) -> str:
        """Start a job with one request, and return its name, which the service chooses.

        `experiment`, if not empty, is the job's experiment. It is all that can be chosen, and only for a deployment of
        a pipeline component (learn.microsoft.com, "Create jobs and input data for batch endpoints", "Configure job
        properties"). Inputs are texts, numbers, or mappings with a type and a path; `versions` comes from
        `latest_versions`.
        """
        properties: dict[str, Any] = {
            "inputData": {name: self._input(value, versions) for name, value in inputs.items()}
        }
        if experiment:
            properties["properties"] = {"experimentName": experiment}
        headers = {"azureml-model-deployment": deployment.name, "repeatability_request-id": str(key)}
        answer = DataPlane(self.azureml).post(deployment.scoring_uri, {"properties": properties}, headers)
        name = str(answer.get("name") or str(answer.get("id", "")).rpartition("/")[2])
        if not name:
            raise GiveUp(f"the batch endpoint {deployment.endpoint} did not return the job's name: {answer}")
        return name

    def _input(self, value: Any, versions: Mapping[str, str]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            return {"jobInputType": "Literal", "value": value}
        return {"jobInputType": _TYPES[str(value["type"])], "uri": self._uri(value, versions)}

    def _uri(self, value: Mapping[str, Any], versions: Mapping[str, str]) -> str:
        """The URI of data: the id of an asset, or the path itself."""
        if asset := _asset(value):
            return replace(asset, version=asset.version or versions[_key(asset)]).uri(self.azureml.path)
        path = str(value["path"])
        return path.removeprefix("azureml:") if path.startswith("azureml:/subscriptions/") else path


def _asset(value: Mapping[str, Any]) -> AssetRef | None:
    """The asset of an input; None if its path is of another kind. Raises GiveUp for a name that cannot be resolved."""
    try:
        return input_asset(str(value["path"]), str(value["type"]))
    except ValueError as error:
        raise GiveUp(str(error)) from error


def _key(asset: AssetRef) -> str:
    """The key of its latest version. Saved states have it."""
    if asset.registry or asset.workspace:
        return asset.id
    return f"models/{asset.name}" if asset.kind == "models" else asset.name
