"""Requests: their content, and the names and ids in their paths."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from emulator.http.response import ErrorResponse, Response
from emulator.http.validation import validate
from emulator.state.ids import REGISTRY_SCOPE, WORKSPACE_SCOPE
from emulator.state.state import Body, Resource, State


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and the state that it reads and changes. Names of headers and query parameters are in lower case."""

    state: State
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict)  # the names in the path
    id: str = ""  # the resource id in the path, spelled as in Resource Manager

    @property
    def api_version(self) -> str:
        """The api-version; empty without one."""
        return self.query.get("api-version", "")

    def json(self) -> Any:
        """The content as JSON. Raises an error response (400) if it is not JSON."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise ErrorResponse(
                400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: {error}"
            ) from error

    def body(self, schema: str) -> Body:
        """The content as a JSON object. Raises an error response (400) if it violates the schema of that name."""
        value = self.json()
        validate(value, schema)
        return dict(value)

    def loggable(self) -> Any:
        """The content as JSON, else as text; None if there is none."""
        if not self.content:
            return None
        try:
            return json.loads(self.content)
        except ValueError:
            return self.content.decode("utf-8", "replace")

    @property
    def scope(self) -> str:
        """The id of the workspace or registry in the path."""
        template = WORKSPACE_SCOPE if "workspace" in self.params else REGISTRY_SCOPE
        return template.format_map(self.params)

    @property
    def workspace(self) -> Resource:
        """The workspace in the path."""
        return self.state.require(self.scope)

    def page(self, found: Iterable[Resource]) -> Response:
        """A page of a list, by $skip and $top, with a link to the next page if there is one.

        Resources that late reads still miss are left out.
        """
        self.state.complete_due()
        resources = [resource for resource in found if not resource.late_reads]
        skip = self._number("$skip", 0)
        top = self._number("$top", len(resources))
        size = min(top, self.state.page)
        body: Body = {"value": [self.state.listed(resource) for resource in resources[skip : skip + size]]}
        if skip + size < len(resources) and size < top:
            more = {**self.query, "$skip": str(skip + size), "$top": str(top - size)}
            body["nextLink"] = f"{self.state.url}{self.path}?{urlencode(more)}"
        return Response(200, body)

    def _number(self, name: str, default: int) -> int:
        text = self.query.get(name, str(default))
        if not text.isdecimal():
            raise ErrorResponse(400, "UserError", f"The query parameter {name} is {text!r}, which is not a number.")
        return int(text)
