"""Planned faults, durations and scoring answers. Calls are selected by a `Match`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from emulator.http.response import ErrorResponse, Response
from emulator.state.job_plan import JobPlan
from emulator.state.matching import Match

Scorer = Callable[[Any], Any]  # from a request's JSON to the answer's


class Effect(Enum):
    """What a fault does to a call; the value is its note in the log of calls."""

    ANSWER = "on request"
    CLOSE_BEFORE = "closed before it was applied, on request"
    CLOSE_AFTER = "closed after it was applied, on request"


@dataclass
class Fault:
    """A fault for some of the calls that match."""

    match: Match
    effect: Effect
    response: Response | None = None
    after: int = 0  # how many more matching calls are left alone first
    times: int | None = 1  # how many more calls it hits; None: all

    def hits(self, method: str, path: str) -> bool:
        """Whether it hits this call. Counts the call."""
        if self.times == 0 or not self.match(method, path):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class Duration:
    """How long operations take: a number of polls, or of seconds."""

    polls: int = 1
    seconds: float | None = None
    status_only: bool = False  # reads of the resource are no polls


@dataclass(frozen=True, slots=True)
class DeploymentMatch:
    """Deployments of endpoints, by globs that ignore case."""

    endpoint: str = "*"
    deployment: str = "*"

    def __call__(self, endpoint: str, deployment: str) -> bool:
        """Whether a deployment matches."""
        return fnmatchcase(endpoint.lower(), self.endpoint.lower()) and fnmatchcase(
            deployment.lower(), self.deployment.lower()
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """The failed provisioning of a deployment: its error, and the log of its container."""

    error: ErrorResponse
    logs: str = ""


@dataclass(frozen=True, slots=True)
class ScoringResponse:
    """The answer of a deployment to scoring requests."""

    status: int = 200
    body: Any = field(default_factory=lambda: [0])
    headers: Mapping[str, str] = field(default_factory=dict)
    scorer: Scorer | None = None

    def response(self, data: Any) -> Response:
        """The response to a request with this JSON."""
        return Response(self.status, self.scorer(data) if self.scorer else self.body, self.headers)


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests that users send to a deployment, as its metrics show them."""

    per_minute: float
    failed: float  # of these
    p95: float  # milliseconds
    status: int  # of the failed ones


@dataclass
class FaultPlan:
    """Everything planned. Of several entries that match, the latest applies; of faults, the first."""

    faults: list[Fault] = field(default_factory=list)
    durations: list[tuple[Match, Duration]] = field(default_factory=list)
    stale: list[tuple[Match, int]] = field(default_factory=list)
    late: list[tuple[Match, int]] = field(default_factory=list)
    failures: list[tuple[DeploymentMatch, Failure]] = field(default_factory=list)
    endpoint_failures: list[tuple[DeploymentMatch, ErrorResponse]] = field(default_factory=list)
    update_failures: list[tuple[DeploymentMatch, ErrorResponse]] = field(default_factory=list)
    scoring: list[tuple[DeploymentMatch, ScoringResponse]] = field(default_factory=list)
    requests: list[tuple[DeploymentMatch, Requests]] = field(default_factory=list)
    jobs: JobPlan = field(default_factory=JobPlan)

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault for this call, if there is one. Counts the call."""
        return next((fault for fault in self.faults if fault.hits(method, path)), None)

    def duration(self, method: str, path: str) -> Duration:
        """The duration of an operation that such a call starts."""
        return next((duration for match, duration in reversed(self.durations) if match(method, path)), Duration())

    def stale_reads(self, path: str) -> int:
        """How many reads still show a resource as it was before an update or deletion."""
        return next((times for match, times in reversed(self.stale) if match("GET", path)), 0)

    def late_reads(self, path: str) -> int:
        """How many reads do not find a new resource yet."""
        return next((times for match, times in reversed(self.late) if match("GET", path)), 0)

    def failure(self, endpoint: str, deployment: str) -> Failure | None:
        """How the provisioning of a deployment fails; None if it succeeds."""
        return next((failure for match, failure in reversed(self.failures) if match(endpoint, deployment)), None)

    def endpoint_failure(self, endpoint: str) -> ErrorResponse | None:
        """How the creation of an endpoint fails; None if it succeeds."""
        return next((error for match, error in reversed(self.endpoint_failures) if match(endpoint, "")), None)

    def update_failure(self, endpoint: str) -> ErrorResponse | None:
        """How an update of an endpoint fails; None if it succeeds."""
        return next((error for match, error in reversed(self.update_failures) if match(endpoint, "")), None)

    def score(self, endpoint: str, deployment: str) -> ScoringResponse:
        """The answer of a deployment."""
        found = (answer for match, answer in reversed(self.scoring) if match(endpoint, deployment))
        return next(found, ScoringResponse())

    def requests_of(self, endpoint: str, deployment: str) -> Requests | None:
        """The requests to a deployment; None if there are none."""
        return next((requests for match, requests in reversed(self.requests) if match(endpoint, deployment)), None)
