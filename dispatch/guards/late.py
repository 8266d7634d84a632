"""Late conditions: those of ``when`` on what a service knows about the event's object, such as ``run.error.code``."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dispatch.facts.source import FactSource
from dispatch.filters.keys import EventValues
from dispatch.guards.base import Attempt, Situation, Standing
from dispatch.rules.when import AllOf, facts_read, text_of, why_false
from handlers.base import GiveUp, RetryLater, Skipped
from handlers.errors import PROPAGATION
from schemas import Event
from schemas.context import Context

if TYPE_CHECKING:
    from schemas.facts import Facts


@dataclass(frozen=True, slots=True)
class Late:
    """Skip the action if a late condition is false. Retry while the service does not say what the conditions read.

    It retries for half an hour, as long as a new role takes to propagate; then the action fails, and `alerts` is
    notified: neither acting nor skipping could be justified.
    """

    when: AllOf

    def __call__(self, attempt: Attempt) -> Skipped | None:
        """Skip the action if a condition is false. Raises RetryLater or GiveUp if they cannot be decided."""
        false = "" if attempt.claim.record.has_started else self._why_false(attempt.context)
        return Skipped(false) if false else None

    def matches(self, event: Event, context: Context) -> bool:
        """Are the conditions true for an event about another object than the context's? The service is asked about it.

        They count as true for the same object: that was decided before the action started. Raises RetryLater or
        GiveUp if they cannot be decided.
        """
        if all(event.fact_id(name) == context.event.fact_id(name) for name in self._names(context)):
            return True
        source = context.facts.about(event) if isinstance(context.facts, FactSource) else None
        return not self._why_false(replace(context, event=event, facts=source))

    def _why_false(self, context: Context) -> str:
        """Why a condition is false; empty if all are true. Raises RetryLater or GiveUp if that is not known."""
        values = EventValues(context)
        false = self.when.first_false(values)
        facts = {name: context.fact(name) for name in self._names(context)}
        for name, fact in facts.items():
            if fact.unavailable or (fact.missing and fact.transient):
                unknown = fact.unavailable or "; ".join(fact.missing)
                reason = f"conditions on the {name} cannot be decided: {unknown}"
                raise RetryLater(reason, max_elapsed=PROPAGATION) if fact.transient else GiveUp(reason)
        return why_false(false, values) + _unread(facts.values()) if false else ""

    def obstacle(self, context: Context) -> str:
        """Why a condition is false for an event whose facts are known; empty if all are true, or that is not known."""
        if context.facts is None or any(context.fact(name).unavailable for name in self._names(context)):
            return ""
        values = EventValues(context)
        false = self.when.first_false(values)
        return why_false(false, values) if false else ""

    def standing(self, at: Situation) -> Standing:
        """Whether the conditions are true for the facts that are kept; the service is not asked."""
        known = at.context.facts and not any(at.context.fact(name).unavailable for name in self._names(at.context))
        if not known:
            return Standing("when", f"decided when it acts, from what Azure ML knows: {self._text}", False)
        false = self.obstacle(at.context)
        return Standing("when", false or f"true: {self._text}", bool(false))

    @property
    def _text(self) -> str:
        return "; ".join(map(text_of, self.when.tests))

    def _names(self, context: Context) -> list[str]:
        """The facts that the conditions read, as far as events of this type have them."""
        read = facts_read(self.when)
        return [name for name in context.event.facts if name in read]


def _unread(facts: Iterable["Facts"]) -> str:
    missing = "; ".join(part for fact in facts for part in fact.missing)
    return f" ({missing})" if missing else ""
