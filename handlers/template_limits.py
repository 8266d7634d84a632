"""Limit the work of a template, so that no rule and no event can keep a worker busy or fill its memory.

A rule is written by a team that is trusted, but sizes may come from the event: ``{{ '-' * data.width }}``,
``{% for n in range(data.n) %}``. Jinja does not limit the time of a rendering, and all functions of a process share its
memory. So each rendering has a budget of `MAX_WORK`. The same template on the same event always costs the same:

    each iteration of a loop, call, filter, test, lookup, arithmetic operation and output    OPERATION
    each value that one of these gets, returns or writes, and each value inside it           ITEM
    each character of such a value                                                           1; slow filters: more

The budget is charged before the work is done: a repetition that would exceed it does not allocate anything. The prices
come from measurements: no known template needs more than two seconds to spend the whole budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2 import TemplateRuntimeError, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from handlers import template_filters

MAX_WORK = 100_000_000  # units; a fifth is enough to render the largest event, a million characters, several times
OPERATION, ITEM = 300, 80  # units
MAX_SOURCE = 100_000  # characters of a template
MAX_RANGE = 100_000  # numbers
MAX_DIGITS = 4_300  # of an integer: the most that Python converts to text
MAX_DEPTH = 100  # levels of nesting; an event has at most schemas.plain.DEPTH_LIMIT

_MAX_BITS = MAX_DIGITS * 10 // 3
_SIZED = (str, list, tuple)

# Without a default: nothing may be evaluated outside of `limited`, such as a constant while its template is compiled.
_left: ContextVar[list[int]] = ContextVar("_left")


@contextmanager
def limited() -> Iterator[None]:
    """Give the rendering in this block its own budget. Raises TemplateRuntimeError when it is used up."""
    token = _left.set([MAX_WORK])
    try:
        yield
    finally:
        _left.reset(token)


def spend(work: int) -> None:
    """Take units of work from the budget. Raises TemplateRuntimeError if it is used up."""
    left = _left.get()
    left[0] -= max(work, 0)  # a negative width must not refill the budget
    if left[0] < 0:
        raise TemplateRuntimeError(
            "the template does too much: it repeats too often, or handles too much text. "
            "Limit the sizes that come from the event: [data.runTags.width | int, 80] | min"
        )


def charge(value: Any, factor: int = 1, depth: int = 0) -> int:
    """Spend what it costs to handle a value and everything in it, and return how much that was.

    `factor` is the price of a character. Raises TemplateRuntimeError, also for a value with too many levels or digits.
    """
    if depth > MAX_DEPTH:
        raise TemplateRuntimeError(f"a value in the template has more than {MAX_DEPTH} levels of nesting")
    cost = ITEM
    inner: Iterable[Any] = ()
    if isinstance(value, str):
        # In a list or a mapping, a text is written as Python shows it: \U0001f680 for one character.
        cost += len(value) * (10 if depth and factor == 1 and not value.isprintable() else factor)
    elif isinstance(value, int):
        _check_bits(value.bit_length())
    elif isinstance(value, range):
        cost += len(value) * ITEM
    elif isinstance(value, Mapping):
        inner = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        inner = value
    spend(cost)
    return cost + sum(charge(item, factor, depth + 1) for item in inner)


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which rendering spends a budget, with the filters and tests of handlers/template_filters.py.

    Its templates render only within a ``with limited()``.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=_written, optimized=False, **options)
        self.code_generator_class = _LimitedCode
        self.globals = {"range": _range}
        self.filters = {name: _paid(name, filter) for name, filter in template_filters.FILTERS.items()}
        self.tests = {name: _paid(name, test) for name, test in template_filters.TESTS.items()}

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
            _check_bits(left.bit_length() * max(right, 0))
        elif operator == "%" and isinstance(left, str):
            spend(template_filters.added_by_format(left, right))
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


class _LimitedCode(CodeGenerator):
    """Compiles a template so that its environment sees every value whose size matters."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        raise nodes.Impossible  # constant text goes through `finalize`, too: a loop may write it many times

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - the name of the node
        node.iter = _passed_to("iterated", node.iter)
        super().visit_For(node, frame)

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
        super().visit_Getitem(node, frame)

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:  # noqa: N802 - the name of the node
        self._check_name("filter", node, self.environment.filters)
        super().visit_Filter(node, frame)

    def visit_Test(self, node: nodes.Test, frame: Frame) -> None:  # noqa: N802 - the name of the node
        self._check_name("test", node, self.environment.tests)
        super().visit_Test(node, frame)

    def _check_name(self, kind: str, node: nodes.Filter | nodes.Test, known: Mapping[str, Any]) -> None:
        if node.name not in known:
            instead = template_filters.INSTEAD.get(node.name, f"there are {', '.join(filter(str.isidentifier, known))}")
            self.fail(f"there is no {kind} {node.name!r}: {instead}", node.lineno)

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
    factor = template_filters.SLOW.get(name, 1)
    added = template_filters.ADDED.get(name)

    @wraps(function)
    def paid(*args: Any, **options: Any) -> Any:
        spend(OPERATION)
        value, *more = args[first:]
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


def _check_bits(bits: int) -> None:
    if bits > _MAX_BITS:
        raise TemplateRuntimeError(f"the template computes a number of more than {MAX_DIGITS:,} digits")
