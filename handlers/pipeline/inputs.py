"""The inputs of a job: texts, numbers and data, rendered for an event and converted to the declared types.

A command refers to an input as ${{inputs.x}} (learn.microsoft.com, "CLI (v2) command job YAML schema"). Azure ML pastes
its text into the command line, which a shell reads. Anyone who may tag a run can write the texts of an event. So a text
that depends on the event loses every character with a meaning to a shell, and the hyphens by which a command would take
a word for an option. Its data must be in Azure: azure-ai-ml
would upload a local file.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Tag

from handlers.azure.ml.assets import input_asset
from handlers.azure.ml.components import Input
from handlers.base import GiveUp
from handlers.template import Template
from schemas import Event

DEFAULT_DATA_TYPE = "uri_folder"  # the CLI's default

_LITERAL_TYPES = ("string", "boolean", "integer", "number")
_DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")

_SAFE = r"\w.,:=@%+/\-"  # characters without a meaning to a shell
_UNSAFE = re.compile(rf"[^{_SAFE}]+")
_OPTION = re.compile(r"(?<!\S)-+(?![0-9.]+(?!\S))")
_DOT_SEGMENT = re.compile(r"(?:^|[/:])(?:\.|%2e){1,2}(?=$|[/:@?])", re.IGNORECASE)
_SAFE_PATH = re.compile(rf"[{_SAFE}?]+")
_REMOTE = re.compile(r"(?:azureml:|https?://|abfss?://|wasbs?://|adl://|/subscriptions/)\S+")
_INTEGER = re.compile("[+-]?[0-9]{1,18}")


class DataInput(BaseModel):
    """An input that is data, with the keys of the CLI's YAML. The default of `type` is the declared one."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    type: Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"] | None = None
    path: Template
    mode: Literal["ro_mount", "rw_mount", "download", "direct", "eval_mount", "eval_download"] | None = None


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} cannot be the name of an input: write letters, digits and _, no digit first")
    return name


InputName: TypeAlias = Annotated[str, AfterValidator(_check_name)]


def _kind(value: Any) -> str | None:
    """The kind of an input, so that pydantic reports the errors of this kind only."""
    match value:
        case str() | Template():
            return "text"
        case Mapping() | DataInput():
            return "data"
        case bool() | int() | float():
            return "number"
    return None


InputValue: TypeAlias = Annotated[
    Annotated[bool | int | float, Tag("number")] | Annotated[DataInput, Tag("data")] | Annotated[Template, Tag("text")],
    Discriminator(
        _kind,
        custom_error_type="input",
        custom_error_message="Input should be a text, a number, true or false, or data: a mapping with a path",
    ),
]
Inputs: TypeAlias = Mapping[InputName, InputValue]
Value: TypeAlias = bool | int | float | str | dict[str, str]  # a dict is data: type, path, mode


@dataclass(frozen=True, slots=True)
class RenderedInput:
    """An input, rendered for one event."""

    value: Value
    depends_on_event: bool = False


@dataclass(frozen=True, slots=True)
class ConvertedInputs:
    """The inputs as the job gets them."""

    values: Mapping[str, Value] = field(default_factory=dict)
    changed: tuple[str, ...] = ()  # the names of texts that lost characters


def constant_inputs(inputs: Inputs) -> dict[str, RenderedInput]:
    """The inputs that are the same for every event, for checks without one."""
    return {
        name: RenderedInput(value) for name, given in inputs.items() if (value := _constant(given)) not in ("", None)
    }


def _constant(value: InputValue) -> Value | None:
    match value:
        case DataInput():
            path = value.path.source.strip() if value.path.is_constant else ""
            return {**({"type": value.type} if value.type else {}), "path": path} if path else None
        case Template():
            return value.source.strip() if value.is_constant else None
    return value


def render_inputs(inputs: Inputs, event: Event) -> dict[str, RenderedInput]:
    """Render the inputs for an event; leave out those that are empty. Raises jinja2.TemplateError."""
    rendered = {name: _render(value, event) for name, value in inputs.items()}
    return {name: each for name, each in rendered.items() if each.value not in ("", None)}


def _render(value: InputValue, event: Event) -> RenderedInput:
    match value:
        case DataInput():
            path = value.path.render(event).strip()
            keys = {key: text for key, text in (("type", value.type), ("mode", value.mode)) if text}
            return RenderedInput({**keys, "path": path} if path else "", not value.path.is_constant)
        case Template():
            return RenderedInput(value.render(event).strip(), not value.is_constant)
    return RenderedInput(value)


