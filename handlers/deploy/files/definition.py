"""Read the CLI's YAML of a deployment or an endpoint, and check it without network."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from yaml.nodes import MappingNode, Node, SequenceNode

from handlers.azure.ml.cli.cli_yaml import CliYaml
from handlers.azure.ml.cli.definition import WITH_SETTINGS, Definition
from handlers.base import Finding
from handlers.bounded_yaml import MAX_BYTES
from handlers.deploy.files import local_files, schema
from handlers.deploy.files.fields import Path, Problem, Table, dotted
from handlers.file_field import FileName
from handlers.template import Template
from schemas import Event

_MOST_PROBLEMS = 5  # of a file that one message lists
_USES = {  # what to do with a file, by the end of the name of its schema
    "deployment": "a rule names the file of a deployment as 'deployment'",
    "endpoint": "a rule names the file of an endpoint as 'endpoint_file'",
    "job": "a rule with do: pipeline names the file of a job as 'job'",
    "component": "register the component, and start it with do: pipeline and job: azureml:NAME:VERSION",
}
_TEMPLATES: tuple[Path, ...] = (("environment_variables",), ("settings", "environment_variables"), ("tags",))


class Kind(StrEnum):
    """What a file defines, besides the difference between a deployment and an endpoint."""

    MANAGED = "managed online"
    KUBERNETES = "Kubernetes online"
    BATCH = "batch"


@dataclass(frozen=True)
class CliFile:
    """A valid file. Its texts under environment_variables and tags are templates."""

    name: str
    kind: Kind
    definition: Definition
    content: Mapping[str, Any]
    yaml: CliYaml = field(repr=False)
    templates: Mapping[str, Mapping[str, Template]] = field(default_factory=dict)  # by path: "tags"

    def at(self, *path: str | int) -> str:
        """The position of a value, for a message: ``deployments/churn.yml:3:16``."""
        return _position(self.yaml, path, at_key=False)

    def text(self, key: str) -> str:
        """The text under a key; empty if there is none, or something else."""
        value = self.content.get(key)
        return value if isinstance(value, str) else ""

    def rendered(self, event: Event) -> dict[str, dict[str, str]]:
        """The texts that are templates, by path and name. Raises jinja2.TemplateError."""
        return {
            path: {name: template.render(event) for name, template in templates.items()}
            for path, templates in self.templates.items()
        }


def read_deployment(file: FileName, *, batch: bool = False, kubernetes: bool = False) -> CliFile:
    """The deployment in a file; the keywords say which kind the rule wants, for a file that does not tell.

    Raises ValueError, with the positions, for a file that is missing, unreadable or invalid.
    """
    return _parse_deployment(file.read(MAX_BYTES), file.shown, file.path, batch, kubernetes)


def read_endpoint(file: FileName, *, batch: bool = False) -> CliFile:
    """The endpoint in a file. Raises ValueError as `read_deployment`."""
    return _parse_endpoint(file.read(MAX_BYTES), file.shown, file.path, batch)


def findings(read: CliFile, overrides: Mapping[str, Any]) -> Iterator[Finding]:
    """What azure-ai-ml itself rejects in a file that is valid here, with the overrides that a request would have."""
    for error in read.definition.errors(overrides):
        yield Finding(str(error), read.name, read.yaml.line(error.path) if error.path else 0)


def check_local_files(file: FileName, read: CliFile) -> None:
    """Check the files and folders that a deployment's file names: azure-ai-ml uploads them. Raises ValueError."""
    _raise(read.yaml, local_files.problems(read.content, file))


@lru_cache(maxsize=64)  # the validators, `plan` and `run` read the same file
def _parse_deployment(data: bytes, name: str, path: FilePath, batch: bool, kubernetes: bool) -> CliFile:
    yaml = CliYaml.parse(data, name)
    _raise(yaml, _other_file(yaml.content, "deployment"))
    kind = _kind(yaml.content, batch=batch, kubernetes=kubernetes)
    nested = yaml.content.get("type") == "model" or "settings" in yaml.content
    tables = {
        Kind.MANAGED: schema.MANAGED,
        Kind.KUBERNETES: schema.KUBERNETES,
        Kind.BATCH: schema.BATCH_MODEL if nested else schema.BATCH,
    }
    loader = (
        "load_online_deployment" if kind is not Kind.BATCH else WITH_SETTINGS if nested else "load_batch_deployment"
    )
    definition = Definition(_text(data), path, loader, "resources" in yaml.content)
    return _checked(yaml, kind, definition, tables[kind], _deployment_problems(yaml.content, kind))


