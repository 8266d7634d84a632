"""`JsonTemplate`: a setting that is JSON, in which each text is a template.

The structure is the rule's: an event fills in values, and cannot add a key. A text that is a single expression, such as
`{{ data.runTags }}`, becomes the expression's value with its type; any other text stays a text. Keys are literal.
"""

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, ClassVar, TypeAlias

from jinja2 import TemplateRuntimeError, Undefined, nodes
from jinja2.utils import consume
from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from handlers.base import GiveUp
from handlers.template import Template, rendering, values_of
from handlers.templates.budget import charge
from handlers.templates.text_filters import Absent
from schemas import Event

MAX_LEAVES = 1_000  # of a body in a rule
MAX_LEVELS = 32  # of nesting in a rule
MAX_BYTES = 1_000_000  # of JSON that is sent

_VALUE = "value_of_the_expression"  # the variable in which a template leaves it
_Path: TypeAlias = tuple[str | int, ...]


class Leaf(Template):
    """A text in JSON."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        body = self._environment.parse(source.strip()).body
        self._expression = None
        if len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1:
            [only] = body[0].nodes
            if not isinstance(only, nodes.TemplateData):
                assign = nodes.Assign(nodes.Name(_VALUE, "store"), only, lineno=1)
                tree = nodes.Template([assign], lineno=1)
                tree.set_environment(self._environment)
                self._expression = self._environment.from_string(tree)

    @property
    def has_type(self) -> bool:
        """Is it a single expression?"""
        return self._expression is not None

    def value(self, values: Mapping[str, Any]) -> Any:
        """What it stands for: JSON, of any type if it is a single expression."""
        if self._expression is None:
            return str(self._compiled.render(values))
        context = self._expression.new_context(dict(values))
        consume(self._expression.root_render_func(context))
        found = context.vars[_VALUE]
        charge(found)
        return _plain(found, self._environment.encode or str)


class JsonTemplate:
    """JSON with templates. Raises pydantic's ValidationError, with the position of each error, as the rules load."""

    leaf: ClassVar[type[Leaf]] = Leaf

    def __init__(self, source: Any) -> None:
        self.source = source
        errors: list[InitErrorDetails] = []
        self.templates: list[Template] = []
        self._tree = self._compiled(source, (), errors)
        if len(self.templates) > MAX_LEAVES:
            errors.append(_error((), source, f"{len(self.templates):,} templates; at most {MAX_LEAVES:,} are allowed"))
        if errors:
            raise ValidationError.from_exception_data("JsonTemplate", errors)

    @property
    def is_text(self) -> bool:
        """Is it a text in every case, and not one expression that may have any type?"""
        return isinstance(self.source, str) and not (self.templates and self._tree.has_type)

    def render(self, event: Event, **more: Any) -> Any:
        """The JSON for an event, as plain data. Raises jinja2.TemplateError. All leaves share one budget of work."""
        with rendering():
            return _rendered(self._tree, values_of(event, more))

    def _compiled(self, value: Any, path: _Path, errors: list[InitErrorDetails]) -> Any:
        if len(path) > MAX_LEVELS:
            errors.append(_error(path, value, f"more than {MAX_LEVELS} levels of nesting"))
            return None
        match value:
            case str():
                return self._leaf(value, path, errors)
            case Mapping():
                for key in value:
                    if not isinstance(key, str) or "{{" in key or "{%" in key:
                        errors.append(_error((*path, str(key)), key, "a key is a literal text, and no template"))
                return {str(key): self._compiled(each, (*path, str(key)), errors) for key, each in value.items()}
            case list():
                return [self._compiled(each, (*path, index), errors) for index, each in enumerate(value)]
            case None | bool() | int() | float() if value is None or isfinite(value):
                return value
        errors.append(_error(path, value, "should be JSON: a text, a number, true, false, null, a list or an object"))
        return None

    def _leaf(self, text: str, path: _Path, errors: list[InitErrorDetails]) -> Any:
        try:
            leaf = self.leaf(text)
        except ValueError as error:
            errors.append(_error(path, text, str(error)))
            return None
        if leaf.is_constant:
            return text
        self.templates.append(leaf)
        return leaf

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonTemplate) and other.source == self.source

    def __hash__(self) -> int:
        return hash(json.dumps(self.source, sort_keys=True, default=str))

    def __repr__(self) -> str:
        return f"JsonTemplate({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            json_schema_input_schema=core_schema.any_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda template: template.source),
        )


def json_bytes(value: Any, most: int = MAX_BYTES, what: str = "the body") -> bytes:
    """Plain data as JSON in UTF-8. Raises GiveUp if it has more bytes than `most`."""
    found = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    if len(found) > most:
        raise GiveUp(f"{what} has {len(found):,} bytes; at most {most:,} are allowed: send less of the event")
    return found


def _rendered(tree: Any, values: Mapping[str, Any]) -> Any:
    match tree:
        case Leaf():
            return tree.value(values)
        case dict():
            return {key: _rendered(each, values) for key, each in tree.items()}
        case list():
            return [_rendered(each, values) for each in tree]
    return tree


def _plain(value: Any, encode: Callable[[str], str]) -> Any:
    """A value of an expression as JSON can hold it, with its texts encoded. `charge` has limited its nesting."""
    match value:
        case Absent():
            return None
        case Undefined():
            return str(value)  # raises the error that names the key
        case str():
            return encode(str(value))  # without the type Markup
        case None | bool() | int():
            return value
        case float() if isfinite(value):
            return value
        case Mapping():
            return {str(key): _plain(each, encode) for key, each in value.items()}
        case list() | tuple() | range():
            return [_plain(each, encode) for each in value]
    raise TemplateRuntimeError(f"{type(value).__name__} {value!r:.40} is not a value of JSON")


def _error(path: _Path, value: Any, message: str) -> InitErrorDetails:
    # The message is an argument: braces in it are no placeholders.
    problem = PydanticCustomError("json_template", "{message}", {"message": message})
    return InitErrorDetails(type=problem, loc=path, input=value)
