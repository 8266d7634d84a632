"""What came of it, as it is, whatever stale reads show."""

import copy

from emulator.control.handle import Handle
from emulator.http.calls import Call
from emulator.ml import batch, endpoints
from emulator.state.matching import Match
from emulator.state.state import Body


class Views(Handle):
    """Shows what is there."""

    @property
    def calls(self) -> list[Call]:
        """Every call so far, in the order of the answers."""
        with self.world.lock:
            return list(self.service.calls)

    def calls_of(self, match: str = "") -> list[Call]:
        """Those that match."""
        matches = Match(match)
        return [call for call in self.calls if matches(call.method, call.path)]

    @property
    def scored(self) -> list[Call]:
        """The calls of scoring URIs."""
        return self.calls_of("POST /inference/*/score")

    @property
    def events(self) -> list[Body]:
        """The events that were raised, in the Event Grid schema."""
        with self.world.lock:
            return copy.deepcopy(self.world.events)

    def resource(self, id: str) -> Body | None:
        """What a GET would answer; None if there is none."""
        with self.world.lock:
            found = self.world.find(id)
            return copy.deepcopy(found.body) if found else None

    def endpoint_of(self, name: str, *, workspace: str | None = None) -> Body | None:
        """An endpoint, online or batch; None if there is none."""
        scope = self._scope(workspace)
        kinds = (endpoints.KIND, batch.KIND)
        return next((found for kind in kinds if (found := self.resource(f"{scope}/{kind}/{name}"))), None)

    def deployments(self, endpoint: str, *, workspace: str | None = None) -> dict[str, Body]:
        """The deployments of an endpoint, by name. Raises Refusal if there is no such endpoint."""
        with self.world.lock:
            parent = self._endpoint(endpoint, workspace)
            found = self.world.children(parent.id, "deployments")
            return {str(one.body["name"]): copy.deepcopy(one.body) for one in found}

    def traffic(self, endpoint: str, *, workspace: str | None = None) -> dict[str, int]:
        """The shares of an online endpoint that are not zero. Raises Refusal if there is no such endpoint."""
        with self.world.lock:
            shares = self._endpoint(endpoint, workspace).properties["traffic"]
            return {name: share for name, share in shares.items() if share}

    def default_deployment(self, endpoint: str, *, workspace: str | None = None) -> str:
        """Of a batch endpoint; empty if it has none. Raises Refusal if there is no such endpoint."""
        with self.world.lock:
            return str(self._endpoint(endpoint, workspace).properties["defaults"].get("deploymentName", ""))
