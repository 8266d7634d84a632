"""`still_after`: act some time later, and only if the object is still in the state that matched.

The state of a run is that which the service reports at that moment. Of other objects, and of a run whose status cannot
be read, the record decides: the last event about the object must be one that the rule matches. What a rule expects is
still missing if no such event is on record.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dispatch.evidence.pattern import Pattern
from dispatch.evidence.search import Sought, Span, evidence
from dispatch.filters.keys import EventValues
from dispatch.guards.base import Attempt, Hold, Situation, Standing
from dispatch.guards.event_order import Position, object_of
from dispatch.inbox.history.lookup import recent_days
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import event_key
from dispatch.log import log_event
from handlers.base import GiveUp, RetryLater, Skipped, shorten
from handlers.duration import format_duration
from handlers.errors import classify
from schemas import Event, EventError, Expected
from schemas.context import Context
from schemas.events.run import RunEvent

MOST_READS = 5  # requests for expected events that the index does not name

_ASKED_AGAIN = timedelta(minutes=1)  # after a transient error of the service
_ASKED_FOR = timedelta(minutes=30)  # of transient errors, after which the record decides
_MOST_EVENTS = 20  # of the object that are read
_SKEW = timedelta(minutes=5)  # between the clock of the service and that of the app


@dataclass(frozen=True, slots=True)
class StillAfter:
    """Hold an action until some time after its event; then skip it if the object has another state."""

    after: timedelta
    matching: Pattern  # the events that the rule matches
    expected: Pattern | None = None  # what the rule expects

    def __call__(self, attempt: Attempt) -> Skipped | Hold | None:
        """Hold the action until its time has come; then compare the state."""
        record, event = attempt.claim.record, attempt.claim.event
        if record.has_started:
            return None
        due = self._due(event, record.started)
        if attempt.now < due:
            return Hold(due - attempt.now, f"waits until {due:%Y-%m-%d %H:%M:%S} UTC for the state to last")
        if isinstance(event, Expected) and self.expected:
            return self._came(event, self.expected, attempt)
        if isinstance(event, RunEvent):
            answer = self._asked(event, attempt, due)
            if not isinstance(answer, _Unasked):
                return answer
        return self._by_record(attempt)

    def standing(self, at: Situation) -> Standing:
        """When the rule acts, or that the time has come."""
        due = self._due(at.context.event, at.now)
        when, span = f"{due:%Y-%m-%d %H:%M:%S} UTC", format_duration(self.after)
        if at.now < due:
            return Standing("still_after", f"acts at {when}, if the state has not changed by then", True)
        return Standing(
            "still_after", f"{span} have passed since {when}: the state is read when the action runs", False
        )

    def _due(self, event: Event, started: datetime) -> datetime:
        """When to act: counted from the event, or from when its action was created, for a time in the future."""
        return min(event.event_time or started, started) + self.after

    def _came(self, event: Expected, expected: Pattern, attempt: Attempt) -> Skipped | None:
        """Skip the action if the event that was missing is on record now."""
        sought = Sought(expected, event.topic, attempt.context.workspace)
        since = event.data.since or event.data.deadline or attempt.now
        found = evidence(sought, attempt.inbox, Span(since, attempt.now + _SKEW), attempt.now, MOST_READS).found
        if found is None:
            return None
        return Skipped(f"{found.record.object} came after all, at {found.time:%Y-%m-%d %H:%M:%S} UTC")

    def _asked(self, event: RunEvent, attempt: Attempt, due: datetime) -> "Skipped | Hold | _Unasked | None":
        """Compare the status that the service reports; `_Unasked` if it cannot be read."""
        try:
            status = run_status(event)
        except Exception as error:  # of the service, the network or the credential
            again = _is_transient(error, attempt.now) and attempt.now < due + _ASKED_FOR
            if again:
                return Hold(_ASKED_AGAIN, f"the status of the run cannot be read yet: {shorten(str(error), 300)}")
            about = {"rule": attempt.claim.id.rule, **attempt.claim.about}
            log_event("still_after.unasked", logging.WARNING, **about, reason=shorten(str(error), 300))
            return _Unasked()
        if not status:
            return _Unasked()
        if self._has_status(event, status, attempt.context):
            return None
        return Skipped(f"the run is {status} now")

    def _has_status(self, event: RunEvent, status: str, context: Context) -> bool:
        """Would the rule match the event with this status? Without a condition on it, is it the event's status?"""
        own = getattr(event.data, "run_status", "Completed")
        if status.casefold() == own.casefold():
            return True
        if "data.runstatus" not in self.matching.text.casefold():
            return False
        changed = event.model_copy(update={"data": event.data.model_copy(update={"run_status": status})})
        return self.matching.when.holds(EventValues(replace(context, event=changed)))

    def _by_record(self, attempt: Attempt) -> Skipped | None:
        """Skip the action if a later event about the object is on record, and the rule does not match the last one."""
        event = attempt.claim.event
        latest, position = None, Position.of(event)
        for other in _events_about(event, attempt.inbox, attempt.now):
            if Position.of(other).is_after(position):
                latest, position = other, Position.of(other)
        if latest is None:
            return None
        context = replace(attempt.context, event=latest)
        if self.matching.takes(latest) and self.matching.when.holds(EventValues(context)):
            return None
        time = f", of {latest.event_time:%Y-%m-%d %H:%M:%S} UTC" if latest.event_time else ""
        return Skipped(f"a later event is on record: {shorten(latest.label, 200)} ({type(latest).__name__}{time})")


class _Unasked:
    """The status of a run could not be read."""


def run_status(event: RunEvent) -> str:
    """The status of the run now; empty if the service returns none.

    Raises AzureError, RetryLater, GiveUp or LookupError, and what the credential raises.
    """
    from handlers.azure.ml.run_history import status_of  # loads azure-identity: only actions that wait need it
    from handlers.azure.ml.workspace import connect

    return status_of(connect(event.workspace), event.object)


def _is_transient(error: Exception, now: datetime) -> bool:
    """May the same request succeed in a minute? A missing permission may not."""
    found = classify(error, now)
    return isinstance(found, RetryLater) and found.max_elapsed is None and not isinstance(error, GiveUp)


def _events_about(event: Event, inbox: Inbox, now: datetime) -> list[Event]:
    """The last events on record about the same object."""
    found: list[Event] = []
    days = dict.fromkeys([*recent_days(now), event_key(event)[0]])  # which may have events that are not indexed yet
    for number, stored in enumerate(inbox.lookup.events(event.object, [*days])):
        if number >= _MOST_EVENTS:
            break
        try:
            other = stored.record.event
        except EventError:
            continue
        if object_of(other) == object_of(event):
            found.append(other)
    return found
