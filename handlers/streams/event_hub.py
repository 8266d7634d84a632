"""``do: event_hub``: send the event to an event hub.

Event Hubs knows no key by which it would drop a second copy: if a worker dies between the request and its record, the
event is sent twice. Its reader can know a copy by the id in the envelope.
"""

from typing import ClassVar

from pydantic import Field

from handlers.base import Action, Outcome, Succeeded
from handlers.roles import Role, Scope
from handlers.streams.messaging import MessagingHandler
from handlers.template import Template
from schemas import Event

# "Event Hubs service REST - Common parameters and headers": of every request, whatever its body is.
_CONTENT_TYPE = "application/atom+xml;type=entry;charset=utf-8"


class EventHub(MessagingHandler):
    """Send the event to an event hub."""

    service: ClassVar[str] = "Event Hubs"
    scope: ClassVar[str] = "https://eventhubs.azure.net/.default"
    lowest_limit: ClassVar[int] = 262_144  # of the basic tier ("Azure Event Hubs quotas and limits")
    roles: ClassVar[tuple[Role, ...]] = (
        Role(
            "Azure Event Hubs Data Sender",
            "2b629674-e913-4c01-ae53-ef4638d8f975",
            Scope.EVENT_HUB,
            "the event hub",
            "to send events without a connection string",
        ),
    )

    hub: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    partition_key: Template = Template("{{ object }}")

    @property
    def entity(self) -> str:
        """The event hub's name."""
        return self.hub

    def run(self, event: Event, action: Action) -> Outcome:
        """Send the event. Raises jinja2.TemplateError, GiveUp, RetryLater, and what `send` raises."""
        message = self.message(event, action.job_name)
        partition_key = self.partition_key.render(event, key=action.job_name).strip()
        self.post(message, action, _CONTENT_TYPE, {"PartitionKey": partition_key})
        return Succeeded(f"sent {message.type} to the event hub {self.hub}", {"partition_key": partition_key})

    def plan(self, event: Event) -> str:
        """The event hub, and the size of the message."""
        message = self.message(event)
        size, where = len(self.checked_body(message)), f"{self.hub} of {self.url.host}"
        return f"send {message.type} ({size:,} bytes) to the event hub {where}"
