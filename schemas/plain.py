"""Reading JSON within bounds that keep everything after it safe: what comes out is plain data that prints again."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from schemas.envelope import open_envelope
from schemas.errors import MalformedEvent, Problem, shown

DEPTH_LIMIT = 64  # levels of nesting: the default of Newtonsoft.Json, with which the Functions host reads events
_DIGITS_LIMIT = 309  # no double, and so no number of most JSON libraries, has more before the point
_PROBLEMS_LIMIT = 10
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_plain(raw: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    """The one event in a JSON text or in plain data, copied into dict, list, str, int, float, bool and None.

    Lone surrogates, which no UTF-8 can hold, become U+FFFD. Raises MalformedEvent for what is not JSON, not one event,
    nested too deeply, or holds a number that is not finite.
    """
    value = raw if isinstance(raw, Mapping | list) else _load(raw)
    if isinstance(value, list):
        if len(value) != 1:
            raise MalformedEvent(Problem("event", f"an array of {len(value)}", "one event"))
        value = value[0]
    if not isinstance(value, Mapping):
        raise MalformedEvent(Problem("event", shown(value), "a JSON object"))
    problems: list[Problem] = []
    plain: dict[str, Any] = _plain(value, "", 1, problems)
    if problems:
        raise MalformedEvent(*problems[:_PROBLEMS_LIMIT], **open_envelope(plain).summary)
    return plain


def _load(raw: str | bytes) -> Any:
    try:
        text = bytes(raw).decode("utf-8-sig") if isinstance(raw, bytes | bytearray) else raw
        if not isinstance(text, str):
            raise MalformedEvent(Problem("event", shown(raw), "JSON as text or bytes, or a mapping"))
        return json.loads(text.removeprefix("\ufeff"), parse_int=_integer)
    except UnicodeDecodeError as error:
        expected = f"UTF-8 ({error.reason} at byte {error.start})"
    except json.JSONDecodeError as error:
        expected = f"JSON ({error.msg} at line {error.lineno}, column {error.colno})"
    except RecursionError:
        expected = f"at most {DEPTH_LIMIT} levels of nesting"
    raise MalformedEvent(Problem("event", shown(raw), expected))


def _integer(digits: str) -> float:
    return int(digits) if len(digits.removeprefix("-")) <= _DIGITS_LIMIT else float("inf")


def _plain(value: Any, where: str, depth: int, problems: list[Problem]) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return _clean(value)
        case int() | float() if _is_finite(value):
            return value
        case datetime():
            return value.isoformat()
        case Mapping() | list() | tuple() if depth <= DEPTH_LIMIT:
            return _container(value, where, depth, problems)
    problems.append(_refused(value, where))
    return None


def _container(value: Any, where: str, depth: int, problems: list[Problem]) -> Any:
    if not isinstance(value, Mapping):
        return [_plain(item, f"{where}[{index}]", depth + 1, problems) for index, item in enumerate(value)]
    plain = {}
    for key, item in value.items():
        if isinstance(key, str):
            name = _clean(key)
            plain[name] = _plain(item, f"{where}.{name}" if where else name, depth + 1, problems)
        else:
            problems.append(Problem(_place(where), shown(key), "a text as the name of a field"))
    return plain


def _refused(value: Any, where: str) -> Problem:
    where = _place(where)
    if isinstance(value, Mapping | list | tuple):
        return Problem(where, f"more than {DEPTH_LIMIT} levels of nesting", f"at most {DEPTH_LIMIT}")
    if isinstance(value, int | float):
        return Problem(where, "a number out of bounds", "a number that is finite as a double")
    return Problem(where, shown(value), "what JSON can hold")


def _place(where: str) -> str:
    """A path as an error message shows it; the names in it are the sender's, of any length and any characters."""
    return shown(where)[1:-1] or "event"


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _is_finite(number: float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # an int that no double can hold
        return False
