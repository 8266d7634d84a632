"""Guards: may this action run now? Each is one key of a rule or a method of its handler, and depends on no other guard.

A guard returns None (run), Skipped (never run) or Hold (call the guard again later); or one of these in `Gathered`, if
the action belongs to a window of several events. It may keep one record of shared state, which it changes by compare
and swap (dispatch/inbox/shared_state.py), or a window (dispatch/inbox/windows.py). These name the actions that have
passed the guard, so that an action passes again after a crash, and no guard has to release anything. An action whose
handler has checked back, or that acts for other events, too, has started (`ActionRecord.has_started`); no guard stops
it halfway.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.leases import Claim
from handlers.base import Skipped
from schemas import Event
from schemas.context import Context


@dataclass(frozen=True, slots=True)
class Hold:
    """Do not run the action now, and call the guard again after a delay. Nothing else about the action changes."""

    after: timedelta
    note: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """The action belongs to a window; without an `answer` it runs, with the plain views of all `events` of the window.

    `leads`: it acts for the others. `wakes` is the action that leads the window, if it can act at once now.
    """

    window: str
    answer: Skipped | Hold | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    leads: bool = False
    wakes: ActionId | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """What the record of the action says of it."""
        return {"window": self.window, "leads": self.leads}


class Attempt(NamedTuple):
    """One call of an action: what guards read, and what the handler receives."""

    claim: Claim
    context: Context
    event: Event  # as the handler receives it: its templates read the context
    inbox: Inbox
    now: datetime  # when the call began
    gathered: Gathered | None = None  # the answer of a guard whose window the action belongs to

    def in_window(self, gathered: Gathered) -> Self:
        """The same call; unless the guard has an answer, with the events of the window."""
        if gathered.answer is not None:
            return self._replace(gathered=gathered)
        context = self.context.with_events(gathered.events)
        return self._replace(context=context, event=context.event_for_handler(), gathered=gathered)


@runtime_checkable
class HasWaiting(Protocol):
    """A guard for which actions wait until another one has ended."""

    def waiting(self, attempt: Attempt) -> list[ActionId]:
        """The actions that can go on now that this one has ended, in the order in which to call them."""


class Situation(NamedTuple):
    """An event and a rule that matches it, for which a guard says how it stands now."""

    rule: str
    context: Context
    event: Event  # as the handler receives it: its templates read the context
    inbox: Inbox
    now: datetime
    id: ActionId | None  # of the action; None if the event is not recorded

    @property
    def own_id(self) -> str:
        """The action's id as text; "" if the event is not recorded."""
        return str(self.id) if self.id else ""


class Standing(NamedTuple):
    """How a guard stands for an event: in a sentence, and whether it would keep the action from running now."""

    guard: str  # the key of a rule, or what the handler has: "lock", "throttle", "pause"
    text: str
    stops: bool


@runtime_checkable
class HasStanding(Protocol):
    """A guard that can say how it stands. It changes nothing, and reads storage twice at most."""

    def standing(self, at: Situation) -> Standing | None:
        """How the guard stands for the event; None if there is nothing to say. Raises StorageError."""


Guard: TypeAlias = Callable[[Attempt], Skipped | Hold | Gathered | None]
