"""Time zones by their IANA names, such as Europe/Berlin."""

import re
from collections.abc import Iterable
from datetime import UTC, tzinfo
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

_NAME = re.compile(r"(?!(posix|right)/|localtime$)[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_EXAMPLE = "Write an IANA name such as Europe/Berlin or UTC."


def time_zone(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises ValueError for an unknown name."""
    if name == "UTC":
        return UTC  # does not depend on the machine's data
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a time zone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: the name is that of a folder, such as Europe
        raise ValueError(f"there is no time zone {name!r}") from error


def suggested_zone(name: str) -> str:
    """A hint for an unknown name: the zone with a similar name or place, else how to write one."""
    known = sorted(filter(_NAME.fullmatch, available_timezones()))
    if not known:
        return "This machine has no time zone data: install the package tzdata."
    wanted = name.strip().replace(" ", "_").casefold()
    for names in (_folded(known), _folded(known, last_only=True)):
        if close := get_close_matches(wanted, names, n=1, cutoff=0.75):
            return f"Did you mean {names[close[0]]}?"
    return _EXAMPLE


def _folded(names: Iterable[str], *, last_only: bool = False) -> dict[str, str]:
    """The names by their folded spelling, or by that of their last part: the place. The first of a kind is kept."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault((name.rpartition("/")[2] if last_only else name).casefold(), name)
    return found
