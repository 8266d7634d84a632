"""`WatchedEvent`: the base class of the events that the watch raises, and the resource id of a registry."""

from typing import ClassVar

from schemas.events.base import Event
from schemas.resource import ResourceId


class RegistryId(ResourceId):
    """The ARM id of an Azure ML registry."""

    __slots__ = ()
    resource_type = "Microsoft.MachineLearningServices/registries"
    noun = "a registry"
    listed_under = "registries"


class WatchedEvent(Event):
    """An event of the app itself. Azure publishes none of its type, so it needs no event subscription.

    Its id and its time are functions of what was seen: all who see the same raise the same event.
    """

    publisher = "Mlevents"
    from_azure: ClassVar[bool] = False
    compared_with: ClassVar[tuple[type[Event], ...]] = ()  # events on record with which the watch compares what it sees
