"""`Duration`: the type of a setting that is a span of time: ``30s``, ``10m``, ``4h``, ``7d``, or ``1h30m``.

`PollInterval` is one for the pause between two reads.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST = timedelta(days=366)
_MIN_POLL = timedelta(seconds=1)  # a shorter pause would spend the service's request quota on waiting


def parse_duration(value: Any) -> timedelta:
    """Parse a duration of at most 366 days; return a timedelta unchanged. Raises ValueError for anything else."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([0-9]{1,9}[smhd])+", value):
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            raise ValueError("this setting is not a template, so {{ … }} and {% … %} have no effect in it")
        raise ValueError(f"{value!r} is not a duration; write 30s, 10m, 4h, 7d or 1h30m")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)([smhd])", value))
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{value!r} is longer than {_LONGEST.days} days")
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """Format a duration as `parse_duration` reads it: ``1h30m``. Fractions of a second are dropped."""
    left, text = int(span.total_seconds()), ""
    for unit, size in _SECONDS.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


Duration: TypeAlias = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=Annotated[str, Field(pattern="^([0-9]{1,9}[smhd])+$")]),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]


def _check_poll(value: timedelta) -> timedelta:
    if value < _MIN_POLL:
        raise ValueError(f"write {format_duration(_MIN_POLL)} or more")
    return value


PollInterval: TypeAlias = Annotated[Duration, AfterValidator(_check_poll)]
