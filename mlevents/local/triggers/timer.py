"""A timer trigger: calls a function on a schedule, one call at a time.

From Azure/azure-webjobs-sdk-extensions, TimerListener.cs and CronSchedule.cs: six fields with seconds first, five
without, or a time span between calls; local time; a date must fit day of month *and* day of week. The real host stores
when a timer ran last, and runs it late if it missed a time while it was down; here every start is a first start.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # croniter ships no types

from mlevents.local.host.functions import CallFailed
from mlevents.local.host.host_json import time_span
from mlevents.local.host.payloads import Payload, timer

# The syntax of NCRONTAB; croniter would also accept ``L``, ``#``, ``H`` and ``@daily``.
_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec sun mon tue wed thu fri sat".replace(" ", "|")
_FIELD = re.compile(rf"(?:[0-9*,/-]|{_NAMES})+", re.IGNORECASE | re.ASCII)

Schedule = Callable[[datetime], datetime]  # from now to the next time


def schedule(expression: str) -> Schedule:
    """The schedule of an NCRONTAB expression or a time span. Raises ValueError."""
    fields = expression.split()
    with suppress(ValueError):
        span = time_span(expression)
        if span > timedelta():
            return lambda now: now + span
    if len(fields) not in {5, 6} or not all(map(_FIELD.fullmatch, fields)):
        raise ValueError(f"{expression!r} is not a schedule: write six fields, seconds first, like '0 */5 * * * *'")
    try:
        croniter(" ".join(fields), second_at_beginning=len(fields) == 6, day_or=False)
    except (CroniterError, ValueError) as error:
        raise ValueError(f"{expression!r} is not a schedule: {error}") from error

    def next_time(now: datetime) -> datetime:
        cron = croniter(" ".join(fields), now, second_at_beginning=len(fields) == 6, day_or=False)
        found: datetime = cron.get_next(datetime)
        return found

    return next_time


class TimerTrigger:
    """Calls one function on its schedule, until `stop`."""

    def __init__(
        self,
        expression: str,
        call: Callable[[Payload], Awaitable[object]],
        *,
        run_on_startup: bool = False,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._next, self._call, self._now = schedule(expression), call, now
        self._run_on_startup = run_on_startup
        self._last: datetime | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()

    def start(self) -> None:
        """Start the schedule."""
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self, grace: float = 5.0) -> None:
        """End the schedule; a running call has `grace` seconds to end."""
        if self._ticking is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._busy.acquire(), grace)
        self._ticking.cancel()
        await asyncio.wait([self._ticking])

    async def _tick(self) -> None:
        if self._run_on_startup:
            await self._run(self._next(self._now()))
        while True:
            due = self._next(self._now())
            await self._wait_until(due)
            await self._run(self._next(due))

    async def _wait_until(self, due: datetime) -> None:
        """Wait, and read the clock every 30 seconds: it may be set, and a laptop may sleep."""
        while (left := (due.astimezone() - self._now().astimezone()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 30))

    async def _run(self, following: datetime) -> None:
        async with self._busy:
            payload, self._last = timer(last=self._last, next=following), self._now()
            with suppress(CallFailed):  # the host has printed it; a failure does not stop the schedule
                await self._call(payload)
