"""`at_least`: act once a number of events has come within a span of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dispatch.filters.keys import check_key
from dispatch.guards.base import Attempt, Gathered, Situation, Standing
from dispatch.guards.gathering import about, acted_on_with, events_of, member_of, value_and_name
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.windows import Member, Opening
from handlers.base import Skipped
from handlers.duration import Duration, format_duration

_SLACK = timedelta(minutes=10)  # between clocks of workers, generously: until a member that counts no more is deleted
_MOST_DROPPED = 45  # members that one call deletes


class Threshold(BaseModel):
    """Act when `count` events have come `within` a span; with `by`, for each value of this key of the event."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=2, le=100, strict=True, description="The number of events.")
    within: Duration = Field(description="The length of the span.", examples=["3h"])
    by: str = Field("", description="A key of the event: events are counted for each of its values.")

    @field_validator("by")
    @classmethod
    def _valid_key(cls, value: str) -> str:
        return check_key(value) if value else value


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Count events in a window. The action with which it is full closes it, leads it, and acts for all of its events.

    The others are skipped. The next event opens the next window: counting starts again.
    """

    threshold: Threshold
    shows_events: bool = False  # does the rule's handler? See Handler

    def __call__(self, attempt: Attempt) -> Gathered:
        """Join the window; close it and act if it is full."""
        windows, own_id, record = attempt.inbox.windows, attempt.claim.id, attempt.claim.record
        value, shown = value_and_name(attempt.context, "at_least", self.threshold.by)
        window = (
            windows.get(own_id.rule, record.window)
            if record.leads
            else windows.join(member_of(attempt, shows_events=self.shows_events), Opening(value, shown))
        )
        if window is None:
            raise Unavailable(f"storage does not return the window {record.window}")
        members = windows.members(window)
        counting = self._counting(members, attempt.now)
        if window.is_open and not record.leads and len(counting) < self.threshold.count:
            windows.drop(window, self._outdated(members, attempt.now))
            return Gathered(window.id, Skipped(self._progress(len(counting), shown)))
        if window.is_open:
            window = windows.close(window, own_id, attempt.now)
            members = windows.members(window)
        if window.leader != own_id:
            return acted_on_with(window)
        counted = self._counting(members, window.closed or attempt.now)
        return Gathered(window.id, events=events_of(counted), leads=True)

    def standing(self, at: Situation) -> Standing:
        """How many events count now."""
        value, shown = value_and_name(at.context, "at_least", self.threshold.by)
        window = at.inbox.windows.open_one(at.rule, value)
        counting = self._counting(at.inbox.windows.members(window), at.now) if window else []
        others = [member for member in counting if member.id != at.id]
        return Standing("at_least", self._progress(len(counting), shown), len(others) + 1 < self.threshold.count)

    def _counting(self, members: Iterable[Member], now: datetime) -> list[Member]:
        """The members that count at a time."""
        return [member for member in members if member.at > now - self.threshold.within]

    def _outdated(self, members: Iterable[Member], now: datetime) -> list[Member]:
        before = now - self.threshold.within - _SLACK
        return [member for member in members if member.at < before][:_MOST_DROPPED]

    def _progress(self, number: int, shown: str) -> str:
        limit = self.threshold
        return f"{number} of {limit.count} within {format_duration(limit.within)}{about(limit.by, shown)}"