@lru_cache(maxsize=64)
def _parse_endpoint(data: bytes, name: str, path: FilePath, batch: bool) -> CliFile:
    yaml = CliYaml.parse(data, name)
    _raise(yaml, _other_file(yaml.content, "endpoint"))
    kind = _kind(yaml.content, batch=batch or "defaults" in yaml.content, kubernetes="compute" in yaml.content)
    tables = {
        Kind.MANAGED: schema.MANAGED_ENDPOINT,
        Kind.KUBERNETES: schema.KUBERNETES_ENDPOINT,
        Kind.BATCH: schema.BATCH_ENDPOINT,
    }
    loader = "load_batch_endpoint" if kind is Kind.BATCH else "load_online_endpoint"
    definition = Definition(_text(data), path, loader)
    return _checked(yaml, kind, definition, tables[kind], _endpoint_problems(yaml.content, kind))


def _other_file(content: Mapping[str, Any], wanted: str) -> Iterator[Problem]:
    """One problem if the file defines something else than is wanted, a deployment or an endpoint."""
    if wanted == "deployment" and content.get("type") == "pipeline":
        yield Problem(
            ("type",),
            "a deployment of type pipeline has a component and no model, so no registered model can be deployed by it; "
            "create it with the CLI, and start its runs with do: pipeline and batch_endpoint",
        )
        return
    defines = str(content.get("$schema")).rpartition("/")[2].removesuffix(".json").removesuffix(".schema")
    noun = next((noun for noun in _USES if defines.casefold().endswith(noun)), wanted)
    if noun != wanted:
        yield Problem(("$schema",), f"{defines} is no {wanted}; {_USES[noun]}")


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig")


def _kind(content: Mapping[str, Any], *, batch: bool, kubernetes: bool) -> Kind:
    """The kind of a file, by its type, its ``$schema``, or keys that only files of this kind have."""
    words = f"{content.get('type')} {content.get('$schema')}".casefold()
    if content.get("type") in ("model", "pipeline") or "batch" in words:
        return Kind.BATCH
    if "kubernetes" in words:
        return Kind.KUBERNETES
    if "managed" in words:
        return Kind.MANAGED
    only_batch = {*schema.BATCH.keys, *schema.BATCH_MODEL.keys} - {*schema.KUBERNETES.keys, *schema.MANAGED.keys}
    if batch or (not kubernetes and not only_batch.isdisjoint(map(str, content))):
        return Kind.BATCH
    return Kind.KUBERNETES if kubernetes else Kind.MANAGED


def _checked(yaml: CliYaml, kind: Kind, definition: Definition, table: Table, more: Iterable[Problem]) -> CliFile:
    """The file. Raises ValueError if it does not fit the table, or has `more` problems or misplaced expressions."""
    problems = [*table.problems(yaml.content, ())]
    problems += [*_expressions(yaml.content, ()), *([] if problems else more)]  # `more` needs the right types
    templates: dict[str, dict[str, Template]] = {}
    for where in _TEMPLATES:
        values: Any = yaml.content
        for part in where:
            values = values.get(part, {}) if isinstance(values, Mapping) else {}
        for name, value in values.items() if isinstance(values, Mapping) else ():
            try:
                templates.setdefault(".".join(map(str, where)), {})[name] = Template(_as_text(value))
            except ValueError as error:
                problems.append(Problem((*where, name), f"{dotted((*where, name))}: {error}"))
    _raise(yaml, problems)
    return CliFile(yaml.name, kind, definition, yaml.content, yaml, templates)


