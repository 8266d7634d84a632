"""The next deadlines of `expect`, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dispatch.app import App
from dispatch.evidence.deadlines import PREFIX, Expectation, State, expectations
from schemas.fields import format_time
from schemas.time_zone import time_zone

_OVERDUE = timedelta(minutes=20)  # a deadline is decided three to eight minutes after it, if the watch runs


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next deadline of a rule in a workspace that is not decided; None if none comes within a year."""

    rule: str
    workspace: str
    at: datetime | None
    timezone: str
    last: str  # how the last one was decided; empty if none was

    def is_overdue(self, now: datetime) -> bool:
        """Should it have been decided?"""
        return self.at is not None and now - self.at > _OVERDUE

    def __str__(self) -> str:
        when = f"{self.at.astimezone(time_zone(self.timezone)):%Y-%m-%d %H:%M %Z}" if self.at else "no deadline"
        return f"{self.rule} in {self.workspace}: {when}{f'; {self.last}' if self.last else ''}"

    def view(self) -> dict[str, Any]:
        """The values of the JSON output."""
        at = format_time(self.at) if self.at else None
        zone = self.timezone
        return {"rule": self.rule, "workspace": self.workspace, "deadline": at, "timezone": zone, "last": self.last}


def upcoming(app: App) -> list[Upcoming]:
    """The next deadline of each expectation, the earliest first. Makes one query. Raises StorageError."""
    states = app.inbox.shared.all(PREFIX)
    found = [_next(each, states, app.now()) for each in expectations(app)]
    return sorted(found, key=lambda each: (each.at is None, each.at or app.now(), each.rule, each.workspace))


def _next(expectation: Expectation, states: Mapping[str, Mapping[str, str]], now: datetime) -> Upcoming:
    state = State.of(states.get(expectation.row, {}))
    is_current = state and not (state.gone or state.refused)
    deadline = expectation.expect.next_deadline(
        state.decided if state and is_current else now, expectation.default_zone
    )
    at = deadline.at if deadline else None
    last = state.last if state else ""
    return Upcoming(expectation.rule.name, expectation.workspace.name, at, expectation.timezone, last)
