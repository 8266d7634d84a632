"""The Jinja environment of templates, in which all work is paid from the budget (handlers/templates/budget.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from jinja2 import TemplateRuntimeError, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.lexer import TOKEN_STRING, Lexer, Token
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from handlers.templates import checks, filters
from handlers.templates.budget import ITEM, OPERATION, charge, check_bits, spend
from handlers.templates.text_filters import Absent
from schemas.plain import MAX_NAMES

MAX_SOURCE = 100_000  # characters of a template
MAX_RANGE = 100_000  # numbers

_NO_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\(?![\\\\'\"\nabfnrtv0-7xNuU])")
_SIZED = (str, list, tuple)


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which rendering spends a budget, with the filters and tests of handlers/templates/filters.py.

    Its templates render only within a ``with limited()``. `encode` changes each value that a template writes, and not
    the template's own text.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, *, encode: Callable[[Any], str] | None = None, **options: Any) -> None:
        super().__init__(finalize=_written, optimized=False, **options)
        self.encode = encode
        self.code_generator_class = _LimitedCode
        self._lexer = _Lexer(self)
        self.globals = {"range": _range}
        self.filters = {name: _paid(name, filter) for name, filter in filters.FILTERS.items()}
        self.tests = {name: _paid(name, test) for name, test in filters.TESTS.items()}

    @property
    def lexer(self) -> Lexer:
        """The lexer of templates."""
        return self._lexer

    def charged(self, value: Any) -> Any:
        """The value. `call` has charged it, as the argument of this call."""
        return value

    def iterated(self, values: Iterable[Any]) -> Iterable[Any]:
        """The values of a loop, after charging all of its iterations: Jinja's loops have no break."""
        if not isinstance(values, Undefined | Mapping | range | str | list | tuple):
            raise TemplateRuntimeError(f"a loop cannot go through {type(values).__name__}")
        spend(OPERATION * len(values))
        return values

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The result of an arithmetic operation."""
        spend(OPERATION)
        sizes = charge(left), charge(right)
        if operator == "*":
            for size, some, times in zip(sizes, (left, right), (right, left), strict=True):
                if isinstance(some, _SIZED) and isinstance(times, int):
                    spend((size - ITEM) * max(times, 0))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            check_bits(left.bit_length() * max(right, 0))
        elif operator == "%" and isinstance(left, str):
            spend(filters.added_by_format(left, right))
        result = super().call_binop(context, operator, left, right)
        charge(result)
        return result

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as the base class
        """The result of a call: of a macro, of `range`, of a recursive loop."""
        spend(OPERATION)
        charge([*args, *(value for name, value in kwargs.items() if name not in {"_loop_vars", "_block_vars"})])
        if isinstance(__obj, LoopContext):
            __self.iterated(*args)
        return super().call(__context, __obj, *args, **kwargs)


class _Lexer(Lexer):
    """Keeps a backslash that begins no escape of Python, as in ``'\\d+'``, about which Python would warn."""

    def wrap(
        self, stream: Iterable[tuple[int, str, str]], name: str | None = None, filename: str | None = None
    ) -> Iterator[Token]:
        """The tokens of a template, with their values."""
        kept = (
            (line, token, _NO_ESCAPE.sub(r"\\\g<0>", text) if token == TOKEN_STRING else text)
            for line, token, text in stream
        )
        return super().wrap(kept, name, filename)


class _LimitedCode(CodeGenerator):
    """Compiles a template so that its environment sees every value whose size matters."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        raise nodes.Impossible  # constant text goes through `finalize`, too: a loop may write it many times

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - the name of the node
        node.iter = _passed_to("iterated", node.iter)
        super().visit_For(node, frame)

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802 - the name of the node
        if self.environment.encode is not None:  # type: ignore[attr-defined]
            node.nodes = [n if isinstance(n, nodes.TemplateData) else _passed_to("encode", n) for n in node.nodes]
        super().visit_Output(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - the name of the node
        node.nodes = [_passed_to("charged", part) for part in node.nodes]
        super().visit_Concat(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802 - the name of the node
        node.expr = _passed_to("charged", node.expr)
        for operand in node.ops:
            operand.expr = _passed_to("charged", operand.expr)
        super().visit_Compare(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802 - the name of the node
        if isinstance(node.arg, nodes.Slice):  # a slice is a copy, and does not go through `getitem`
            node.node = _passed_to("charged", node.node)
        if not self._write_path(node, frame):
            super().visit_Getitem(node, frame)

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:  # noqa: N802 - the name of the node
        self._check(checks.check_filter, node)
        super().visit_Filter(node, frame)

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:  # noqa: N802 - the name of the node
        self._check(checks.check_test, node)
        super().visit_Test(node, frame)

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802
        self._names = checks.own_names(node)
        super().visit_Template(node, frame)

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802
        self._check(checks.check_call, node, self._names)
        super().visit_Call(node, frame, forward_caller=forward_caller)

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - the name of the node
        if not self._write_path(node, frame):
            super().visit_Getattr(node, frame)

    def _write_path(self, node: nodes.Getattr | nodes.Getitem, frame: Frame) -> bool:
        """Write several names in a row as one look-up, because a member's name may have dots; else write nothing."""
        names: list[str] = []
        inner: nodes.Expr = node
        while (name := checks.name_of(inner)) is not None:
            names.append(name)
            inner = inner.node  # type: ignore[attr-defined]
        if len(names) < 2 or node.ctx != "load":
            return False
        if len(names) > MAX_NAMES:
            self.fail(f"{len(names)} names in a row; at most {MAX_NAMES} are allowed", node.lineno)
        self.write("environment.member(")
        self.visit(inner, frame)
        self.write(f", {names[::-1]!r})")
        return True

    def _check(self, check: Callable[..., None], node: nodes.Node, *more: Any) -> None:
        """Report what a check finds, with the line in the template."""
        try:
            check(node, *more)
        except ValueError as error:
            self.fail(str(error), node.lineno)

    def _refuse(self, node: nodes.Node, frame: Frame) -> None:
        tag = {"FromImport": "from", "ScopedEvalContextModifier": "autoescape"}
        self.fail(f"{{% {tag.get(type(node).__name__, type(node).__name__.lower())} %}} cannot be used", node.lineno)

    # There are no other templates; and an event must not be able to add markup.
    visit_Extends = visit_Include = visit_Import = visit_FromImport = visit_ScopedEvalContextModifier = _refuse  # noqa: N815


def _passed_to(method: str, node: nodes.Node) -> nodes.Expr:
    """A call of a method of the environment with the value of a node."""
    place = {"lineno": node.lineno, "environment": node.environment}
    return nodes.Call(nodes.EnvironmentAttribute(method, **place), [node], [], None, None, **place)


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if numbers[MAX_RANGE:]:
        raise TemplateRuntimeError(f"range makes at most {MAX_RANGE:,} numbers")
    return numbers


def _written(value: Any) -> Any:
    spend(OPERATION)
    charge(value)
    return value


def _paid(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or a test that spends what its arguments cost, what it is about to add, and what its result costs."""
    first = int(hasattr(function, "jinja_pass_arg"))  # Jinja puts the context or the environment before the value
    factor = filters.SLOW.get(name, 1)
    added = filters.ADDED.get(name)
    passes_absent = filters.FILTERS.get(name) is function and name not in filters.FOR_ABSENT

    @wraps(function)
    def paid(*args: Any, **options: Any) -> Any:
        spend(OPERATION)
        value, *more = args[first:]
        if passes_absent and isinstance(value, Absent):
            return value
        charge(value, factor)
        charge([*more, *options.values()])
        if added is not None and not isinstance(value, Undefined):
            spend(added(value, *more, **options))
        result = function(*args, **options)
        if isinstance(result, Iterator):
            result = list(result)
        charge(result)
        return result

    return paid
