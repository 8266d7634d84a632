"""What lists of Resource Manager say of resources, as plain data. No value in a body is trusted to have its type.

Shapes: learn.microsoft.com/rest/api/azureml, api-version 2025-12-01.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from schemas.fields import parse_time

_MOST_TAGS = 200  # of a resource that are kept
_LONGEST = 2_000  # characters of a text that are kept


def text(value: Any) -> str:
    """A text in a body, cut; empty if it is none. A number, as some versions are written, becomes a text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)[:_LONGEST]


def mapping(value: Any) -> Mapping[str, Any]:
    """An object in a body; empty if it is none."""
    return value if isinstance(value, dict) else {}


def texts(value: Any) -> dict[str, str]:
    """Texts by name, such as tags, in a stable order."""
    pairs = [(str(name)[:_LONGEST], text(inner)) for name, inner in mapping(value).items() if inner is not None]
    return dict(sorted(pairs)[:_MOST_TAGS])


def time(value: Any) -> datetime | None:
    """A time in a body, in UTC; None if there is none that can be read."""
    try:
        found = parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and 2000 <= found.year < 2100 and not found.utcoffset() else None


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource on a page of a list."""

    name: str
    properties: Mapping[str, Any]
    tags: Mapping[str, str]  # of the resource itself
    created: datetime | None
    modified: datetime | None
    sku: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self | None:
        """Read a resource; None if it has no name."""
        name = text(body.get("name"))
        if not name.strip() or name in {".", ".."}:
            return None
        system = mapping(body.get("systemData"))
        created = time(system.get("createdAt"))
        return cls(
            name,
            mapping(body.get("properties")),
            texts(body.get("tags")),
            created,
            time(system.get("lastModifiedAt")) or created,
            mapping(body.get("sku")),
        )

    @property
    def state(self) -> str:
        """The provisioning state in lower case; empty without one."""
        return text(self.properties.get("provisioningState")).casefold()

    @property
    def operation(self) -> str:
        """The URL of the last operation, which the service keeps in the properties (see Azure/azure-cli#30154)."""
        return text(mapping(self.properties.get("properties")).get("AzureAsyncOperationUri"))
