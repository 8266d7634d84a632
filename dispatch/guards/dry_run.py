"""Do nothing, and record what the handler would do."""

from dataclasses import dataclass
from typing import Any

from dispatch.guards.base import Turn
from handlers.base import Handler, Skipped


@dataclass(frozen=True, slots=True)
class DryRun:
    """Tell what the handler would do, and do nothing."""

    handler: Handler[Any]

    def __call__(self, turn: Turn) -> Skipped:
        """Skipped, always."""
        return Skipped(f"dry run: {self.handler.plan(turn.claim.event)}")
