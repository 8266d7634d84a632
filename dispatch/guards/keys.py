"""The keys of a rule that are guards."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dispatch.guards.at_most import AtMost, Limit
from dispatch.guards.base import Guard
from dispatch.guards.dry_run import DryRun
from dispatch.guards.latest_only import LatestOnly
from dispatch.guards.lock import Lock
from handlers.base import Handler


class GuardKeys(BaseModel):
    """The keys of a rule that are guards. A new guard is a class above, a field here and a line in `guards`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    dry_run: bool = Field(False, strict=True)
    latest_only: bool = Field(False, strict=True)
    at_most: Limit | None = None

    def guards(self, handler: Handler[Any]) -> tuple[Guard, ...]:
        """The guards of a rule with this handler, in the order in which they are asked."""
        found: list[Guard] = []
        if self.dry_run:
            found.append(DryRun(handler))
        if self.latest_only and self.at_most is not None:
            found.append(LatestOnly(only_looks=True))
        if self.at_most is not None:
            found.append(AtMost(self.at_most))
        if self.latest_only:
            found.append(LatestOnly())
        if type(handler).lock is not Handler.lock:
            found.append(Lock(handler))
        return tuple(found)
