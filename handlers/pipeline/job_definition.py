"""The job that a rule names: a job file of the Azure ML CLI beside the rules, or a registered component."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from keyword import iskeyword
from math import isfinite
from pathlib import Path
from typing import Any

from handlers.azure.ml.assets import AssetRef, input_asset
from handlers.azure.ml.cli.cli_yaml import CliYaml, value_at
from handlers.azure.ml.components import Component, ComponentRef, Input
from handlers.azure.ml.jobs import NewJob
from handlers.base import GiveUp
from handlers.bounded_yaml import MAX_BYTES
from handlers.file_field import FileName
from handlers.pipeline.inputs import DEFAULT_DATA_TYPE, Value

_REQUIRED = {  # a job of each type needs one of these keys
    "pipeline": ("jobs", "component"),
    "command": ("command",),
    "sweep": ("trial",),
    "automl": ("task",),
    "spark": ("entry",),
}
_REMOTE = re.compile(r"(?i)azureml:|git\+|[a-z]+://|/subscriptions/")  # what azure-ai-ml does not upload
_FILE_URL = re.compile(r"(?i)file:(?://)?")  # what it does, or reads
# Keys under which it uploads or reads what is local, beside `code`; those of _LISTS have lists of files.
_LOCAL_KEYS = {
    "path",
    "conda_file",
    "component",
    "environment",
    "trial",
    "training_data",
    "validation_data",
    "test_data",
}
_LISTS = {"py_files", "jars", "files", "archives"}
_NOT_LOCAL = {"environment_variables", "inference_config", "outputs", "properties", "tags"}  # any texts
_SHORT = re.compile("azureml:(?!AzureML-)[^/:@]+(?:[:@][^/]*)?")  # not an id, and not a curated environment
# A key of an event in an expression of the rules' templates; azure-ai-ml's own have a $.
_TEMPLATE = re.compile(r"(?<!\$)\{\{-?\s*(?:(?:data|workspace|drift|result)\.|(?:object|eventTime|studio_url)\b)")
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
    unusable: Mapping[str, str] = field(default_factory=dict)  # why azure-ai-ml refuses the file's value of an input
    code: Mapping[str, str] = field(default_factory=dict)  # local code, by its position in the file
    local: Mapping[str, str] = field(default_factory=dict)  # other local files and folders, likewise

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
    return _parse(file.read(MAX_BYTES), str(file), file.path)


@lru_cache(maxsize=64)  # the validators, `plan` and `run` read the same file
def _parse(data: bytes, name: str, path: Path) -> JobFile:
    file = CliYaml.parse(data, name)
    type_name = _text(file, "type") or "command"
    if type_name not in _REQUIRED:
        types = ", ".join(_REQUIRED)
        raise ValueError(f"{file.at(['type'])} is a job of type {type_name!r}; it must be one of {types}")
    for key in (("compute",), ("settings", "default_compute")):
        if _text(file, *key).removeprefix("azureml:").casefold() == _LOCAL:
            raise ValueError(
                f"{file.at(key)} has compute: {_LOCAL}, which is the machine of this app; name another compute"
            )
    if not any(file.content.get(key) for key in _REQUIRED[type_name]):
        raise ValueError(
            f"{name!r} is no {type_name} job: it has no {' and no '.join(map(repr, _REQUIRED[type_name]))}"
        )
    for place, text in file.texts():
        if _TEMPLATE.search(text):
            raise ValueError(
                f"{file.at(place)}: a job file is not a template, so {{{{ … }}}} has no effect in it; "
                "use an input, whose value in the rule is one"
            )
    references = dict(_invalid_references(file))
    if own := [error for path, error in references.items() if path[:1] != ("inputs",)]:
        raise ValueError(own[0])
    inputs, tags = (_mapping(file.content, key) for key in ("inputs", "tags"))
    if other := [key for key in inputs if not isinstance(key, str)]:
        raise ValueError(f"{file.at(['inputs'])}: YAML reads the name of an input as {other[0]!r}; put it in quotes")
    return JobFile(
        path=path,
        type=type_name,
        inputs={key: _declared(file, key, value) for key, value in inputs.items()},
        data_inputs=frozenset(key for key, value in inputs.items() if isinstance(value, Mapping)),
        unusable={path[1]: error for path, error in references.items()}
        | {
            key: f"{file.at(['inputs', key])}: {why}"
            for key, value in inputs.items()
            if (why := _unusable(value, path))
        },
        tags={str(key): _text(file, "tags", key) for key in tags},
        experiment=_text(file, "experiment_name"),
        code=dict(_code(file)),
        local=dict(_local(file)),
    )


_KINDS = {"environment": "environments", "component": "components"}  # of the assets under a key


def _invalid_references(file: CliYaml) -> Iterator[tuple[tuple[Any, ...], str]]:
    """References to assets that azure-ai-ml cannot resolve: their paths, and the errors."""
    for path, text in file.texts():
        key = path[-1] if path else ""
        try:
            if key == "path":
                input_asset(text, str(value_at(file.content, (*path[:-1], "type")) or ""))
            elif key in _KINDS and _SHORT.fullmatch(text):
                AssetRef.parse(text, _KINDS[key])
        except ValueError as error:
            yield path, f"{file.at(path)}: {error}"


def check_files(file: JobFile, name: FileName) -> None:
    """Check the local folders and files that azure-ai-ml would upload. Raises ValueError."""
    for where, text in file.local.items():
        found = name.beside(_FILE_URL.sub("", text, count=1))
        try:
            found.check_folder() if found.path.is_dir() else found.check_inside("file")
        except (OSError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error
    for where, code in file.code.items():
        found = name.beside(code)
        if not found.path.exists():
            raise ValueError(f"{where}: there is no {code!r} beside the job file")
        try:
            found.check_inside("file") if found.path.is_file() else found.check_folder()
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if found.path.is_dir() and not any(found.path.iterdir()):
            raise ValueError(f"{where}: the folder {code!r} is empty")


def _code(file: CliYaml) -> Iterator[tuple[str, str]]:
    """Where the job and its steps name local code, and what they name."""
    steps = _mapping(file.content, "jobs")
    for path in ((), *(("jobs", step) for step in steps)):
        job = steps[path[1]] if path else file.content
        for owner in ((), ("trial",), ("task",)):  # of a sweep and of a parallel step
            place = _mapping(job, owner[0]) if owner and isinstance(job, Mapping) else job
            code = place.get("code") if isinstance(place, Mapping) else None
            if isinstance(code, str) and not _REMOTE.match(code):
                yield file.at((*path, *owner, "code")), code


def _local(file: CliYaml) -> Iterator[tuple[str, str]]:
    """Where the file names other local files and folders, and what it names.

    The job's own inputs are left out: the rule may replace them (see `_unusable`).
    """
    for path, text in file.texts():
        key = path[-1] if path else ""
        if path[:1] == ("inputs",):
            continue
        named = key in _LOCAL_KEYS or path[:-1] == ("jobs",) or (len(path) > 1 and path[-2] in _LISTS)
        if named and _NOT_LOCAL.isdisjoint(map(str, path)) and (_FILE_URL.match(text) or not _REMOTE.match(text)):
            yield file.at(path), text


def _text(file: CliYaml, *path: Any) -> str:
    """The text of a scalar; empty if the file has none. Raises ValueError for a list or a mapping: it can be long."""
    value = value_at(file.content, path)
    if value is None:
        return ""
    if isinstance(value, str | int | float | date):
        return str(value)
    raise ValueError(f"{file.at(path)}: {'.'.join(map(str, path))} should be a text")


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[Any, Any]:
    """The mapping under a key; empty if the value is no mapping, an error that azure-ai-ml reports."""
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def _declared(file: CliYaml, name: str, value: Any) -> Input:
    """The type of an input, inferred from its value in the file."""
    match value:
        case Mapping():
            return Input(_text(file, "inputs", name, "type") or DEFAULT_DATA_TYPE)
        case bool():
            return Input("boolean")
        case int() | float():
            return Input("number")
    return Input("string")


def _unusable(value: Any, file: Path) -> str:
    """Why azure-ai-ml refuses a value of an input (Schema of inputs: a text, a number, a boolean or data)."""
    match value:
        case None:
            return "the input has no value"
        case date():
            return f'YAML reads a date, which an input cannot be; put it in quotes: "{value}"'
        case float() if not isfinite(value):
            return f"YAML reads {value}, which is no number for an input; put it in quotes, to pass a text"
        case list() | set():
            return "the input is a list; it should be a text, a number, true or false, or data with a path"
        case {"path": str(path)} if not _REMOTE.match(path):
            found = file.parent / path
            if not found.exists():
                return f"there is no {path!r} beside the job file"
            if found.is_dir() and not any(found.iterdir()):
                return f"the folder {path!r} is empty"
    return ""


def component_job(component: Component, ref: ComponentRef, overrides: JobOverrides) -> NewJob:
    """The job of a component: a pipeline component as it is, any other one as the only step of a pipeline.

    Raises GiveUp if nothing says on which compute that step runs.
    """
    if not overrides.compute and component.type != "pipeline":
        raise GiveUp(
            f"the component {ref} is of type {component.type}, which does not say where it runs: "
            "name a compute in the rule (compute: cpu-cluster, or compute: serverless)"
        )
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
