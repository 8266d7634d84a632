"""How much a template may do: what it makes on its way is counted, and there is an end to it.

A rule is its team's, but sizes may come from the event: ``{{ '-' * data.width }}``, ``{% for n in range(data.n) %}``.
Rendering has no time limit of its own, and the functions of a process share its memory. So whatever repeats, joins,
pads or shows something pays for it from a budget, before it is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2 import TemplateRuntimeError, Undefined, nodes, pass_context
from jinja2.runtime import Context, markup_join, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

WORK = 100_000_000  # characters in all; Event Grid delivers an event of at most a million
CALL, STEP, ITEM = 1_000, 100, 20  # what else takes time, in characters: calls; rounds and filters; items looked at
DIGITS = 4_300  # of a number: the most that Python prints

_SIZED = (str, list, tuple)

# Without a default: outside of `bounded` nothing is worked out, such as a constant while its template is compiled.
_left: ContextVar[list[int]] = ContextVar("_left")


@contextmanager
def bounded() -> Iterator[None]:
    """Rendering, in this block, has a budget. Raises TemplateRuntimeError when it is used up."""
    token = _left.set([WORK])
    try:
        yield
    finally:
        _left.reset(token)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox whose templates render only in a ``with bounded()``, and no further than that allows."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters = {name: _paying(name, function) for name, function in self.filters.items()}
        self.filters |= {_SHOWN: _shown, _JOINED: _joined, _EACH: _each}

    def compiled(self, tree: nodes.Template) -> Any:
        """A template of what `parse` gave. Raises TemplateSyntaxError."""
        return self.from_string(_Payments().visit(tree))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The result of an operation that may make much of little."""
        _spend(_size_of_operation(operator, left, right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as the base class
        """The result of a call: of a macro, of `range`, of a loop by itself."""
        _spend(CALL)
        _weigh([*args, *kwargs.values()])
        return super().call(__context, __obj, *args, **kwargs)


_SHOWN, _JOINED, _EACH = " shown", " joined", " each"  # filters that nobody can write: names have no spaces


class _Payments(NodeTransformer):
    """Puts our filters where a template shows something, joins texts, or goes round."""

    def visit_Output(self, node: nodes.Output) -> nodes.Output:  # noqa: N802 - the name of the node
        self.generic_visit(node)
        node.nodes = [_filtered(child, _SHOWN) for child in node.nodes]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - the name of the node
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno, environment=node.environment)
        return _filtered(parts, _JOINED)

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - the name of the node
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _EACH)
        return node


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


# All three are given the context because Jinja then does not try them while it compiles.
@pass_context
def _shown(_: Context, value: Any) -> Any:
    _weigh(value)
    return value


@pass_context
def _joined(context: Context, values: list[Any]) -> str:
    _weigh(values)
    return (markup_join if context.eval_ctx.autoescape else str_join)(values)


@pass_context
def _each(_: Context, values: Iterable[Any]) -> Iterator[Any]:
    return _counted(values)


