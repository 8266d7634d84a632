"""Read values of a response, which may have any type: what has another than the documented one counts as missing."""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.fields import format_time, parse_time

TEXT_LIMIT = 4_000  # characters of a text
NAME_LIMIT = 300  # characters of a name
MOST = 50  # tags, metrics or deployments that are kept

# learn.microsoft.com/dotnet/standard/base-types, "Standard TimeSpan format strings", the constant format
_TIME_SPAN = re.compile(r"(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)")
# Control characters, but not tab and newline; sequences that color the text of a terminal; halves of surrogate pairs.
_UNPRINTABLE = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def object_of(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The JSON objects in a list; none if the value is no list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def text(value: Any, limit: int = TEXT_LIMIT) -> str | None:
    """The value if it is a text that is not blank: without control characters, cut to the limit with an ellipsis."""
    if not isinstance(value, str):
        return None
    clean = printable(value[: 2 * limit]).strip()
    return (clean if len(clean) <= limit else clean[: limit - 1] + "…") or None


def name(value: Any) -> str | None:
    """The value if it is a text that is not blank, cut as a name."""
    return text(value, NAME_LIMIT)


def printable(value: str) -> str:
    """The text without control characters, except tabs and newlines, and without half surrogate pairs."""
    return _UNPRINTABLE.sub("", value)


def number(value: Any) -> float | None:
    """The value if it is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """The value if it is a whole number from 0 to a billion."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and 0 <= found <= 1e9 else None


def texts(value: Any) -> dict[str, str]:
    """The texts in an object of texts, such as tags, by name."""
    found = {str(name(key) or ""): text(each, NAME_LIMIT) for key, each in object_of(value).items()}
    return {key: each for key, each in list(found.items())[:MOST] if key and each is not None}


def moment(value: Any) -> datetime | None:
    """The time that a text in ISO 8601 stands for; None for any other value."""
    try:
        return parse_time(value[:NAME_LIMIT]) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def time(value: Any) -> str | None:
    """A time as events have it."""
    return format_time(moment(value))


def seconds(value: Any) -> float | None:
    """The length of a .NET TimeSpan, such as ``1.02:03:04.5``; None for any other value."""
    found = _TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    days, hours, minutes, rest = found.groups()
    return timedelta(int(days or 0), float(rest), hours=int(hours), minutes=int(minutes)).total_seconds()


def between(start: Any, end: Any) -> float | None:
    """The seconds between two times; None if one is missing, or if the end is before the start."""
    begun, ended = moment(start), moment(end)
    if not begun or not ended:
        return None
    length = (ended - begun).total_seconds()
    return length if length >= 0 else None
