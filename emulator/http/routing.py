"""Routes: a method, a path with names in it, its api-versions and tokens, and the function that answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from emulator.http.request import Request
from emulator.http.response import Response
from emulator.state.ids import WORKSPACE_SCOPE

Handler = Callable[[Request], Response]


class Plane(Enum):
    """The service that answers, which decides whose tokens are accepted."""

    MANAGEMENT = "management"  # Resource Manager's
    DATA = "data"  # Azure ML's or Resource Manager's
    SYNAPSE = "synapse"  # Synapse's only
    OWN = "own"  # the handler checks them itself


@dataclass(frozen=True)
class Route:
    """Answers a method on a path: a template with ``{names}``, whose other segments ignore case."""

    method: str
    template: str  # also of the resource's id
    handler: Handler
    versions: frozenset[str] = field(repr=False)
    plane: Plane = Plane.MANAGEMENT
    prefix: str = ""  # of the path, before the id
    action: str = ""  # of the path, after the id

    @property
    def path(self) -> str:
        """The path for aiohttp's router, which has no other way to ignore case than a pattern for each fixed part."""
        whole = (self.prefix + self.template + (f"/{self.action}" if self.action else "")).removeprefix("/")
        parts = re.split(r"(\{\w+\})", whole)
        fixed = (part if n % 2 else f"{{_{n}:(?i:{re.escape(part)})}}" for n, part in enumerate(parts) if part)
        return f"/{''.join(fixed)}{{_end:/?}}"

    @property
    def type(self) -> str:
        """The resource type, as in Resource Manager's errors."""
        inside = self.template.partition("/providers/")[2]
        return "/".join(part for n, part in enumerate(inside.split("/")) if n == 0 or n % 2)


def at_workspace(
    path: str, versions: frozenset[str], handlers: Mapping[str, Handler], *, action: str = ""
) -> tuple[Route, ...]:
    """Routes below a workspace, by method."""
    template = f"{WORKSPACE_SCOPE}/{path}" if path else WORKSPACE_SCOPE
    return tuple(Route(method, template, handler, versions, action=action) for method, handler in handlers.items())
