"""What jobs are made of, and data factories, put there from Python."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlevents.local.azure import datafactory
from mlevents.local.azure.inventory import LOCATION, Inventory
from mlevents.local.azure.world import Body

_ENVIRONMENT = "azureml:azureml://registries/azureml/environments/sklearn-1.5/versions/1"  # one of Microsoft's own


class JobInventory(Inventory):
    """Puts things there."""

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
