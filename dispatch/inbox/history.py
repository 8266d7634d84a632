"""What the record holds."""

from typing import NamedTuple

from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord, EventRecord, Rejected


class History(NamedTuple):
    """What a day's partition holds."""

    events: dict[str, EventRecord]
    actions: list[tuple[ActionId, ActionRecord]]
    rejected: list[Rejected]
