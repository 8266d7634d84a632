"""Record one event with actions of some rules."""

import json

from dispatch.inbox.actions import NewAction
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import EventRecord
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged

EVENT = RunStatusChanged.example(id="e1")


def add(inbox: Inbox, *rules: str) -> list[Message]:
    record = EventRecord(json.dumps(EVENT.wire()), EVENT.id, "RunStatusChanged", "churn-prod", EVENT.object, NOW)
    return inbox.add(EVENT, record, [NewAction(rule, "email", "abc") for rule in rules], NOW)[1]
