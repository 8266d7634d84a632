"""Read JSON, within limits on its nesting and numbers, into plain data that every JSON library can write again.

`step` and `reach` find the members of plain data by the names in a key, for conditions and templates alike.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, Final, TypeAlias

from schemas.envelope import open_envelope
from schemas.errors import MalformedEvent, Problem, shown

MISSING: Final = object()  # the value of a key that the data lacks; null is None
DEPTH_LIMIT = 64  # levels of nesting: the default of Newtonsoft.Json, with which the Functions host reads events
MAX_NAMES = 64  # in a key: no event has deeper levels, and joining the names of a longer key would take long
_DIGITS_LIMIT = 309  # before the decimal point; no double, and so no number of most JSON libraries, has more
_PROBLEMS_LIMIT = 10
_SURROGATE = re.compile("[\ud800-\udfff]")

# The location of a value: the location of its parent, and its name or index there. It becomes text only in an error:
# names can be long, and an event of 1 MB can have many values below a long name.
_Location: TypeAlias = "tuple[_Location, str | int] | None"


def read_plain(raw: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    """Copy the one event in a JSON text or in plain data into dict, list, str, int, float, bool and None.

    Lone surrogates, which UTF-8 cannot encode, become U+FFFD. Raises MalformedEvent if the input is not JSON or not one
    event, is nested too deeply, or contains a number that is not finite.
    """
    value = raw if isinstance(raw, Mapping | list) else _load(raw)
    if isinstance(value, list):
        if len(value) != 1:
            raise MalformedEvent(Problem("event", f"an array of {len(value)}", "one event"))
        value = value[0]
    if not isinstance(value, Mapping):
        raise MalformedEvent(Problem("event", shown(value), "a JSON object"))
    problems: list[Problem] = []
    plain: dict[str, Any] = _plain(value, None, 1, problems)
    if problems:
        raise MalformedEvent(*problems, **open_envelope(plain).summary)
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


def fold(value: object) -> str | None:
    """Return a string in upper case, with its length unchanged; None for any other value."""
    if not isinstance(value, str):
        return None
    folded = value.upper()
    if len(folded) == len(value):  # no letter becomes two, and none becomes fewer than one
        return folded
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in value)


def step(holder: object, name: str) -> object:
    """The member with this name, in the same case, else in any; MISSING if `holder` is no object or lacks it."""
    if not isinstance(holder, Mapping):
        return MISSING
    if name in holder:
        return holder[name]
    folded = fold(name)
    return next((value for key, value in holder.items() if fold(key) == folded), MISSING)


def reach(holder: object, names: Sequence[str], step: Callable[[object, str], object]) -> object:
    """Follow the names, any of which may be joined by dots to one name; the longest join comes first."""
    if not names:
        return holder
    for count in range(len(names), 0, -1):
        inner = step(holder, ".".join(names[:count]))
        if inner is not MISSING and (found := reach(inner, names[count:], step)) is not MISSING:
            return found
    return MISSING


def _plain(value: Any, location: _Location, depth: int, problems: list[Problem]) -> Any:
    kind = type(value)
    if kind is str:  # what JSON contains most; a `match` takes several times as long
        return value if value.isascii() else _clean(value)
    if (kind is list or kind is dict) and depth <= DEPTH_LIMIT:
        return _container(value, location, depth, problems)
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
            return _container(value, location, depth, problems)
    if len(problems) < _PROBLEMS_LIMIT:
        problems.append(_problem(value, location))
    return None


def _container(value: Any, location: _Location, depth: int, problems: list[Problem]) -> Any:
    if type(value) is not dict and not isinstance(value, Mapping):
        return [_plain(item, (location, index), depth + 1, problems) for index, item in enumerate(value)]
    plain = {}
    for key, item in value.items():
        if isinstance(key, str):
            name = _clean(key)
            plain[name] = _plain(item, (location, name), depth + 1, problems)
        elif len(problems) < _PROBLEMS_LIMIT:
            problems.append(Problem(_path(location), shown(key), "a text as the name of a field"))
    return plain


def _problem(value: Any, location: _Location) -> Problem:
    path = _path(location)
    if isinstance(value, Mapping | list | tuple):
        return Problem(path, f"more than {DEPTH_LIMIT} levels of nesting", f"at most {DEPTH_LIMIT}")
    if isinstance(value, int | float):
        return Problem(path, "a number out of bounds", "a number that is finite as a double")
    return Problem(path, shown(value), "what JSON can hold")


def _path(location: _Location) -> str:
    """A location as an error message shows it: ``data.extra[1].x``, shortened and with control characters escaped."""
    parts: list[str] = []
    while location:
        location, name = location
        parts.append(f"[{name}]" if isinstance(name, int) else f".{name}")
    return shown("".join(reversed(parts)).removeprefix("."))[1:-1] or "event"


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _is_finite(number: float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # the integer is too large for a double
        return False
