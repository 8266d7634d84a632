"""Expected: an event that a rule expects did not come in time. The app raises it: the watch finds it in the record."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any, ClassVar

from schemas.events.base import Event, EventData, Rows, short_name
from schemas.fields import OptionalText, RequiredText, Text, Time
from schemas.links import studio_link
from schemas.resource import ResourceId, WorkspaceId
from schemas.time_zone import time_zone

_NEAR: Mapping[int | None, str] = {0: "", 1: "yesterday ", -1: "the day after, "}  # days before the deadline's
_PARTICIPLE = re.compile("[A-Z][A-Za-z]*?(Registered|Deployed|Created|Deleted|Tagged|Archived)")


class ExpectedData(EventData):
    """What was expected, until when, and what is on record instead.

    An event counts if its time is from `since` to `deadline`. `last…` is the one nearest to that on record when the
    deadline was decided: the first one after it, or else the last one before it.
    """

    rule: RequiredText
    expected: RequiredText  # the name of what was expected: "nightly-train"
    event: RequiredText  # the types of the events that count: "RunCompleted", "RunCompleted or ModelRegistered"
    day: RequiredText  # of the deadline, in its time zone: "2026-11-23"
    by: RequiredText  # "06:30"
    timezone: RequiredText
    deadline: Time
    local_deadline: RequiredText  # "2026-11-23 06:30 EET"
    since: Time
    last_time: Time = None
    last_object: OptionalText = None
    note: Text = ""  # lines for people: that the app was down, or that not all events could be compared


class Expected(Event):
    """An event that a rule expects did not come in time."""

    publisher = "Mlevents"
    resource_id = ResourceId
    from_azure = False
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "5d0f0b8e-9a51-5a57-8a55-0d3c31a3b1f7",
        "eventTime": "2026-11-23T04:30:00Z",
        "subject": "expectations/nightly-training",
        "data": {
            "rule": "nightly-training",
            "expected": "nightly-train",
            "event": "RunCompleted",
            "day": "2026-11-23",
            "by": "06:30",
            "timezone": "Europe/Athens",
            "deadline": "2026-11-23T04:30:00Z",
            "localDeadline": "2026-11-23 06:30 EET",
            "since": "2026-11-22T22:00:00Z",
            "lastTime": "2026-11-22T03:12:41.204Z",
            "lastObject": "plucky_lime_h3k8wq2v1n",
            "note": "",
        },
    }

    data: ExpectedData

    @property
    def object(self) -> str:
        """The name of what was expected."""
        return self.data.expected

    @property
    def names(self) -> tuple[str, ...]:
        """What was expected, and the rule that expects it."""
        return self.data.expected, self.data.rule

    @property
    def about(self) -> str:
        """The rule that expects it: mails about its days form a thread."""
        return f"rule {self.data.rule}"

    @property
    def label(self) -> str:
        """What was expected, and on which day."""
        return f"{self.object} by {self.data.by} on {self.data.day}"

    @property
    def studio_url(self) -> str | None:
        """The link to the workspace; None for another resource."""
        return studio_link(self.resource) if isinstance(self.resource, WorkspaceId) else None

    @property
    def is_bad_news(self) -> bool:
        """True: something is missing."""
        return True

    @property
    def headline(self) -> str:
        """What did not come, and when it last came."""
        data = self.data
        missing, came = _verbs(data.event)
        if data.last_time and data.deadline and data.last_time > data.deadline:
            rest = f"; {came} at {self._clock(data.last_time)}"
        elif data.last_time:
            rest = f"; last {came} {self._clock(data.last_time)}"
        else:
            rest = "; no earlier one is on record"
        return f"{short_name(data.expected)} {missing} by {data.by} ({data.timezone}){rest}"

    @property
    def lead(self) -> tuple[str, ...]:
        """What may explain it."""
        return tuple(self.data.note.splitlines())

    @property
    def rows(self) -> Rows:
        """What was expected, its deadline, and what came instead."""
        data = self.data
        seen = f"{self._clock(data.last_time)}, {data.last_object or 'unknown'}" if data.last_time else None
        return (
            ("Expected", f"{data.event} of {data.expected}" if data.event != data.expected else data.event),
            ("Deadline", data.local_deadline),
            ("Last", seen),
            ("Rule", data.rule),
        )

    def _clock(self, time: datetime) -> str:
        """The time on the clock of the deadline's time zone, with the day unless it is the deadline's."""
        local, days = time, None
        with suppress(ValueError, OverflowError):  # of an event that another sender made up
            local = time.astimezone(time_zone(self.data.timezone))
            days = (date.fromisoformat(self.data.day) - local.date()).days
        if days in _NEAR:
            return f"{_NEAR[days]}{local:%H:%M}"
        return f"on {local:%Y-%m-%d} {local:%H:%M}"


def _verbs(event: str) -> tuple[str, str]:
    """What an expected object did not do, and what it did when it came: ``did not complete``, ``completed``."""
    if event == "RunCompleted":
        return "did not complete", "completed"
    found = _PARTICIPLE.fullmatch(event)
    word = found[1].lower() if found else ""
    return (f"was not {word}", word) if word else (f"had no {event}", "came")
