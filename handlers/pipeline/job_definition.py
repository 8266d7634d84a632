"""The job that a rule names: a job file of the Azure ML CLI beside the rules, or a registered component."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from handlers.azure.ml.components import Component, ComponentRef, Input
from handlers.azure.ml.jobs import NewJob
from handlers.file_field import WHERE, FileName
from handlers.pipeline.inputs import DEFAULT_DATA_TYPE, Value

_REQUIRED = {"pipeline": ("jobs", "component"), "command": ("command",)}  # a job of each type needs one of these keys
_MAX_BYTES = 1_000_000  # of a job file
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
    if not file.is_inside:
        raise ValueError(f"{name!r} is outside of the app's folder; name a file in it, like rules/jobs/retrain.yml")
    content = _read_yaml(file.path, name)
    type_name = str(content.get("type") or "command")
    if type_name not in _REQUIRED:
        types = " or ".join(_REQUIRED)
        raise ValueError(f"{name!r} is a job of type {type_name!r}; it must be {types}. Make it a step of a pipeline")
    if _LOCAL in map(_compute_name, (content.get("compute"), _mapping(content, "settings").get("default_compute"))):
        raise ValueError(f"{name!r} has compute: {_LOCAL}, which is the machine of this app; name another compute")
    if not any(content.get(key) for key in _REQUIRED[type_name]):
        raise ValueError(
            f"{name!r} is no {type_name} job: it has no {' and no '.join(map(repr, _REQUIRED[type_name]))}"
        )
    inputs = _mapping(content, "inputs")
    return JobFile(
        path=file.path,
        type=type_name,
        inputs={str(key): _declared(value) for key, value in inputs.items()},
        data_inputs=frozenset(str(key) for key, value in inputs.items() if isinstance(value, Mapping)),
        tags={str(key): str(value) for key, value in _mapping(content, "tags").items()},
        experiment=str(content.get("experiment_name") or ""),
    )


def _read_yaml(path: Path, name: str) -> Mapping[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name!r} cannot be read: {error.strerror}; {WHERE}") from error
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # as azure-ai-ml reads it
    try:
        content = yaml.load(data) if len(data) <= _MAX_BYTES else None
    except YAMLError as error:
        raise ValueError(f"{name!r} is not YAML: {' '.join(str(error).split())}") from error
    if isinstance(content, Mapping):
        return content
    raise ValueError(f"{name!r} should contain a job: a mapping (key: value), of at most {_MAX_BYTES} bytes")


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under a key; empty if the value is no mapping, an error that azure-ai-ml reports."""
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def _compute_name(value: Any) -> str:
    return str(value or "").removeprefix("azureml:").casefold()


def _declared(value: Any) -> Input:
    """The type of an input, inferred from its value in the file."""
    match value:
        case Mapping():
            return Input(str(value.get("type") or DEFAULT_DATA_TYPE))
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