def _counted(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _spend(STEP)
        yield value


def _paying(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it is given, and for what it makes of it."""
    skipped = int(hasattr(function, "jinja_pass_arg"))  # the context, or the environment, comes first
    growth = _GROWTH.get(name)

    @wraps(function)
    def paying(*args: Any, **more: Any) -> Any:
        given = [list(arg) if isinstance(arg, Iterator) else arg for arg in args[skipped:]]
        _spend(STEP)
        _weigh([*given, *more.values()])
        if growth is not None and not isinstance(given[0], Undefined):
            _spend(growth(*given, **more))
        made = function(*args[:skipped], *given, **more)
        return _counted(made) if isinstance(made, Iterator) else made

    return paying


def _weigh(value: Any) -> None:
    """Pay for the characters that a value has when it is shown, however deep; no further than the budget allows."""
    match value:
        case str():
            _spend(len(value))
        case Mapping():
            for name, item in value.items():
                _weigh(name)
                _weigh(item)
        case list() | tuple():
            for item in value:
                _weigh(item)
        case range():
            _spend(len(value) * ITEM)
    _spend(ITEM)


def _characters(value: Any) -> int:
    """As many characters as a value can have as JSON in HTML: six for each UTF-16 unit, such as \\u003c."""
    match value:
        case str():
            return len(value.encode("utf-16-le", "surrogatepass")) * 3 + 2
        case Mapping():
            return sum(_characters(name) + _characters(item) + 4 for name, item in value.items()) + 2
        case list() | tuple():
            return sum(_characters(item) + 2 for item in value) + 2
    return len(str(value))


def _spend(characters: int) -> None:
    left = _left.get()
    left[0] -= characters
    if left[0] < 0:
        raise TemplateRuntimeError(
            f"the template does more than it may: what it makes on its way has more than {WORK:,} characters, or it "
            "goes round too often. Sizes that come from an event need a bound: [data.width | int, 80] | min"
        )


def _size_of_operation(operator: str, left: Any, right: Any) -> int:
    """What the result will have, in characters and items."""
    if operator == "%" and isinstance(left, str):
        return _of_format(left, *(right if isinstance(right, tuple) else (right,)))
    if isinstance(left, int) and isinstance(right, int):
        return _of_number(left, operator, right)
    if isinstance(left, _SIZED) and isinstance(right, _SIZED):
        return len(left) + len(right)
    some, times = (right, left) if isinstance(left, int) else (left, right)
    return len(some) * max(times, 0) if isinstance(some, _SIZED) and isinstance(times, int) else 0


def _of_number(left: int, operator: str, right: int) -> int:
    bits = left.bit_length() * max(right, 0) if operator == "**" else left.bit_length() + right.bit_length()
    if bits > DIGITS * 10 // 3:
        raise TemplateRuntimeError(f"the template works out a number of more than {DIGITS:,} digits")
    return 0


def _of_format(text: str, *args: Any, **named: Any) -> int:
    """Widths and precisions stand in the text, or for a star among the arguments; each argument may come many times."""
    widths = sum(int(digits[:12]) for digits in re.findall(r"\d+", text))
    stars = sum(abs(arg) for arg in args if isinstance(arg, int)) if "*" in text else 0
    return widths + stars + text.count("%") * sum(len(str(arg)) for arg in (*args, *named.values()))


def _of_replace(text: Any, old: Any, new: Any, count: int | None = None) -> int:
    found = str(text).count(str(old))  # of nothing: between all characters
    return (found if count is None else min(found, max(count, 0))) * len(str(new))


def _of_indent(text: str, width: int | str = 4, *_: Any, **__: Any) -> int:
    return (text.count("\n") + 1) * (len(width) if isinstance(width, str) else width)


def _of_wordwrap(text: str, width: int = 79, *_: Any, wrapstring: str | None = None, **__: Any) -> int:
    """Two lines that follow each other are longer than the width, or the text itself ends the first."""
    lines = 2 * len(text) // max(width, 1) + text.count("\n") + 1
    return lines * len(wrapstring or (_[1] if len(_) > 1 else None) or "\n")


def _of_urlize(text: str, *args: Any, **more: Any) -> int:
    """A link has its text twice, and attributes."""
    added = sum(len(arg) for arg in (*args, *more.values()) if isinstance(arg, str))
    return 2 * len(text) + len(text.split()) * (60 + added)


# What filters may add to what they are given. Those that are not here make no more of it than is counted anyway.
_GROWTH: Mapping[str, Callable[..., int]] = {
    "batch": lambda value, linecount, fill_with=None: linecount,
    "center": lambda value, width=80: width,
    "format": _of_format,
    "indent": _of_indent,
    "join": lambda values, d="", attribute=None: len(values) * len(str(d)),
    "replace": _of_replace,
    "round": lambda value, precision=0, method="common": _of_number(10, "**", abs(precision)),
    "slice": lambda value, slices, fill_with=None: slices * STEP,
    "tojson": lambda value, indent=None: _characters(value) * (1 + 8 * (indent or 0)),
    "urlize": _of_urlize,
    "wordwrap": _of_wordwrap,
}
