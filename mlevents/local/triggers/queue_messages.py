"""Handles the messages of a queue trigger by the real host's rules.

From Azure/azure-sdk-for-net, sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Common/src/Shared/Queues and
…Extensions.Storage.Queues/src:

- while its call runs, a message stays invisible: renewed after half of its time   (QueueListener.cs)
- succeeded: deleted. Failed: visible again after `visibilityTimeout`; failed for the `maxDequeueCount`th time: copied
  to ``<queue>-poison``, which is created if it is missing, and deleted                            (QueueProcessor.cs)
- not Base64: copied to the poison queue unchanged; the function never runs          (QueueServiceClientProvider.cs)
- Base64 of bytes that are not UTF-8: a failed call, like any value that cannot be bound       (BinaryDataExtensions.cs)
- a queue called ``…-poison`` has no poison queue: its failed messages stay invisible until their visibility timeout
"""

import asyncio
import binascii
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from mlevents.console import Console
from mlevents.local.host.functions import CallFailed
from mlevents.local.host.host_json import QueueOptions
from mlevents.local.host.payloads import Payload, queue_message
from mlevents.local.options import INVISIBLE

_NAME = re.compile(r"(?!-)(?!.*--)[a-z0-9-]{3,63}(?<!-)")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_SPACE = str.maketrans("", "", " \t\r\n")  # .NET's Convert.FromBase64String ignores it

# Storage's error codes for a message that is deleted, or that another reader received after its visibility timeout.
_GONE = {"MessageNotFound", "PopReceiptMismatch", "QueueNotFound", "QueueBeingDeleted", "QueueDisabled"}


@dataclass(eq=False)
class Handling:
    """Handles the messages of one queue for one function. Raises ValueError for an invalid queue name."""

    name: str
    service: QueueServiceClient
    options: QueueOptions
    call: Callable[[Payload], Awaitable[object]]  # raises CallFailed
    console: Console
    invisible: timedelta = INVISIBLE
    on_poison: Callable[[str], None] = lambda name: None  # called with the name of a poison queue that got a message

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a queue's name: 3 to 63 small letters, digits and single dashes")
        self.queue = self.service.get_queue_client(self.name)
        poison = f"{self.name}-poison"
        has_poison = not self.name.endswith("-poison") and _NAME.fullmatch(poison) is not None
        self.poison: QueueClient | None = self.service.get_queue_client(poison) if has_poison else None

    async def handle(self, message: QueueMessage) -> None:
        """Call the function with a message that was read, then delete or release the message. Raises nothing."""
        try:
            await self._handle(message)
        except AzureError as error:  # storage delivers the message again: nothing is lost
            self.console.problem(f"a message of {self.name} could not be deleted or released: {error}")

    async def _handle(self, message: QueueMessage) -> None:
        try:
            body = self._decoded(message.content)
        except ValueError as error:
            self.console.problem(f"a message in {self.name} is not Base64, and no function is called: {error}")
            await self._move_to_poison(message, message.content)
            return
        count = message.dequeue_count or 0
        if count <= self.options.max_dequeue_count and await self._succeeds(message, body):
            with _unless_gone():
                await self.queue.delete_message(message.id, message.pop_receipt)
        elif count >= self.options.max_dequeue_count:
            await self._move_to_poison(message, self._encoded(body))
        elif self.poison is not None:
            seconds = round(self.options.visibility_timeout.total_seconds())
            with _unless_gone():
                await self.queue.update_message(message.id, message.pop_receipt, visibility_timeout=seconds)

    async def _succeeds(self, message: QueueMessage, body: bytes) -> bool:
        """Call the function, and keep the message invisible while the call runs."""
        renewing = asyncio.create_task(self._renew(message))
        try:
            await self.call(queue_message(body.decode(), message))
        except UnicodeDecodeError as error:
            self.console.problem(f"a message in {self.name} is not UTF-8: {error}")
            return False
        except CallFailed:
            return False
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
        return True

    async def _renew(self, message: QueueMessage) -> None:
        """Renew the message after each half of its visibility timeout. Each time it gets another pop receipt."""
        seconds = round(self.invisible.total_seconds())
        pause = half = self.invisible.total_seconds() / 2
        while True:
            await asyncio.sleep(pause)
            try:
                renewed = await self.queue.update_message(message.id, message.pop_receipt, visibility_timeout=seconds)
            except AzureError as error:
                if getattr(error, "error_code", "") in _GONE:
                    return
                pause = half / 5  # several attempts before the timeout
            else:
                message.pop_receipt, message.next_visible_on = renewed.pop_receipt, renewed.next_visible_on
                pause = half

    async def _move_to_poison(self, message: QueueMessage, content: str) -> None:
        if self.poison is None:
            return
        self.console.event("queue", f"{self.name}: a message is moved to {self.poison.queue_name}", "bad")
        try:
            await self.poison.send_message(content)
        except ResourceNotFoundError:
            await self.poison.create_queue()
            await self.poison.send_message(content)
        with _unless_gone():
            await self.queue.delete_message(message.id, message.pop_receipt)
        self.on_poison(self.poison.queue_name)

    def _decoded(self, content: str) -> bytes:
        if not self.options.base64:
            return content.encode()
        if not _BASE64.fullmatch(text := content.translate(_SPACE)):
            raise ValueError(f"it begins {content[:40]!r}")
        return binascii.a2b_base64(text)

    def _encoded(self, body: bytes) -> str:
        return binascii.b2a_base64(body, newline=False).decode() if self.options.base64 else body.decode()


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        if getattr(error, "error_code", "") not in _GONE:
            raise
