"""`Calls`: the consecutive calls of one action, on a clock that no test waits for."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from handlers.base import Action, CheckBack, GiveUp, Handler, Outcome, RetryLater
from handlers.errors import classify
from mlevents.testing.storage import NOW
from schemas import Event


@dataclass
class Calls:
    """Calls a handler for an event, as the app does: later after a CheckBack, and again after a RetryLater."""

    handler: Handler[Event]
    event: Event
    action: Action = field(default_factory=lambda: Action(now=NOW, started=NOW))
    notes: list[str] = field(default_factory=list)

    def next(self, *, crashes: bool = False) -> Outcome | RetryLater | GiveUp:
        """Make the next call. Of one that crashes, nothing is saved."""
        try:
            outcome = self.handler.run(self.event, self.action)
        except Exception as error:
            found = classify(error, self.action.now)
            if not crashes:
                after = getattr(found, "after", None) or timedelta(minutes=1)
                is_throttled = isinstance(found, RetryLater) and found.throttled  # which does not count
                failures = self.action.failures + (not is_throttled)
                self.action = replace(self.action, now=self.action.now + after, failures=failures, interrupted=False)
            return found
        if crashes:
            self.action = replace(self.action, now=self.action.now + timedelta(minutes=6), interrupted=True)
        elif isinstance(outcome, CheckBack):
            self.notes.append(outcome.note)
            now = self.action.now + outcome.after
            self.action = replace(self.action, now=now, state=outcome.state, failures=0, interrupted=False)
        return outcome

    def end(self, most: int = 200) -> Outcome | GiveUp:
        """Make calls until the action ends."""
        for _ in range(most):
            found = self.next()
            if not isinstance(found, CheckBack | RetryLater):
                return found
        raise AssertionError(f"the action did not end: {self.notes}")
