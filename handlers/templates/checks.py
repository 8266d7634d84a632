"""Checks of a template as it is compiled: what can never render is an error when the rules load, with a hint.

The functions raise ValueError.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from inspect import BoundArguments, Signature, signature, unwrap
from typing import Any

from jinja2 import nodes

from handlers.templates import dates, filters, text_filters

_UNKNOWN = object()  # the value of an expression that is not a constant
_FUNCTIONS = {"range", "loop", "caller", "self"}
_LOOP_FUNCTIONS = {"cycle", "changed"}
_INSTEAD_OF_METHOD = {
    **dict.fromkeys(("split", "rsplit", "splitlines", "partition", "rpartition"), "split: value | split(';')"),
    **dict.fromkeys(("strip", "lstrip", "rstrip"), "trim: value | trim"),
    **dict.fromkeys(("strftime", "isoformat", "astimezone", "date"), "date: eventTime | date('%Y-%m-%d')"),
    **dict.fromkeys(
        ("startswith", "endswith", "match", "search", "fullmatch", "find", "index", "isdigit", "isnumeric", "isalpha"),
        "regex_search: value | regex_search('^prod-')",
    ),
    **dict.fromkeys(
        ("sub", "removeprefix", "removesuffix", "translate"), "regex_replace: value | regex_replace('^azureml:', '')"
    ),
    **dict.fromkeys(("items", "values"), "items: {% for key, value in tags | items %}"),
    "keys": "list: tags | list",
    "get": "default: tags.owner | default('nobody')",
    "format": "format: '%s has %s' | format(a, b)",
    "replace": "replace: value | replace('a', 'b')",
    "join": "join: values | join(', ')",
    "count": "length: value | split(';') | length",
    "casefold": "lower: value | lower",
    "zfill": "format: '%05d' | format(number)",
}


def own_names(template: nodes.Template) -> set[str]:
    """The names that the template itself defines: its macros, variables and their parameters."""
    macros = {macro.name for macro in template.find_all(nodes.Macro)}
    return macros | {name.name for name in template.find_all(nodes.Name) if name.ctx in ("store", "param")}


def name_of(node: nodes.Node) -> str | None:
    """The name in ``x.name`` and ``x['name']``; None for any other expression."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return None


def check_call(node: nodes.Call, names: set[str]) -> None:
    """Only macros, `range` and functions of ``loop`` can be called: values have no methods."""
    called = node.node
    if isinstance(called, nodes.EnvironmentAttribute):
        return
    if isinstance(called, nodes.Name):
        if called.name not in names | _FUNCTIONS:
            raise ValueError(f"there is no function {called.name}(). {_instead_of(called.name)}")
        return
    method = name_of(called)
    if method is None:
        raise ValueError("a value of an event cannot be called")
    owner = called.node  # type: ignore[attr-defined]
    if isinstance(owner, nodes.Name) and (owner.name == "self" or (owner.name == "loop" and method in _LOOP_FUNCTIONS)):
        return
    raise ValueError(f"values have no methods, so .{method}() cannot be called. {_instead_of(method)}")


def _instead_of(name: str) -> str:
    if name in ("now", "utcnow", "today", "strptime"):
        return "Use the time of the event: eventTime | date('%Y-%m-%d', days=-1)"
    if instead := _INSTEAD_OF_METHOD.get(name):
        return f"Use the filter {instead}"
    if close := get_close_matches(name, _callable_filters(), n=1, cutoff=0.75):
        return f"Use the filter {close[0]}: value | {close[0]}"
    return "Use a filter, such as value | lower"


def _callable_filters() -> list[str]:
    return [name for name in filters.FILTERS if name.isidentifier()]


def check_filter(node: nodes.Filter) -> None:
    """The filter must exist and take these arguments. Those that are constants must be valid."""
    _check_known("filter", node.name, filters.FILTERS, filters.INSTEAD)
    bound = _bound(node.name, node.node, node)
    match node.name:
        case "map" if node.args and isinstance(name := constant(node.args[0]), str):
            _check_known("filter", name, filters.FILTERS, filters.INSTEAD)
            _check_arguments(name, _bound(name, node.node, node, skip=1))
        case "select" | "reject" if node.args and isinstance(name := constant(node.args[0]), str):
            _check_known("test", name, filters.TESTS)
        case "selectattr" | "rejectattr" if len(node.args) > 1 and isinstance(name := constant(node.args[1]), str):
            _check_known("test", name, filters.TESTS)
        case _:
            _check_arguments(node.name, bound)


def check_test(node: nodes.Test) -> None:
    """The test must exist."""
    _check_known("test", node.name, filters.TESTS)


def constant(node: Any) -> Any:
    """The value of a literal; `_UNKNOWN` for any other expression."""
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, nodes.Neg) and isinstance(number := constant(node.node), int | float):
        return -number
    return _UNKNOWN


def _check_known(kind: str, name: str, known: Mapping[str, Any], instead: Mapping[str, str] | None = None) -> None:
    if name in known:
        return
    names = sorted(filter(str.isidentifier, known))
    hint = (instead or {}).get(name)
    if hint is None:
        close = get_close_matches(name.lower(), names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    raise ValueError(f"there is no {kind} {name!r}: {hint}")


@cache
def _signature(name: str) -> tuple[Signature, int]:
    """The signature of a filter, and how many arguments Jinja passes before the value."""
    function = filters.FILTERS[name]
    return signature(function), int(hasattr(unwrap(function), "jinja_pass_arg"))


def _bound(name: str, value: nodes.Expr | None, node: nodes.Filter, skip: int = 0) -> BoundArguments | None:
    """The nodes of a filter's arguments by parameter; None if they are known only when it renders."""
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return None
    found, before = _signature(name)
    options = {str(option.key): option.value for option in node.kwargs}
    try:
        return found.bind(*[None] * before, value, *node.args[skip:], **options)
    except TypeError as error:
        raise ValueError(f"the filter {name} is used wrongly: {error}") from error


def _check_arguments(name: str, bound: BoundArguments | None) -> None:
    if name not in ("split", "regex_search", "regex_replace", "date"):
        return
    if bound is None:
        raise ValueError(f"the filter {name} takes no *arguments or **arguments")
    given = {parameter: constant(argument) for parameter, argument in bound.arguments.items() if parameter != "value"}
    match name:
        case "split" if given.get("separator", _UNKNOWN) is not _UNKNOWN:
            text_filters.checked_separator(given["separator"])
        case "regex_search" | "regex_replace":
            _check_regex(given)
        case "date":
            _check_date(given, bound.arguments.get("shifts", {}))


def _check_regex(given: Mapping[str, Any]) -> None:
    for parameter in ("pattern", "replacement"):
        if parameter in given and not isinstance(given[parameter], str):
            raise ValueError(f"the {parameter} of a regular expression must be a text in quotes")
    regex = text_filters.compiled(given["pattern"])
    if given.get("group", _UNKNOWN) is not _UNKNOWN:
        regex.group(given["group"])
    if "replacement" in given:
        regex.replacement(given["replacement"])


def _check_date(given: Mapping[str, Any], shifts: Mapping[str, nodes.Expr]) -> None:
    if given.get("format", _UNKNOWN) is not _UNKNOWN:
        dates.check_format(given["format"])
    if given.get("zone", _UNKNOWN) is not _UNKNOWN:
        dates.checked_zone(given["zone"])
    for unit, amount in shifts.items():
        number = constant(amount)
        dates.checked_shift(unit, 0 if number is _UNKNOWN else number)
