"""`StreamHandler`: the base of handlers that pass an event on, and `Message`, what they send."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from handlers.base import GiveUp, Handler, RetryLater
from handlers.cloud_event import CONTENT_TYPE, cloud_event
from handlers.errors import DENIED, PROPAGATION, classify, status_of
from handlers.json_template import JsonTemplate, json_bytes
from handlers.lineage import MARKER
from handlers.template import Template
from schemas import Event

Envelope: TypeAlias = Literal["cloud_event", "event_grid", "none"]

_JSON = "application/json; charset=utf-8"
_ESCAPED = re.compile("[\x7f\x85\u2028\u2029\ufffe\uffff]")  # control characters below space are escaped already
_ANY_SIZE = sys.maxsize  # the limit is that of the service, and of the form in which it takes the message
_PLANNED = "mle-1-00000000-00000000000000000000000000000000"  # stands for the action's name, which a plan does not know


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. `content` is JSON data; `id` is the same on every call of an action."""

    id: str
    type: str
    subject: str
    content: Any
    content_type: str

    @property
    def body(self) -> bytes:
        """The content as JSON in UTF-8, on one line for every reader, and without characters that XML cannot have."""
        text = json_bytes(self.content, _ANY_SIZE).decode()
        return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


class StreamHandler(Handler[Event]):
    """The fields by which a rule shapes what is sent.

    Without `type`, `subject` and `data`, it is the event that arrived, with the id of that event. With one of them, it
    is another event, whose id is the action's name (`Action.job_name`). A CloudEvent has this name in both cases, as
    the attribute ``mleventsaction``. So handlers.lineage recognizes an event that comes back.
    """

    publishes_events: ClassVar[bool] = True
    template_names: ClassVar[frozenset[str]] = frozenset({"key"})

    envelope: Envelope = "cloud_event"
    type: Template | None = None
    subject: Template | None = None
    data: JsonTemplate | None = None

    @contextmanager
    def denials_explained(self) -> Iterator[None]:
        """Complete the error of a request that the service denies: what the rule or the app's identity may lack."""
        try:
            yield
        except Exception as error:
            if isinstance(error, RetryLater | GiveUp) or status_of(error) not in DENIED:
                raise
            [role] = self.roles
            advice = f"check that the app's identity has the role {role.name} on {role.where}"
            if getattr(self, "key", None) or getattr(self, "connection_string", None):
                advice = "check that the rule's key or connection string permits to send"
            said = " ".join(str(classify(error)).split())
            raise RetryLater(
                f"{said}; {advice}, and the network rules of the service", max_elapsed=PROPAGATION
            ) from error

    def message(self, event: Event, name: str = _PLANNED) -> Message:
        """What to send for an event. Raises jinja2.TemplateError, and GiveUp for a type that is empty."""
        type = _rendered(self.type, event, name, event.event_type)
        subject = _rendered(self.subject, event, name, event.subject)
        data = event.data.wire() if self.data is None else self.data.render(event, key=name)
        if not type:
            raise GiveUp("the type of the event is empty; write one in type:")
        is_changed = self.type is not None or self.subject is not None or self.data is not None
        id = name if is_changed else event.id
        if self.envelope == "none":
            return Message(id, type, subject, data, _JSON)
        if self.envelope == "event_grid":
            own = {"id": id, "subject": subject, "eventType": type, "data": data}
            return Message(id, type, subject, {**event.wire(), **own}, _JSON)
        content = cloud_event(event) | {"id": id, "type": type, "subject": subject, "data": data, MARKER: name}
        if not subject:
            del content["subject"]  # "If present, MUST be a non-empty string"
        return Message(id, type, subject, content, CONTENT_TYPE)


def check_size(size: int, limit: int, service: str) -> None:
    """Raises GiveUp if a message has more bytes than the service takes."""
    if size > limit:
        raise GiveUp(
            f"the message has {size:,} bytes, and {service} takes at most {limit:,}; "
            "select what it needs with data:, such as data: {run: '{{ data.runId }}'}"
        )


def _rendered(template: Template | None, event: Event, name: str, default: str) -> str:
    return default if template is None else template.render(event, key=name).strip()
