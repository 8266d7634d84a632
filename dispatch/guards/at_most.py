"""`at_most`: limit how many actions of a rule run within a span of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dispatch.filters.keys import check_key, value_of
from dispatch.guards.base import Attempt, Situation, Standing
from dispatch.inbox.keys import ActionId
from dispatch.inbox.shared_state import hashed
from dispatch.log import log_event
from handlers.base import Skipped
from handlers.duration import Duration, format_duration
from schemas.context import Context
from schemas.plain import MISSING


class Limit(BaseModel):
    """At most `count` actions in any span as long as `every`; with `by`, for each value of this key of the event.

    An event that lacks the key is not limited. Null is a value.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=1, le=100, strict=True, description="The number of actions.")
    every: Duration = Field(description="The length of the span.", examples=["7d"])
    by: str = Field(
        "", description="A key of the event: the limit is for each of its values. An event without it is not limited."
    )

    @field_validator("by")
    @classmethod
    def _valid_key(cls, value: str) -> str:
        return check_key(value) if value else value


@dataclass(frozen=True, slots=True)
class AtMost:
    """Let a limited number of actions run within a span of time. An action that had no effect frees its slot."""

    limit: Limit

    def __call__(self, attempt: Attempt) -> Skipped | None:
        """Skip the action if other actions have taken all slots of the span that ends now."""
        if attempt.claim.record.checked_back:
            return None
        own_id, limit = str(attempt.claim.id), self.limit
        value = self._value(attempt.context)
        if value is MISSING:  # a common limit for unrelated events would skip most of them
            log_event("at_most.unlimited", rule=attempt.claim.id.rule, event=attempt.event.id, by=limit.by)
            return None

        def current(slots: Mapping[str, str]) -> dict[str, str]:
            return self._current(slots, attempt.now)

        def take(slots: dict[str, str]) -> dict[str, str]:
            taken = current(slots)
            if own_id not in taken and len(taken) >= limit.count:
                taken = {other: at for other, at in taken.items() if not _had_no_effect(other, at, attempt)}
                if len(taken) >= limit.count:
                    return slots
            return taken | {own_id: attempt.now.isoformat()}  # a retry moves its slot to now: this is when it acts

        by = str(value)
        name = _name(attempt.claim.id.rule, by)
        slots = current(attempt.inbox.shared.change(name, take, attempt.now, limit.every))
        if own_id in slots:
            return None
        about = f" for {limit.by} {by!r}" if limit.by else ""
        return Skipped(f"{limit.count} in {format_duration(limit.every)} already{about}: {_acted(slots)}")

    def standing(self, at: Situation) -> Standing:
        """How many of the slots are taken, by which actions, and when the next one is free."""
        limit, value = self.limit, self._value(at.context)
        if value is MISSING:
            return Standing("at_most", f"not limited: the event has no {limit.by}", False)
        name = _name(at.rule, str(value))
        slots = self._current(at.inbox.shared.all(name).get(name, {}), at.now)
        about = f" for {limit.by} {str(value)!r}" if limit.by else ""
        text = f"{len(slots)} of {limit.count} in {format_duration(limit.every)} taken{about}"
        if slots:
            text += f": {_acted(slots)}"
        full = len(slots) >= limit.count and at.own_id not in slots
        if full:
            first = min(map(datetime.fromisoformat, slots.values()))
            text += f"; the next is free at {first + limit.every:%Y-%m-%d %H:%M:%S} UTC"
        return Standing("at_most", text, full)

    def _value(self, context: Context) -> Any:
        """The value of the key `by`; MISSING if the event lacks it."""
        return value_of(context, self.limit.by) if self.limit.by else ""

    def _current(self, slots: Mapping[str, str], now: datetime) -> dict[str, str]:
        """The slots of the span that ends now."""
        return {holder: at for holder, at in slots.items() if datetime.fromisoformat(at) > now - self.limit.every}


def _name(rule: str, value: str) -> str:
    return f"at-most|{rule}|{hashed(value)}"


def _acted(slots: Mapping[str, str]) -> str:
    return ", ".join(sorted(f"on {id.event} of {id.day}" for id in map(ActionId.parse, slots)))


def _had_no_effect(holder: str, taken_at: str, attempt: Attempt) -> bool:
    """Has the action that took the slot at this time ended since then, without an effect?"""
    return attempt.inbox.leases.had_no_effect(ActionId.parse(holder), datetime.fromisoformat(taken_at))
