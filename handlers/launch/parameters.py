"""The parameters of a pipeline of Data Factory or Synapse: JSON of the declared types, with templates in it."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from handlers.base import GiveUp
from handlers.template import Template
from schemas import Event

_CLASSES: Mapping[str, tuple[type, ...]] = {  # learn.microsoft.com/rest/api/datafactory, ParameterType
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "array": (list,),
    "object": (dict,),
}
_TEXTS = ("string", "securestring")
_INVALID = "Input should be a text, a number, true or false, a list or a mapping (key: value)"


def _validate(value: Any) -> Any:
    """Turn the texts in a value from YAML into templates."""
    match value:
        case str():
            return Template(value)
        case float() if not isfinite(value):
            raise PydanticCustomError("parameter", "Input should be a finite number")
        case bool() | int() | float() | Template():
            return value
        case Mapping():
            return {str(name): _validate_item(item) for name, item in value.items()}
        case Sequence():
            return tuple(_validate_item(item) for item in value)
    raise PydanticCustomError("parameter", _INVALID)


def _validate_item(value: Any) -> Any:
    return None if value is None else _validate(value)


Parameter: TypeAlias = Annotated[Any, PlainValidator(_validate)]


def render_parameters(parameters: Mapping[str, Any], event: Event) -> dict[str, Any]:
    """Render the parameters for an event; leave out those that are an empty text. Raises jinja2.TemplateError."""
    rendered = {name: _render(value, event) for name, value in parameters.items()}
    return {name: value for name, value in rendered.items() if not (isinstance(value, str) and not value.strip())}


def _render(value: Any, event: Event) -> Any:
    """Render the templates in a parameter; return JSON data. Raises jinja2.TemplateError."""
    match value:
        case Template():
            return value.render(event)
        case Mapping():
            return {name: _render(item, event) for name, item in value.items()}
        case tuple():
            return [_render(item, event) for item in value]
    return value


def convert_parameter(name: str, value: Any, type_name: str) -> Any:
    """Convert a rendered parameter to the type that the pipeline declares. Raises GiveUp if that is not possible."""
    try:
        converted = _convert(value, type_name.casefold())
        json.dumps(converted, allow_nan=False)  # Python reads 1e999 as infinity, which JSON cannot express
    except (ValueError, RecursionError) as error:
        text = value if isinstance(value, str) else json.dumps(value)
        raise GiveUp(f"the parameter {name!r} should be of type {type_name}, not {text[:100]!r}") from error
    return converted


def _convert(value: Any, type_name: str) -> Any:
    """Convert a value, a text as JSON. Raises ValueError."""
    if type_name in _TEXTS:
        if isinstance(value, list | dict):
            raise ValueError
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str):
        value = json.loads(value.strip().lower() if type_name == "bool" else value, parse_constant=_reject_constant)
    if type_name == "int" and isinstance(value, float) and value.is_integer():
        value = int(value)
    is_bool = isinstance(value, bool) and type_name in ("int", "float")  # to Python, a bool is an int
    if is_bool or not isinstance(value, _CLASSES.get(type_name, (object,))):
        raise ValueError
    return value


def _reject_constant(name: str) -> None:
    """Reject NaN and Infinity, which Python accepts as JSON."""
    raise ValueError(name)
