"""What the parts of `Azure` share: the world, the service, and how one names what is in them."""

from emulator.ml import batch, endpoints
from emulator.service import Service
from emulator.state import ids
from emulator.state.state import Resource, World


class Handle:
    """Everything that takes a `workspace`, by name or id, means, if it is left out, the first one that was given."""

    def __init__(self, *workspaces: str) -> None:
        self.world = World()
        self.service = Service(self.world)
        self._workspaces = workspaces

    def _scope(self, workspace: str | None, registry: str | None = None) -> str:
        """The id of a workspace, given that or its name, or of a registry. Raises LookupError."""
        if registry is not None:
            return self.world.registries[registry.lower()]
        if workspace is None:
            return self._workspaces[0]
        known = [one.id for one in self.world.of_type("workspaces")]
        return next(id for id in known if workspace.lower() in {id.lower(), ids.name_of(id).lower()})

    def _endpoint(self, name: str, workspace: str | None) -> Resource:
        scope = self._scope(workspace)
        return self.world.find(f"{scope}/{batch.KIND}/{name}") or self.world.need(f"{scope}/{endpoints.KIND}/{name}")

    def _asset(self, plural: str, name: str, version: str, registry: str | None, workspace: str | None) -> str:
        """The id of a version. Raises Refusal for a name or a version out of limits."""
        ids.check_asset(name, version, plural)
        return f"{self._scope(workspace, registry)}/{plural}/{name}/versions/{version}"
