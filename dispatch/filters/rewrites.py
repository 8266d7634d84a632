"""Read what other languages write, such as ``data.runStatus == "Failed"``, to suggest the condition that is meant."""

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise

from dispatch.filters.operators import OPERATOR_NAMES

_TEXT_OR_NUMBER = {  # what others write -> the operator for texts, and that for numbers
    **dict.fromkeys(("==", "=", "===", "eq", "equals", "is", "in", "isin", "like"), ("StringIn", "NumberIn")),
    **dict.fromkeys(("!=", "<>", "!==", "ne", "notequals", "isnot", "notin", "nin"), ("StringNotIn", "NumberNotIn")),
    **dict.fromkeys(("=~", "~", "contains", "includes", "has"), ("StringContains", "")),
    **dict.fromkeys(("!~", "notcontains", "excludes"), ("StringNotContains", "")),
    **dict.fromkeys(("startswith", "beginswith", "^="), ("StringBeginsWith", "")),
    **dict.fromkeys(("endswith", "$="), ("StringEndsWith", "")),
    **dict.fromkeys((">", "gt", "greaterthan"), ("", "NumberGreaterThan")),
    **dict.fromkeys((">=", "ge", "gte", "greaterthanorequals"), ("", "NumberGreaterThanOrEquals")),
    **dict.fromkeys(("<", "lt", "lessthan"), ("", "NumberLessThan")),
    **dict.fromkeys(("<=", "le", "lte", "lessthanorequals"), ("", "NumberLessThanOrEquals")),
    **dict.fromkeys(("between", "inrange"), ("", "NumberInRange")),
}
_NULL_TESTS = {
    **dict.fromkeys(("exists", "isdefined", "isset", "isnotempty", "isnotnone", "notnull", "isnotnull"), "IsNotNull"),
    **dict.fromkeys(("missing", "notexists", "isundefined", "isempty", "isnull", "isnone"), "IsNullOrUndefined"),
}
_SYMBOLS = re.compile(r"(===|!==|==|!=|<>|>=|<=|=~|!~|\^=|\$=|[=<>~])")
_JOINERS = {"and", "or", "&&", "||"}  # of several conditions, which need several lines
_ROOTS = {"data", "workspace", "drift", "result"}  # the first names of keys that have several
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")


def rewritten(text: str) -> str | None:
    """The condition that a text probably stands for; None if that is not clear."""
    parts = _SYMBOLS.split(text, maxsplit=1)
    if len(parts) == 3 and parts[0].strip():
        key, operator, values = parts[0].split(), parts[1], _words(parts[2])
        return _condition(key[0], operator, values) if len(key) == 1 else None  # "not x == y" is not clear
    key, *rest = text.split() or [""]
    for length in (3, 2, 1):  # is not in, not in, in
        operator = "".join(rest[:length]).lower().replace("_", "")
        values = _words(text.split(maxsplit=length + 1)[length + 1] if len(rest) > length else "")
        if length <= len(rest) and (found := _condition(key, operator, values)):
            return found
    return None


def with_quoted_key(words: Sequence[str]) -> str:
    """How to write a condition whose key has spaces; empty if these words are none."""
    operator = next((index for index, word in enumerate(words) if word.lower() in OPERATOR_NAMES), 0)
    if operator < 2 or not _is_key(words[0]):
        return ""
    key, *rest = " ".join(words[:operator]), *words[operator:]
    condition = " ".join([f'"{key}"', *map(shlex.quote, rest)])
    return f"Quote a key that has spaces, and then the whole condition: '{condition}'"


def second_condition(words: Sequence[str]) -> int | None:
    """The index of the word at which another condition begins: a key with an operator behind it."""
    pairs = enumerate(pairwise(words[2:]), start=2)
    return next((index for index, (key, word) in pairs if _is_key(key) and word.lower() in OPERATOR_NAMES), None)


def _is_key(word: str) -> bool:
    first, dot, _ = word.partition(".")
    return bool(dot) and first.lower() in _ROOTS


def _condition(key: str, operator: str, values: list[str]) -> str | None:
    operator = operator.removeprefix("string").removeprefix("number")
    if operator in _NULL_TESTS:
        return f"{key} {_NULL_TESTS[operator]}" if not values else None
    for_texts, for_numbers = _TEXT_OR_NUMBER.get(operator, ("", ""))
    numbers = bool(values) and all(_NUMBER.fullmatch(value) for value in values)
    name = for_numbers if (numbers and for_numbers) or not for_texts else for_texts
    if not name or not values:
        return None
    if name == "NumberInRange":
        values = [",".join(values)]
    return " ".join([key, name, *map(shlex.quote, values)])


def _words(text: str) -> list[str]:
    """The values in a list, whatever brackets, commas and quotes it has."""
    inner = text.strip().strip("[]()")
    try:
        words = shlex.split(inner.replace(",", " "))
    except ValueError:
        return []
    return [] if not _JOINERS.isdisjoint(words) else words
