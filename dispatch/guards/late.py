"""Late conditions: those of ``when`` on what a service knows about the event's object, such as ``run.error.code``."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dispatch.filters.keys import EventValues
from dispatch.guards.base import Attempt, Situation, Standing
from dispatch.rules.when import AllOf, facts_read, why_false
from handlers.base import GiveUp, RetryLater, Skipped
from handlers.errors import PROPAGATION
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
        if attempt.claim.record.has_started:
            return None
        values = EventValues(attempt.context)
        false = self.when.first_false(values)
        facts = {name: attempt.context.fact(name) for name in self._names(attempt.context)}
        for name, fact in facts.items():
            if fact.unavailable or (fact.missing and fact.transient):
                unknown = fact.unavailable or "; ".join(fact.missing)
                reason = f"conditions on the {name} cannot be decided: {unknown}"
                raise RetryLater(reason, max_elapsed=PROPAGATION) if fact.transient else GiveUp(reason)
        return Skipped(why_false(false, values) + _unread(facts.values())) if false else None

    def standing(self, at: Situation) -> Standing:
        """Whether the conditions are true, if their facts are kept; the service is not asked."""
        from dispatch.inbox.history.facts import read_facts  # few rules need it

        kept = read_facts(at.inbox.table, at.id.day, at.id.event) if at.id else {}
        if not all(name in kept for name in self._names(at.context)):
            return Standing("when", f"decided when it acts, from what the service knows: {self._text}", False)
        values = EventValues(replace(at.context, facts=kept.__getitem__))
        false = self.when.first_false(values)
        return Standing("when", why_false(false, values) if false else f"true: {self._text}", false is not None)

    @property
    def _text(self) -> str:
        return "; ".join(map(str, self.when.tests))

    def _names(self, context: Context) -> list[str]:
        """The facts that the conditions read, as far as events of this type have them."""
        read = facts_read(self.when)
        return [name for name in context.event.facts if name in read]


def _unread(facts: Iterable["Facts"]) -> str:
    missing = "; ".join(part for fact in facts for part in fact.missing)
    return f" ({missing})" if missing else ""
