"""Requests and answers, and Resource Manager's way of saying no."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Refusal(Exception):  # noqa: N818 - what a service does with a request, not a failure of this program
    """An answer that is an error, in the envelope that all of Resource Manager uses.

    Azure/azure-resource-manager-rpc, v1.0/common-api-details.md, section "Error response content".
    """

    def __init__(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.details, self.headers, self.more = list(details), dict(headers or {}), dict(more or {})

    @property
    def error(self) -> dict[str, Any]:
        """What is in the envelope."""
        return {"code": self.code, "message": self.message, "details": self.details, **self.more}

    def answer(self) -> "Answer":
        """The envelope."""
        return Answer(self.status, {"error": self.error}, self.headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, JSON or nothing, and headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. Names of headers and of query parameters are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def api_version(self) -> str:
        """As asked for; empty if it is not."""
        return self.query.get("api-version", "")

    def json(self) -> Any:
        """The body. Raises Refusal for what is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refusal(
                400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: {error}"
            ) from error

    def loggable(self) -> Any:
        """The body for the log: as JSON, else as text; None if there is none."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body.decode("utf-8", "replace")
