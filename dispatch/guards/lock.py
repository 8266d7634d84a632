"""Run actions with the same lock one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dispatch.guards.base import GuardContext, Hold
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import LONG_AGO
from dispatch.inbox.shared_state import hashed
from handlers.base import Handler

_LONGEST_PAUSE = timedelta(minutes=5)


_BEHIND = timedelta(hours=1)  # surely no reader is further behind


@dataclass(frozen=True, slots=True)
class Lock:
    """Actions whose handler names the same lock run one at a time, each from its first call to its end."""

    handler: Handler[Any]
    pause: timedelta = timedelta(seconds=30)  # the shortest; whoever has waited long looks less often

    def __call__(self, context: GuardContext) -> Hold | None:
        """Hold while another action that has the lock has not ended."""
        lock = self.handler.lock(context.claim.event)
        if lock is None:
            return None
        me = context.claim.id

        def take(held: dict[str, str]) -> dict[str, str]:
            kept = (
                context.claim.record.checked_back
                if held and _holder(held) == me
                else held and not _is_over(held, context)
            )
            if kept:  # mine is written again until it has begun: somebody may have seen it end before it was replayed
                return held
            return {**me._asdict(), "at": context.now.isoformat()}

        pause = min(max(self.pause, (context.now - context.claim.record.started) / 10), _LONGEST_PAUSE)
        holder = _holder(context.inbox.shared.change(f"lock|{hashed(lock)}", take, context.now))
        return None if holder == me else Hold(pause, f"waits for its turn after {holder.rule} on {holder.event}")


def _holder(held: Mapping[str, str]) -> ActionId:
    return ActionId(*(held[name] for name in ActionId._fields))


def _is_over(held: Mapping[str, str], context: GuardContext) -> bool:
    """Has the action that has a lock ended? Its record may be gone; or be not yet seen, by a reader who is behind.

    One that waits for a rule that is gone, and has not begun, keeps nobody waiting: it takes its turn when it has one.
    """
    since = datetime.fromisoformat(held.get("at", LONG_AGO))
    over = context.inbox.leases.is_over(_holder(held), since)
    return context.now - since > _BEHIND if over is None else over
