"""The job that a rule names: a job file of the Azure ML CLI beside the rules, or a registered component."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from keyword import iskeyword
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, nodes
from ruamel.yaml.error import MarkedYAMLError

from handlers.azure.ml.components import Component, ComponentRef, Input
from handlers.azure.ml.jobs import NewJob
from handlers.bounded_yaml import MAX_BYTES, MAX_LEVELS, BoundedComposer
from handlers.file_field import FileName
from handlers.pipeline.inputs import DEFAULT_DATA_TYPE, Value

_REQUIRED = {"pipeline": ("jobs", "component"), "command": ("command",)}  # a job of each type needs one of these keys
_LOCAL = "local"  # azure-ai-ml would start a container on the app's own machine


@dataclass(frozen=True, slots=True)
class JobOverrides:
    """What a rule adds to the definition of a job, or replaces in it."""

    name: str
    tags: Mapping[str, str]
    experiment: str
    inputs: Mapping[str, Value] = field(default_factory=dict)
    compute: str = ""


@dataclass(frozen=True)
class JobFile:
    """The parts of a job file that the app needs; azure-ai-ml reads the rest."""

    path: Path
    type: str
    inputs: Mapping[str, Input]
    data_inputs: frozenset[str]  # the inputs that the file defines as mappings
    tags: Mapping[str, str] = field(default_factory=dict)
    experiment: str = ""

    def job(self, overrides: JobOverrides) -> NewJob:
        """The job of the file, with the overrides."""
        values: dict[str, Any] = {"tags": dict(overrides.tags), "experiment_name": overrides.experiment}
        if overrides.compute:
            values["settings.default_compute" if self.type == "pipeline" else "compute"] = overrides.compute
        for name, value in overrides.inputs.items():
            if isinstance(value, dict) and name in self.data_inputs:  # keep the keys that the rule does not override
                values |= {f"inputs.{name}.{key}": part for key, part in value.items()}
            else:
                values[f"inputs.{name}"] = value
        return NewJob(overrides.name, self.path, values)


def is_component(job: str) -> bool:
    """Does a rule's `job` name a component, rather than a file?"""
    return job.startswith("azureml:")


def read_job_file(name: str) -> JobFile:
    """Read a job file in the folder of the rules or of the app. Raises ValueError if it is missing or invalid."""
    file = FileName.of(name)
    return _parse(file.read(MAX_BYTES), name, file.path)


@lru_cache(maxsize=64)  # the validators, `plan` and `run` read the same file
def _parse(data: bytes, name: str, path: Path) -> JobFile:
    content = _load(data, name)
    type_name = _text(content.get("type") or "command", "type", name)
    if type_name not in _REQUIRED:
        types = " or ".join(_REQUIRED)
        raise ValueError(f"{name!r} is a job of type {type_name!r}; it must be {types}. Make it a step of a pipeline")
    if _LOCAL in _computes(content, name):
        raise ValueError(f"{name!r} has compute: {_LOCAL}, which is the machine of this app; name another compute")
    if not any(content.get(key) for key in _REQUIRED[type_name]):
        raise ValueError(
            f"{name!r} is no {type_name} job: it has no {' and no '.join(map(repr, _REQUIRED[type_name]))}"
        )
    inputs = {_text(key, "inputs", name): value for key, value in _mapping(content, "inputs").items()}
    tags = _mapping(content, "tags").items()
    return JobFile(
        path=path,
        type=type_name,
        inputs={key: _declared(value, f"inputs.{key}.type", name) for key, value in inputs.items()},
        data_inputs=frozenset(key for key, value in inputs.items() if isinstance(value, Mapping)),
        tags={(tag := _text(key, "tags", name)): _text(value, f"tags.{tag}", name) for key, value in tags},
        experiment=_text(content.get("experiment_name") or "", "experiment_name", name),
    )


class _Composer(BoundedComposer):
    """Also limits the levels, to which each alias adds those of its anchor."""

    def get_single_node(self) -> Any:
        root = super().get_single_node()
        level = [root] if root is not None else []
        for _ in range(MAX_LEVELS + 1):
            level = [child for node in level for child in _children(node)]
        if level:
            raise MarkedYAMLError(None, None, f"more than {MAX_LEVELS} levels", level[0].start_mark)
        return root


def _children(node: nodes.Node) -> list[nodes.Node]:
    if isinstance(node, nodes.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, nodes.SequenceNode) else []


def _load(data: bytes, name: str) -> Mapping[str, Any]:
    """The top-level mapping of a job file."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    yaml.max_depth = MAX_LEVELS + 1
    yaml.version = (1, 1)  # as azure-ai-ml reads it
    try:
        content = yaml.load(data)
    except Exception as error:  # not only YAMLError: a date or an escape that does not exist raises others
        raise ValueError(f"{name!r} is not YAML: {' '.join(str(error).split())}") from error
    if isinstance(content, Mapping):
        return content
    raise ValueError(f"{name!r} should contain a job: a mapping (key: value)")


def _text(value: Any, key: str, name: str) -> str:
    """The text of a scalar. Raises ValueError for a list or a mapping, whose text could be very long."""
    if value is None or isinstance(value, str | int | float | date):
        return str(value)
    raise ValueError(f"{name!r}: {key} should be a text")


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under a key; empty if the value is no mapping, an error that azure-ai-ml reports."""
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def _computes(content: Mapping[str, Any], name: str) -> Iterator[str]:
    """The names of the computes for the whole job."""
    own, default = content.get("compute"), _mapping(content, "settings").get("default_compute")
    for key, value in (("compute", own), ("settings.default_compute", default)):
        yield _text(value or "", key, name).removeprefix("azureml:").casefold()


def _declared(value: Any, key: str, name: str) -> Input:
    """The type of an input, inferred from its value in the file; `key` is the name of a data input's type."""
    match value:
        case Mapping():
            return Input(_text(value.get("type") or DEFAULT_DATA_TYPE, key, name))
        case bool():
            return Input("boolean")
        case int() | float():
            return Input("number")
    return Input("string")


def component_job(component: Component, ref: ComponentRef, overrides: JobOverrides) -> NewJob:
    """The job of a component: a pipeline component as it is, any other one as the only step of a pipeline."""
    inputs = dict(overrides.inputs)
    job: dict[str, Any] = {
        "type": "pipeline",
        "display_name": ref.name,
        "experiment_name": overrides.experiment,
        "tags": dict(overrides.tags),
        "inputs": inputs,
    }
    if overrides.compute:
        job["settings"] = {"default_compute": overrides.compute}
    if component.type == "pipeline":
        job["component"] = component.reference
    else:
        bound = {name: f"${{{{parent.inputs.{name}}}}}" for name in inputs}
        step = {"type": component.type, "component": component.reference, "inputs": bound}
        job["jobs"] = {_step_name(ref.name): step}
    return NewJob(overrides.name, job)


def compute_reference(text: str) -> str:
    """Refer to a compute as a job does. Raises ValueError if the text cannot be the name of one."""
    name = text.removeprefix("azureml:")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,62}", name) or name.casefold() == _LOCAL:
        raise ValueError(f"{text!r} cannot be the name of a compute; write one of the workspace's, or serverless")
    return f"azureml:{name}"


def _step_name(name: str) -> str:
    """Make the name of a step: lower-case letters, digits and _; a Python identifier, which azure-ai-ml requires."""
    step = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")
    return step if step.isidentifier() and not iskeyword(step) else f"step_{step}".strip("_")
