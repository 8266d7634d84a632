"""What a rule gives to the job that it starts: texts, numbers, data.

A command names its inputs as ${{inputs.x}} (learn.microsoft.com, "CLI (v2) command job YAML schema"), Azure ML puts
literal ones into it as they are, and a shell reads the line. So what comes from an event, whose tags anybody may have
written, goes in without what means something to a shell. And it cannot name a local file, which would be uploaded.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Tag

from handlers.azure.ml.components import Input
from handlers.base import GiveUp
from handlers.template import Template
from schemas import Event

_SCALARS = ("string", "boolean", "integer", "number")
DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
_FOLDER = "uri_folder"  # what data is where nobody says so, as for the CLI

_SAFE = r"\w.,:=@%+/\-"  # means nothing to a shell
_NOT_SAFE = re.compile(rf"[^{_SAFE}]+")
_REMOTE = re.compile(r"(?:azureml:|https?://|abfss?://|wasbs?://|adl://|/subscriptions/)\S+")
_WHOLE = re.compile("[+-]?[0-9]{1,18}")
_SAFE_PATH = re.compile(rf"[{_SAFE}?]+")


class DataInput(BaseModel):
    """Data, as the CLI's YAML names it. Without a type, it is of the declared one, else a folder."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    type: Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"] | None = None
    path: Template
    mode: Literal["ro_mount", "rw_mount", "download", "direct", "eval_mount", "eval_download"] | None = None


def _a_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} cannot be an input's name: write letters, digits and _, no digit first")
    return name


InputName: TypeAlias = Annotated[str, AfterValidator(_a_name)]


def _form(value: Any) -> str | None:
    """Which of the forms of an input is meant: what is wrong with it is told of that one."""
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
        _form,
        custom_error_type="input",
        custom_error_message="Input should be a text, a number, true or false, or data: a mapping with a path",
    ),
]
Inputs: TypeAlias = Mapping[InputName, InputValue]
Value: TypeAlias = bool | int | float | str | dict[str, str]  # a mapping names data: type, path, mode


@dataclass(frozen=True, slots=True)
class Rendered:
    """An input for one event; `foreign` if the event had a hand in it."""

    value: Value
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """Inputs as they are given, and the names of those that are not quite what their templates said."""

    values: Mapping[str, Value] = field(default_factory=dict)
    changed: tuple[str, ...] = ()


def render(inputs: Inputs, event: Event) -> dict[str, Rendered]:
    """The inputs for an event; one that comes out empty is not given. Raises jinja2.TemplateError."""
    rendered = {name: _rendered(value, event) for name, value in inputs.items()}
    return {name: one for name, one in rendered.items() if one.value not in ("", None)}


def _rendered(value: InputValue, event: Event) -> Rendered:
    match value:
        case DataInput():
            path = value.path.render(event).strip()
            said = {key: text for key, text in (("type", value.type), ("mode", value.mode)) if text}
            return Rendered({**said, "path": path} if path else "", not value.path.is_constant)
        case Template():
            return Rendered(value.render(event).strip(), not value.is_constant)
    return Rendered(value)


def fit(rendered: Mapping[str, Rendered], declared: Mapping[str, Input] | None, what: str) -> Given:
    """The inputs as what takes them declares them; None: it cannot be asked.

    Raises GiveUp for one that it does not take, for one that it lacks, and for one that is not of its type.
    """
    if declared is not None:
        _check_names(rendered, declared, what)
    kinds = {name: one.type.casefold() for name, one in (declared or {}).items()}
    fitted = {name: _fitted(name, one, kinds.get(name, "")) for name, one in rendered.items()}
    changed = [name for name, value in fitted.items() if _is_changed(value, rendered[name].value)]
    return Given({name: value for name, value in fitted.items() if value != ""}, tuple(changed))


def _is_changed(value: Value, said: Value) -> bool:
    return isinstance(value, str) and isinstance(said, str) and value != said


def _check_names(rendered: Mapping[str, Rendered], declared: Mapping[str, Input], what: str) -> None:
    if unknown := [name for name in rendered if name not in declared]:
        raise GiveUp(f"{what} has no input {unknown[0]!r}; it has {', '.join(declared) or 'none'}")
    if missing := [name for name, one in declared.items() if one.needed and name not in rendered]:
        raise GiveUp(f"{what} needs the input {missing[0]!r}")


def _fitted(name: str, one: Rendered, kind: str) -> Value:
    value = one.value
    if isinstance(value, dict):
        if kind and kind not in DATA_TYPES:
            raise GiveUp(f"the input {name!r} should be a {kind}, not data")
        stated = value.get("type") or kind or _FOLDER
        if kind and stated != kind:
            raise GiveUp(f"the input {name!r} should be a {kind}, not a {stated}: leave out its type")
        return {**value, "type": stated, "path": _path(name, value["path"], one.foreign)}
    if kind in DATA_TYPES:
        return {"type": kind, "path": _path(name, str(value), one.foreign)}
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        typed = _typed(text, kind, one.foreign)
    except ValueError as error:
        raise GiveUp(f"the input {name!r} should be a {kind}, not {text[:100]!r}") from error
    return typed if kind in _SCALARS or isinstance(value, str) else value


def _typed(text: str, kind: str, foreign: bool) -> Value:
    """A text as what is declared. Raises ValueError."""
    match kind:
        case "boolean":
            if text.casefold() not in ("true", "false"):
                raise ValueError
            return text.casefold() == "true"
        case "integer" | "number" if _WHOLE.fullmatch(text):
            return int(text)
        case "integer" if re.fullmatch(r"[+-]?[0-9]{1,18}\.0+", text):
            return int(text.partition(".")[0])
        case "number" if isfinite(number := float(text)):
            return number
        case "integer" | "number":
            raise ValueError
    return " ".join(_NOT_SAFE.sub(" ", text).split()) if foreign else text


def _path(name: str, path: str, foreign: bool) -> str:
    if not _REMOTE.fullmatch(path) or (foreign and not _SAFE_PATH.fullmatch(path)):
        raise GiveUp(
            f"the input {name!r} should name data in Azure (azureml:churn@latest, azureml://datastores/…, https://…), "
            f"not {path[:100]!r}; a local file is for the job's own YAML to name"
        )
    return path
