"""Registered components: their versions, types and inputs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from azure.core.exceptions import ResourceNotFoundError

from handlers.azure.errors import translated_errors
from handlers.azure.ml.resources import DOTS
from handlers.azure.ml.workspace import AzureML
from handlers.base import RetryLater
from handlers.errors import PROPAGATION

LATEST = "latest"  # the only label that azure-ai-ml resolves

_WORKSPACE = re.compile(r"azureml:([A-Za-z0-9][\w.-]{0,254})(?::([\w.-]+)|@(\w+))")
_REGISTRY = re.compile(r"azureml://registries/([^/]+)/components/([^/]+)/(versions|labels)/([^/]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ComponentRef:
    """A reference to a version of a component, or to its latest version."""

    name: str
    version: str = ""  # empty for the latest
    registry: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``azureml:retrain:3``, ``azureml:retrain@latest`` or the id in a registry. Raises ValueError."""
        label = version = registry = ""
        if found := _WORKSPACE.fullmatch(text):
            name, version, label = found[1], found[2] or "", found[3] or ""
        elif found := _REGISTRY.fullmatch(text):
            registry, name = found[1], found[2]
            version, label = (found[4], "") if found[3].casefold() == "versions" else ("", found[4])
        else:
            raise ValueError(f"{text!r} names no component; write azureml:retrain:3 or azureml:retrain@latest")
        if not DOTS.isdisjoint({name, version, registry}):
            raise ValueError(f"{text!r} names no component: a name cannot consist of dots")
        if label not in ("", LATEST):
            raise ValueError(f"{text!r}: the only label is {LATEST}; or write a version")
        return cls(name, version, registry)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else f"{self.name}@{LATEST}"


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a component or of a job."""

    type: str  # string, number, integer, boolean, uri_folder …; empty for any of the first four
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Component:
    """A version of a component."""

    reference: str  # the id, as a job names it
    version: str
    type: str  # pipeline, command, ...
    inputs: Mapping[str, Input] | None = field(default_factory=dict)  # None if the service does not return them


def find_component(azureml: AzureML, ref: ComponentRef) -> Component:
    """Read a component. Raises RetryLater if it does not exist, and what the methods of `AzureML` raise."""
    found = _in_registry(azureml, ref) if ref.registry else _in_workspace(azureml, ref)
    if found is None:
        place = f"registry {ref.registry}" if ref.registry else azureml.workspace.name
        raise RetryLater(f"there is no component {ref} in {place}", max_elapsed=PROPAGATION)
    return found


def _in_workspace(azureml: AzureML, ref: ComponentRef) -> Component | None:
    versions = f"{azureml.path}/components/{ref.name}/versions"
    if ref.version:
        body = azureml.arm.get(f"{versions}/{ref.version}")
    else:
        newest = azureml.arm.get(versions, {"$orderBy": "createdtime desc", "$top": "1"})
        body = next(iter((newest or {}).get("value") or ()), None)
    if not body:
        return None
    version = str(body.get("name", ref.version))
    # The whole id: azure-ai-ml does not resolve a shorter name if it is the component of the pipeline job itself.
    reference = f"azureml:{azureml.path}/components/{ref.name}/versions/{version}"
    return _component(reference, version, (body.get("properties") or {}).get("componentSpec"))


def _in_registry(azureml: AzureML, ref: ComponentRef) -> Component | None:
    with translated_errors():
        components = azureml.registry(ref.registry).components
        try:
            found = components.get(ref.name, ref.version) if ref.version else components.get(ref.name, label=LATEST)
        except ResourceNotFoundError:
            return None
    version = str(found.version)
    reference = f"azureml://registries/{ref.registry}/components/{ref.name}/versions/{version}"
    return _component(reference, version, found._to_dict())


def _component(reference: str, version: str, spec: Mapping[str, Any] | None) -> Component:
    spec = spec or {}
    specs = spec.get("inputs")
    inputs = None if specs is None else {name: _input(given) for name, given in specs.items()}
    return Component(reference, version, str(spec.get("type") or "command"), inputs)


def _input(given: Any) -> Input:
    """An input from the CLI's YAML: a type, or a mapping, in which booleans may be texts."""
    if not isinstance(given, Mapping):
        return Input(str(given))
    optional = str(given.get("optional", "")).casefold() == "true"
    return Input(str(given.get("type") or ""), needed=not optional and given.get("default") is None)
