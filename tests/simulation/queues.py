"""A storage queue in virtual time: what is read is invisible for a while, is counted, and comes again unless deleted.

learn.microsoft.com, "Get Messages": no order is promised; the dequeue count goes up with each reading.
"""

import heapq
import random
from dataclasses import dataclass, field
from itertools import count

from tests.simulation.agenda import Agenda


@dataclass(eq=False)
class Message:
    """One message in a queue."""

    text: str
    visible: float
    dequeued: int = 0  # also what shows that nobody else has read it since: its pop receipt
    deleted: bool = False


@dataclass
class Queue:
    """One queue. `twice` is the share of messages that are put twice: a put is repeated when its answer is lost."""

    agenda: Agenda
    chance: random.Random
    twice: float = 0.0
    puts: int = 0

    _visible: list[tuple[float, int, Message]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _live: int = 0

    def __len__(self) -> int:
        return self._live

    def put(self, text: str, after: float = 0.0) -> None:
        """A new message, visible after some seconds."""
        for _ in range(2 if self.chance.random() < self.twice else 1):
            self.puts += 1
            self._live += 1
            self._show(Message(text, 0.0), max(after, 0.0))

    def receive(self, most: int, invisible: float) -> list[Message]:
        """Up to so many visible messages, which are then invisible for some seconds."""
        found: list[Message] = []
        while len(found) < most and self._visible and self._visible[0][0] <= self.agenda.seconds:
            at, _, message = heapq.heappop(self._visible)
            if not message.deleted and message.visible == at:
                found.append(message)
        for message in found:
            message.dequeued += 1
            self._show(message, invisible)
        return found

    def release(self, message: Message, receipt: int, after: float) -> None:
        """Who has read it wants it visible again after some seconds: if nobody has read it since."""
        if message.dequeued == receipt and not message.deleted:
            self._show(message, after)

    def _show(self, message: Message, after: float) -> None:
        message.visible = self.agenda.seconds + after
        heapq.heappush(self._visible, (message.visible, next(self._order), message))

    def delete(self, message: Message, receipt: int) -> bool:
        """Who has read it is done with it: is it gone? Not if somebody else has read it since."""
        if message.dequeued != receipt or message.deleted:
            return False
        message.deleted = True
        self._live -= 1
        return True
