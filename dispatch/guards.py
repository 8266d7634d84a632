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
from dispatch.records import LONG_AGO
from handlers.base import Handler, Skipped
from handlers.duration import Duration, format_duration

_LONGEST_PAUSE = timedelta(minutes=5)
_BEHIND = timedelta(hours=1)  # surely no reader is further behind


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
    """Of the events about one object, act on the latest only: what comes late is superseded.

    Beside another guard it is asked twice: it `only_looks` before the other one, so that what is superseded takes
    nobody's place, and takes its note after it, so that nothing is superseded by what the other one has skipped.
    """

    only_looks: bool = False

    def __call__(self, turn: Turn) -> Skipped | None:
        """Skipped if this rule has let a later event about the object pass."""
        if turn.claim.record.begun:
            return None
        event, place = turn.claim.event, Place.of(turn.claim.event)

        def later(seen: dict[str, str]) -> dict[str, str]:
            if self.only_looks or (seen and _place(seen).is_after(place)):
                return seen
            return {**place._asdict(), "event": event.id}

        name = f"latest|{turn.claim.id.rule}|{hashed(*object_of(event))}"
        latest = turn.inbox.notes.change(name, later, turn.now)
        if not latest or not _place(latest).is_after(place):
            return None
        return Skipped(f"superseded by event {latest['event']} of {latest['time']}")


def _place(note: Mapping[str, str]) -> Place:
    return Place(note["sequencer"], note["rank"], note["time"])


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
    """No more than a number of times in a while. What has come to nothing does not count: its place is given away."""

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
            others = live(places)
            if me not in others and len(others) >= limit.count:
                others = {other: at for other, at in others.items() if not _came_to_nothing(other, at, turn.inbox)}
                if len(others) >= limit.count:
                    return places
            return others | {me: turn.now.isoformat()}  # also of a retry: it is now that it acts

        value = look_up(turn.claim.event.view(), limit.by) if limit.by else ""
        by = "" if value is MISSING else str(value)
        name = f"at-most|{turn.claim.id.rule}|{hashed(by)}"
        places = live(turn.inbox.notes.change(name, take, turn.now, limit.every))
        if me in places:
            return None
        about = f" for {limit.by} {by!r}" if limit.by else ""
        acted = ", ".join(sorted(f"on {id.event} of {id.day}" for id in map(ActionId.of, places)))
        return Skipped(f"{limit.count} in {format_duration(limit.every)} already{about}: {acted}")


def _came_to_nothing(holder: str, at: str, inbox: Inbox) -> bool:
    """Has who took a place then ended without having done anything?"""
    return inbox.came_to_nothing(ActionId.of(holder), datetime.fromisoformat(at))


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
    """Has the action that has a lock ended? Its record may be gone; or be not yet seen, by a reader who is behind.

    One that waits for a rule that is gone, and has not begun, keeps nobody waiting: it takes its turn when it has one.
    """
    since = datetime.fromisoformat(held.get("at", LONG_AGO))
    over = turn.inbox.is_over(_holder(held), since)
    return turn.now - since > _BEHIND if over is None else over


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
        if self.latest_only and self.at_most is not None:
            found.append(LatestOnly(only_looks=True))
        if self.at_most is not None:
            found.append(AtMost(self.at_most))
        if self.latest_only:
            found.append(LatestOnly())
        if type(handler).lock is not Handler.lock:
            found.append(TakeTurns(handler))
        return tuple(found)
