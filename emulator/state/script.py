"""What the stand-in does on request: fail, dawdle, forget, answer as told. Calls are told apart by a `Match`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from emulator.state.jobscript import JobScript
from emulator.state.matching import Match
from emulator.wire import Answer, Refusal, Request

Scorer = Callable[[Any], Any]  # from a request's JSON to the answer's


class Effect(Enum):
    """What happens to a call."""

    ANSWER = "on request"
    CLOSE_BEFORE = "closed before it was applied, on request"
    CLOSE_AFTER = "closed after it was applied, on request"


@dataclass
class Fault:
    """Something that happens to some calls in place of what should."""

    match: Match
    effect: Effect
    answer: Answer | None = None
    after: int = 0  # so many calls are spared first
    times: int | None = 1  # None: from then on always

    def strikes(self, request: Request) -> bool:
        """Is it this call's turn? Counts."""
        if self.times == 0 or not self.match(request.method, request.path):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class Pace:
    """How long operations take: so many looks at them, or so many seconds."""

    polls: int = 1
    seconds: float | None = None
    asked: bool = False  # looks at the resource do not count


@dataclass(frozen=True, slots=True)
class Place:
    """Deployments of endpoints, by globs without regard to case."""

    endpoint: str = "*"
    deployment: str = "*"

    def __call__(self, endpoint: str, deployment: str) -> bool:
        """Is this one of them?"""
        return fnmatchcase(endpoint.lower(), self.endpoint.lower()) and fnmatchcase(
            deployment.lower(), self.deployment.lower()
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """How the provisioning of a deployment ends, and what its container has said."""

    error: Refusal
    logs: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a deployment answers to a scoring request."""

    status: int = 200
    body: Any = field(default_factory=lambda: [0])
    headers: Mapping[str, str] = field(default_factory=dict)
    scorer: Scorer | None = None

    def answer(self, asked: Any) -> Answer:
        """To what was asked."""
        return Answer(self.status, self.scorer(asked) if self.scorer else self.body, self.headers)


@dataclass
class Script:
    """All that is on request. Of several that fit, the one that was said last counts; of faults, the first."""

    faults: list[Fault] = field(default_factory=list)
    paces: list[tuple[Match, Pace]] = field(default_factory=list)
    stale: list[tuple[Match, int]] = field(default_factory=list)
    late: list[tuple[Match, int]] = field(default_factory=list)
    failures: list[tuple[Place, Failure]] = field(default_factory=list)  # how provisioning ends
    endpoint_failures: list[tuple[Place, Refusal]] = field(default_factory=list)
    update_failures: list[tuple[Place, Refusal]] = field(default_factory=list)
    scored: list[tuple[Place, Scored]] = field(default_factory=list)
    jobs: JobScript = field(default_factory=JobScript)

    def fault(self, request: Request) -> Fault | None:
        """What happens to this call, if anything. Counts."""
        return next((fault for fault in self.faults if fault.strikes(request)), None)

    def pace(self, method: str, path: str) -> Pace:
        """How long an operation takes that such a call begins."""
        return next((pace for match, pace in reversed(self.paces) if match(method, path)), Pace())

    def stale_reads(self, path: str) -> int:
        """How many GETs still show a resource as it was before an update, or before it was deleted."""
        return next((times for match, times in reversed(self.stale) if match("GET", path)), 0)

    def late_reads(self, path: str) -> int:
        """How many GETs do not find a resource yet that was made."""
        return next((times for match, times in reversed(self.late) if match("GET", path)), 0)

    def failure(self, endpoint: str, deployment: str) -> Failure | None:
        """How the provisioning of a deployment fails, if it does."""
        return next((failure for place, failure in reversed(self.failures) if place(endpoint, deployment)), None)

    def endpoint_failure(self, endpoint: str) -> Refusal | None:
        """How the provisioning of an endpoint fails, if it does."""
        return next((error for place, error in reversed(self.endpoint_failures) if place(endpoint, "")), None)

    def update_failure(self, endpoint: str) -> Refusal | None:
        """How a change of an endpoint fails, if it does."""
        return next((error for place, error in reversed(self.update_failures) if place(endpoint, "")), None)

    def score(self, endpoint: str, deployment: str) -> Scored:
        """What a deployment answers."""
        return next((scored for place, scored in reversed(self.scored) if place(endpoint, deployment)), Scored())
