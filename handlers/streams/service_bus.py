"""``do: service_bus``: send the event to a queue or a topic of Service Bus.

The message's id is the action's key. If the queue or the topic has duplicate detection, Service Bus drops a second copy
within its history window, so that the message is sent once even if a worker dies ("Duplicate detection").
"""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from handlers.base import Action, Outcome, Succeeded
from handlers.roles import Role, Scope
from handlers.streams.messaging import MessagingHandler
from handlers.template import Template
from schemas import Event

_NAME = r"^([A-Za-z0-9][A-Za-z0-9._/-]{0,259})?$"


class ServiceBus(MessagingHandler):
    """Send the event to a Service Bus queue or topic."""

    service: ClassVar[str] = "Service Bus"
    scope: ClassVar[str] = "https://servicebus.azure.net/.default"
    lowest_limit: ClassVar[int] = 262_144  # of the standard tier ("Service Bus quotas")
    roles: ClassVar[tuple[Role, ...]] = (
        Role(
            "Azure Service Bus Data Sender",
            "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
            Scope.SERVICE_BUS,
            "the queue or the topic",
            "to send messages without a connection string",
        ),
    )

    queue: str = Field("", pattern=_NAME)
    topic: str = Field("", pattern=_NAME)
    session_id: Template | None = None

    @model_validator(mode="after")
    def _one_entity(self) -> Self:
        if bool(self.queue) == bool(self.topic):
            raise ValueError("write queue or topic, one of them")
        return self

    @property
    def entity(self) -> str:
        """The name of the queue or the topic."""
        return self.queue or self.topic

    def run(self, event: Event, action: Action) -> Outcome:
        """Send the message. Raises jinja2.TemplateError, GiveUp, RetryLater, and what `send` raises."""
        message = self.message(event, action.job_name)
        session = self.session_id.render(event, key=action.job_name).strip() if self.session_id else ""
        properties = {"MessageId": str(action.key), "Label": message.type, "SessionId": session}
        self.post(message, action, message.content_type, properties)
        return Succeeded(f"sent {message.type} to {self._name}", {"message": str(action.key)})

    def plan(self, event: Event) -> str:
        """The queue or topic, and the size of the message."""
        message = self.message(event)
        return f"send {message.type} ({len(self.checked_body(message)):,} bytes) to {self._name} of {self.url.host}"

    @property
    def _name(self) -> str:
        return f"the {'queue' if self.queue else 'topic'} {self.entity}"
