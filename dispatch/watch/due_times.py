"""When a schedule of Azure ML is due, by its trigger.

Triggers: learn.microsoft.com/rest/api/azureml, "Schedules"; "CLI (v2) schedule YAML schema": cron has the five fields
minutes, hours, days, months and days of the week, in the schedule's time zone, whose name is Windows' own; an interval
counts from the start time. Local times that a change of the clocks skips or repeats are left out, because Azure ML does
not document when such a job starts.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from dispatch.watch.windows_zones import ZONES
from handlers.azure.listed import mapping, text

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MOST = 2_000  # due times of one schedule in one window: one a minute for more than a day


class UnknownTrigger(Exception):  # noqa: N818 - the caller reports it
    """A trigger whose due times cannot be computed. The message says why."""


def due_times(trigger: Mapping[str, Any], after: datetime, until: datetime) -> list[datetime]:
    """When a trigger is due, in UTC, after one time and until another. Raises UnknownTrigger."""
    zone = _zone(text(trigger.get("timeZone")))
    start, end = (_local(text(trigger.get(name)), zone) for name in ("startTime", "endTime"))
    first, last = max(after, start or after), min(until, end or until)
    kind = text(trigger.get("triggerType")).casefold()
    if kind == "cron":
        found = _Cron.read(text(trigger.get("expression"))).times(first, last, zone)
    elif kind == "recurrence":
        found = _recurring(trigger, start, first, last, zone)
    else:
        raise UnknownTrigger(f"the trigger type {kind or 'is missing'}")
    due = []
    for moment in found:
        if after < moment <= until and (start is None or moment >= start) and (end is None or moment <= end):
            due.append(moment)
        if len(due) > _MOST:
            raise UnknownTrigger(f"more than {_MOST} due times")
    return sorted(due)


def described(trigger: Mapping[str, Any]) -> str:
    """A trigger in a few words."""
    zone = text(trigger.get("timeZone")) or "UTC"
    if text(trigger.get("triggerType")).casefold() == "cron":
        return f"cron {text(trigger.get('expression'))} ({zone})"
    return f"every {text(trigger.get('interval'))} {text(trigger.get('frequency')).casefold()} ({zone})"


def _zone(name: str) -> tzinfo:
    if not name or name.casefold() == "utc":
        return UTC
    try:
        return ZoneInfo(ZONES.get(name.casefold(), name))
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError; of a path, a ValueError or an OSError
        raise UnknownTrigger(f"the time zone {name}") from None
    except KeyError:
        raise UnknownTrigger(f"the time zone {name}") from None


def _local(value: str, zone: tzinfo) -> datetime | None:
    """A time of a trigger, which has no offset, in UTC; None if there is none."""
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise UnknownTrigger(f"the time {value}") from None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _at(day: date, hour: int, minute: int, zone: tzinfo) -> datetime | None:
    """A local time in UTC; None if a change of the clocks skips or repeats it."""
    local = datetime.combine(day, time(hour, minute), zone)
    found = local.astimezone(UTC)
    is_repeated = local.replace(fold=1).utcoffset() != local.utcoffset()
    return None if is_repeated or found.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None) else found


def _days(first: datetime, last: datetime, zone: tzinfo) -> Iterator[date]:
    day, end = first.astimezone(zone).date(), last.astimezone(zone).date()
    while day <= end:
        yield day
        day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    week_days: frozenset[int]  # Sunday is 0

    @classmethod
    def read(cls, expression: str) -> "_Cron":
        fields = expression.split()
        if len(fields) != 5:
            raise UnknownTrigger(f"the cron expression {expression!r}")
        try:
            sunday_first = (_DAYS[-1], *_DAYS[:-1])
            return cls(
                _numbers(fields[0], 0, 59),
                _numbers(fields[1], 0, 23),
                _numbers(fields[2], 1, 31),
                _numbers(fields[3], 1, 12, _MONTHS),
                frozenset(number % 7 for number in _numbers(fields[4], 0, 7, tuple(name[:3] for name in sunday_first))),
            )
        except ValueError:
            raise UnknownTrigger(f"the cron expression {expression!r}") from None

    def times(self, first: datetime, last: datetime, zone: tzinfo) -> Iterator[datetime]:
        for day in _days(first, last, zone):
            if day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.week_days:
                for hour, minute in product(sorted(self.hours), sorted(self.minutes)):
                    if found := _at(day, hour, minute, zone):
                        yield found


def _numbers(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """The numbers of a field of cron: a list of numbers, names, ranges and steps. Raises ValueError."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        begin, dash, end = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _number(begin, low, names)
            last = _number(end, low, names) if dash else high if step else first
        every = int(step) if step else 1
        if not low <= first <= last <= high or every < 1:
            raise ValueError(field)
        found.update(range(first, last + 1, every))
    return frozenset(found)


def _number(value: str, low: int, names: tuple[str, ...]) -> int:
    return names.index(value.casefold()) + low if value.casefold() in names else int(value)


def _recurring(
    trigger: Mapping[str, Any], start: datetime | None, first: datetime, last: datetime, zone: tzinfo
) -> Iterator[datetime]:
    frequency, interval = text(trigger.get("frequency")).casefold(), _whole(trigger.get("interval"))
    schedule = mapping(trigger.get("schedule"))
    if frequency in _UNITS and not schedule:
        return _steps(start, interval * _UNITS[frequency], first, last)
    hours, minutes = (_wholes(schedule.get(name)) for name in ("hours", "minutes"))
    if not hours or not minutes or frequency not in ("day", "week", "month"):
        raise UnknownTrigger(f"a recurrence by {frequency or 'nothing'} without hours and minutes")
    if interval > 1 and start is None:
        raise UnknownTrigger("an interval without a start time")
    anchor = (start or first).astimezone(zone).date()
    days = (day for day in _days(first, last, zone) if _is_day(day, anchor, frequency, interval, schedule))
    times = product(sorted(hours), sorted(minutes))
    return (found for day, (hour, minute) in product([*days], [*times]) if (found := _at(day, hour, minute, zone)))


def _is_day(day: date, anchor: date, frequency: str, interval: int, schedule: Mapping[str, Any]) -> bool:
    if frequency == "day":
        return (day - anchor).days % interval == 0
    if frequency == "week":
        names = [text(name).casefold() for name in schedule.get("weekDays") or ()] or [_DAYS[anchor.weekday()]]
        weeks = (day - timedelta(days=day.weekday()) - (anchor - timedelta(days=anchor.weekday()))).days // 7
        return _DAYS[day.weekday()] in names and weeks % interval == 0
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    month_days = _wholes(schedule.get("monthDays")) or {anchor.day}
    is_last = -1 in month_days and day.day == monthrange(day.year, day.month)[1]
    return months % interval == 0 and (day.day in month_days or is_last)


def _steps(start: datetime | None, step: timedelta, first: datetime, last: datetime) -> Iterator[datetime]:
    if start is None:
        raise UnknownTrigger("an interval without a start time")
    found = start + max(0, (first - start) // step) * step
    while found <= last:
        yield found
        found += step


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000:
        return value
    raise UnknownTrigger(f"the interval {text(value) or 'is missing'}")


def _wholes(value: Any) -> set[int]:
    numbers = value if isinstance(value, list) else []
    return {each for each in numbers if isinstance(each, int) and not isinstance(each, bool) and -1 <= each <= 59}
