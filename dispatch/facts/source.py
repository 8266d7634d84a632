"""`FactSource`: the facts of one event in an action. It imports and reads nothing before a fact is needed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from dispatch.inbox.keys import ActionId
from dispatch.inbox.tables import Table
from dispatch.secrets import Secrets
from schemas import Event

if TYPE_CHECKING:
    from dispatch.facts.reader import Reader
    from schemas.facts import Facts

Ask: TypeAlias = "Callable[[Event, str, float], Facts]"


def ask_service(event: Event, name: str, within: float) -> "Facts":
    """Ask the service that has the event's object: see `handlers.azure.facts.fetch`."""
    from handlers.azure.facts import fetch

    return fetch(event, name, within)


@dataclass
class FactSource:
    """The facts of one event, for its `Context`. They are the same in all actions on the event, and in replays."""

    event: Event
    id: ActionId
    table: Table | None  # None: they are not kept
    ask: Ask
    secrets: Secrets
    now: Callable[[], datetime]
    _reader: "Reader | None" = None

    def __call__(self, name: str) -> "Facts":
        """The fact of this name. Raises nothing: templates read facts halfway through."""
        if self._reader is None:
            from dispatch.facts.reader import Reader

            self._reader = Reader(self.event, self.id, self.table, self.ask, self.secrets, self.now)
        return self._reader.read(name)

    def about(self, event: Event) -> "FactSource":
        """The facts of an event about another object, which are not kept: the record has none for it."""
        return replace(self, event=event, table=None, _reader=None)

    @property
    def is_kept(self) -> bool:
        """Has it read a fact that the record has beside the event?"""
        return self._reader is not None and self._reader.is_kept
