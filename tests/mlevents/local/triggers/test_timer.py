"""Timer triggers: their schedules, and their calls one at a time."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from mlevents.local.host.functions import CallFailed
from mlevents.local.host.payloads import Payload
from mlevents.local.triggers.timer import TimerTrigger, schedule
from tests.mlevents.conftest import Notes, Run

SUNDAY = datetime(2026, 11, 22, 9, 30, 15)


@pytest.mark.parametrize(
    ("expression", "next_time"),
    [
        ("0 */5 * * * *", "2026-11-22 09:35:00"),
        ("*/5 * * * *", "2026-11-22 09:35:00"),
        ("30 * * * * *", "2026-11-22 09:30:30"),
        ("0 0 2 * * 1-5", "2026-11-23 02:00:00"),
        ("0 0 9 * Jan Mon", "2027-01-04 09:00:00"),
        ("0 0 0 13 * 5", "2027-08-13 00:00:00"),  # a Friday the 13th: both must fit, unlike in Unix's cron
        ("00:05:00", "2026-11-22 09:35:15"),
        ("1.00:00:00", "2026-11-23 09:30:15"),
    ],
)
def test_a_schedule_is_ncrontab_or_a_time_span(expression: str, next_time: str) -> None:
    assert schedule(expression)(SUNDAY) == datetime.fromisoformat(next_time)


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "* * * * * * *", "@daily", "0 0 L * *", "61 * * * * *", "H * * * *", "00:00:00", "x y z u v"],
)
def test_an_invalid_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="is not a schedule"):
        schedule(expression)


def test_a_timer_with_run_on_startup_runs_at_once_and_then_on_schedule(run: Run, notes: Notes) -> None:
    local = run(settings={"TICKS": "* * * * * *"})
    local.wait(lambda: len(notes("tick")) >= 3)
    assert notes("tick")[0] == {"function": "tick", "past_due": False}


def test_a_disabled_timer_does_not_run(run: Run, notes: Notes) -> None:
    local = run(settings={"TICKS": "* * * * * *", "AzureWebJobs.tick.Disabled": "true"})
    local.invoke("single", "{}")
    assert notes("tick") == []


def test_calls_do_not_overlap_and_a_failure_does_not_end_the_schedule() -> None:
    """A call that takes longer than the interval delays the next one."""
    running, most, calls = 0, 0, 0

    async def call(payload: Payload) -> None:
        nonlocal running, most, calls
        running += 1
        most, calls = max(most, running), calls + 1
        await asyncio.sleep(0.02)
        running -= 1
        raise CallFailed("no luck")

    async def tick() -> None:
        trigger = TimerTrigger("00:00:00.005", call)
        trigger.start()
        while calls < 5:
            await asyncio.sleep(0.005)
        await trigger.stop()

    asyncio.run(tick())
    assert (most, running) == (1, 0)


def test_a_timer_gets_its_last_and_its_next_time() -> None:
    """In the JSON from which azure.functions creates a TimerRequest."""
    payloads: list[Any] = []
    clock = SUNDAY

    async def call(payload: Payload) -> None:
        nonlocal clock
        payloads.append(payload.data["json"])
        clock += timedelta(minutes=5)

    async def tick() -> None:
        trigger = TimerTrigger("0 */5 * * * *", call, run_on_startup=True, now=lambda: clock)
        trigger.start()
        while not payloads:
            await asyncio.sleep(0.005)
        await trigger.stop()

    asyncio.run(tick())
    assert '"Next":"2026-11-22T09:35:00"' in payloads[0]
    assert '"IsPastDue":false' in payloads[0]
    assert '"Last":"0001-01-01T00:00:00"' in payloads[0]


def test_a_timer_that_was_never_started_can_be_stopped() -> None:
    async def call(payload: Payload) -> None:
        raise AssertionError

    asyncio.run(TimerTrigger("0 0 0 1 1 *", call).stop())
