"""Schedules that did not start their job when they should have: JobMissed.

The jobs of a schedule have the display name ``<schedule>-YYYYMMDDThhmmssZ`` (learn.microsoft.com, "Schedule machine
learning pipeline jobs", "Query triggered jobs from a schedule"). One list of the enabled schedules; and only if one was
due, a list of the newest jobs.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from dispatch.receive import receive
from dispatch.watch.due_times import UnknownTrigger, described, due_times
from dispatch.watch.memory import Wire
from dispatch.watch.scope import Look
from dispatch.watch.seen import event_of, raw_of
from handlers.azure.listed import Listed, mapping, text, texts
from schemas.events.watched.job_missed import JobMissed
from schemas.fields import format_time

TYPES = (JobMissed,)
GRACE = timedelta(minutes=15)  # after which a job counts as missed
SLACK = timedelta(minutes=10)  # by which the time in a display name may differ from the due time
MOST_PAGES = 20  # of jobs that are read; more are not searched

_STAMP = re.compile(r"(.+)-(\d{8}T\d{6})Z")


class _Due(NamedTuple):
    schedule: Listed
    at: datetime


def look_at_schedules(look: Look) -> int:
    """Look at what was due since the last look; returns the number of events."""
    if look.since is None:
        return 0
    due = list(_due(look, look.since - GRACE, look.began - GRACE))
    if not due:
        return 0
    started = _started(look, min(each.at for each in due) - SLACK)
    missed = [each for each in due if not _has_started(each, started)]
    for each in missed:
        receive(raw_of(_event(each, look)), look.app)
    return len(missed)


def _due(look: Look, after: datetime, until: datetime) -> Iterator[_Due]:
    """What was due in a time. A schedule that was changed later than a due time may not have been enabled then."""
    for body in look.lists.items(f"{look.path}/schedules", {"listViewType": "EnabledOnly"}):
        schedule = Listed.of(body)
        if schedule is None or schedule.properties.get("isEnabled") is False:
            continue
        trigger = mapping(schedule.properties.get("trigger"))
        try:
            times = due_times(trigger, max(after, schedule.modified or after), until)
        except UnknownTrigger as reason:
            look.log_problem(f"schedule {schedule.name} is not watched: {reason} is not understood")
            continue
        yield from (_Due(schedule, at) for at in times)


def _started(look: Look, since: datetime) -> dict[str, list[datetime]]:
    """The due times in the names of jobs that were created since, by schedule in lower case.

    Azure ML does not document the order of the list; the newest come first. So a page ends it whose jobs are all older,
    and come in that order.
    """
    found: dict[str, list[datetime]] = {}
    page = look.lists.page(f"{look.path}/jobs", {"listViewType": "All"})
    for _ in range(MOST_PAGES):
        jobs = [job for body in page.items if (job := Listed.of(body))]
        for job in jobs:
            if match := _STAMP.fullmatch(text(job.properties.get("displayName"))):
                moment = datetime.strptime(match[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
                found.setdefault(match[1].casefold(), []).append(moment)
        created = [job.created for job in jobs if job.created]
        is_older = jobs and len(created) == len(jobs) and max(created) < since
        if not page.next or (is_older and created == sorted(created, reverse=True) and created[0] > created[-1]):
            return found
        page = look.lists.next_page(page.next)
    raise TooManyJobs


class TooManyJobs(Exception):  # noqa: N818 - reported as what the watch cannot see
    """So many jobs were created that not all can be searched."""


def _has_started(due: _Due, started: Mapping[str, list[datetime]]) -> bool:
    return any(abs(at - due.at) <= SLACK for at in started.get(due.schedule.name.casefold(), ()))


def _event(due: _Due, look: Look) -> Wire:
    schedule, properties = due.schedule, due.schedule.properties
    action: Mapping[str, Any] = mapping(properties.get("action"))
    data = {
        "scheduleName": schedule.name,
        "displayName": text(properties.get("displayName")) or None,
        "dueTime": format_time(due.at),
        "trigger": described(mapping(properties.get("trigger"))),
        "action": text(action.get("actionType")) or None,
        "experimentName": text(mapping(action.get("jobDefinition")).get("experimentName")) or None,
        "scheduleTags": texts(properties.get("tags")),
    }
    return event_of(JobMissed, look.resource, f"schedules/{schedule.name}", due.at, data)
