"""`Template`: a setting that is rendered for each event, with Jinja2.

A template sees the event as plain data, with the same keys as ``when:`` (`schemas.Event.view`). It reaches no Python
object: there are no methods to call, and `{{ data.runTags.items }}` is the tag of that name, not `dict.items`. Keys
match without regard to case. A missing key is an error, unless the template has a default for it, as in
`{{ data.modelTags.endpoint | default('churn') }}`, or tests it with ``if``. Text from an event is never evaluated as a
template. What the service knows about the event's object (`Event.facts`) is asked for when a template names it, and is
empty where the service does not know it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from jinja2 import TemplateError, TemplateRuntimeError, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.runtime import Context, LoopContext
from jinja2.utils import missing
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from handlers.templates.budget import MAX_DIGITS, OPERATION, limited, spelled, spend
from handlers.templates.keys import Read, reads
from handlers.templates.limits import MAX_SOURCE, LimitedEnvironment
from handlers.templates.text_filters import Absent, Missing
from schemas import Event
from schemas.plain import MISSING, reach


def _find(keys: Mapping[str, Any], name: str) -> str | None:
    """The key in the spelling that it has there: an exact match, else the first match without regard to case."""
    spend(OPERATION)
    if name in keys:
        return name
    return spelled(keys, name)


def _step(holder: object, name: str) -> object:
    """The member with this name, as `schemas.plain.step` finds it; MISSING if `holder` is no mapping or lacks it."""
    if not isinstance(holder, Mapping) or (key := _find(holder, name)) is None:
        return MISSING
    return holder[key]


class _Known(dict[str, Any]):
    """A part of what the service knows about an event's object. What it lacks is no error."""


class _Unread:
    """One of an event's facts, which is read when a template names it."""

    def __init__(self, event: Event, name: str) -> None:
        self._read = partial(event.fact, name)
        self._found: Any = None

    def __call__(self) -> Any:
        """The fact as plain data, the same object each time: large mappings are searched by their address."""
        if self._found is None:
            self._found = _marked(self._read().view())
        return self._found


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return _Known({name: _marked(each) for name, each in value.items()})
    return [_marked(each) for each in value] if isinstance(value, list) else value


def values_of(event: Event, more: Mapping[str, Any]) -> dict[str, Any]:
    """What templates read: the event's view, its facts, which are not read yet, and what a handler adds."""
    return {**event.view(), **{name: _Unread(event, name) for name in event.facts}, **more}


class _Context(Context):
    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        if found is missing and (name := _find(self.parent, key)) is not None:
            found = self.parent[name]
        return found() if isinstance(found, _Unread) else found


class _Environment(LimitedEnvironment):
    context_class = _Context

    def __init__(self, **options: Any) -> None:
        super().__init__(undefined=Missing, **options)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The item of a mapping, a list or a text; an undefined value, which names the key, if there is none."""
        if isinstance(obj, Undefined):
            return obj  # an error shall name the first key that is missing
        if isinstance(obj, list | tuple | str) and isinstance(argument, int):
            spend(OPERATION)
            return super().getitem(obj, argument)
        if isinstance(obj, Mapping) and (key := _find(obj, str(argument))) is not None:
            return obj[key]
        if isinstance(obj, _Known):
            return Absent(name=str(argument))
        return self.undefined(hint=f"the event has no {argument!r} here")

    def member(self, obj: Any, names: list[str]) -> Any:
        """What several names in a row find. As in conditions, a name may have dots: `data.runTags.azureml.pipelineid`.

        A nested member comes first, then the longest name (`schemas.plain.reach`).
        """
        nested = obj
        for name in names:
            nested = self.getattr(nested, name)
        if isinstance(nested, Undefined) and not isinstance(obj, Undefined):
            spend(OPERATION * len(names))
            found = reach(obj, names, _step)
            return nested if found is MISSING else found
        return nested

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As `getitem`: a template reaches no attributes, except those of ``loop``."""
        if isinstance(obj, LoopContext):
            spend(OPERATION)
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)


@contextmanager
def rendering() -> Iterator[None]:
    """Limit the work of what is rendered in this block. Raises jinja2.TemplateError for every error in it."""
    try:
        with limited():
            yield
    except TemplateError:
        raise
    except RecursionError as error:
        raise TemplateRuntimeError("the template calls itself too often, one call inside the other") from error
    except Exception as error:  # such as an operation on the wrong type: it fails again on the same event
        raise TemplateRuntimeError(f"{type(error).__name__}: {error}") from error


