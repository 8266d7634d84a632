"""The log of calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.state.matching import short
from emulator.wire import Answer, Request


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked and what was answered."""

    number: int  # from 1, in the order of the answers
    method: str
    path: str
    query: Mapping[str, str]
    body: Any  # JSON, or text that is not; None if there was none
    status: int | None  # None: no answer, the connection was closed
    answer: Any = None
    note: str = ""  # what the stand-in was told to do instead

    @classmethod
    def of(cls, number: int, request: Request, answer: Answer | None, note: str = "") -> "Call":
        """One that has been answered, or not."""
        status, body = (answer.status, answer.body) if answer else (None, None)
        return cls(number, request.method, request.path, request.query, request.loggable(), status, body, note)

    @property
    def api_version(self) -> str:
        """As asked for; empty if it was not."""
        return self.query.get("api-version", "")

    @property
    def target(self) -> str:
        """Method and path as from the workspace on: ``PUT onlineEndpoints/churn``."""
        return f"{self.method} {short(self.path)}"

    @property
    def line(self) -> str:
        """All of it in a line: ``PUT onlineEndpoints/churn 2022-02-01-preview → 201 Creating``."""
        came = "" if self.status is None else str(self.status)
        return " ".join(filter(None, (self.target, self.api_version, "→", came, _gist(self.answer), self.note)))


def _gist(answer: Any) -> str:
    """What matters of an answer: the code of an error, the state of a resource or an operation."""
    if not isinstance(answer, dict):
        return ""
    error, properties = answer.get("error"), answer.get("properties")
    if isinstance(error, dict) and "code" in error:
        return str(error["code"])
    if isinstance(properties, dict) and ("provisioningState" in properties or "status" in properties):
        return str(properties.get("provisioningState", properties.get("status")))
    return str(answer.get("status", ""))
