"""`unless`: do not act if a certain event is on record."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch.evidence.pattern import Pattern
from dispatch.evidence.search import Sought, Span, evidence
from dispatch.guards.base import Attempt, Situation, Standing
from dispatch.inbox.history.records import StoredEvent
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import event_key
from handlers.base import Skipped
from schemas import Expected
from schemas.context import Context
from schemas.plain import MISSING

MOST_READS = 5  # requests for events that the index does not name: they came before the rule did

_SKEW = timedelta(minutes=5)  # between the clock of the service and that of the app


@dataclass(frozen=True, slots=True)
class UnlessSeen:
    """Skip an event if one that matches the pattern is on record, from the same workspace.

    One counts if it is later than the event, or at most `within` before it. For an `Expected`, one counts from the
    moment on from which the expected event would.
    """

    pattern: Pattern
    within: timedelta | None = None

    def __call__(self, attempt: Attempt) -> Skipped | None:
        """Skip the action if there is one."""
        if attempt.claim.record.has_started:
            return None
        started = attempt.claim.record.started
        found = self._find(attempt.context, attempt.inbox, attempt.now, started)
        return Skipped(_said(found)) if found else None

    def standing(self, at: Situation) -> Standing:
        """The event that keeps the rule from acting, or that there is none."""
        if self.pattern.value_of(at.context) is MISSING:
            return Standing("unless", f"not compared: the event has no {self.pattern.same}", False)
        found = self._find(at.context, at.inbox, at.now, at.now)
        return Standing("unless", _said(found) if found else "no such event is on record", found is not None)

    def _find(self, context: Context, inbox: Inbox, now: datetime, started: datetime) -> StoredEvent | None:
        """An event that keeps the rule from acting; `started` stands for the time of an event without one."""
        value = self.pattern.value_of(context)
        if value is MISSING:  # unrelated events would keep it from acting
            return None
        event = context.event
        begin = event.data.since if isinstance(event, Expected) else event.event_time
        since = min(begin or started, now) - (self.within or timedelta())
        sought = Sought(self.pattern, event.topic, context.workspace, value, besides=event_key(event))
        return evidence(sought, inbox, Span(since, now + _SKEW), now, MOST_READS).found


def _said(found: StoredEvent) -> str:
    record = found.record
    return f"{record.event_type} of {record.object} is on record, of {found.time:%Y-%m-%d %H:%M:%S} UTC"
