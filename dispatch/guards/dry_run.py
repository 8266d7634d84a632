"""`dry_run`: record what the handler would do, and do nothing."""

from dataclasses import dataclass
from typing import Any

from dispatch.guards.base import Attempt, Situation, Standing
from handlers.base import Handler, Skipped


@dataclass(frozen=True, slots=True)
class DryRun:
    """Skip every action of the rule, with the handler's plan as the reason."""

    handler: Handler[Any]

    def __call__(self, attempt: Attempt) -> Skipped:
        """Skip the action, always."""
        return Skipped(f"dry run: {self.handler.plan(attempt.event)}")

    def standing(self, at: Situation) -> Standing:
        """What the handler would do."""
        return Standing("dry_run", f"nothing is done; it would {self.handler.plan(at.event)}", True)
