"""The log of calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.http.request import Request
from emulator.http.response import NULL, Response
from emulator.state.matching import short


@dataclass(frozen=True, slots=True)
class Call:
    """A request and its response."""

    number: int  # from 1, in the order of the responses
    method: str
    path: str
    query: Mapping[str, str]
    body: Any  # JSON, or else text; None if the request had no content
    status: int | None  # None: the connection was closed without a response
    answer: Any = None  # the response's JSON
    note: str = ""  # which fault was injected

    @classmethod
    def of(cls, number: int, request: Request, response: Response | None, note: str = "") -> "Call":
        """The call of a request, with its response if one is sent."""
        status, body = (response.status, response.body) if response else (None, None)
        body = None if body is NULL else body
        return cls(number, request.method, request.path, request.query, request.loggable(), status, body, note)

    @property
    def api_version(self) -> str:
        """The api-version; empty without one."""
        return self.query.get("api-version", "")

    @property
    def target(self) -> str:
        """The method, and the path below the workspace: ``PUT onlineEndpoints/churn``."""
        return f"{self.method} {short(self.path)}"

    @property
    def line(self) -> str:
        """The call in one line: ``PUT onlineEndpoints/churn 2022-02-01-preview → 201 Creating``."""
        status = "" if self.status is None else str(self.status)
        return " ".join(filter(None, (self.target, self.api_version, "→", status, _summary(self.answer), self.note)))


def _summary(body: Any) -> str:
    """The code of an error, or the state of a resource or an operation."""
    if not isinstance(body, dict):
        return ""
    error, properties = body.get("error"), body.get("properties")
    if isinstance(error, dict) and "code" in error:
        return str(error["code"])
    if isinstance(properties, dict) and ("provisioningState" in properties or "status" in properties):
        return str(properties.get("provisioningState", properties.get("status")))
    return str(body.get("status", ""))
