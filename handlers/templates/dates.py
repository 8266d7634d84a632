"""The template filter `date`: read a time, shift it, and write it in a time zone and a format."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from schemas.errors import shown
from schemas.fields import parse_time
from schemas.time_zone import suggested_zone, time_zone

DEFAULT_FORMAT = "%Y-%m-%d %H:%M %Z"
UNITS = ("weeks", "days", "hours", "minutes", "seconds")

_MAX_FORMAT = 200  # characters
_MAX_SHIFT = 1_000_000_000  # of a unit: no date is that far from another
_MILLISECONDS = 100_000_000_000  # unix numbers from here on are milliseconds: as seconds, they are after the year 5000
_UNIX = re.compile(r"-?\d{1,7}(\.\d+)?|-?\d{9,14}(\.\d+)?", re.ASCII)  # 8 digits are a date: 20261122
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)
_OWN: Mapping[str, Callable[[datetime], str]] = {  # those that strftime does not have on every machine, or not alike
    "%": lambda _: "%",
    "F": lambda time: f"{time.year:04}-{time:%m-%d}",
    "R": lambda time: f"{time:%H:%M}",
    "T": lambda time: f"{time:%H:%M:%S}",
    "Y": lambda time: f"{time.year:04}",
    "s": lambda time: str(int(time.timestamp())),
}
_STANDARD = "aAbBdfGHIjmMpSuUVwWyzZ"
_UNPADDED = "dHIjmMSUVWy"  # after %-


def date(value: Any, format: str, zone: str, shifts: Mapping[str, float]) -> str:
    """Write a time in a format, like `datetime.strftime`, as the clocks of a time zone show it.

    `value` is a text in ISO 8601, or a unix number. A time without an offset is UTC. Weeks and days are shifted by the
    calendar of the zone, and all other units by the clock. Raises ValueError for what is invalid.
    """
    check_format(format)
    place = checked_zone(zone)
    shifts = {unit: checked_shift(unit, amount) for unit, amount in shifts.items()}
    try:
        time = _read(value).astimezone(place)
        by_calendar = timedelta(**{unit: shifts[unit] for unit in ("weeks", "days") if unit in shifts})
        by_clock = timedelta(**{unit: shifts[unit] for unit in UNITS[2:] if unit in shifts})
        time = ((time + by_calendar).astimezone(UTC) + by_clock).astimezone(place)
    except OverflowError as error:
        raise ValueError(f"date: {shown(value)}, shifted, is out of range: years are 1 to 9999") from error
    return _DIRECTIVE.sub(lambda match: _written(time, *match.groups()), format)


def check_format(format: Any) -> None:
    """Raises ValueError for a format with unknown directives, or with none."""
    if not isinstance(format, str):
        raise ValueError(f"date takes a format such as '%Y-%m-%d', not {shown(format)}")  # noqa: TRY004 - as documented
    if len(format) > _MAX_FORMAT:
        raise ValueError(f"the format has {len(format)} characters; at most {_MAX_FORMAT} are allowed")
    directives = _DIRECTIVE.findall(format)
    if not directives:
        raise ValueError(f"the format {format!r} has no directive: write it like '%Y-%m-%d %H:%M'")
    for dash, letter in directives:
        known = _UNPADDED if dash else _STANDARD + "".join(_OWN)
        if not letter or letter not in known:
            listed = " ".join(f"%{dash}{each}" for each in sorted(known, key=str.casefold))
            raise ValueError(f"there is no date directive %{dash}{letter}: there are {listed}")


def checked_zone(name: Any) -> Any:
    """The time zone of a name. Raises ValueError with a suggestion."""
    if not isinstance(name, str):
        raise ValueError(f"zone is the name of a time zone such as 'Europe/Berlin', not {shown(name)}")  # noqa: TRY004 - as documented
    try:
        return time_zone(name)
    except ValueError as error:
        raise ValueError(f"{error}. {suggested_zone(name)}") from error


def checked_shift(unit: str, amount: Any) -> float:
    """The amount by which a time is shifted. Raises ValueError for an unknown unit, and for what is no number."""
    if unit not in UNITS:
        close = get_close_matches(unit, UNITS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it takes format, zone, {', '.join(UNITS)}"
        raise ValueError(f"date has no argument {unit!r}: {hint}")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not abs(amount) <= _MAX_SHIFT:
        raise ValueError(f"{unit} is a number such as -1, not {shown(amount)}")
    return amount


def _read(value: Any) -> datetime:
    if isinstance(value, str) and _UNIX.fullmatch(text := value.strip()):
        value = float(text)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return _EPOCH + timedelta(seconds=value / 1000 if abs(value) >= _MILLISECONDS else value)
    try:
        return parse_time(value.strip())
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"date takes a time like 2026-11-22T08:41:07Z, or a unix number, not {shown(value)}"
        ) from error


def _written(time: datetime, dash: str, letter: str) -> str:
    text = _OWN[letter](time) if letter in _OWN else time.strftime(f"%{letter}")
    return (text.lstrip("0") or "0") if dash else text
