"""Do nothing, and record what the handler would do."""

from dataclasses import dataclass
from typing import Any

from dispatch.guards.base import GuardContext
from handlers.base import Handler, Skipped


@dataclass(frozen=True, slots=True)
class DryRun:
    """Tell what the handler would do, and do nothing."""

    handler: Handler[Any]

    def __call__(self, context: GuardContext) -> Skipped:
        """Skipped, always."""
        return Skipped(f"dry run: {self.handler.plan(context.claim.event)}")
