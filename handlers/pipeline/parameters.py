"""What a rule gives to a Data Factory pipeline: JSON of the types that the pipeline declares, with templates in it."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from handlers.base import GiveUp
from handlers.template import Template
from schemas import Event

_KINDS: Mapping[str, tuple[type, ...]] = {  # learn.microsoft.com/rest/api/datafactory, ParameterType
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "array": (list,),
    "object": (dict,),
}
_TEXTS = ("string", "securestring")
_FORMS = "Input should be a text, a number, true or false, a list or a mapping (key: value)"


def _checked(value: Any) -> Any:
    """As YAML has it, its texts as templates."""
    match value:
        case str():
            return Template(value)
        case float() if not isfinite(value):
            raise PydanticCustomError("parameter", "Input should be a number that there is")
        case bool() | int() | float() | Template():
            return value
        case Mapping():
            return {str(name): _inside(part) for name, part in value.items()}
        case Sequence():
            return tuple(_inside(part) for part in value)
    raise PydanticCustomError("parameter", _FORMS)


def _inside(value: Any) -> Any:
    return None if value is None else _checked(value)


Parameter: TypeAlias = Annotated[Any, PlainValidator(_checked)]


def rendered(value: Any, event: Event) -> Any:
    """A parameter for an event, as JSON has it. Raises jinja2.TemplateError."""
    match value:
        case Template():
            return value.render(event)
        case Mapping():
            return {name: rendered(part, event) for name, part in value.items()}
        case tuple():
            return [rendered(part, event) for part in value]
    return value


def fitted(name: str, value: Any, kind: str) -> Any:
    """A parameter, rendered, as it is declared. Raises GiveUp for what is not of its type."""
    try:
        typed = _typed(value, kind.casefold())
        json.dumps(typed, allow_nan=False)  # 1e999 is read as a number that there is not
    except (ValueError, RecursionError) as error:
        told = value if isinstance(value, str) else json.dumps(value)
        raise GiveUp(f"the parameter {name!r} should be of type {kind}, not {told[:100]!r}") from error
    return typed


def _typed(value: Any, kind: str) -> Any:
    """Raises ValueError."""
    if kind in _TEXTS:
        if isinstance(value, list | dict):
            raise ValueError
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str):
        value = json.loads(value.strip().lower() if kind == "bool" else value, parse_constant=_no_number)
    if kind == "int" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, _KINDS.get(kind, (object,))) or (isinstance(value, bool) and kind in ("int", "float")):
        raise ValueError
    return value


def _no_number(name: str) -> None:
    """For NaN and Infinity, which Python takes for JSON."""
    raise ValueError(name)
