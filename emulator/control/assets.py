"""Assets other than models: environments, code, data and components."""

from collections.abc import Mapping, Sequence

from emulator.control.lookup import Lookup
from emulator.ml import assets
from emulator.state.state import Body, State

IMAGE = "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"
_ENVIRONMENT = "azureml:azureml://registries/azureml/environments/sklearn-1.5/versions/1"  # one of Microsoft's own


class Assets:
    """Registers assets."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup

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
        """Register an environment; with `serves`, its image needs no scoring script. Returns its id."""
        route = {"path": "/", "port": 8080}
        routes = {f"{what}Route": route for what in ("liveness", "readiness", "scoring")} if serves else None
        body = {"image": image, "osType": "Linux", "environmentType": "UserCreated", "inferenceConfig": routes}
        return self._create("environments", name, version, body, registry, workspace)

    def add_code(self, name: str, version: str, *, workspace: str | None = None) -> str:
        """Register code that was uploaded earlier; returns its id."""
        uri = f"https://devstoreaccount1.blob.core.windows.net/code/{name}"
        return self._create("codes", name, version, {"codeUri": uri}, None, workspace)

    def add_data(self, name: str, version: str, *, kind: str = "uri_folder", workspace: str | None = None) -> str:
        """Register a data asset; returns its id."""
        uri = f"azureml://datastores/workspaceblobstore/paths/{name}/{version}"
        return self._create("data", name, version, {"dataType": kind, "dataUri": uri}, None, workspace)

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
        """Register a component with inputs (name to type): a pipeline if it has `nodes`, else a command.

        Returns its id.
        """
        declared = {of: {"type": type, "optional": True} for of, type in (inputs or {}).items()}
        spec: Body = {"name": name, "version": version, "is_deterministic": "True", "inputs": declared, "outputs": {}}
        if nodes:
            spec |= {"type": "pipeline", "jobs": {node: {"type": "command"} for node in nodes}}
        else:
            spec |= {"type": "command", "command": "python train.py", "environment": _ENVIRONMENT}
        return self._create("components", name, version, {"componentSpec": spec}, registry, workspace)

    def _create(  # noqa: PLR0913, PLR0917 - private
        self, plural: str, name: str, version: str, properties: Body, registry: str | None, workspace: str | None
    ) -> str:
        with self._state.transaction():
            id = self._lookup.asset(plural, name, version, registry, workspace)
            return assets.reference(assets.create(self._state, id, properties))
