"""Endpoints, online and batch, and their deployments."""

import copy
from collections.abc import Mapping

from emulator.control.lookup import Lookup
from emulator.ml.endpoints import batch, online
from emulator.state.fault_plan import DeploymentMatch, Requests
from emulator.state.state import Body, State


class Endpoints:
    """Creates and reads endpoints and deployments. Reads here are never stale."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup

    def add(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        name: str,
        kind: str = "Managed",
        *,
        traffic: Mapping[str, int] | None = None,
        auth_mode: str | None = None,
        default: str = "",
        tags: Mapping[str, str] | None = None,
        workspace: str | None = None,
    ) -> str:
        """Create an endpoint at once: Managed, Kubernetes or Batch; returns its id. `traffic` is not checked.

        Its `auth_mode` is Key on Kubernetes and AADToken elsewhere, unless it is given.
        """
        scope = self._lookup.scope(workspace)
        properties: Body = {"authMode": auth_mode or ("Key" if kind == "Kubernetes" else "AADToken")}
        if kind == "Batch":
            properties["defaults"] = {"deploymentName": default} if default else {}
        else:
            properties["traffic"] = dict(traffic or {})
        if kind == "Kubernetes":
            properties["compute"] = f"{scope}/computes/k8s"
        module = batch if kind == "Batch" else online
        id = f"{scope}/{module.KIND}/{name}"
        with self._state.transaction():
            parent = self._state.require(scope)
            body = {"location": parent.body["location"], "tags": dict(tags or {}), "properties": properties}
            whole = module.completed(self._state, parent, id, body)
            whole["properties"]["provisioningState"] = "Succeeded"
            return self._state.add(id, whole).id

    def add_deployment(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        endpoint: str,
        name: str,
        model: str,
        *,
        state: str = "Succeeded",
        instance_type: str = "Standard_DS3_v2",
        instances: int = 1,
        tags: Mapping[str, str] | None = None,
        workspace: str | None = None,
    ) -> str:
        """Create a deployment at once, with a model's id; returns the deployment's id."""
        with self._state.transaction():
            parent = self._lookup.endpoint(endpoint, workspace)
            properties: Body = {"properties": {}, "environmentVariables": {}, "provisioningState": state}
            if f"/{batch.KIND}/" in parent.id:
                properties |= {**copy.deepcopy(batch.DEFAULTS), "model": {"referenceType": "Id", "assetId": model}}
            else:
                kind = "Kubernetes" if online.is_kubernetes(parent) else "Managed"
                machines = {"instanceType": instance_type, "scaleSettings": {"scaleType": "Default"}}
                properties |= {"model": model, "endpointComputeType": kind, **machines}
            sku = {"name": "Default", "capacity": instances}
            body = {"location": parent.body["location"], "sku": sku, "tags": dict(tags or {}), "properties": properties}
            return self._state.add(f"{parent.id}/deployments/{name}", body).id

    def add_batch(
        self, name: str, deployment: str, *, model: str = "", component: str = "", workspace: str | None = None
    ) -> str:
        """Create a batch endpoint and its default deployment of a model or a component, given as ``churn:7``.

        Returns the endpoint's id.
        """
        kind, of = ("components", component) if component else ("models", model)
        asset = f"{self._lookup.scope(workspace)}/{kind}/{of.partition(':')[0]}/versions/{of.partition(':')[2]}"
        with self._state.transaction():
            self._state.require(asset)
        id = self.add(name, "Batch", default=deployment, workspace=workspace)
        created = self.add_deployment(name, deployment, asset, workspace=workspace)
        if component:
            configuration = {"deploymentConfigurationType": "PipelineComponent", "componentId": {"assetId": asset}}
            with self._state.transaction():
                self._state.require(created).properties["deploymentConfiguration"] = configuration
        return id

    def set_logs(
        self,
        endpoint: str,
        deployment: str,
        text: str,
        *,
        container: str = "InferenceServer",
        workspace: str | None = None,
    ) -> None:
        """Set the log of a deployment's container. Raises an error response (404) if the deployment does not exist."""
        with self._state.lock:
            self._lookup.deployment(endpoint, deployment, workspace).hidden[container] = text

    def set_requests(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        per_minute: float,
        *,
        failed: float = 0,
        p95: float = 80,
        status: int = 500,
        deployment: str = "*",
        endpoint: str = "*",
    ) -> None:
        """Have such deployments, by globs, get so many requests each minute, as Azure Monitor's metrics show them.

        `failed` of them get the `status`; `p95` is the latency in milliseconds.
        """
        with self._state.lock:
            match = DeploymentMatch(endpoint, deployment)
            self._state.plan.requests.append((match, Requests(per_minute, failed, p95, status)))

    def get(self, name: str, *, workspace: str | None = None) -> Body | None:
        """An endpoint, online or batch; None if it does not exist."""
        scope = self._lookup.scope(workspace)
        with self._state.lock:
            for kind in (online.KIND, batch.KIND):
                if found := self._state.find(f"{scope}/{kind}/{name}"):
                    return copy.deepcopy(found.body)
        return None

    def deployments(self, endpoint: str, *, workspace: str | None = None) -> dict[str, Body]:
        """An endpoint's deployments by name. Raises an error response (404) if the endpoint does not exist."""
        with self._state.lock:
            parent = self._lookup.endpoint(endpoint, workspace)
            found = self._state.children(parent.id, "deployments")
            return {str(one.body["name"]): copy.deepcopy(one.body) for one in found}

    def traffic(self, endpoint: str, *, workspace: str | None = None) -> dict[str, int]:
        """The shares of an online endpoint above zero, in percent. Raises an error response (404) if it is missing."""
        with self._state.lock:
            shares = self._lookup.endpoint(endpoint, workspace).properties["traffic"]
            return {name: share for name, share in shares.items() if share}

    def default_deployment(self, endpoint: str, *, workspace: str | None = None) -> str:
        """The default deployment of a batch endpoint, or "". Raises an error response (404) without the endpoint."""
        with self._state.lock:
            return str(self._lookup.endpoint(endpoint, workspace).properties["defaults"].get("deploymentName", ""))
