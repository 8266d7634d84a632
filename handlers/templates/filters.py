"""The filters and tests that a template may use: those of Jinja whose work can be limited, and text_filters.py.

`ADDED` computes the work of a filter beyond reading its arguments, mostly the characters that it adds to them. `SLOW`
has the price of a character for filters that need more than about 10 ns per character. handlers/templates/limits.py
charges both.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jinja2.filters
import jinja2.tests
from jinja2 import TemplateRuntimeError, Undefined, pass_eval_context
from jinja2.nodes import EvalContext

from handlers.templates import text_filters
from handlers.templates.text_filters import Absent


@pass_eval_context
def _tojson(context: EvalContext, value: Any, indent: int | None = None) -> str:
    """JSON as text, which HTML templates escape. Jinja's own is markup, whose quotes could end an attribute."""
    return str(jinja2.filters.do_tojson(context, None if isinstance(value, Absent) else value, indent))


_FILTERS = """
    abs capitalize center count d default dictsort e escape filesizeformat first float forceescape format groupby indent
    int items join last length list lower map max min reject rejectattr replace reverse round select selectattr sort
    string striptags sum title trim truncate unique upper urlencode urlize wordcount wordwrap
"""
_TESTS = """
    boolean defined divisibleby even false float in integer iterable lower mapping none number odd sameas sequence
    string true undefined upper eq equalto == ne != gt greaterthan > ge >= lt lessthan < le <=
"""
FILTERS: Mapping[str, Any] = {name: jinja2.filters.FILTERS[name] for name in _FILTERS.split()} | {
    "tojson": _tojson,
    **text_filters.FILTERS,
}
TESTS: Mapping[str, Any] = {name: jinja2.tests.TESTS[name] for name in _TESTS.split()}

# Why Jinja's other filters are not available, or what to use instead.
INSTEAD = {
    "attr": "write data.runTags.owner or data['runTags']['owner']",
    "batch": "use a loop",
    "pprint": "use tojson(indent=2)",
    "regex_findall": "use split, regex_search or regex_replace",
    "regex_match": "use regex_search, with a pattern that begins with ^",
    "strftime": "use date: eventTime | date('%Y-%m-%d')",
    "random": "a retry must render the same text",
    "safe": "values from an event are always escaped",
    "slice": "write data.list[:10], or use a loop",
    "xmlattr": 'write the attributes, each with its value: title="{{ data.runTags.title }}"',
}

# Filters with a result of their own for what the service does not know; all others return it as it is.
FOR_ABSENT = frozenset({"default", "d", "tojson", "list", "items", "length", "count"})

SLOW = {"tojson": 2, "urlize": 80, "wordwrap": 30, "title": 20, "wordcount": 10, "urlencode": 20, "striptags": 10}

_SPECIFIER = re.compile(r"%(?:\(\w*\))?[-+ #0]*(\*|\d*)(?:\.(\*|\d*))?(?P<type>.?)", re.DOTALL)
_MAX_SPECIFIERS = 1_000
_MAX_PRECISION = 100  # of `round`
_MAX_INDENT = 10  # of `tojson`


def added_by_format(text: str, values: Any) -> int:
    """The most that ``text % values`` adds: for each specifier its width, and the length of all values.

    Raises TemplateRuntimeError for too many specifiers, for a width that has more than three digits or comes from the
    values, and for a name that `_SPECIFIER` cannot parse; UndefinedError for a missing key, which %r would print.
    """
    for value in values if isinstance(values, tuple) else ():
        if isinstance(value, Undefined):
            str(value)  # raises the error that names the key
    specifiers = 0
    for match in _SPECIFIER.finditer(text):
        specifiers += 1
        if specifiers > _MAX_SPECIFIERS:
            raise TemplateRuntimeError(f"a format has at most {_MAX_SPECIFIERS:,} values")
        if any(size == "*" or len(size or "") > 3 for size in match.groups()[:2]):
            raise TemplateRuntimeError(f"the width in the format {match[0]!r} must be a number of at most three digits")
        if match["type"] == "(":
            raise TemplateRuntimeError("a name in a format must have letters, digits and underscores only: %(name)s")
    return specifiers * (2_000 + _length(values)) if specifiers else 0


def _format(text: str, *values: Any, **named: Any) -> int:
    return added_by_format(str(text), (*values, *named.values()))


def _indent(text: str, width: int = 4, *_: Any, **__: Any) -> int:
    if isinstance(width, str):
        raise TemplateRuntimeError("indent takes a number of spaces")
    return (text.count("\n") + 1) * width


def _length(value: Any) -> int:
    """The number of characters of a value as text. The value has been charged: this does not create a large text."""
    return len(str(value))


def _replace(text: Any, old: Any, new: Any, *_: Any, **__: Any) -> int:
    return str(text).count(str(old)) * _length(new)  # an empty `old` matches between all characters


def _round(_: Any, precision: int = 0, *__: Any, **___: Any) -> int:
    if abs(precision) > _MAX_PRECISION:
        raise TemplateRuntimeError(f"round takes a precision of at most {_MAX_PRECISION}")
    return 0


def _sum(_: Any, attribute: Any = None, start: Any = 0) -> int:
    if not isinstance(start, int | float):
        raise TemplateRuntimeError("sum adds numbers; use join for texts")
    return 0


def _tojson_indent(value: Any, indent: int | None = None, depth: int = 1) -> int:
    if not indent:
        return 0
    if indent > _MAX_INDENT:
        raise TemplateRuntimeError(f"tojson takes an indent of at most {_MAX_INDENT}")
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(indent * depth + 1 + _tojson_indent(item, indent, depth + 1) for item in inner)


def _urlize(_: Any, trim_url_limit: int | None = None, nofollow: bool = False, *more: Any, **options: Any) -> int:
    """A link has its text twice and 60 characters more, which `SLOW` covers."""
    if more or options:
        raise TemplateRuntimeError("urlize takes trim_url_limit and nofollow only")  # the others can add URL schemes
    return 0


def _wordwrap(text: str, width: int = 79, *more: Any, wrapstring: Any = None, **_: Any) -> int:
    """Two lines together are longer than the width. For each line of a long word, the rest of the word is copied."""
    end = wrapstring or (more[1] if len(more) > 1 else None) or "\n"
    return 2 * len(text) // max(width, 1) * (_length(end) + len(text) // 100) + len(text)


ADDED: Mapping[str, Callable[..., int]] = {
    "center": lambda text, width=80: width,
    "format": _format,
    "indent": _indent,
    "join": lambda values, d="", attribute=None: len(values) * _length(d),
    "replace": _replace,
    "round": _round,
    "split": text_filters.added_by_split,
    "sum": _sum,
    "tojson": _tojson_indent,
    "unique": lambda values, *_, **__: len(values) ** 2,  # numbers in an event can be chosen to have equal hashes
    "urlize": _urlize,
    "wordwrap": _wordwrap,
}
