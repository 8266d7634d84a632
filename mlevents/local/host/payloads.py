"""What a function is given by its trigger: the value and the trigger metadata, as the real host sends them to a worker.

Texts, counts and times as Azure/azure-functions-host's RpcMessageConversionExtensions.cs converts what the extensions
bind (QueueTriggerBinding.cs, TimerInfo.cs, EventGridExtensionConfigProvider.cs): strings as strings, all else as JSON.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from mlevents.local.host.worker_process import Data, Function

_NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # a message that does not expire


class Payload(NamedTuple):
    """A value and its metadata."""

    data: Data
    metadata: Mapping[str, Data]


class Message(Protocol):
    """What is needed of azure.storage.queue.QueueMessage."""

    id: str
    dequeue_count: Any  # int
    inserted_on: Any  # datetime, as are the other times
    expires_on: Any
    next_visible_on: Any
    pop_receipt: Any  # str


def event_grid(event: Any) -> Payload:
    """One Event Grid event, or the list of them for a function with cardinality many: JSON without white space."""
    has_data = isinstance(event, dict) and event.get("data") is not None
    return Payload(_json(event), {"data": _json(event["data"])} if has_data else {})


def queue_message(text: str, message: Message) -> Payload:
    """A message from a storage queue, and its decoded text."""
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
    """What a timer function is told: when it ran last, when it runs next."""
    status = {"Last": (last or datetime.min).isoformat(), "Next": next.isoformat()}
    status["LastUpdated"] = status["Last"]
    return Payload(_json({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}), {})


def by_hand(function: Function, text: str) -> Payload:
    """What ``POST /admin/functions/NAME`` with this input gives the function. Raises ValueError if it cannot."""
    if function.kind == "eventgridtrigger":
        if not isinstance(event := json.loads(text), dict):
            raise ValueError(f"an event must be a JSON object, not {type(event).__name__}")
        return event_grid(event)
    now = datetime.now(UTC)
    if function.kind == "timertrigger":
        return timer(last=None, next=now)
    if function.kind == "queuetrigger":
        return queue_message(text, _ByHand(now))
    raise ValueError(f"a {function.trigger['type']} function cannot be called here")


class _ByHand:
    """A queue message that was in no queue."""

    def __init__(self, now: datetime) -> None:
        self.id, self.pop_receipt, self.dequeue_count = str(uuid4()), "", 1
        self.inserted_on, self.next_visible_on, self.expires_on = now, now, now + timedelta(days=7)


def _text(value: str) -> Data:
    return {"string": value}


def _json(value: Any) -> Data:
    return {"json": json.dumps(value, separators=(",", ":"))}


def _time(value: datetime | None) -> Data:
    return _json((value or _NEVER).isoformat())
