"""``do: storage_queue``: put the event into a queue of a storage account.

learn.microsoft.com, "Put Message": a message has at most 64 KiB, in the form in which it is sent, and no key by which
the service would know it again. If a worker dies between the request and its record, the event is put twice.
"""

import base64
from typing import ClassVar

from handlers.base import Action, Outcome, Succeeded
from handlers.roles import Role, Scope
from handlers.streams.message import Message, check_size
from handlers.streams.storage import Name, StorageHandler
from schemas import Event

MAX_MESSAGE = 65_536  # bytes
_NEVER = -1  # expires never; by default, the service drops a message after seven days


class StorageQueue(StorageHandler):
    """Put the event into a storage queue."""

    service: ClassVar[str] = "queue"
    roles: ClassVar[tuple[Role, ...]] = (
        Role(
            "Storage Queue Data Message Sender",
            "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
            Scope.STORAGE_QUEUE,
            "the queue",
            "to put messages without a connection string",
        ),
    )

    queue: Name
    base64: bool = True  # as queue triggers of Azure Functions expect it

    def run(self, event: Event, action: Action) -> Outcome:
        """Put the message. Raises azure-core's errors, jinja2.TemplateError, and GiveUp if it is too large."""
        from azure.storage.queue import QueueClient

        message = self.message(event, action.job_name)
        text = self._text(message)
        with self.denials_explained(), self.client(QueueClient, self.queue) as client:
            put = client.send_message(text, time_to_live=_NEVER)
        return Succeeded(f"put {message.type} into the queue {self.queue}", {"queue": self.queue, "message": put.id})

    def plan(self, event: Event) -> str:
        """The queue, and the size of the message."""
        message = self.message(event)
        return f"put {message.type} ({len(self._text(message).encode()):,} bytes) into the queue {self._name}"

    def destination(self, event: Event) -> str:
        """The account: the limits of requests are those of an account and its queues."""
        return f"storage queue {self._name}"

    @property
    def _name(self) -> str:
        return f"{self.queue} of {self.account}"

    def _text(self, message: Message) -> str:
        body = base64.b64encode(message.body) if self.base64 else message.body
        check_size(len(body), MAX_MESSAGE, "a storage queue")
        return body.decode()
