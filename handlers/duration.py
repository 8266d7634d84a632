"""`Duration`: a span of time as rules write it: ``30s``, ``10m``, ``4h``, ``7d``, or several of these: ``1h30m``."""

import re
from datetime import timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=366)


def parse_duration(value: Any) -> timedelta:
    """A span of at most a year. Raises ValueError for all but such a text or a timedelta."""
    if isinstance(value, timedelta):
        return value
    parts = re.findall(r"(\d{1,9})([smhd])", value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is not a duration; write 30s, 10m, 4h, 7d or 1h30m")
    total = sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    if total > _LONGEST:
        raise ValueError(f"{value!r} is longer than {_LONGEST.days} days")
    return total


def format_duration(span: timedelta) -> str:
    """The text that `parse_duration` reads: ``1h30m``; parts of a second are dropped."""
    left, text = int(span.total_seconds()), ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


Duration: TypeAlias = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str, when_used="json")
]
