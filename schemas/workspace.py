"""`WorkspaceId`: the ARM id of an Azure ML workspace, which is the `topic` of its events."""

import re
from dataclasses import dataclass
from typing import Self

_SEGMENT = r"([^/\x00-\x1f\x7f]+)"  # nothing more is asked: the documentation's payloads have {workspace-name} there
_PATTERN = re.compile(
    f"/subscriptions/{_SEGMENT}/resourceGroups/{_SEGMENT}"
    f"/providers/Microsoft\\.MachineLearningServices/workspaces/{_SEGMENT}/?",
    re.IGNORECASE,
)

EXPECTED = (
    "a workspace's ARM id: /subscriptions/<id>/resourceGroups/<name>"
    "/providers/Microsoft.MachineLearningServices/workspaces/<name>"
)


@dataclass(frozen=True, slots=True, eq=False)
class WorkspaceId:
    """The ARM id of a workspace. Two are equal whatever their letters' case, as in ARM; `str` is the id as it came."""

    subscription: str
    resource_group: str
    name: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The parts of a workspace's ARM id. Raises ValueError, which says what is expected, for any other text."""
        match = _PATTERN.fullmatch(text)
        if match is None or not all(part.strip() for part in match.groups()):
            raise ValueError(EXPECTED)
        subscription, resource_group, name = match.groups()
        return cls(subscription, resource_group, name, text)

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this workspace and no other: subscription, resource group and name in lower case."""
        return self.subscription.lower(), self.resource_group.lower(), self.name.lower()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkspaceId) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text
