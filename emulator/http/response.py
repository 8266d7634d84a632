"""Responses, and error responses in the envelope of Resource Manager."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class _Null(Enum):
    """A value that copies of a response keep."""

    NULL = "null"


NULL = _Null.NULL  # the body of a response whose content is the JSON text ``null``; None is that of one without content


@dataclass(frozen=True, slots=True)
class Response:
    """A status, JSON, bytes or nothing, and headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ErrorResponse(Exception):  # noqa: N818 - an answer of the service, not a failure of this program
    """An error response, raised by what handles a request.

    The envelope: Azure/azure-resource-manager-rpc, v1.0/common-api-details.md, section "Error response content".
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
        """The content of the envelope."""
        return {"code": self.code, "message": self.message, "details": self.details, **self.more}

    def response(self) -> Response:
        """The response to send."""
        return Response(self.status, {"error": self.error}, self.headers)
