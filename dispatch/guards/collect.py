"""`collect`: carry out one action for all events of a window."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dispatch.filters.keys import check_key
from dispatch.guards.base import Attempt, Gathered, Hold, Situation, Standing
from dispatch.guards.gathering import about, acted_on_with, events_of, member_of, of_leader, value_and_name
from dispatch.inbox.errors import Unavailable
from dispatch.inbox.keys import ActionId
from dispatch.inbox.windows import Opening, Window
from handlers.duration import Duration, format_duration

MOST_EVENTS = 1_000  # of a window: with more, it is closed early
_COUNTED = 32  # one of so many members counts them, because each count reads them all

_LONGEST = timedelta(days=31)


class Span(BaseModel):
    """How long a window is open; with `by`, there is a window for each value of this key of the event."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    span: Duration = Field(alias="for", description="How long events are collected, from the first one.")
    by: str = Field("", description="A key of the event: events are collected for each of its values.")

    @field_validator("span")
    @classmethod
    def _valid_span(cls, value: timedelta) -> timedelta:
        return valid_span(value)

    @field_validator("by")
    @classmethod
    def _valid_key(cls, value: str) -> str:
        return check_key(value) if value else value


def valid_span(value: timedelta) -> timedelta:
    """The length of a window. Raises ValueError if it is too short or too long."""
    if not timedelta(seconds=1) <= value <= _LONGEST:
        raise ValueError(f"write a duration from 1s to {_LONGEST.days}d")
    return value


@dataclass(frozen=True, slots=True)
class Collect:
    """Gather events into a window. The first action leads it: it waits for the end, and acts for all of its events.

    The others are skipped; their records name it. The window is open until its leader is called at its end or later, or
    a member finds `MOST_EVENTS` in it. Without a span, which a rule has lost, only the window that the action leads
    counts.
    """

    span: timedelta | None = None
    by: str = ""
    shows_events: bool = False  # does the rule's handler? See Handler

    def __call__(self, attempt: Attempt) -> Gathered | None:
        """Join a window; or, as its leader, wait for its end and close it."""
        window = self._window(attempt)
        if window is None:
            return None
        own_id, now = attempt.claim.id, attempt.now
        is_own = window.leader == own_id or (attempt.claim.record.leads and window.is_open)
        if not is_own:
            return self._joined(window, attempt)
        if window.is_open and window.leader == own_id and window.ends and now < window.ends:
            note = f"collects events{about(self.by, window.by)} until {window.ends:%Y-%m-%d %H:%M:%S} UTC"
            return Gathered(window.id, Hold(window.ends - now, note), leads=True)
        closed = attempt.inbox.windows.close(window, own_id, now) if window.is_open else window
        if closed.leader != own_id:
            return acted_on_with(closed)
        members = attempt.inbox.windows.members(closed)
        if not members:
            raise Unavailable(f"storage returns no members of the window {closed.id}")
        return Gathered(closed.id, events=events_of(members), leads=True)

    def waiting(self, attempt: Attempt) -> list[ActionId]:
        """The leader of a window that this action has closed early."""
        return [attempt.gathered.wakes] if attempt.gathered and attempt.gathered.wakes else []

    def standing(self, at: Situation) -> Standing | None:
        """The window that is open now, and which action leads it."""
        if self.span is None:
            return None
        value, shown = value_and_name(at.context, "collect", self.by)
        window = at.inbox.windows.open_one(at.rule, value)
        if window is None or window.ends is None:
            text = (
                f"opens a window{about(self.by, shown)}, and acts for all of its events in {format_duration(self.span)}"
            )
            return Standing("collect", text, False)
        end = f"{window.ends:%Y-%m-%d %H:%M:%S} UTC"
        if window.leader == at.id:
            return Standing("collect", f"this action collects events{about(self.by, shown)} until {end}", False)
        return Standing("collect", f"is collected until {end} into {of_leader(window)}", True)

    def _window(self, attempt: Attempt) -> Window | None:
        """The window of the action; None if it has none and the rule collects no more."""
        record, windows = attempt.claim.record, attempt.inbox.windows
        if record.leads:
            window = windows.get(attempt.claim.id.rule, record.window)
            if window is None:
                raise Unavailable(f"storage does not return the window {record.window}")
            return window
        if self.span is None:
            return None
        value, shown = value_and_name(attempt.context, "collect", self.by)
        return windows.join(member_of(attempt, shows_events=self.shows_events), Opening(value, shown, self.span))

    def _joined(self, window: Window, attempt: Attempt) -> Gathered:
        """Skip the action. One of many counts the members, and closes the window if it is full."""
        windows, leader = attempt.inbox.windows, window.leader
        counts = attempt.claim.action.key.int % _COUNTED == 0
        if window.is_open and leader and counts and len(windows.members(window, MOST_EVENTS)) >= MOST_EVENTS:
            return acted_on_with(windows.close(window, leader, attempt.now), wakes=leader)
        return acted_on_with(window)
