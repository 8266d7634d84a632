"""The tags that a model version had when it was registered, as the record has them."""

from collections.abc import Mapping
from itertools import islice

from dispatch.inbox.history.lookup import recent_days
from dispatch.watch.scope import Look
from schemas import EventError, ModelRegistered, parse_event

_MOST_EVENTS = 10  # of the model version that are read


def registered_tags(look: Look, name: str, version: str) -> Mapping[str, str] | None:
    """The tags in the event ModelRegistered of a model version; None if it is not on record. Raises StorageError."""
    days = recent_days(look.app.now())
    for stored in islice(look.app.inbox.lookup.events(f"{name}:{version}", days), _MOST_EVENTS):
        try:
            event = parse_event(stored.record.raw)
        except EventError:  # of a newer version of the app
            continue
        if isinstance(event, ModelRegistered) and event.resource == look.resource:
            return {tag: str(value) for tag, value in event.tags.items()}
    return None
