"""`Handler.lock`: run actions that need the same lock one at a time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dispatch.guards.base import Attempt, Hold, Situation, Standing
from dispatch.inbox.keys import LONG_AGO, ActionId
from dispatch.inbox.shared_state import hashed
from handlers.base import Handler

_LONGEST_PAUSE = timedelta(minutes=5)
_MOST_WAITING = 100  # actions that a lock's state names; others ask again by themselves, too
_STALE_READ = timedelta(hours=1)  # far longer than a read from storage can lag behind a write


@dataclass(frozen=True, slots=True)
class Lock:
    """Run actions whose handlers name the same lock one at a time, each from its first call to its end.

    No action releases a lock: the next one takes it over once its holder has ended. Actions that wait are named in the
    lock's state, so that the one that has waited longest can be called at that moment (`waiting`).
    """

    handler: Handler[Any]
    pause: timedelta = timedelta(seconds=30)  # the shortest pause between attempts; it grows with the time waited

    def __call__(self, attempt: Attempt) -> Hold | None:
        """Hold the action while another action that has not ended holds the lock."""
        lock = self.handler.lock(attempt.event)
        if lock is None:
            return None
        own_id, record = attempt.claim.id, attempt.claim.record

        def take(held: dict[str, str]) -> dict[str, str]:
            # Until this action has checked back, it writes its lock again. Another action may be about to take the lock
            # over, because it read the end of this action before a replay opened this action again.
            keep = (
                record.checked_back if held and _holder(held) == own_id else held and not _has_lost_lock(held, attempt)
            )
            waiting = _waiting(held)
            if keep and (own_id in waiting or len(waiting) >= _MOST_WAITING or _holder(held) == own_id):
                return held
            if keep:
                return {**held, "waiting": json.dumps([*waiting, own_id])}
            later = waiting[waiting.index(own_id) + 1 :] if own_id in waiting else waiting
            return {**own_id._asdict(), "at": attempt.now.isoformat(), "waiting": json.dumps(later)}

        holder = _holder(attempt.inbox.shared.change(f"lock|{hashed(lock)}", take, attempt.now))
        if holder == own_id:
            return None
        pause = min(max(self.pause, (attempt.now - record.started) / 10), _LONGEST_PAUSE)
        return Hold(pause, f"waits for the lock of {holder.rule} on {holder.event}")

    def waiting(self, attempt: Attempt) -> list[ActionId]:
        """The actions that can go on now that this one has ended, the one that has waited longest first.

        They are those that wait for its lock; or, if it has ended before it held the lock, those that came after it.
        """
        lock, own_id = self.handler.lock(attempt.event), attempt.claim.id
        if lock is None:
            return []
        name = f"lock|{hashed(lock)}"
        held = attempt.inbox.shared.all(name).get(name, {})
        waiting = _waiting(held)
        if held and _holder(held) == own_id:
            return waiting
        return waiting[waiting.index(own_id) + 1 :] if own_id in waiting else []

    def standing(self, at: Situation) -> Standing | None:
        """Which action took the lock last, and how many wait for it. It holds the lock until it has ended."""
        lock = self.handler.lock(at.event)
        if lock is None:
            return None
        name = f"lock|{hashed(lock)}"
        held = at.inbox.shared.all(name).get(name, {})
        if not held:
            return Standing("lock", f"the lock {lock} is free", False)
        holder, waiting = _holder(held), len(_waiting(held))
        since = f"{datetime.fromisoformat(held.get('at', LONG_AGO)):%Y-%m-%d %H:%M:%S} UTC"
        if holder == at.id:
            return Standing("lock", f"this action took the lock {lock} at {since}; {waiting} wait", False)
        last = f"{holder.rule} on {holder.event} of {holder.day}"
        text = f"the lock {lock} was last taken by {last} at {since}, and is free once that has ended; {waiting} wait"
        return Standing("lock", text, waiting > 0)


def _holder(held: Mapping[str, str]) -> ActionId:
    return ActionId(*(held[name] for name in ActionId._fields))


def _waiting(held: Mapping[str, str]) -> list[ActionId]:
    return [ActionId(*id) for id in json.loads(held.get("waiting", "[]"))]


def _has_lost_lock(held: Mapping[str, str], attempt: Attempt) -> bool:
    """Has the holder of a lock lost it: has it ended, or lost its rule before it started?

    A holder without a record ended long ago, unless the read is stale and the holder is new.
    """
    since = datetime.fromisoformat(held.get("at", LONG_AGO))
    lost = attempt.inbox.leases.has_lost_lock(_holder(held), since)
    return attempt.now - since > _STALE_READ if lost is None else lost
