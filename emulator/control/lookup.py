"""Ids of workspaces, registries and assets, from their names."""

from emulator.ml.endpoints import batch, online
from emulator.state import ids
from emulator.state.state import Resource, State


class Lookup:
    """Finds resources by name. Without a `workspace`, given by name or id, the first one is meant."""

    def __init__(self, state: State, first: str) -> None:
        self._state, self.first = state, first

    @property
    def group(self) -> str:
        """The id of the first workspace's resource group."""
        return self.first.partition("/providers/")[0]

    def scope(self, workspace: str | None, registry: str | None = None) -> str:
        """The id of a workspace, or of a registry if one is named. Raises LookupError if there is none."""
        if registry is not None:
            return self._state.registries[registry.lower()]
        if workspace is None:
            return self.first
        known = [one.id for one in self._state.of_type("workspaces")]
        found = [id for id in known if workspace.lower() in {id.lower(), ids.name_of(id).lower()}]
        if not found:
            raise LookupError(f"There is no workspace {workspace}.")
        return found[0]

    def endpoint(self, name: str, workspace: str | None) -> Resource:
        """An endpoint, batch or online. Raises an error response (404) if there is none."""
        scope = self.scope(workspace)
        return self._state.find(f"{scope}/{batch.KIND}/{name}") or self._state.require(f"{scope}/{online.KIND}/{name}")

    def deployment(self, endpoint: str, name: str, workspace: str | None) -> Resource:
        """A deployment of an endpoint. Raises an error response (404) if there is none."""
        return self._state.require(f"{self.endpoint(endpoint, workspace).id}/deployments/{name}")

    def asset(self, plural: str, name: str, version: str, registry: str | None, workspace: str | None) -> str:
        """The id of an asset's version, whether it exists or not. Raises an error response for an invalid name."""
        ids.check_asset(name, version, plural)
        return f"{self.scope(workspace, registry)}/{plural}/{name}/versions/{version}"
