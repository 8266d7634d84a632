"""When triggers of schedules are due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.watch.due_times import UnknownTrigger, described, due_times
from dispatch.watch.windows_zones import ZONES

DAY = datetime(2026, 11, 22, tzinfo=UTC)  # a Sunday


def due(trigger: dict[str, Any], days: float = 1, after: datetime = DAY) -> list[str]:
    return [f"{at:%d %H:%M}" for at in due_times(trigger, after, after + timedelta(days=days))]


def cron(expression: str, **more: str) -> dict[str, Any]:
    return {"triggerType": "Cron", "expression": expression, **more}


def recurrence(frequency: str, interval: Any = 1, **more: Any) -> dict[str, Any]:
    return {"triggerType": "Recurrence", "frequency": frequency, "interval": interval, **more}


AT_3 = {"hours": [3], "minutes": [0, 30]}


@pytest.mark.parametrize(
    ("trigger", "days", "expected"),
    [
        (cron("0 3 * * *"), 2, ["22 03:00", "23 03:00"]),
        (cron("*/30 1,2 * * *"), 1, ["22 01:00", "22 01:30", "22 02:00", "22 02:30"]),
        (cron("15 10-12/2 * * 1"), 3, ["23 10:15", "23 12:15"]),
        (cron("0 3 * * mon,Tue"), 3, ["23 03:00", "24 03:00"]),
        (cron("0 3 * * 7"), 3, ["22 03:00"]),
        (cron("0 3 23 nov *"), 3, ["23 03:00"]),
        (cron("0 3 * 12 *"), 3, []),
        (cron("0 3 * * *", timeZone="W. Europe Standard Time"), 1, ["22 02:00"]),
        (cron("0 3 * * *", timeZone="Asia/Tokyo"), 1, ["22 18:00"]),
        (cron("0 3 * * *", startTime="2026-11-23T00:00:00"), 3, ["23 03:00", "24 03:00"]),
        (cron("0 3 * * *", endTime="2026-11-23T00:00:00"), 3, ["22 03:00"]),
        (recurrence("Day", schedule=AT_3), 1, ["22 03:00", "22 03:30"]),
        (recurrence("day", 2, schedule=AT_3, startTime="2026-11-21T00:00:00"), 3, ["23 03:00", "23 03:30"]),
        (recurrence("week", schedule={**AT_3, "weekDays": ["Monday"]}), 3, ["23 03:00", "23 03:30"]),
        (
            recurrence("week", 2, schedule={"hours": [3], "minutes": [0]}, startTime="2026-11-09T00:00:00"),
            3,
            ["23 03:00"],
        ),
        (
            recurrence("month", schedule={"hours": [3], "minutes": [0], "monthDays": [24, -1]}),
            9,
            ["24 03:00", "30 03:00"],
        ),
        (recurrence("hour", 8, startTime="2026-11-01T05:00:00"), 1, ["22 05:00", "22 13:00", "22 21:00"]),
        (recurrence("minute", 720, startTime="2026-11-22T06:00:00"), 1, ["22 06:00", "22 18:00"]),
    ],
)
def test_due_times(trigger: dict[str, Any], days: int, expected: list[str]) -> None:
    assert due(trigger, days) == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), ["30 00:30"]),  # 02:30 does not exist on the 29th
        (datetime(2026, 10, 24, 12, tzinfo=UTC), ["26 01:30"]),  # 02:30 comes twice on the 25th
    ],
)
def test_local_times_that_a_change_of_the_clocks_skips_or_repeats_are_left_out(
    after: datetime, expected: list[str]
) -> None:
    assert due(cron("30 2 * * *", timeZone="W. Europe Standard Time"), 2, after) == expected


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        ({}, "the trigger type is missing"),
        (cron("0 3 * *"), "the cron expression '0 3 * *'"),
        (cron("0 24 * * *"), "the cron expression '0 24"),
        (cron("x 2 * * *"), "the cron expression 'x 2"),
        (cron("*/0 2 * * *"), "the cron expression"),
        (cron("* * * * *"), "more than 2000 due times"),
        (cron("0 3 * * *", timeZone="Nowhere"), "the time zone Nowhere"),
        (cron("0 3 * * *", timeZone="../../etc/passwd"), "the time zone"),
        (cron("0 3 * * *", startTime="soon"), "the time soon"),
        (recurrence("hour", 8), "an interval without a start time"),
        (recurrence("day", 2, schedule=AT_3), "an interval without a start time"),
        (recurrence("day", 0, schedule=AT_3), "the interval 0"),
        (recurrence("day", "x", schedule=AT_3), "the interval x"),
        (recurrence("week"), "a recurrence by week without hours and minutes"),
        (recurrence("year", schedule=AT_3), "a recurrence by year"),
    ],
)
def test_trigger_that_is_not_understood_says_why(trigger: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownTrigger) as raised:
        due(trigger, 7)
    assert reason in str(raised.value)


def test_triggers_are_described() -> None:
    assert described(cron("0 3 * * *")) == "cron 0 3 * * * (UTC)"
    assert described(recurrence("Day", 2, timeZone="Tokyo Standard Time")) == "every 2 day (Tokyo Standard Time)"


def test_every_windows_name_is_a_known_zone() -> None:
    assert len(ZONES) > 100
    for zone in ZONES:
        assert due(cron("0 3 * * *", timeZone=zone), 2)