class Template:
    """A compiled template. Raises ValueError for a source that is invalid or too large, as the rules load."""

    _environment: ClassVar[_Environment] = _Environment()

    def __init__(self, source: str) -> None:
        self.source = source
        if len(source) > MAX_SOURCE:
            raise ValueError(f"bad template: it has {len(source):,} characters; at most {MAX_SOURCE:,} are allowed")
        try:
            self._compiled = self._environment.from_string(source)
        except TemplateSyntaxError as error:
            raise ValueError(f"bad template, line {error.lineno}: {error.message}") from error
        except (SyntaxError, RecursionError, MemoryError) as error:  # the limits of Python's own compiler
            raise ValueError("bad template: it is nested too deeply, or an expression is too long") from error
        except ValueError as error:
            raise ValueError(f"bad template: a number has more than {MAX_DIGITS:,} digits") from error

    @property
    def is_constant(self) -> bool:
        """Is the text the same for every event?"""
        return not any(mark in self.source for mark in ("{{", "{%", "{#"))

    @property
    def names(self) -> frozenset[str]:
        """The top-level names that it may read from an event's view, in lower case: ``workspace``. None is left out."""
        parsed = self._environment.parse(self.source)
        return frozenset(name.lower() for name in meta.find_undeclared_variables(parsed))

    @property
    def reads(self) -> list[Read]:
        """The keys of the event that it reads."""
        return reads(self._environment.parse(self.source))

    def render(self, event: Event, **more: Any) -> str:
        """Render the text for an event. Raises jinja2.TemplateError: UndefinedError for a key that is missing,
        TemplateRuntimeError for an operation that fails or takes too much work (handlers/templates/limits.py).
        """
        with rendering():
            return str(self._compiled.render(values_of(event, more)))

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
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda template: template.source),
        )


def encoding(encode: Callable[[str], str]) -> _Environment:
    """The environment of templates that change each value that they write as `encode` does, and not their own text."""
    return _Environment(encode=lambda value: encode(str(value)))


class HtmlTemplate(Template):
    """A template of HTML, which escapes every value: an event cannot add markup."""

    _environment: ClassVar[_Environment] = _Environment(autoescape=True)


# A list, a heading, a quotation, a line or code at the beginning of a line (GitHub Flavored Markdown, "Leaf blocks").
_BLOCK = re.compile(r"(?m)^(?=[ \t]*(?:[#>+=-]|\d{1,9}[.)](?:\s|$))| {4}|\t)")
_INLINE = re.compile(r"[\\[\]*~|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def _escape_markdown(value: object) -> str:
    """A value as plain text in Markdown: no markup or code, and no mention of a person, a team or an issue.

    GitHub finds mentions after it has read escapes, so an invisible space (U+200B) follows each ``@``, and each ``#``
    before a number. One precedes what would begin a block. A URL stays one: a rule may have it in a link of its own.
    """
    text = _INLINE.sub(r"\\\g<0>", re.sub("\r\n?", "\n", str(value)).replace("`", "'"))
    text = _BLOCK.sub("\u200b", text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"@|#(?=\d)", "\\g<0>\u200b", text)


class MarkdownTemplate(Template):
    """A template of GitHub's Markdown, which escapes every value: an event adds no markup or mentions."""

    _environment: ClassVar[_Environment] = _Environment(encode=_escape_markdown)


class UrlPartTemplate(Template):
    """A template of a URL's path and query. It percent-encodes every value: an event adds no segment or parameter."""

    _environment: ClassVar[_Environment] = encoding(partial(quote, safe=""))

    @property
    def pattern(self) -> str:
        """The source with NUL in place of each expression. Raises ValueError for anything but text and expressions."""
        parts: list[nodes.Expr] = []
        for node in self._environment.parse(self.source).body:
            if not isinstance(node, nodes.Output):
                raise ValueError("a URL has expressions like {{ data.runId }}, and no {% … %}")  # noqa: TRY004
            parts += node.nodes
        return "".join(each.data if isinstance(each, nodes.TemplateData) else "\0" for each in parts)