def _as_text(value: Any) -> str:
    """The text of a variable or a tag, which Azure ML has as a text: of true, ``true``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _expressions(value: Any, path: Path) -> Iterator[Problem]:
    """Texts with an expression that would not be rendered, but be used as it is."""
    if path in _TEMPLATES and isinstance(value, Mapping):
        yield from (_expression((*path, name), at_key=True) for name in value if _has_expression(name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if _has_expression(name):
                yield _expression((*path, name), at_key=True)
            yield from _expressions(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _expressions(inner, (*path, index))
    elif _has_expression(value):
        yield _expression(path)


def _has_expression(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _expression(path: Path, *, at_key: bool = False) -> Problem:
    text = (
        f"{dotted(path)} is not a template, so {{{{ … }}}} and {{% … %}} have no effect in it; "
        "the values of environment_variables and of tags are"
    )
    return Problem(path, text, at_key)


def _deployment_problems(content: Mapping[str, Any], kind: Kind) -> Iterator[Problem]:
    """What the schema does not say, and azure-ai-ml or the service would say at the request only."""
    count = content.get("instance_count")
    if count is not None and int(count) < 1:
        yield Problem(("instance_count",), f"instance_count should be 1 or more, not {count}")
    scale = (content.get("scale_settings") or {}).get("type")
    if kind is Kind.MANAGED and scale is not None and scale.casefold() != "default":
        yield Problem(
            ("scale_settings", "type"),
            "a managed deployment takes only scale_settings of type default; it scales by the rules of Azure Monitor",
        )
    rate = (content.get("data_collector") or {}).get("sampling_rate")
    if rate is not None and not 0 <= float(rate) <= 1:
        yield Problem(("data_collector", "sampling_rate"), f"sampling_rate should be from 0 to 1, not {rate}")
    where: Path = ("settings",) if "settings" in content else ()
    settings: Mapping[str, Any] = content["settings"] if where else content
    if settings.get("output_file_name") and str(settings.get("output_action")).casefold() == "summary_only":
        yield Problem((*where, "output_file_name"), "output_file_name has no use with output_action: summary_only")
    if where and content.get("resources") and settings.get("instance_count"):
        yield Problem((*where, "instance_count"), "settings.instance_count cannot be combined with resources")
    code = content.get("code_configuration")
    if code is not None and not (code.get("code") and code.get("scoring_script")):
        yield Problem(("code_configuration",), "code_configuration needs both code and scoring_script")
    environment = content.get("environment")
    if isinstance(environment, Mapping) and bool(environment.get("image")) == bool(environment.get("build")):
        yield Problem(("environment",), "an environment needs either an image or a build", at_key=True)


def _endpoint_problems(content: Mapping[str, Any], kind: Kind) -> Iterator[Problem]:
    for key in ("traffic", "mirror_traffic", "defaults"):
        if content.get(key):
            yield Problem((key,), f"{key}: the roll-out decides which deployment gets requests; remove it", at_key=True)
    mode = str(content.get("auth_mode", "")).casefold().replace("_", "")
    if kind is Kind.KUBERNETES and mode == "aadtoken":
        yield Problem(("auth_mode",), "an endpoint on Kubernetes takes no Entra tokens: write key, or aml_token")
    if kind is Kind.BATCH and mode not in ("", "aadtoken"):
        yield Problem(("auth_mode",), "a batch endpoint takes Entra tokens only: write aad_token")
    users = (content.get("identity") or {}).get("user_assigned_identities") or []
    if len(users) > 1:
        yield Problem(("identity", "user_assigned_identities"), "an endpoint takes only one user-assigned identity")


def _raise(yaml: CliYaml, problems: Iterable[Problem]) -> None:
    """Raise ValueError with the first problems by position, if there are any."""
    found = list(problems)
    if not found:
        return
    texts = [f"{_position(yaml, each.path, each.at_key)}: {each.text}" for each in found]
    more = len(texts) - _MOST_PROBLEMS
    listed = "; ".join(texts[:_MOST_PROBLEMS])
    raise ValueError(f"{listed}; and {more} more" if more > 0 else listed)


def _position(yaml: CliYaml, path: Path, at_key: bool) -> str:
    """The file, line and column of the value at a path, or of its key."""
    node: Node = yaml.root
    mark = node.start_mark
    for part in path:
        if isinstance(node, MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                break
            key, node = pair
            is_last = part is path[-1]
            mark = key.start_mark if (is_last and at_key) else node.start_mark
        elif isinstance(node, SequenceNode) and isinstance(part, int):
            node = node.value[part]
            mark = node.start_mark
    return f"{yaml.name}:{mark.line + 1}:{mark.column + 1}"
