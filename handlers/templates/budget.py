"""The budget of a template, so that no rule and no event can keep a worker busy or fill its memory.

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

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateRuntimeError

from schemas.plain import fold

MAX_WORK = 100_000_000  # units; a fifth is enough to render the largest event, a million characters, several times
OPERATION, ITEM = 300, 80  # units
MAX_DIGITS = 4_300  # of an integer: the most that Python converts to text
MAX_DEPTH = 100  # levels of nesting; an event has at most schemas.plain.DEPTH_LIMIT

_FEW = 16  # keys
_MAX_BITS = MAX_DIGITS * 10 // 3


class _Rendering:
    """What is left of the budget of one rendering, and the names of the large mappings that it has searched."""

    __slots__ = ("left", "names")

    def __init__(self) -> None:
        self.left = MAX_WORK
        self.names: dict[int, tuple[Mapping[str, Any], dict[str, str]]] = {}  # by the address of the mapping


# Without a default: nothing may be evaluated outside of `limited`, such as a constant while its template is compiled.
_rendering: ContextVar[_Rendering] = ContextVar("_rendering")


@contextmanager
def limited() -> Iterator[None]:
    """Give the renderings in this block one budget. Raises TemplateRuntimeError when it is used up.

    A block within another shares its budget: a body of many templates costs no more than one template.
    """
    if _rendering.get(None) is not None:
        yield
        return
    token = _rendering.set(_Rendering())
    try:
        yield
    finally:
        _rendering.reset(token)


def spend(work: int) -> None:
    """Take units of work from the budget. Raises TemplateRuntimeError if it is used up."""
    rendering = _rendering.get()
    rendering.left -= max(work, 0)  # a negative width must not refill the budget
    if rendering.left < 0:
        raise TemplateRuntimeError(
            "the template does too much: it repeats too often, or handles too much text. "
            "Limit the sizes that come from the event: [data.runTags.width | int, 80] | min"
        )


def spelled(keys: Mapping[str, Any], name: str) -> str | None:
    """The first key that is this name in any case, or None. Large mappings are searched once: a template may loop."""
    folded = fold(name) or ""
    if len(keys) <= _FEW:
        spend(len(keys) * 10)
        return next((key for key in keys if fold(key) == folded), None)
    known = _rendering.get().names
    if id(keys) not in known:
        spend(len(keys) * 10)
        known[id(keys)] = keys, {fold(key) or "": key for key in reversed([*keys])}
    return known[id(keys)][1].get(folded)


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
        check_bits(value.bit_length())
    elif isinstance(value, range):
        cost += len(value) * ITEM
    elif isinstance(value, Mapping):
        inner = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        inner = value
    spend(cost)
    return cost + sum(charge(item, factor, depth + 1) for item in inner)


def check_bits(bits: int) -> None:
    """Raises TemplateRuntimeError for a number that has too many bits."""
    if bits > _MAX_BITS:
        raise TemplateRuntimeError(f"the template computes a number of more than {MAX_DIGITS:,} digits")
