"""At most so many actions in a span of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dispatch.filters.condition import look_up
from dispatch.filters.event_filter import check_key
from dispatch.filters.operators import MISSING
from dispatch.guards.base import GuardContext
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.shared_state import hashed
from handlers.base import Skipped
from handlers.duration import Duration, format_duration


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

    def __call__(self, context: GuardContext) -> Skipped | None:
        """Skipped if others have all places in the span that ends now."""
        if context.claim.record.checked_back:
            return None
        me, limit = str(context.claim.id), self.limit

        def live(places: Mapping[str, str]) -> dict[str, str]:
            since = context.now - limit.every
            return {other: at for other, at in places.items() if datetime.fromisoformat(at) > since}

        def take(places: dict[str, str]) -> dict[str, str]:
            others = live(places)
            if me not in others and len(others) >= limit.count:
                others = {other: at for other, at in others.items() if not _came_to_nothing(other, at, context.inbox)}
                if len(others) >= limit.count:
                    return places
            return others | {me: context.now.isoformat()}  # also of a retry: it is now that it acts

        value = look_up(context.claim.event.view(), limit.by) if limit.by else ""
        by = "" if value is MISSING else str(value)
        name = f"at-most|{context.claim.id.rule}|{hashed(by)}"
        places = live(context.inbox.shared.change(name, take, context.now, limit.every))
        if me in places:
            return None
        about = f" for {limit.by} {by!r}" if limit.by else ""
        acted = ", ".join(sorted(f"on {id.event} of {id.day}" for id in map(ActionId.parse, places)))
        return Skipped(f"{limit.count} in {format_duration(limit.every)} already{about}: {acted}")


def _came_to_nothing(holder: str, at: str, inbox: Inbox) -> bool:
    """Has who took a place then ended without having done anything?"""
    return inbox.leases.had_no_effect(ActionId.parse(holder), datetime.fromisoformat(at))
