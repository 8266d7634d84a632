"""`FakeAzure`: lists of Resource Manager in memory, which tests change, and which can fail, lie and be slow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from azure.core.exceptions import HttpResponseError, ServiceRequestError

from mlevents.testing.storage import Clock

HOST = "https://management.example.com"


class _Response:
    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status_code, self.headers, self.reason = status, headers, "reason"

    def text(self) -> str:
        return '{"error": {"code": "Refused", "message": "no"}}'


def refusal(status: int, **headers: str) -> HttpResponseError:
    """An error response of the service."""
    error = HttpResponseError("(Refused) no")
    error.status_code, error.response = status, _Response(status, headers)  # type: ignore[assignment]
    return error


def timeout() -> Exception:
    """No response in time."""
    return ServiceRequestError("timed out")


@dataclass
class FakeAzure:
    """The resources of workspaces and registries by path, below ``…/workspaces/<name>``, and what goes wrong.

    `skew` is by how much its clock is ahead of the app's. `fault` gets the number and the path of each request, and
    returns an exception to raise, an answer, or None.
    """

    clock: Clock
    page: int = 100
    skew: timedelta = timedelta()
    has_times: bool = True
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fault: Callable[[int, str], Any] = lambda number, path: None

    @property
    def now(self) -> datetime:
        return self.clock.time + self.skew

    def put(self, path: str, properties: Mapping[str, Any], **more: Any) -> None:
        """Create or change a resource."""
        old = self.resources.get(path, {})
        stamp = self.now.isoformat()
        times = {"createdAt": old.get("systemData", {}).get("createdAt", stamp), "lastModifiedAt": stamp}
        body = {**old, "name": path.rpartition("/")[2], "properties": {**old.get("properties", {}), **properties}}
        self.resources[path] = {**body, **more, **({"systemData": times} if self.has_times else {})}

    def model(self, scope: str, name: str, version: str, **properties: Any) -> None:
        """Register or change a model version."""
        if f"{scope}/models/{name}" not in self.resources:
            self.put(f"{scope}/models/{name}", {"latestVersion": version})
        self.put(f"{scope}/models/{name}/versions/{version}", properties)

    def delete(self, path: str) -> None:
        for known in [known for known in self.resources if known == path or known.startswith(f"{path}/")]:
            del self.resources[known]

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        self.calls.append(path)
        fault = self.fault(len(self.calls), path)
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return fault
        return self._listed(unquote(path), dict(query or {}))

    def get_url(self, url: str) -> Any:
        parts = urlsplit(url)
        assert url.startswith(HOST)
        return self.get(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})

    def _listed(self, path: str, query: dict[str, str]) -> Any:
        if path in self.resources:
            return self.resources[path]
        parent = path.rpartition("/")[0]
        if parent not in self.resources:
            return None
        found = [body for at, body in self.resources.items() if at.rpartition("/")[0] == path]
        if "desc" in query.get("$orderBy", ""):
            found.reverse()
        skip = int(query.get("$skip", 0))
        answer: dict[str, Any] = {"value": found[skip : skip + self.page]}
        if skip + self.page < len(found):
            more = {**query, "$skip": str(skip + self.page)}
            answer["nextLink"] = f"{HOST}{quote(path)}?" + "&".join(f"{quote(n)}={quote(v)}" for n, v in more.items())
        return answer
