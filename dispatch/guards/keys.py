"""The keys of a rule that are guards, and the order in which guards are called."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dispatch.guards.at_most import AtMost, Limit
from dispatch.guards.base import Guard
from dispatch.guards.dry_run import DryRun
from dispatch.guards.latest_only import LatestOnly
from dispatch.guards.lock import Lock
from handlers.base import Handler


class GuardKeys(BaseModel):
    """The keys of a rule that are guards. A new guard is a file in this folder, a field here and a line in `guards`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    dry_run: bool = Field(False, strict=True, description="Record what would be done, and do nothing.")
    latest_only: bool = Field(False, strict=True, description="Act only on the latest event about an object.")
    at_most: Limit | None = Field(
        None,
        description="Limit the actions of this rule in a span of time.",
        examples=[{"count": 1, "every": "7d", "by": "drift.monitor"}],
    )

    def guards(self, handler: Handler[Any]) -> tuple[Guard, ...]:
        """Return the guards of a rule with this handler, in the order in which they are called.

        `latest_only` beside `at_most` is called twice: before it, so that a superseded event takes no slot, and after
        it, so that an event which `at_most` skips supersedes no other.
        """
        has_lock = type(handler).lock is not Handler.lock
        in_order = (
            DryRun(handler) if self.dry_run else None,
            LatestOnly(record=False) if self.latest_only and self.at_most else None,
            AtMost(self.at_most) if self.at_most else None,
            LatestOnly() if self.latest_only else None,
            Lock(handler) if has_lock else None,
        )
        return tuple(guard for guard in in_order if guard is not None)
