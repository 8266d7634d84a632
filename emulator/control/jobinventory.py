"""What jobs are made of, and data factories, put there from Python."""

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.control.inventory import LOCATION, Inventory
from emulator.ml import data_factory as datafactory
from emulator.state.state import Body

_ENVIRONMENT = "azureml:azureml://registries/azureml/environments/sklearn-1.5/versions/1"  # one of Microsoft's own


_EMPTY: Mapping[str, Any] = {"Object": {}, "String": "", "Int": 0, "Float": 0.0, "Bool": False, "Array": []}


class JobInventory(Inventory):
    """Puts things there."""

    _factories: tuple[str, ...] = ()  # the ids of those that need not be beside the first workspace

    def add_component(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        name: str,
        version: str,
        *,
        inputs: Mapping[str, str] | None = None,
        nodes: Sequence[str] = (),
        workspace: str | None = None,
        registry: str | None = None,
    ) -> str:
        """A component: a command with inputs (name to type), or, if it has `nodes`, a pipeline. Returns its id."""
        declared = {of: {"type": type, "optional": True} for of, type in (inputs or {}).items()}
        spec: Body = {"name": name, "version": version, "is_deterministic": "True", "inputs": declared, "outputs": {}}
        if nodes:
            spec |= {"type": "pipeline", "jobs": {node: {"type": "command"} for node in nodes}}
        else:
            spec |= {"type": "command", "command": "python train.py", "environment": _ENVIRONMENT}
        with self.world.changing():
            id = self._asset("components", name, version, registry, workspace)
            return self._reference(self._register(id, {"componentSpec": spec}))

    def name_factory(self, id: str) -> None:
        """A data factory without pipelines, anywhere, that is known by its name from now on."""
        with self.world.changing():
            self._factories = (*self._factories, datafactory.add_factory(self.world, id, LOCATION).id)

    def add_pipeline(self, factory: str, name: str, parameters: Mapping[str, str] | None = None) -> str:
        """A pipeline of a data factory, named or by its id, which is added too if it is not there; returns its id.

        Its parameters, by name, have a type, and an empty default value. Raises Refusal for what the service refuses.
        """
        id = factory if factory.startswith("/") else self._factory(factory)
        declared = {of: {"type": type, "defaultValue": _EMPTY.get(type)} for of, type in (parameters or {}).items()}
        with self.world.changing():
            if self.world.find(id) is None:
                datafactory.add_factory(self.world, id, LOCATION)
            return datafactory.add_pipeline(self.world, id, name, declared).id

    def add_batch_endpoint(
        self, name: str, deployment: str, *, model: str = "", component: str = "", workspace: str | None = None
    ) -> str:
        """A batch endpoint with one deployment, the default one, of a model or a component, each ``churn:7``.

        Returns its id.
        """
        scope = self._scope(workspace)
        kind, of = ("components", component) if component else ("models", model)
        asset = f"{scope}/{kind}/{of.partition(':')[0]}/versions/{of.partition(':')[2]}"
        with self.world.changing():
            self.world.need(asset)
        id = self.add_endpoint(name, "Batch", default=deployment, workspace=workspace)
        made = self.add_deployment(name, deployment, asset, workspace=workspace)
        if component:
            configuration = {"deploymentConfigurationType": "PipelineComponent", "componentId": {"assetId": asset}}
            with self.world.changing():
                self.world.need(made).properties["deploymentConfiguration"] = configuration
        return id

    def _factory(self, name: str) -> str:
        group = self._workspaces[0].partition("/providers/")[0]
        known = [*self._factories, f"{group}/providers/{datafactory.PROVIDER}/factories/{name}"]
        return next(id for id in known if id.rpartition("/")[2].lower() == name.lower())

    def add_data(self, name: str, version: str, *, kind: str = "uri_folder", workspace: str | None = None) -> str:
        """A data asset; returns its id."""
        uri = f"azureml://datastores/workspaceblobstore/paths/{name}/{version}"
        with self.world.changing():
            id = self._asset("data", name, version, None, workspace)
            return self._register(id, {"dataType": kind, "dataUri": uri}).id

    def add_factory(self, name: str, pipelines: Mapping[str, Mapping[str, Any]] | None = None) -> str:
        """A data factory beside the first workspace, with pipelines by name and their parameters; returns its id.

        A parameter is a type, like ``String``, or ``{"type": ..., "defaultValue": ...}``. Raises Refusal for names and
        types that the service would refuse.
        """
        group = self._workspaces[0].partition("/providers/")[0]
        id = f"{group}/providers/{datafactory.PROVIDER}/factories/{name}"
        with self.world.changing():
            datafactory.add_factory(self.world, id, LOCATION)
            for pipeline, parameters in (pipelines or {}).items():
                declared = {of: {"type": p} if isinstance(p, str) else dict(p) for of, p in parameters.items()}
                datafactory.add_pipeline(self.world, id, pipeline, declared)
        return id
