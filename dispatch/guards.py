"""Guards: may this action run now? Each is one key of a rule or a word of its handler, and knows nothing of the others.

A guard answers None (go on), Skipped (never) or Hold (ask again later). It may keep one small note, changed by compare
and swap (`dispatch.notes.Notes`). A note names what it let pass: that passes again after a crash, and nothing ever has
to be released. What has begun, because its handler has checked back, is not stopped half-way.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dispatch.actions import ActionId, Claim
from dispatch.conditions import look_up
from dispatch.filters import check_key
from dispatch.inbox import Inbox
from dispatch.notes import hashed
from dispatch.operators import MISSING
from dispatch.order import Place, object_of
from handlers.base import Handler, Skipped
from handlers.duration import Duration, format_duration

_LONGEST_PAUSE = timedelta(minutes=5)
_BEHIND = timedelta(hours=1)  # surely no reader is further behind
_LONG_AGO = "2000-01-01T00:00:00+00:00"  # in locks of a release that did not write down when


class Turn(NamedTuple):
    """What a guard looks at: the claimed action, and the inbox for its note."""

    claim: Claim
    inbox: Inbox
    now: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: ask again after a while. The action is as it was."""

    after: timedelta
    note: str


Guard: TypeAlias = Callable[[Turn], Skipped | Hold | None]


@dataclass(frozen=True, slots=True)
class DryRun:
    """Tell what the handler would do, and do nothing."""

    handler: Handler[Any]

    def __call__(self, turn: Turn) -> Skipped:
        """Skipped, always."""
        return Skipped(f"dry run: {self.handler.plan(turn.claim.event)}")


@dataclass(frozen=True, slots=True)
class LatestOnly:
    """Of the events about one object, act on the latest only: what comes late is superseded."""

    def __call__(self, turn: Turn) -> Skipped | None:
        """Skipped if this rule has let a later event about the object pass."""
        if turn.claim.record.begun:
            return None
        event, place = turn.claim.event, Place.of(turn.claim.event)

        def later(seen: dict[str, str]) -> dict[str, str]:
            if seen and Place(seen["sequencer"], seen["rank"], seen["time"]).is_after(place):
                return seen
            return {**place._asdict(), "event": event.id}

        name = f"latest|{turn.claim.id.rule}|{hashed(*object_of(event))}"
        latest = turn.inbox.notes.change(name, later, turn.now)
        if Place(latest["sequencer"], latest["rank"], latest["time"]) == place:
            return None
        return Skipped(f"superseded by event {latest['event']} of {latest['time']}")


class Limit(BaseModel):
    """At most so many in any span of such a length; with `by`, for each value that this key of the event has."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=1, le=100, strict=True)
    every: Duration
    by: str = ""

    @field_validator("by")
    @classmethod
    def _a_key(cls, value: str) -> str:
        return check_key(value) if value else value


@dataclass(frozen=True, slots=True)
class AtMost:
    """No more than a number of times in a while."""

    limit: Limit

    def __call__(self, turn: Turn) -> Skipped | None:
        """Skipped if others have all places in the span that ends now."""
        if turn.claim.record.begun:
            return None
        me, limit = str(turn.claim.id), self.limit

        def live(places: Mapping[str, str]) -> dict[str, str]:
            since = turn.now - limit.every
            return {other: at for other, at in places.items() if datetime.fromisoformat(at) > since}

        def take(places: dict[str, str]) -> dict[str, str]:
            if me not in (others := live(places)) and len(others) >= limit.count:
                return places
            return others | {me: turn.now.isoformat()}  # also of a retry: it is now that it acts

        value = look_up(turn.claim.event.view(), limit.by) if limit.by else ""
        by = "" if value is MISSING else str(value)
        name = f"at-most|{turn.claim.id.rule}|{hashed(by)}"
        places = live(turn.inbox.notes.change(name, take, turn.now, limit.every))
        if me in places:
            return None
        about = f" for {limit.by} {by!r}" if limit.by else ""
        return Skipped(f"{limit.count} in {format_duration(limit.every)} already{about}: {', '.join(sorted(places))}")


@dataclass(frozen=True, slots=True)
class TakeTurns:
    """Actions whose handler names the same lock run one at a time, each from its first call to its end."""

    handler: Handler[Any]
    pause: timedelta = timedelta(seconds=30)  # the shortest; whoever has waited long looks less often

    def __call__(self, turn: Turn) -> Hold | None:
        """Hold while another action that has the lock has not ended."""
        lock = self.handler.lock(turn.claim.event)
        if lock is None:
            return None
        me = turn.claim.id

        def take(held: dict[str, str]) -> dict[str, str]:
            kept = turn.claim.record.begun if held and _holder(held) == me else held and not _is_over(held, turn)
            if kept:  # mine is written again until it has begun: somebody may have seen it end before it was replayed
                return held
            return {**me._asdict(), "at": turn.now.isoformat()}

        pause = min(max(self.pause, (turn.now - turn.claim.record.started) / 10), _LONGEST_PAUSE)
        holder = _holder(turn.inbox.notes.change(f"lock|{hashed(lock)}", take, turn.now))
        return None if holder == me else Hold(pause, f"waits for its turn after {holder.rule} on {holder.event}")


def _holder(held: Mapping[str, str]) -> ActionId:
    return ActionId(*(held[name] for name in ActionId._fields))


def _is_over(held: Mapping[str, str], turn: Turn) -> bool:
    """Has the action that has a lock ended? Its record may be gone; or be not yet seen, by a reader who is behind."""
    ended = turn.inbox.ended(_holder(held))
    return turn.now - datetime.fromisoformat(held.get("at", _LONG_AGO)) > _BEHIND if ended is None else ended


@dataclass(frozen=True, slots=True)
class Pause:
    """Leave a service alone that has asked for it, whichever action it told: each try would count against its limit."""

    handler: Handler[Any]
    jitter: Callable[[], float] = random.random

    def __call__(self, turn: Turn) -> Hold | None:
        """Hold until its pause is over, and a little longer: what waited together does not come back together."""
        until = turn.inbox.pauses.until(destination(self.handler, turn.claim), turn.now)
        if until is None:
            return None
        return Hold(
            (until - turn.now) * (1 + self.jitter() / 2), f"the service wants a pause until {until:%H:%M:%S} UTC"
        )


def destination(handler: Handler[Any], claim: Claim) -> str:
    """What is busy when the handler is told so: what it names, else only what this rule does."""
    return handler.destination(claim.event) or f"rule {claim.id.rule}"


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
        if self.latest_only:
            found.append(LatestOnly())
        if self.at_most is not None:
            found.append(AtMost(self.at_most))
        if type(handler).lock is not Handler.lock:
            found.append(TakeTurns(handler))
        return tuple(found)
