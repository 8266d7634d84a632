"""Deadlines on the clocks of time zones, over both changes of daylight saving."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from dispatch.rules.expectations.calendar import Calendar, holiday, time_of_day, weekdays

EVERY_DAY = frozenset(range(7))


def calendar(zone: str, by: str = "06:30", **keys: object) -> Calendar:
    return Calendar(time_of_day(by), ZoneInfo(zone), EVERY_DAY, **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "by", "day", "expected"),
    [
        ("Europe/Berlin", "02:30", "2026-03-28", "2026-03-28T01:30"),
        ("Europe/Berlin", "02:30", "2026-03-29", "2026-03-29T01:30"),  # skipped: 03:30 summer time
        ("Europe/Berlin", "02:30", "2026-03-30", "2026-03-30T00:30"),
        ("Europe/Berlin", "02:30", "2026-10-25", "2026-10-25T01:30"),  # twice: the second
        ("Europe/Berlin", "02:30", "2026-10-26", "2026-10-26T01:30"),
        ("America/New_York", "01:30", "2026-11-01", "2026-11-01T06:30"),
        ("Australia/Lord_Howe", "01:45", "2026-04-05", "2026-04-04T15:15"),  # put back by half an hour
        ("America/Nuuk", "23:30", "2026-03-28", "2026-03-29T01:30"),  # skipped into the next day
        ("Asia/Kathmandu", "06:30", "2026-01-01", "2026-01-01T00:45"),
        ("Pacific/Kiritimati", "06:30", "2026-01-01", "2025-12-31T16:30"),
    ],
)
def test_deadline_is_the_later_moment_that_a_time_can_mean(zone: str, by: str, day: str, expected: str) -> None:
    at = calendar(zone, by).on(date.fromisoformat(day)).at
    assert at == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_day_begins_at_its_first_moment() -> None:
    """In Cairo, the clock goes from 24:00 to 01:00; in Havana, 00:00 to 01:00 comes twice."""
    assert calendar("Africa/Cairo").on(date(2026, 4, 24)).since == datetime(2026, 4, 23, 22, tzinfo=UTC)
    assert calendar("America/Havana").on(date(2026, 11, 1)).since == datetime(2026, 11, 1, 4, tzinfo=UTC)


def test_within_is_a_length_of_time() -> None:
    deadline = calendar("Europe/Berlin", within=timedelta(hours=12)).on(date(2026, 3, 29))
    assert deadline.at - deadline.since == timedelta(hours=12)


@pytest.mark.parametrize("zone", ["Europe/Athens", "America/St_Johns", "Australia/Lord_Howe", "America/Nuuk", "UTC"])
@pytest.mark.parametrize("by", ["00:00", "02:30", "06:30", "23:59"])
def test_each_day_of_years_has_one_deadline(zone: str, by: str) -> None:
    """However the time is cut into spans."""
    begin, end = datetime(2025, 12, 31, 12, tzinfo=UTC), datetime(2028, 1, 2, tzinfo=UTC)
    here = calendar(zone, by)
    whole = [each.day for each in here.between(begin, end)]
    assert len(whole) == len({*whole}) == (whole[-1] - whole[0]).days + 1
    cut, at = [], begin
    while at < end:
        cut += [each.day for each in here.between(at, min(at + timedelta(hours=7), end))]
        at += timedelta(hours=7)
    assert cut == whole


def test_weekdays_and_holidays() -> None:
    workdays = Calendar(
        time(6), UTC, frozenset(weekdays("Mon-Fri")), frozenset([holiday("2026-12-24"), holiday("12-25")])
    )
    found = [
        str(each.day)
        for each in workdays.between(datetime(2026, 12, 21, tzinfo=UTC), datetime(2026, 12, 29, tzinfo=UTC))
    ]
    assert found == ["2026-12-21", "2026-12-22", "2026-12-23", "2026-12-28"]
    assert holiday("02-29") == (0, 2, 29)


@pytest.mark.parametrize(
    ("text", "days"),
    [("Mon", [0]), ("mon-wed", [0, 1, 2]), ("Fri-Mon", [4, 5, 6, 0]), ("Tuesday", [1]), ("Mon, Wed-Thu", [0, 2, 3])],
)
def test_days_of_the_week_are_read(text: str, days: list[int]) -> None:
    assert weekdays(text) == days


@pytest.mark.parametrize(("text", "clock"), [("6:05", time(6, 5)), ("23:59", time(23, 59)), ("00:00", time())])
def test_times_of_day_are_read(text: str, clock: time) -> None:
    assert time_of_day(text) == clock
