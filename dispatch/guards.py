"""Guards: may this action run now? Each is one key of a rule, and knows nothing of the others.

A guard answers None (go on), Skipped (never) or CheckBack (ask again later). It may keep one small note, changed by
compare and swap (`Inbox.change`). A note names the action that it belongs to: a guard that let an action pass lets it
pass again after a crash, and nothing ever has to be released.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict

from dispatch.inbox import Claim, Inbox
from handlers.base import CheckBack, Handler, Skipped


class Turn(NamedTuple):
    """What a guard looks at: the claimed action, and the inbox for its note."""

    claim: Claim
    inbox: Inbox
    now: datetime


Guard: TypeAlias = Callable[[Turn], Skipped | CheckBack | None]


@dataclass(frozen=True, slots=True)
class DryRun:
    """Tell what the handler would do, and do nothing."""

    handler: Handler[Any]

    def __call__(self, turn: Turn) -> Skipped:
        """Skipped, always."""
        return Skipped(f"dry run: {self.handler.plan(turn.claim.event)}")


class GuardKeys(BaseModel):
    """The keys of a rule that are guards. A new guard is a class above, a field here and a line in `guards`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", strict=True)

    dry_run: bool = False

    def guards(self, handler: Handler[Any]) -> tuple[Guard, ...]:
        """The guards of a rule with this handler, in the order in which they are asked."""
        return (DryRun(handler),) if self.dry_run else ()
