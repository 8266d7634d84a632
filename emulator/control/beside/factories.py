"""Data factories and Synapse workspaces, their pipelines and runs."""

from collections.abc import Mapping
from typing import Any

from emulator import data_factory
from emulator.control.lookup import Lookup
from emulator.control.workspaces import LOCATION
from emulator.state import ids
from emulator.state.state import Body, State

_FACTORY, _SYNAPSE = "Microsoft.DataFactory/factories", "Microsoft.Synapse/workspaces"
_EMPTY: Mapping[str, Any] = {"Object": {}, "String": "", "Int": 0, "Float": 0.0, "Bool": False, "Array": []}


class Factories:
    """Creates factories and pipelines, and reads runs."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup
        self._declared: tuple[str, ...] = ()  # ids of factories that `add_pipeline` finds by name

    def add(self, name: str, pipelines: Mapping[str, Mapping[str, Any]] | None = None, *, synapse: bool = False) -> str:
        """Create a factory, or a Synapse workspace, in the resource group of the first workspace; returns its id.

        It has pipelines by name. Each maps its parameters to a type, such as ``String``, or to
        ``{"type": ..., "defaultValue": ...}``.
        Raises an error response for an invalid name or type.
        """
        id = self._default_id(name, _SYNAPSE if synapse else _FACTORY)
        with self._state.transaction():
            data_factory.add_factory(self._state, id, LOCATION)
            for pipeline, parameters in (pipelines or {}).items():
                declared = {of: {"type": p} if isinstance(p, str) else dict(p) for of, p in parameters.items()}
                data_factory.add_pipeline(self._state, id, pipeline, declared)
        return id

    def declare(self, id: str) -> None:
        """Create a factory without pipelines, in any resource group, which `add_pipeline` then finds by its name."""
        with self._state.transaction():
            self._declared = (*self._declared, data_factory.add_factory(self._state, id, LOCATION).id)

    def add_pipeline(self, factory: str, name: str, parameters: Mapping[str, str] | None = None) -> str:
        """Create a pipeline in a factory, given by name or id, and the factory if it does not exist.

        `parameters` map names to types; each has an empty default value. Returns the pipeline's id. Raises an error
        response for an invalid name or type.
        """
        id = factory if factory.startswith("/") else self._find(factory)
        declared = {of: {"type": type, "defaultValue": _EMPTY.get(type)} for of, type in (parameters or {}).items()}
        with self._state.transaction():
            if self._state.find(id) is None:
                data_factory.add_factory(self._state, id, LOCATION)
            return data_factory.add_pipeline(self._state, id, name, declared).id

    def runs(self, factory: str) -> list[Body]:
        """The runs of a factory, given by name or id, the oldest first. Reading them here is no poll."""
        with self._state.transaction():
            self._state.complete_due()
            runs = self._state.factory_runs
            found = (run for run in runs if factory.lower() in {run.factory.lower(), ids.name_of(run.factory).lower()})
            return [data_factory.shown(run) for run in found]

    def hide_new_runs(self, queries: int) -> None:
        """Leave each new run out of the results of the next `queries` queries."""
        with self._state.lock:
            self._state.plan.jobs.unlisted = queries

    def _find(self, name: str) -> str:
        return next((id for id in self._declared if ids.name_of(id).lower() == name.lower()), self._default_id(name))

    def _default_id(self, name: str, type: str = _FACTORY) -> str:
        return f"{self._lookup.group}/providers/{type}/{name}"
