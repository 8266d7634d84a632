"""What `collect` and `at_least` share: which window an event belongs to, and what they say of it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dispatch.filters.keys import value_of
from dispatch.guards.base import Attempt, Gathered
from dispatch.inbox.keys import ActionId
from dispatch.inbox.shared_state import hashed
from dispatch.inbox.windows import Member, Window
from handlers.base import Skipped
from schemas.context import Context
from schemas.plain import MISSING


def value_and_name(context: Context, guard: str, by: str) -> tuple[str, str]:
    """The value of the key `by` of a guard, hashed and for people. Events that lack the key have one value in common.

    Guards share no window, because those of `at_least` have no leader while they are open.
    """
    value = value_of(context, by) if by else MISSING
    shown = value if isinstance(value, str) else "" if value is MISSING else json.dumps(value)
    return hashed(guard, by, "" if value is MISSING else json.dumps(value)), shown


def member_of(attempt: Attempt, *, shows_events: bool) -> Member:
    """The action as a member of a window. If its handler shows events to people, bad news has what is known of it."""
    claim, context, view = attempt.claim, attempt.context, attempt.context.view()
    if shows_events and context.event.is_bad_news and not context.event.drift:
        view |= {name: context.fact(name).view() for name in context.event.facts}
    return Member(claim.id, claim.record.replay_number, attempt.now, view)


def events_of(members: Iterable[Member]) -> tuple[Mapping[str, Any], ...]:
    """The views of members, in the order of their events' times; those without a time come last."""
    return tuple(member.view for member in sorted(members, key=lambda each: (each.id.day, -int(each.id.event[:8]))))


def acted_on_with(window: Window, wakes: ActionId | None = None) -> Gathered:
    """Skip an action whose event another action acts on, too: the one that leads the window."""
    return Gathered(window.id, Skipped(f"collected into {of_leader(window)}"), wakes=wakes)


def of_leader(window: Window) -> str:
    """The action that leads a window, in words: the rule has the same name."""
    leader = window.leader
    return f"the action on event {leader.event} of {leader.day}" if leader else "an action"


def about(by: str, value: str) -> str:
    """For which value of `by`, in words; empty without `by`."""
    return f" for {by} {value!r}" if by else ""
