"""`bounded`: plain data cut to a size, as it is kept of each event of a window."""

import json
from collections.abc import Mapping
from typing import Any

_LIMITS = (
    (1_000, 100),
    (200, 30),
    (50, 10),
)  # characters of a text, members of a mapping or a list; the first that fit
_DEPTH = 8  # levels of nesting that are kept
_CUT = "…"


def bounded(view: Mapping[str, Any], size: int) -> dict[str, Any]:
    """A copy of an event's view whose JSON has at most `size` characters; a view that is small enough is itself copied.

    Long texts end in an ellipsis. Further members of large mappings and lists are left out, and so are deep levels. If
    that is not enough, the data of the event is left out, and at last everything but its short texts.
    """
    plain = dict(view)
    if _fits(plain, size):
        return plain
    for text, count in _LIMITS:
        plain = {name: _cut(value, text, count, _DEPTH) for name, value in view.items()}
        if _fits(plain, size):
            return plain
    plain["data"] = {}
    if _fits(plain, size):
        return plain
    short = {name: value for name, value in plain.items() if isinstance(value, str)}
    return {**dict([*short.items()][:20]), "data": {}}


def _fits(value: Any, size: int) -> bool:
    return len(json.dumps(value, ensure_ascii=False)) <= size


def _cut(value: Any, text: int, count: int, depth: int) -> Any:
    match value:
        case str():
            return value if len(value) <= text else value[: text - 1] + _CUT
        case Mapping() if depth:
            kept = [*value.items()][:count]
            return {_cut(name, text, count, depth): _cut(inner, text, count, depth - 1) for name, inner in kept}
        case list() if depth:
            return [_cut(inner, text, count, depth - 1) for inner in value[:count]]
        case Mapping() | list():
            return None
    return value
