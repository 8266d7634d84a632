"""A storage queue in virtual time: a received message is invisible for a while, and visible again unless deleted.

learn.microsoft.com, "Get Messages": the order is not guaranteed; each receive increments the dequeue count.
"""

import heapq
import random
from dataclasses import dataclass, field
from itertools import count

from tests.simulation.scheduler import Scheduler


@dataclass(eq=False)
class Message:
    """A message in a queue."""

    text: str
    visible: float
    dequeued: int = 0  # also the pop receipt: it changes with each receive
    deleted: bool = False


@dataclass
class Queue:
    """A queue. `twice` is the share of messages that are put twice: a client repeats a put whose response is lost."""

    scheduler: Scheduler
    rng: random.Random
    twice: float = 0.0
    puts: int = 0

    _visible: list[tuple[float, int, Message]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _live: int = 0

    def __len__(self) -> int:
        return self._live

    def put(self, text: str, after: float = 0.0) -> None:
        """Put a message that is visible after some seconds."""
        for _ in range(2 if self.rng.random() < self.twice else 1):
            self.puts += 1
            self._live += 1
            self._show(Message(text, 0.0), max(after, 0.0))

    def receive(self, most: int, invisible: float) -> list[Message]:
        """Receive up to `most` visible messages, and make them invisible for some seconds."""
        found: list[Message] = []
        while len(found) < most and self._visible and self._visible[0][0] <= self.scheduler.seconds:
            at, _, message = heapq.heappop(self._visible)
            if not message.deleted and message.visible == at:
                found.append(message)
        for message in found:
            message.dequeued += 1
            self._show(message, invisible)
        return found

    def release(self, message: Message, receipt: int, after: float) -> None:
        """Make a message visible after some seconds, unless it has been received again."""
        if message.dequeued == receipt and not message.deleted:
            self._show(message, after)

    def _show(self, message: Message, after: float) -> None:
        message.visible = self.scheduler.seconds + after
        heapq.heappush(self._visible, (message.visible, next(self._order), message))

    def delete(self, message: Message, receipt: int) -> bool:
        """Delete a message, unless it has been received again; return whether it was deleted."""
        if message.dequeued != receipt or message.deleted:
            return False
        message.deleted = True
        self._live -= 1
        return True
