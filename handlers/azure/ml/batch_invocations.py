"""`Invocations`: starting jobs behind a batch endpoint.

Not by azure-ai-ml's `invoke`: it keeps the deployment's name in a module's global, so that a later call in the same
process that names none goes to this one, too; and it posts again, up to five times, what may have arrived
(Azure/azure-sdk-for-python#31166).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers.azure.ml.data_plane import DataPlane
from handlers.azure.ml.resources import Endpoint
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater
from handlers.errors import PROPAGATION

_DATA = re.compile(r"azureml:([^/:@]+)(?::([^/:@]+)|@latest)")
# azure-ai-ml, _schema/_deployment/batch/batch_job.py: what the CLI's types are called here.
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
    """What is behind a batch endpoint."""

    endpoint: str
    name: str
    scoring_uri: str
    is_pipeline: bool  # of a pipeline component; else of a model


@dataclass(frozen=True)
class Invocations:
    """Jobs behind the batch endpoints of a workspace. Methods raise what those of `AzureML` raise."""

    azureml: AzureML

    def deployment(self, endpoint: str, name: str) -> BatchDeployment:
        """A deployment, or the default one if no name is given. Raises RetryLater if there is none."""
        path = f"{self.azureml.path}/batchEndpoints/{endpoint}"
        body = self.azureml.arm.get(path)
        if body is None:
            raise self._missing(f"batch endpoint {endpoint}")
        found = Endpoint.batch(body)
        name = name or next(iter(found.traffic), "")
        if not name:
            raise GiveUp(f"the batch endpoint {endpoint} has no default deployment: the rule must name one")
        if not found.scoring_uri:
            raise RetryLater(f"the batch endpoint {endpoint} has no scoring URI yet", patience=PROPAGATION)
        deployment = self.azureml.arm.get(f"{path}/deployments/{name}") or self._listed(path, name)
        if deployment is None:
            raise self._missing(f"deployment {name} behind the batch endpoint {endpoint}")
        kind = (deployment["properties"].get("deploymentConfiguration") or {}).get("deploymentConfigurationType")
        return BatchDeployment(endpoint, name, found.scoring_uri, kind == "PipelineComponent")

    def _listed(self, path: str, name: str) -> dict[str, Any] | None:
        """As azure-ai-ml's `invoke` finds it, which does not ask for the one."""
        found = self.azureml.arm.pages(f"{path}/deployments")
        return next((body for body in found if str(body.get("name", "")).casefold() == name.casefold()), None)

    def _missing(self, what: str) -> RetryLater:
        return RetryLater(f"there is no {what} in {self.azureml.workspace.name}", patience=PROPAGATION)

    def newest(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        """The versions of the data assets whose latest is asked for, by name. Raises RetryLater if there is none."""
        found = (_DATA.fullmatch(str(value["path"])) for value in inputs.values() if isinstance(value, Mapping))
        return {name: self._latest(name) for name in {match[1]: None for match in found if match and not match[2]}}

    def invoke(
        self,
        deployment: BatchDeployment,
        inputs: Mapping[str, Any],
        experiment: str,
        key: UUID,
        newest: Mapping[str, str],
    ) -> str:
        """Start a job; its name, which the service chooses. The deployment is always named. This is one request.

        `experiment`, if any, is the job's experiment: that can be chosen where a pipeline component is deployed, and
        nothing else can (learn.microsoft.com, "Create jobs and input data for batch endpoints", "Configure job
        properties"). Inputs are texts, numbers, or mappings with a type and a path; `newest` is as it was told of them.
        """
        properties: dict[str, Any] = {"inputData": {name: self._input(value, newest) for name, value in inputs.items()}}
        if experiment:
            properties["properties"] = {"experimentName": experiment}
        headers = {"azureml-model-deployment": deployment.name, "repeatability_request-id": str(key)}
        answer = DataPlane(self.azureml).post(deployment.scoring_uri, {"properties": properties}, headers)
        name = str(answer.get("name") or str(answer.get("id", "")).rpartition("/")[2])
        if not name:
            raise GiveUp(f"the batch endpoint {deployment.endpoint} has answered without naming the job: {answer}")
        return name

    def _input(self, value: Any, newest: Mapping[str, str]) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            return {"jobInputType": "Literal", "value": value}
        return {"jobInputType": _TYPES[str(value["type"])], "uri": self._uri(str(value["path"]), newest)}

    def _uri(self, path: str, newest: Mapping[str, str]) -> str:
        """Where data is: a data asset by its id, all else as it is."""
        if not (found := _DATA.fullmatch(path)):
            return path.removeprefix("azureml:") if path.startswith("azureml:/subscriptions/") else path
        return f"{self.azureml.path}/data/{found[1]}/versions/{found[2] or newest[found[1]]}"

    def _latest(self, name: str) -> str:
        query = {"$orderBy": "createdtime desc", "$top": "1"}
        newest = self.azureml.arm.get(f"{self.azureml.path}/data/{name}/versions", query)
        found = next(iter((newest or {}).get("value") or ()), None)
        if found is None:
            raise self._missing(f"data asset {name}")
        return str(found["name"])
