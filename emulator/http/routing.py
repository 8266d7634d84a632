"""Routes: method, path with names in it, who may ask with which api-version, and what answers."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from urllib.parse import urlencode

from emulator.http import schema
from emulator.http.shapes import Shape
from emulator.state.ids import REGISTRY_SCOPE, WORKSPACE_SCOPE
from emulator.state.state import Body, Resource, World
from emulator.wire import Answer, Refusal, Request


class Plane(Enum):
    """Who answers, which decides whose tokens are taken."""

    MANAGEMENT = "management"  # Resource Manager's
    DATA = "data"  # Azure ML's or Resource Manager's
    OWN = "own"  # the route looks itself


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that has found its route."""

    world: World
    request: Request
    names: Mapping[str, str]  # in the path
    id: str  # what the path names, as Resource Manager writes it

    def body(self, shape: Shape) -> Body:
        """The request's JSON. Raises Refusal if it is not of that shape."""
        value = self.request.json()
        schema.validate(value, shape)
        return dict(value)

    @property
    def scope(self) -> str:
        """The id of the workspace or the registry."""
        return next(
            template.format_map(self.names)
            for template, name in ((WORKSPACE_SCOPE, "workspace"), (REGISTRY_SCOPE, "registry"))
            if name in self.names
        )

    @property
    def workspace(self) -> Resource:
        """The workspace that the path names, which is there."""
        return self.world.need(self.scope)

    def page(self, found: Iterable[Resource]) -> Answer:
        """A list, with a link to the next page if there is one ($skip, $top). What reads still miss is not in it."""
        self.world.settle_due()
        resources = [resource for resource in found if not resource.missed]
        query = self.request.query
        skip = _number(query.get("$skip", "0"), "$skip")
        top = _number(query.get("$top", str(len(resources))), "$top")
        size = min(top, self.world.page)
        body: Body = {"value": [self.world.listed(resource) for resource in resources[skip : skip + size]]}
        if skip + size < len(resources) and size < top:
            more = {**query, "$skip": str(skip + size), "$top": str(top - size)}
            body["nextLink"] = f"{self.world.url}{self.request.path}?{urlencode(more)}"
        return Answer(200, body)


Handler = Callable[[Ask], Answer]


@dataclass(frozen=True)
class Route:
    """What answers a method on a path: a template with ``{names}``, whose other segments ignore case."""

    method: str
    template: str
    handler: Handler
    versions: frozenset[str] = field(repr=False)
    plane: Plane = Plane.MANAGEMENT
    prefix: str = ""  # before the template, and no part of an id
    action: str = ""  # after it, and neither

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        path = self.prefix + self.template + (f"/{self.action}" if self.action else "")
        parts = re.split(r"\{(\w+)\}", path)
        return re.compile(
            "".join(f"(?P<{part}>[^/]+)" if n % 2 else re.escape(part) for n, part in enumerate(parts)) + "/?",
            re.IGNORECASE,
        )

    def names(self, path: str) -> dict[str, str] | None:
        """The names in a path; None if it is another's."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None

    @property
    def type(self) -> str:
        """The resource type, as Resource Manager names it in its errors."""
        inside = self.template.partition("/providers/")[2]
        return "/".join(part for n, part in enumerate(inside.split("/")) if n == 0 or n % 2)


def at_workspace(
    path: str, versions: frozenset[str], handlers: Mapping[str, Handler], *, action: str = ""
) -> tuple[Route, ...]:
    """Routes of what is in a workspace, by method."""
    template = f"{WORKSPACE_SCOPE}/{path}" if path else WORKSPACE_SCOPE
    return tuple(Route(method, template, handler, versions, action=action) for method, handler in handlers.items())


def _number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise Refusal(400, "UserError", f"The query parameter {name} is {text!r}, which is not a number.")
    return int(text)
