"""The values and trigger metadata that triggers send to functions, as the real host sends them to a worker.

Strings are sent as strings, all else as JSON: Azure/azure-functions-host, RpcMessageConversionExtensions.cs. The values
are those of the extensions: QueueTriggerBinding.cs, TimerInfo.cs, EventGridExtensionConfigProvider.cs.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from mlevents.local.host.functions import Data, Function

_NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # the expiry of a message that does not expire


class Payload(NamedTuple):
    """A value and its metadata."""

    data: Data
    metadata: Mapping[str, Data]


class HttpRequest(NamedTuple):
    """A request for an HTTP function. Repeated headers and values of the query are joined by commas."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    params: Mapping[str, str]  # of the route
    body: bytes


class Message(Protocol):
    """The fields of azure.storage.queue.QueueMessage that are sent."""

    id: str
    dequeue_count: Any  # int
    inserted_on: Any  # datetime, as are the other times
    expires_on: Any
    next_visible_on: Any
    pop_receipt: Any  # str


def event_grid(event: Any) -> Payload:
    """One Event Grid event, or a list for a function with cardinality many, as JSON without white space."""
    has_data = isinstance(event, dict) and event.get("data") is not None
    return Payload(_json(event), {"data": _json(event["data"])} if has_data else {})


def queue_message(text: str, message: Message) -> Payload:
    """A message from a storage queue; `text` is its decoded content."""
    metadata = {
        "QueueTrigger": _text(text),
        "Id": _text(message.id),
        "PopReceipt": _text(message.pop_receipt or ""),
        "DequeueCount": _json(message.dequeue_count),
        "InsertionTime": _time(message.inserted_on),
        "ExpirationTime": _time(message.expires_on),
        "NextVisibleTime": _time(message.next_visible_on),
    }
    return Payload(_text(text), metadata)


def timer(*, last: datetime | None, next: datetime, past_due: bool = False) -> Payload:
    """The status of a timer: when its function ran last, and when it runs next."""
    status = {"Last": (last or datetime.min).isoformat(), "Next": next.isoformat()}
    status["LastUpdated"] = status["Last"]
    return Payload(_json({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}), {})


def http_request(request: HttpRequest) -> Payload:
    """An HTTP request, without an empty body and empty values of the query; names of headers are in lower case.

    Microsoft's Python worker takes bodies as bytes (GrpcMessageConversionExtensions.cs, ToRpcHttp).
    """
    body = b64encode(request.body).decode() if request.body else None
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = {name: value for name, value in request.query.items() if value}
    return Payload({"http": request._asdict() | {"headers": headers, "query": query, "body": body}}, {})


def manual(function: Function, text: str) -> Payload:
    """The payload of ``POST /admin/functions/NAME`` with the input `text`. Raises ValueError for an invalid input."""
    if function.kind == "eventgridtrigger":
        if not isinstance(event := json.loads(text), dict):
            raise ValueError(f"an event must be a JSON object, not {type(event).__name__}")
        return event_grid(event)
    now = datetime.now(UTC)
    if function.kind == "timertrigger":
        return timer(last=None, next=now)
    if function.kind == "queuetrigger":
        return queue_message(text, _ManualMessage(now))
    raise ValueError(f"a {function.trigger['type']} function cannot be called here")


class _ManualMessage:
    """A queue message for a function that is called without a queue."""

    def __init__(self, now: datetime) -> None:
        self.id, self.pop_receipt, self.dequeue_count = str(uuid4()), "", 1
        self.inserted_on, self.next_visible_on, self.expires_on = now, now, now + timedelta(days=7)


def _text(value: str) -> Data:
    return {"string": value}


def _json(value: Any) -> Data:
    return {"json": json.dumps(value, separators=(",", ":"))}


def _time(value: datetime | None) -> Data:
    return _json((value or _NEVER).isoformat())
