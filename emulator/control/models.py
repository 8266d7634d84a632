"""Models of workspaces and registries."""

from collections.abc import Mapping

from emulator.control.lookup import Lookup
from emulator.ml import assets, workspaces
from emulator.state.state import State


class Models:
    """Registers and changes models."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup

    def register(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        name: str,
        version: str,
        tags: Mapping[str, str] | None = None,
        *,
        type: str = "mlflow_model",
        properties: Mapping[str, str] | None = None,
        registry: str | None = None,
        workspace: str | None = None,
        late_reads: int = 0,
    ) -> str:
        """Register a model version, which the first `late_reads` reads do not find; returns its id.

        In a workspace this raises the event ModelRegistered. Raises an error response for an invalid name or version,
        and if the version exists.
        """
        home = self._lookup.first if registry else self._lookup.scope(workspace)
        inside = home.replace("/providers/Microsoft.MachineLearningServices", "")
        uri = f"azureml:/{inside}/datastores/{workspaces.DATASTORE}/paths/models/{name}/{version}"
        flavors = assets.FLAVORS if type == "mlflow_model" else {}
        about = {"tags": dict(tags or {}), "properties": dict(properties or {})}
        with self._state.transaction():
            id = self._lookup.asset("models", name, version, registry, workspace)
            model = assets.create(self._state, id, {"modelType": type, "modelUri": uri, "flavors": flavors, **about})
            model.late_reads = late_reads
            return assets.reference(model)

    def set_tags(
        self,
        name: str,
        version: str,
        tags: Mapping[str, str],
        *,
        registry: str | None = None,
        workspace: str | None = None,
    ) -> None:
        """Replace a model's tags. Raises an error response (404) if the model does not exist."""
        with self._state.transaction():
            id = self._lookup.asset("models", name, version, registry, workspace)
            self._change(id, tags=dict(tags))

    def tag(
        self,
        name: str,
        version: str,
        tags: Mapping[str, str],
        *,
        registry: str | None = None,
        workspace: str | None = None,
    ) -> None:
        """Add tags to a model, or change them; an empty value removes one. This raises no event, as in Azure ML.

        Raises an error response (404) if the model does not exist.
        """
        with self._state.transaction():
            id = self._lookup.asset("models", name, version, registry, workspace)
            whole = {**(self._state.require(id).properties.get("tags") or {}), **tags}
            self._change(id, tags={tag: value for tag, value in whole.items() if value})

    def archive(self, name: str, version: str, *, registry: str | None = None, workspace: str | None = None) -> None:
        """Archive a model. Raises an error response (404) if it does not exist."""
        with self._state.transaction():
            id = self._lookup.asset("models", name, version, registry, workspace)
            self._change(id, isArchived=True)

    def restore(self, name: str, version: str, *, registry: str | None = None, workspace: str | None = None) -> None:
        """Restore an archived model. Raises an error response (404) if it does not exist."""
        with self._state.transaction():
            id = self._lookup.asset("models", name, version, registry, workspace)
            self._change(id, isArchived=False)

    def _change(self, id: str, **properties: object) -> None:
        model = self._state.require(id)
        model.properties.update(properties)
        model.body["systemData"]["lastModifiedAt"] = self._state.clock.text()

    def delete(self, name: str, version: str, *, registry: str | None = None, workspace: str | None = None) -> None:
        """Delete a model. Raises an error response (404) if it does not exist."""
        with self._state.transaction():
            id = self._lookup.asset("models", name, version, registry, workspace)
            self._state.remove(self._state.require(id).id)
