"""Days and times of day of `expect`, on the clock of a time zone.

When daylight saving begins, the clock skips an hour; when it ends, the clock shows an hour twice. A deadline in such an
hour is the later of the two moments that it can mean, so that nothing is reported missing too early: ``02:30`` on the
day on which the clock skips it is 03:30 of the new time, and on the day on which the clock shows it twice, the second.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from schemas.errors import shown

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")
_LEAP_YEAR = 2024
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline: its day in its time zone, its moment in UTC, and from when an event counts."""

    day: date
    at: datetime
    since: datetime


def time_of_day(text: str) -> time:
    """Read ``06:30``. Raises ValueError for any other text."""
    if found := _TIME.fullmatch(text.strip()):
        return time(int(found[1]), int(found[2]))
    raise ValueError(f'{shown(text)} is not a time of day; write "00:00" to "23:59"')


def weekdays(text: str) -> list[int]:
    """Read ``Mon``, ``Mon-Fri``, ``Fri-Mon`` or ``Mon,Wed``; 0 is Monday. Raises ValueError for any other text."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _weekday(first)
        end = _weekday(last) if dash else begin
        found += [(begin + n) % 7 for n in range((end - begin) % 7 + 1)]
    return found


def _weekday(text: str) -> int:
    word = text.strip().casefold()
    for number, name in enumerate(_FULL):
        if word in (name, name[:3]):
            return number
    raise ValueError(f"{shown(text)} is not a day of the week; write Mon, Tue, Wed, Thu, Fri, Sat, Sun or Mon-Fri")


def holiday(text: str) -> tuple[int, int, int]:
    """Read ``2026-12-25``, or ``12-25`` for every year: year or 0, month, day. Raises ValueError for any other text."""
    try:
        if found := _YEARLY.fullmatch(text):
            each = date(_LEAP_YEAR, int(found[1]), int(found[2]))
            return 0, each.month, each.day
        exact = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a date; write 2026-12-25, or 12-25 for every year") from None
    return exact.year, exact.month, exact.day


@dataclass(frozen=True, slots=True)
class Calendar:
    """Deadlines at a time of day on some days, in a time zone."""

    by: time
    zone: tzinfo
    weekdays: frozenset[int]
    holidays: frozenset[tuple[int, int, int]] = frozenset()
    within: timedelta | None = None  # how long before the deadline an event counts; None: since midnight

    def has(self, day: date) -> bool:
        """Is there a deadline on this day?"""
        off = (day.year, day.month, day.day) in self.holidays or (0, day.month, day.day) in self.holidays
        return day.weekday() in self.weekdays and not off

    def on(self, day: date) -> Deadline:
        """The deadline of a day."""
        moments = [_utc(day, self.by, self.zone, fold) for fold in (0, 1)]
        at = max(moments)
        return Deadline(day, at, at - self.within if self.within else _utc(day, time(), self.zone, 0))

    def between(self, after: datetime, until: datetime) -> Iterable[Deadline]:
        """The deadlines after one moment and not after another, in order."""
        day, last = _local_day(after, self.zone) - _DAY, _local_day(until, self.zone) + _DAY
        while day <= last:
            if self.has(day) and after < (deadline := self.on(day)).at <= until:
                yield deadline
            day += _DAY


def _utc(day: date, clock: time, zone: tzinfo, fold: int) -> datetime:
    return datetime.combine(day, clock.replace(fold=fold), zone).astimezone(UTC)


def _local_day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()
