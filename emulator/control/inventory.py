"""What there is from the beginning, put there from Python."""

import copy
from collections.abc import Mapping

from emulator.control.handle import Handle
from emulator.ml import assets, batch, endpoints, registries, workspaces
from emulator.state.state import Body, Resource
from emulator.wire import Refusal

LOCATION = "westeurope"
IMAGE = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"


class Inventory(Handle):
    """Puts things there."""

    def add_workspace(self, id: str, location: str = LOCATION) -> str:
        """A workspace, with its default datastore; returns its id."""
        with self.world.changing():
            return workspaces.add(self.world, id, location).id

    def add_registry(self, name: str, location: str = LOCATION) -> str:
        """A registry, in the subscription and resource group of the first workspace; returns its id."""
        with self.world.changing():
            group = self._workspaces[0].rpartition("/workspaces/")[0]
            return registries.add(self.world, f"{group}/registries/{name}", location).id

    def register_model(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        name: str,
        version: str,
        tags: Mapping[str, str] | None = None,
        *,
        type: str = "mlflow_model",
        properties: Mapping[str, str] | None = None,
        registry: str | None = None,
        workspace: str | None = None,
        missed: int = 0,
    ) -> str:
        """A model, whose first `missed` reads find nothing; returns its id. In a workspace it raises ModelRegistered.

        Raises Refusal for a name or version that the service would refuse, and if it is there already.
        """
        home = self._workspaces[0] if registry else self._scope(workspace)
        inside = home.replace("/providers/Microsoft.MachineLearningServices", "")
        uri = f"azureml:/{inside}/datastores/{workspaces.DATASTORE}/paths/models/{name}/{version}"
        about = {"tags": dict(tags or {}), "properties": dict(properties or {})}
        flavors = {"python_function": {"data": {"loader_module": "mlflow.sklearn"}}} if type == "mlflow_model" else {}
        body = {"modelType": type, "modelUri": uri, "flavors": flavors, **about}
        with self.world.changing():
            made = self._register(self._asset("models", name, version, registry, workspace), body)
            made.missed = missed
            return self._reference(made)

    def tag_model(
        self,
        name: str,
        version: str,
        tags: Mapping[str, str],
        *,
        registry: str | None = None,
        workspace: str | None = None,
    ) -> None:
        """Give a model these tags and no others. Raises Refusal if it is not there."""
        with self.world.changing():
            self.world.need(self._asset("models", name, version, registry, workspace)).properties["tags"] = dict(tags)

    def archive_model(
        self, name: str, version: str, *, registry: str | None = None, workspace: str | None = None
    ) -> None:
        """Archive a model. Raises Refusal if it is not there."""
        with self.world.changing():
            self.world.need(self._asset("models", name, version, registry, workspace)).properties["isArchived"] = True

    def delete_model(
        self, name: str, version: str, *, registry: str | None = None, workspace: str | None = None
    ) -> None:
        """Delete a model. Raises Refusal if it is not there."""
        with self.world.changing():
            self.world.remove(self.world.need(self._asset("models", name, version, registry, workspace)).id)

    def add_environment(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        name: str,
        version: str,
        *,
        image: str = IMAGE,
        serves: bool = False,
        registry: str | None = None,
        workspace: str | None = None,
    ) -> str:
        """An environment; one that `serves` needs no scoring script. Returns its id."""
        route = {"path": "/", "port": 8080}
        routes = {f"{what}Route": route for what in ("liveness", "readiness", "scoring")} if serves else None
        with self.world.changing():
            body = {"image": image, "osType": "Linux", "environmentType": "UserCreated", "inferenceConfig": routes}
            return self._reference(
                self._register(self._asset("environments", name, version, registry, workspace), body)
            )

    def add_code(self, name: str, version: str, *, workspace: str | None = None) -> str:
        """Code that was uploaded before; returns its id."""
        uri = f"https://devstoreaccount1.blob.core.windows.net/code/{name}"
        with self.world.changing():
            return self._register(self._asset("codes", name, version, None, workspace), {"codeUri": uri}).id

    def add_compute(self, name: str, kind: str = "AmlCompute", *, workspace: str | None = None) -> str:
        """A compute: AmlCompute, Kubernetes, ...; returns its id."""
        with self.world.changing():
            about = {"computeType": kind, "provisioningState": "Succeeded", "computeLocation": LOCATION}
            own = {"properties": {"namespace": "default"}} if kind == "Kubernetes" else {"properties": {}}
            id = f"{self._scope(workspace)}/computes/{name}"
            return self.world.add(id, {"location": LOCATION, "properties": {**about, **own}, "tags": {}}).id

    def add_endpoint(  # noqa: PLR0913 - most are keywords that most calls leave out
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
        """An endpoint that is there already: Managed, Kubernetes or Batch. Shares are not checked. Returns its id.

        It takes Entra tokens unless `auth_mode` says otherwise; on Kubernetes, keys.
        """
        scope = self._scope(workspace)
        properties: Body = {"authMode": auth_mode or ("Key" if kind == "Kubernetes" else "AADToken")}
        if kind == "Batch":
            properties["defaults"] = {"deploymentName": default} if default else {}
        else:
            properties["traffic"] = dict(traffic or {})
        if kind == "Kubernetes":
            properties["compute"] = f"{scope}/computes/k8s"
        module = batch if kind == "Batch" else endpoints
        id = f"{scope}/{module.KIND}/{name}"
        with self.world.changing():
            there = self.world.need(scope)
            body = {"location": there.body["location"], "tags": dict(tags or {}), "properties": properties}
            whole = module.completed(self.world, there, id, body)
            whole["properties"]["provisioningState"] = "Succeeded"
            return self.world.add(id, whole).id

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
        """A deployment that is there already, of an endpoint that is; `model` is the model's id. Returns its id."""
        with self.world.changing():
            parent = self._endpoint(endpoint, workspace)
            properties: Body = {"properties": {}, "environmentVariables": {}, "provisioningState": state}
            if f"/{batch.KIND}/" in parent.id:
                properties |= {**copy.deepcopy(batch.DEFAULTS), "model": {"referenceType": "Id", "assetId": model}}
            else:
                kind = "Kubernetes" if endpoints.is_kubernetes(parent) else "Managed"
                machines = {"instanceType": instance_type, "scaleSettings": {"scaleType": "Default"}}
                properties |= {"model": model, "endpointComputeType": kind, **machines}
            sku = {"name": "Default", "capacity": instances}
            body = {"location": parent.body["location"], "sku": sku, "tags": dict(tags or {}), "properties": properties}
            return self.world.add(f"{parent.id}/deployments/{name}", body).id

    def _register(self, id: str, properties: Body) -> Resource:
        if self.world.find(id):
            raise Refusal(409, "Conflict", f"{id} exists already.")
        return assets.register(self.world, id, properties)

    def _reference(self, made: Resource) -> str:
        """The id by which others refer to an asset."""
        inside = made.id.partition("/registries/")[2]
        return f"azureml://registries/{inside}" if inside else made.id