def example_input(value: InputValue, declared: Input) -> Value:
    """A value of the type that an input will have, for a check without an event."""
    data_type: str = declared.type if declared.type in _DATA_TYPES else ""
    if isinstance(value, DataInput):
        mode = {"mode": value.mode} if value.mode else {}
        return {"type": value.type or data_type or DEFAULT_DATA_TYPE, "path": "azureml:example:1", **mode}
    if data_type:
        return {"type": data_type, "path": "azureml:example:1"}
    examples: Mapping[str, Value] = {"boolean": True, "integer": 1, "number": 1.0}
    return examples.get(declared.type.casefold(), "example")


def convert_inputs(
    rendered: Mapping[str, RenderedInput], declared: Mapping[str, Input] | None, owner: str
) -> ConvertedInputs:
    """Convert the inputs to the types that `owner` declares; None: these are unknown.

    Raises GiveUp for an input that is not declared, for a required one that is missing, and for a value that cannot be
    converted.
    """
    if declared is not None and (unknown := [name for name in rendered if name not in declared]):
        raise GiveUp(f"{owner} has no input {unknown[0]!r}; it has {', '.join(declared) or 'none'}")
    types = {name: each.type.casefold() for name, each in (declared or {}).items()}
    values = {name: _convert(name, each, types.get(name, "")) for name, each in rendered.items()}
    changed = [name for name, value in values.items() if _is_changed(value, rendered[name].value)]
    values = {name: value for name, value in values.items() if value != ""}
    if missing := [name for name, each in (declared or {}).items() if each.needed and name not in values]:
        raise GiveUp(f"{owner} needs the input {missing[0]!r}")
    return ConvertedInputs(values, tuple(changed))


def _is_changed(converted: Value, original: Value) -> bool:
    return isinstance(converted, str) and isinstance(original, str) and converted != original


def _convert(name: str, rendered: RenderedInput, declared: str) -> Value:
    value = rendered.value
    if isinstance(value, dict):
        return _convert_data(name, value, declared, rendered.depends_on_event)
    if declared in _DATA_TYPES:
        return {"type": declared, "path": _check_path(name, str(value), declared, rendered.depends_on_event)}
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        converted = _convert_text(text, declared, rendered.depends_on_event)
    except ValueError as error:
        raise GiveUp(f"the input {name!r} should be a {declared}, not {text[:100]!r}") from error
    return converted if declared in _LITERAL_TYPES or isinstance(value, str) else value


def _convert_data(name: str, data: dict[str, str], declared: str, depends_on_event: bool) -> Value:
    if declared and declared not in _DATA_TYPES:
        raise GiveUp(f"the input {name!r} should be a {declared}, not data")
    data_type = data.get("type") or declared or DEFAULT_DATA_TYPE
    if declared and data_type != declared:
        raise GiveUp(f"the input {name!r} should be a {declared}, not a {data_type}: leave out its type")
    return {**data, "type": data_type, "path": _check_path(name, data["path"], data_type, depends_on_event)}


def _convert_text(text: str, declared: str, depends_on_event: bool) -> Value:
    """Convert a text to a literal of the declared type. Raises ValueError."""
    match declared:
        case "boolean":
            if text.casefold() not in ("true", "false"):
                raise ValueError
            return text.casefold() == "true"
        case "integer" | "number" if _INTEGER.fullmatch(text):
            return int(text)
        case "integer" if re.fullmatch(r"[+-]?[0-9]{1,18}\.0+", text):
            return int(text.partition(".")[0])
        case "number" if isfinite(number := float(text)):
            return number
        case "integer" | "number":
            raise ValueError
    return _safe(text) if depends_on_event else text


def _safe(text: str) -> str:
    """The text without unsafe characters, and without hyphens at the start of a word that is not a number."""
    return " ".join(_OPTION.sub("", _UNSAFE.sub(" ", text)).split())


def _check_path(name: str, path: str, data_type: str, depends_on_event: bool) -> str:
    """Return the path.

    Raises GiveUp if it does not lead to data in Azure, has unsafe characters of an event, or names an asset without a
    version that can be found.
    """
    if not _REMOTE.fullmatch(path) or (depends_on_event and not _SAFE_PATH.fullmatch(path)):
        raise GiveUp(
            f"the input {name!r} should name data in Azure (azureml:churn@latest, azureml://datastores/…, https://…), "
            f"not {path[:100]!r}; only the job's own YAML can name a local file"
        )
    if _DOT_SEGMENT.search(path):
        raise GiveUp(f"the input {name!r} should name data without . and .. as parts of its path, not {path[:100]!r}")
    try:
        input_asset(path, data_type)
    except ValueError as error:
        raise GiveUp(f"the input {name!r}: {error}") from error
    return path
