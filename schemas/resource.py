"""ARM ids of the resources that raise events. A resource's id is the `topic` of its events."""

import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self, cast

_SEGMENT = r"([^/\x00-\x1f\x7f]+)"  # any other character: the documentation's payloads have {workspace-name} there


@dataclass(frozen=True, slots=True, eq=False)
class ResourceId:
    """The ARM id of a resource of one type. Ids are equal regardless of case, as in ARM; `str` keeps the spelling.

    An event type whose `resource_id` is this class itself is about resources of every type that raises events.
    """

    resource_type: ClassVar[str]
    noun: ClassVar[str] = "a resource"  # names the resource in error messages: "a workspace"
    listed_under: ClassVar[str] = "workspaces"  # the key of rules/workspaces.yaml that lists such resources
    topic_type: ClassVar[str] = ""  # of its system topic in Event Grid; empty: `mlevents subscriptions` leaves it out
    api_version: ClassVar[str] = ""  # of Resource Manager, to read it; needed with `topic_type`

    subscription: str
    resource_group: str
    name: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an id of this resource type. Raises ValueError, whose message describes the expected form.

        `ResourceId` itself reads an id of every type that raises events; the result is of that type's class.
        """
        if cls is ResourceId:
            return cast(Self, _of_any_kind(text))
        match = _pattern(cls.resource_type).fullmatch(text)
        if match is None or not all(part.strip() for part in match.groups()):
            raise ValueError(cls.expected())
        subscription, resource_group, name = match.groups()
        return cls(subscription, resource_group, name, text)

    @classmethod
    def expected(cls) -> str:
        """The form of an id, as error messages print it."""
        if cls is ResourceId:
            return "the ARM id of a resource that raises events, such as a workspace"
        return f"{cls.noun}'s ARM id: /subscriptions/<id>/resourceGroups/<name>/providers/{cls.resource_type}/<name>"

    @property
    def key(self) -> tuple[str, str, str]:
        """Subscription, resource group and name in lower case: equal for equal ids of one resource type."""
        return self.subscription.lower(), self.resource_group.lower(), self.name.lower()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResourceId) and type(other) is type(self) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


class WorkspaceId(ResourceId):
    """The ARM id of an Azure ML workspace."""

    __slots__ = ()
    resource_type = "Microsoft.MachineLearningServices/workspaces"
    noun = "a workspace"
    topic_type = "Microsoft.MachineLearningServices.Workspaces"
    api_version = "2025-12-01"


def _of_any_kind(text: str) -> ResourceId:
    from schemas.events.registry import parse_as, resource_kinds  # which imports the event types, and they this module

    return parse_as(text, resource_kinds())


@cache
def _pattern(resource_type: str) -> re.Pattern[str]:
    provider = f"/providers/{re.escape(resource_type)}/"
    return re.compile(f"/subscriptions/{_SEGMENT}/resourceGroups/{_SEGMENT}{provider}{_SEGMENT}/?", re.IGNORECASE)
