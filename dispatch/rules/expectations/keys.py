"""The keys `expect` and `unless` of a rule."""

import shlex
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from dispatch.evidence.pattern import Pattern
from dispatch.filters.condition import Condition
from dispatch.filters.keys import check_key
from dispatch.inbox.shared_state import hashed
from dispatch.rules.expectations.calendar import Calendar, Deadline, holiday, time_of_day, weekdays
from dispatch.rules.reading.shapes import Keys, Named
from dispatch.rules.values import ConditionOrGroup, EventName, OneOrMore, tests_of, zone_name
from dispatch.rules.when import AllOf
from handlers.duration import Duration
from schemas.time_zone import time_zone

_MOST_DAYS = 31  # of `within`: each day is a query
_NAMING = ("StringIn", "StringBeginsWith", "StringContains", "StringEndsWith")  # operators whose value may be a name
_NO_NAMES = {"data.runstatus", "data.runtype", "eventtype", "type"}  # keys whose values are not names
_A_YEAR = timedelta(days=366)


def _days(value: str) -> str:
    weekdays(value)
    return value


def _holiday(value: str) -> str:
    holiday(value)
    return value


def _by(value: str) -> str:
    time_of_day(value)
    return value


def _span(value: timedelta) -> timedelta:
    if not timedelta() < value <= timedelta(days=_MOST_DAYS):
        raise ValueError(f"write a span of at most {_MOST_DAYS}d")
    return value


Span = Annotated[Duration, AfterValidator(_span)]


class EventPattern(Keys):
    """Events: their types, and conditions on them."""

    event: OneOrMore[EventName] = Field(description="The event types: one, or a list.")
    when: OneOrMore[ConditionOrGroup] = Field([], description="Conditions on the event, all of which must hold.")

    @cached_property
    def pattern(self) -> Pattern:
        """The events as they are compared."""
        return Pattern(frozenset(self.event), AllOf(tests_of(self.when)), getattr(self, "same", ""))


class Expect(EventPattern):
    """An event that should be on record by a time of day."""

    named: ClassVar = Named("expect", 'Write expect: { event: RunCompleted, when: …, by: "06:30" }.')
    key_hints: ClassVar = dict.fromkeys(("on", "type"), "Write event: RunCompleted.") | dict.fromkeys(
        ("except", "skip"), "Write holidays: [2026-12-25]."
    )

    by: Annotated[
        str,
        AfterValidator(_by),
        Named("by", needed='It is the time of day until which the event must come: by: "06:30".'),
        WithJsonSchema({"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"}),
    ] = Field(description="The time of day of the deadline.", examples=["06:30"])
    days: OneOrMore[Annotated[str, AfterValidator(_days), Named("a day of the week")]] = Field(
        ["Mon-Sun"], description="The days of the deadline; default: every day.", examples=["Mon-Fri"]
    )
    timezone: Annotated[str, AfterValidator(zone_name), Named("timezone")] = Field(
        "", description="The time zone of `by` and `days`; default: that of the workspace.", examples=["Europe/Athens"]
    )
    holidays: OneOrMore[Annotated[str, AfterValidator(_holiday), Named("a holiday")]] = Field(
        [], description="Days without a deadline: dates, or a month and a day.", examples=["2026-12-25", "12-25"]
    )
    within: Span | None = Field(
        None,
        description="How long before the deadline an event counts; default: since midnight.",
        examples=["12h"],
    )

    def calendar(self, default_zone: str) -> Calendar:
        """The deadlines; `default_zone` is the time zone of the workspace."""
        return Calendar(
            time_of_day(self.by),
            time_zone(self.timezone or default_zone),
            frozenset(day for text in self.days for day in weekdays(text)),
            frozenset(map(holiday, self.holidays)),
            self.within,
        )

    def next_deadline(self, now: datetime, default_zone: str) -> Deadline | None:
        """The next deadline within a year; None if there is none."""
        return next(iter(self.calendar(default_zone).between(now, now + _A_YEAR)), None)

    def digest(self, default_zone: str) -> str:
        """A hash of all that it says: an expectation with another one is a new one."""
        said = (self.by, self.timezone or default_zone, *self.days, "", *self.holidays, "", str(self.within))
        return hashed(self.pattern.text, *said)

    @property
    def what(self) -> str:
        """The types of the events in words: ``RunCompleted or ModelRegistered``."""
        return " or ".join(self.event)

    @property
    def name(self) -> str:
        """The name that its conditions ask for, such as that of an experiment; empty if they ask for none."""
        for test in self.when:
            if isinstance(test, Condition) and test.operator.name in _NAMING and test.key.casefold() not in _NO_NAMES:
                _, _, *values = shlex.split(test.text)
                if len(values) == 1:
                    return values[0]
        return ""


class Unless(EventPattern):
    """An event that keeps the rule from acting if it is on record."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")
    named: ClassVar = Named("unless", "Write unless: { event: RunCompleted, same: data.experimentName }.")

    same: Annotated[str, Named("same")] = Field(
        "",
        description="A key whose value both events must share; default: any event of the workspace counts.",
        examples=["object", "data.experimentName"],
    )
    within: Span | None = Field(
        None, description="How long before the event another one counts; default: only later ones.", examples=["2h"]
    )

    def model_post_init(self, context: object, /) -> None:
        """Check the key."""
        if self.same:
            check_key(self.same)
