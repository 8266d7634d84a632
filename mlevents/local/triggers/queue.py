"""A queue trigger: reads a storage queue, less and less often while it is empty, and handles each message.

It follows QueueListener.cs and RandomizedExponentialBackoffStrategy.cs (Azure/azure-sdk-for-net,
sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common/src/Shared): `batchSize` messages are read at a time, the
next when at most `newBatchThreshold` are being handled; an empty or missing queue is polled after 100 ms, then
after about twice as long each time, up to `maxPollingInterval`.
"""

import asyncio
import random
from contextlib import suppress

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueMessage

from mlevents.local.triggers.queue_messages import Handling

SHORTEST_PAUSE = 0.1  # seconds


class QueueTrigger:
    """Reads one queue for one function, until `stop`."""

    def __init__(self, handling: Handling) -> None:
        self.name = handling.name
        self._handling, self._options = handling, handling.options
        self._running: set[asyncio.Task[None]] = set()
        self._pace = Pace(self._options.max_polling_interval.total_seconds())
        self._reading: asyncio.Task[None] | None = None
        self._awake, self._stopping = asyncio.Event(), False
        self._reachable = True

    def start(self) -> None:
        """Start reading."""
        self._reading = asyncio.create_task(self._read())

    def wake(self) -> None:
        """Poll now, because a message has been sent."""
        self._awake.set()

    async def stop(self, grace: float = 5.0) -> None:
        """Stop reading; running calls have `grace` seconds to end."""
        self._stopping = True
        self.wake()
        if self._reading is not None:
            await asyncio.wait(
                [self._reading], timeout=1
            )  # so that a message that is being read does not stay invisible
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._running:
            await asyncio.wait(self._running, timeout=grace)

    async def finish(self) -> None:
        """Wait until every message is deleted or released: after `stop`, when the worker has ended."""
        if self._running:
            await asyncio.wait(self._running)

    async def _read(self) -> None:
        while not self._stopping:
            messages = await self._receive()
            for message in messages:
                self._running.add(task := asyncio.create_task(self._handling.handle(message)))
                task.add_done_callback(self._running.discard)
            if messages:
                self._pace.reset()
                while len(self._running) > self._options.new_batch_threshold:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), self._pace.next())
                self._awake.clear()

    async def _receive(self) -> list[QueueMessage]:
        seconds = round(self._handling.invisible.total_seconds())
        count = self._options.batch_size
        answer = self._handling.queue.receive_messages(
            messages_per_page=count,
            visibility_timeout=seconds,
            retry_total=0,  # the next poll is soon enough
        )
        found: list[QueueMessage] = []
        try:
            async for page in answer.by_page():
                found = [message async for message in page]
                break  # further pages would be further requests
        except ResourceNotFoundError:
            pass  # the queue does not exist yet
        except Exception as error:  # of any kind: it must not end the trigger
            self._note_reachable(error)
            return []
        self._note_reachable(None)
        return found

    def _note_reachable(self, error: Exception | None) -> None:
        """Print once that the queue cannot be read, and once that it can be read again."""
        if (error is None) != self._reachable:
            self._reachable = error is None
            if error:
                self._handling.console.problem(f"the queue {self.name} cannot be read: {error or repr(error)}")
            else:
                self._handling.console.event("queue", f"{self.name} can be read again")


class Pace:
    """The pauses between polls of an empty queue, in seconds."""

    def __init__(self, longest: float) -> None:
        self._longest, self._exponent = longest, 0

    def reset(self) -> None:
        """Start again with the shortest pause, after a message."""
        self._exponent = 0

    def next(self) -> float:
        """The next pause, after a poll without a message."""
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads polling, is not for security
        grown = SHORTEST_PAUSE + (SHORTEST_PAUSE * jitter * 2 ** (self._exponent - 1) if self._exponent else 0)
        self._exponent += grown < self._longest
        return min(grown, self._longest)
