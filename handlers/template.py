"""`Template`: a string over the event, in a rule's ``with:``.

A template sees plain data only, spelled as in ``when:`` (`schemas.Event.view`); never a Python object, so there are no
methods to call and nothing to escape to. Keys are found without regard to case; `{{ data.runTags.items }}` is the tag,
not `dict.items`. A missing key is an error, unless the template says otherwise:
`{{ data.modelTags.endpoint | default('churn') }}`. What an event contains is never read as a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jinja2 import StrictUndefined, TemplateError, TemplateRuntimeError, TemplateSyntaxError, Undefined, nodes
from jinja2.runtime import Context, LoopContext
from jinja2.utils import missing
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from handlers.template_limits import BoundedEnvironment, bounded
from schemas import Event


def _find(keys: Mapping[str, Any], wanted: str) -> str | None:
    """The key as it is spelled there: exactly so if there is one, else without regard to case."""
    if wanted in keys:
        return wanted
    folded = wanted.casefold()
    return next((key for key in keys if key.casefold() == folded), None)


class _Context(Context):
    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        if found is missing and (name := _find(self.parent, key)) is not None:
            return self.parent[name]
        return found


class _Environment(BoundedEnvironment):
    context_class = _Context

    def __init__(self, **options: Any) -> None:
        super().__init__(undefined=StrictUndefined, **options)
        self.globals = {"range": self.globals["range"]}  # the others are objects, whose attributes are out of reach
        del self.filters["attr"]  # it reaches attributes past `getattr`
        del self.filters["safe"]  # it would let an event add markup

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj  # the first key that is missing is the one to name
        if isinstance(obj, list | tuple | str) and isinstance(argument, int):
            return super().getitem(obj, argument)
        if isinstance(obj, Mapping) and (key := _find(obj, str(argument))) is not None:
            return obj[key]
        return self.undefined(hint=f"the event has no {argument!r} here")

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)  # loop.index and its like
        return self.getitem(obj, attribute)


# Other templates, of which there are none, and the switch that would let an event add markup.
_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Extends: "extends",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.ScopedEvalContextModifier: "autoescape",
}


class Template:
    """A compiled template; compiling raises ValueError, so that a bad one is found when the rules load."""

    _environment: ClassVar[_Environment] = _Environment()

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            tree = self._environment.parse(source)
            for node in tree.find_all(tuple(_REFUSED)):
                raise TemplateSyntaxError(f"{{% {_REFUSED[type(node)]} %}} cannot be used here", node.lineno)
            self._compiled = self._environment.compiled(tree)
        except TemplateSyntaxError as error:
            raise ValueError(f"bad template, line {error.lineno}: {error.message}") from error

    @property
    def is_constant(self) -> bool:
        """Does it say the same whatever the event?"""
        return not any(mark in self.source for mark in ("{{", "{%", "{#"))

    def render(self, event: Event, **more: Any) -> str:
        """The text for this event. Raises jinja2.TemplateError: UndefinedError for what the event does not have,
        TemplateRuntimeError for what does not work with it, or takes too much of it (handlers/template_limits.py).
        """
        try:
            with bounded():
                return str(self._compiled.render({**event.view(), **more}))
        except TemplateError:
            raise
        except Exception as error:  # an operation on the wrong type, say: permanent, like any mistake in a template
            raise TemplateRuntimeError(f"{type(error).__name__}: {error}") from error

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Template) and other.source == self.source

    def __hash__(self) -> int:
        return hash((type(self), self.source))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.no_info_before_validator_function(
            lambda value: value.source if isinstance(value, Template) else value,
            text,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda template: template.source),
        )


class HtmlTemplate(Template):
    """A template of HTML: what comes from the event is escaped, so that it cannot add markup."""

    _environment: ClassVar[_Environment] = _Environment(autoescape=True)
