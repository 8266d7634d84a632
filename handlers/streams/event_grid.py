"""``do: event_grid``: publish the event to a custom topic, or to a topic of a namespace.

learn.microsoft.com, "Publish events to Azure Event Grid custom topics using access keys" and "Publish Cloud Events"
(namespace topics). Event Grid knows no key by which it would drop a second copy: if a worker dies between the request
and its record, the event is published twice, with the same id.

The package azure-eventgrid is not used: benchmarks/README.md has what its import costs.
"""

import sys
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from handlers.base import Action, GiveUp, Outcome, RetryLater, Succeeded
from handlers.http.answer import Meaning, no_page
from handlers.http.auth import entra_bearer
from handlers.http.handler import HttpHandler
from handlers.http.url import Url
from handlers.json_template import json_bytes
from handlers.roles import Role, Scope
from handlers.streams.message import Message, StreamHandler, check_size
from schemas import Event

MAX_EVENT = 1_048_576  # bytes ("Azure Event Grid quotas and limits"), for custom topics and for topics of a namespace
_SCOPE = "https://eventgrid.azure.net/.default"
_CUSTOM, _NAMESPACE = "2018-01-01", "2024-06-01"  # versions of the APIs
_PUBLISHED = ("id", "subject", "eventType", "eventTime", "data", "dataVersion")  # Event Grid sets the other members
_NAMESPACE_ERRORS = "learn.microsoft.com/rest/api/eventgrid/dataplane, 'Publish Cloud Events'"


class EventGrid(StreamHandler, HttpHandler[Event]):
    """Publish the event to Event Grid."""

    roles: ClassVar[tuple[Role, ...]] = (
        Role(
            "EventGrid Data Sender",
            "d5a91429-5739-47e2-a06b-3470a27159e7",
            Scope.EVENT_GRID,
            "the topic, or the namespace",
            "to publish events without a key",
        ),
    )
    meanings: ClassVar[tuple[Meaning, ...]] = (
        Meaning(
            400,
            GiveUp,
            "the input schema of a custom topic must be that of envelope: "
            "`az eventgrid topic create --input-schema cloudeventschemav1_0` for cloud_event",
            source="learn.microsoft.com, 'CloudEvents v1.0 schema with Azure Event Grid'",
        ),
        Meaning(403, RetryLater, "the topic is full", text="quota", throttled=True, source=_NAMESPACE_ERRORS),
        Meaning(410, GiveUp, "create the topic", source=_NAMESPACE_ERRORS),
    )

    endpoint: Url
    topic: str = Field("", pattern=r"^[A-Za-z0-9-]*$")
    key: SecretStr | None = None
    envelope: Literal["cloud_event", "event_grid"] = "cloud_event"  # not none

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if not self.endpoint.is_constant:
            raise ValueError("endpoint is the same for every event: it has no {{ … }}")
        if self.topic and self.envelope != "cloud_event":
            raise ValueError("topics of a namespace take CloudEvents only: leave envelope out")
        rest = urlsplit(self.endpoint.source)
        if rest.query or (self.topic and rest.path.strip("/")):
            raise ValueError("endpoint has no query, and with topic no path: write the namespace's URL")
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Publish the event. Raises jinja2.TemplateError, GiveUp, and what `send` raises."""
        message = self.message(event, action.job_name)
        content_type, body = self._body(message, event, action.started)
        headers = {"Content-Type": content_type, **self._authorization()}
        with self.denials_explained():
            no_page(self.send("POST", self._target(event), headers=headers, body=body))
        return Succeeded(f"published {message.type} to {self._name}", {"event": message.id})

    def plan(self, event: Event) -> str:
        """The topic, the type, and the size."""
        message = self.message(event)
        size = len(self._body(message, event, datetime.now(UTC))[1])
        return f"publish {message.type} ({size:,} bytes) to {self._name}"

    @property
    def _name(self) -> str:
        return f"{self.topic} of {self.endpoint.host}" if self.topic else f"{self.endpoint.host}"

    def _target(self, event: Event) -> str:
        if self.topic:
            return f"{self.endpoint.origin}/topics/{self.topic}:publish?api-version={_NAMESPACE}"
        url = urlsplit(self.endpoint.render(event))
        path = "/api/events" if url.path == "/" else url.path
        return f"{self.endpoint.origin}{path}?api-version={_CUSTOM}"

    def _authorization(self) -> dict[str, str]:
        if self.key is None:
            return entra_bearer(_SCOPE)
        key = self.key.get_secret_value()
        return {"Authorization": f"SharedAccessKey {key}"} if self.topic else {"aeg-sas-key": key}

    def _body(self, message: Message, event: Event, started: datetime) -> tuple[str, bytes]:
        """The type of the body and the body. Raises GiveUp if it is too large."""
        if self.topic:
            kind, body = message.content_type, message.body
        elif self.envelope == "cloud_event":
            kind, body = "application/cloudevents-batch+json; charset=utf-8", b"[" + message.body + b"]"
        else:
            kind, body = message.content_type, json_bytes([_event_grid_event(message, event, started)], sys.maxsize)
        check_size(len(body), MAX_EVENT, "Event Grid")
        return kind, body


def _event_grid_event(message: Message, event: Event, started: datetime) -> dict[str, Any]:
    """The members of an event that its publisher sets; those that Event Grid requires have a value."""
    needed = {"subject": event.object, "eventTime": started.isoformat(), "data": {}, "dataVersion": "1"}
    return needed | {name: message.content[name] for name in _PUBLISHED if message.content.get(name)}
