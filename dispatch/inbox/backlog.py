"""What is left to do of a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from dispatch.inbox.actions import is_older
from dispatch.inbox.keys import ActionId
from dispatch.inbox.tables import Row
from handlers.base import Result
from schemas import Event


@dataclass(frozen=True, slots=True)
class Pending:
    """An event, or with `result` the end of an action, about which some rules files have not been asked."""

    day: str
    key: str  # the event's
    event: Event
    result: Result | None
    files: tuple[str, ...]
    siblings: Mapping[str, Row]  # the event's actions, by rule
    marker: Row
    since: datetime  # when those files were left
    generation: int = 0  # of the action that has ended

    def lacks(self, rule: str) -> bool:
        """Has this rule no action yet that this led to, or could have led to?"""
        return is_older(self.siblings.get(rule), self.generation)


class Markers(NamedTuple):
    """What is left to do of a day: the actions that have not ended, and the markers of what must be matched again."""

    open: list[ActionId]
    undecided: list[Row]
