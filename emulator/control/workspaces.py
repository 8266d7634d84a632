"""Workspaces and registries, with their computes and quotas."""

from emulator.control.lookup import Lookup
from emulator.ml import registries, workspaces
from emulator.state.state import State

LOCATION = "westeurope"


class Workspaces:
    """Creates workspaces, registries and computes, and sets quotas."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup

    def add(self, id: str, location: str = LOCATION) -> str:
        """Create a workspace with its default datastore; returns its id."""
        with self._state.transaction():
            return workspaces.add(self._state, id, location).id

    def add_registry(self, name: str, location: str = LOCATION) -> str:
        """Create a registry, given by its id, or by its name in the resource group of the first workspace.

        Returns its id.
        """
        id = name if "/" in name else f"{self._lookup.first.rpartition('/workspaces/')[0]}/registries/{name}"
        with self._state.transaction():
            return registries.add(self._state, id, location).id

    def add_schedule(
        self, name: str, cron: str, *, time_zone: str = "UTC", experiment: str = "", workspace: str | None = None
    ) -> str:
        """Create an enabled schedule of a job; returns its id. It starts no job: that is what the watch reports."""
        trigger = {"triggerType": "Cron", "expression": cron, "timeZone": time_zone}
        action = {"actionType": "CreateJob", "jobDefinition": {"experimentName": experiment}}
        properties = {"isEnabled": True, "trigger": trigger, "action": action, "tags": {}, "displayName": name}
        with self._state.transaction():
            id = f"{self._lookup.scope(workspace)}/schedules/{name}"
            return self._state.add(id, {"properties": {**properties, "provisioningState": "Succeeded"}}).id

    def add_compute(
        self, name: str, kind: str = "AmlCompute", *, size: str = "Standard_DS3_v2", workspace: str | None = None
    ) -> str:
        """Create a compute of a kind, such as AmlCompute or Kubernetes, with machines of a size; returns its id."""
        about = {"computeType": kind, "provisioningState": "Succeeded", "computeLocation": LOCATION}
        own = {"properties": {"namespace": "default"}} if kind == "Kubernetes" else {"properties": {"vmSize": size}}
        with self._state.transaction():
            id = f"{self._lookup.scope(workspace)}/computes/{name}"
            return self._state.add(id, {"location": LOCATION, "properties": {**about, **own}, "tags": {}}).id

    def set_quota(self, family: str, limit: int, *, used: int = 0, owner: str = "") -> None:
        """Limit the cores of a machine family (DSv2, FSv2, ...) in each region; `used` of them are taken by others.

        The family ``total`` is the limit of all families together. `owner` is the id of a workspace or of a compute
        whose quota this is; by default, it is that of the subscription.
        """
        with self._state.lock:
            self._state.quotas[f"{owner}/{family}".lower() if owner else family.lower()] = (limit, used)
