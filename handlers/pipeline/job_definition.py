"""The job that a rule names: a file of the CLI's YAML beside the rules, or a registered component."""

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
from handlers.pipeline.inputs import Value

_HAVE = {"pipeline": ("jobs", "component"), "command": ("command",)}  # of which one is needed
_LARGEST = 1_000_000  # bytes of a file
_LOCAL = "local"  # azure-ai-ml's name for this machine, on which it would start a container


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job is to be, beside what its definition says."""

    name: str
    tags: Mapping[str, str]
    experiment: str
    inputs: Mapping[str, Value] = field(default_factory=dict)
    compute: str = ""


@dataclass(frozen=True)
class JobFile:
    """A file of the CLI's YAML that describes a job, as far as it must be known here."""

    path: Path
    type: str
    inputs: Mapping[str, Input]
    given: frozenset[str]  # the inputs that are data there
    tags: Mapping[str, str] = field(default_factory=dict)
    experiment: str = ""

    def job(self, wanted: Wanted) -> NewJob:
        """The job; all that is not wanted otherwise is as the file has it."""
        overrides: dict[str, Any] = {"tags": dict(wanted.tags), "experiment_name": wanted.experiment}
        if wanted.compute:
            overrides["settings.default_compute" if self.type == "pipeline" else "compute"] = wanted.compute
        for name, value in wanted.inputs.items():
            if isinstance(value, dict) and name in self.given:  # what else the file says of it stands
                overrides |= {f"inputs.{name}.{key}": part for key, part in value.items()}
            else:
                overrides[f"inputs.{name}"] = value
        return NewJob(wanted.name, self.path, overrides)


def is_component(job: str) -> bool:
    """Does a rule's `job` name a component, and not a file?"""
    return job.startswith("azureml:")


def read_job_file(name: str) -> JobFile:
    """A file of the rules or of the app. Raises ValueError, which says what is wrong with it."""
    file = FileName.of(name)
    if not file.is_inside:
        raise ValueError(f"{name!r} is outside of the app's folder; name a file in it, like rules/jobs/retrain.yml")
    path = file.path
    content = _content(path, name)
    kind = str(content.get("type") or "command")
    if kind not in _HAVE:
        raise ValueError(f"{name!r} is a job of type {kind!r}; it must be {' or '.join(_HAVE)}: make it a step of one")
    if _LOCAL in map(_compute, (content.get("compute"), _part(content, "settings").get("default_compute"))):
        raise ValueError(f"{name!r} is to run on compute: {_LOCAL}, which is wherever this app runs; name a compute")
    if not any(content.get(key) for key in _HAVE[kind]):
        raise ValueError(f"{name!r} is no {kind} job: it has no {' and no '.join(map(repr, _HAVE[kind]))}")
    inputs = _part(content, "inputs")
    return JobFile(
        path=path,
        type=kind,
        inputs={str(key): _input(value) for key, value in inputs.items()},
        given=frozenset(str(key) for key, value in inputs.items() if isinstance(value, Mapping)),
        tags={str(key): str(value) for key, value in _part(content, "tags").items()},
        experiment=str(content.get("experiment_name") or ""),
    )


def _content(path: Path, name: str) -> Mapping[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name!r} cannot be read: {error.strerror}; {WHERE}") from error
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # as azure-ai-ml reads it
    try:
        content = yaml.load(data) if len(data) <= _LARGEST else None
    except YAMLError as error:
        raise ValueError(f"{name!r} is not YAML: {' '.join(str(error).split())}") from error
    if isinstance(content, Mapping):
        return content
    raise ValueError(f"{name!r} should have a job in it: a mapping, of at most {_LARGEST} bytes")


def _part(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping in it. What is no mapping, azure-ai-ml will say."""
    part = content.get(key)
    return part if isinstance(part, Mapping) else {}


def _compute(value: Any) -> str:
    return str(value or "").removeprefix("azureml:").casefold()


def _input(value: Any) -> Input:
    """The type of an input, by the value that it has."""
    match value:
        case Mapping():
            return Input(str(value.get("type") or "uri_folder"))
        case bool():
            return Input("boolean")
        case int() | float():
            return Input("number")
    return Input("string")


def component_job(component: Component, ref: ComponentRef, wanted: Wanted) -> NewJob:
    """The job that a component is: a pipeline, or a step that a pipeline is made for."""
    inputs = dict(wanted.inputs)
    job: dict[str, Any] = {
        "type": "pipeline",
        "display_name": ref.name,
        "experiment_name": wanted.experiment,
        "tags": dict(wanted.tags),
        "inputs": inputs,
    }
    if wanted.compute:
        job["settings"] = {"default_compute": wanted.compute}
    if component.type == "pipeline":
        job["component"] = component.reference
    else:
        bound = {name: f"${{{{parent.inputs.{name}}}}}" for name in inputs}
        job["jobs"] = {_node(ref.name): {"type": component.type, "component": component.reference, "inputs": bound}}
    return NewJob(wanted.name, job)


def compute_reference(text: str) -> str:
    """A compute as a job names it. Raises ValueError for what cannot be one's name."""
    name = text.removeprefix("azureml:")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,62}", name) or name.casefold() == _LOCAL:
        raise ValueError(f"{text!r} cannot be a compute's name; write the name of one of the workspace, or serverless")
    return f"azureml:{name}"


def _node(name: str) -> str:
    """A step's name: small letters, digits and _, and as Python would have it, because azure-ai-ml wants that."""
    node = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")
    return node if node.isidentifier() and not iskeyword(node) else f"step_{node}".strip("_")
