"""`RolloutState`: what one roll-out keeps between calls."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from handlers.deploy.limits import ERROR_FREE, GAP_COUNTED, MAX_GAP
from handlers.steps import StepState

# What consecutive polls of a step can observe.
CONFIRMED = "confirmed"  # what the step waits for
UNEXPECTED = "unexpected"  # traffic that this roll-out did not set
MISSING = "missing"  # no endpoint, though there was one
FAILED_CHECK = "failed check"  # of the deployment's health


class RolloutState(StepState):
    """The progress of one roll-out. `next_step` resets the second group of fields."""

    started_at: datetime | None = None  # the first call
    operation: str = ""  # the URL of the operation that was started last
    environment: str = ""  # the reference to it, with the version that `latest` stood for
    created: bool = False  # did this action create the deployment?
    endpoint_existed: bool = False  # was there an endpoint before? Creating it again would drop its traffic
    original_traffic: dict[str, int] = Field(default_factory=dict)  # before the roll-out
    previous_traffic: dict[str, int] = Field(default_factory=dict)  # before the last change
    target_traffic: dict[str, int] = Field(default_factory=dict)  # after the last change
    shares: int = 0  # how many of the plan's shares have been decided
    moved: bool = False  # may any traffic have been moved?
    unconfirmed: bool = False  # was a change of traffic decided that no read has confirmed?
    baking_since: datetime | None = None  # when the current share was confirmed
    to_delete: list[str] = Field(default_factory=list)  # older deployments
    notes: list[str] = Field(default_factory=list)  # for the report
    cause: str = ""  # why the roll-out is rolled back
    log: str = ""  # the end of the container's log

    called_at: datetime | None = None  # the last call
    polling_since: datetime | None = None  # the first poll of this step, or the first one after its last error
    since: dict[str, datetime] = Field(default_factory=dict)  # since when consecutive polls observe something
    verdict: str = ""  # of the last smoke test
    held: str = ""  # why the guard holds the share
    requested_at: datetime | None = None  # when this step sent its request
    outcome_unknown: bool = False  # may a request without an answer have had an effect?
    errors: int = 0  # in the current series
    failing_since: datetime | None = None  # the first error of the series
    last_error_at: datetime | None = None
    last_error: str = ""

    def next_step(self) -> None:
        """Reset everything that concerns one step only."""
        self.called_at = None
        self.since = {}
        self.errors = 0
        self.outcome_unknown = False
        self.polling_since = self.requested_at = self.failing_since = self.last_error_at = None
        self.verdict = self.held = self.last_error = ""

    def record_error(self, now: datetime, text: str, *, rejected: bool = False) -> timedelta:
        """Record that a call failed; return how long the current series of errors has lasted.

        A rejected request certainly had no effect. After any other error, the outcome is unknown.
        """
        if self.last_error_at is None or self.failing_since is None or now - self.last_error_at > ERROR_FREE:
            self.failing_since, self.errors = now, 0
        self.last_error_at, self.last_error, self.polling_since = now, text, None
        self.errors += 1
        self.outcome_unknown = self.outcome_unknown or not rejected
        return now - self.failing_since

    def lasted(self, observation: str, observed: bool, now: datetime) -> timedelta:
        """Record whether this poll makes the observation; return how long consecutive polls have made it."""
        if not observed:
            self.since.pop(observation, None)
            return timedelta()
        return now - self.since.setdefault(observation, now)


def resumed(saved: Mapping[str, Any], now: datetime, *, crashed: bool) -> dict[str, Any]:
    """The saved state at the beginning of a call.

    A crash restarts its limits, and a long gap since the last call counts against them as GAP_COUNTED. So it does for a
    bake: nobody has watched the deployment meanwhile.
    """
    called_at = saved.get("called_at")
    gap = now - datetime.fromisoformat(called_at) if called_at else timedelta()
    baking_since = saved.get("baking_since")
    if gap > MAX_GAP and baking_since:
        saved = {**saved, "baking_since": _later(baking_since, gap)}
    if crashed:  # that call may have sent its request
        return {**saved, "polling_since": None, "since": {}, "outcome_unknown": True}
    if gap <= MAX_GAP:
        return dict(saved)
    polling_since = saved.get("polling_since")
    since = {observation: _later(time, gap) for observation, time in saved.get("since", {}).items()}
    return {**saved, "polling_since": polling_since and _later(polling_since, gap), "since": since}


def _later(time: str, gap: timedelta) -> datetime:
    return datetime.fromisoformat(time) + gap - GAP_COUNTED


# Actions in progress outlive a deployment of the app: release 0.1 saved other names, and counted polls.
_FIELDS = {
    "began": "started_at",
    "made": "created",
    "there": "endpoint_existed",
    "before": "original_traffic",
    "was": "previous_traffic",
    "target": "target_traffic",
    "unsure": "unconfirmed",
    "old": "to_delete",
    "broken": "cause",
    "doubtful": "outcome_unknown",
    "failed": "errors",
    "failed_at": "last_error_at",
    "failure": "last_error",
}
_TIMES = {"looks": "polling_since", "baked": "baking_since", "asked": "requested_at"}
_OBSERVATIONS = {"seen": CONFIRMED, "odd": UNEXPECTED, "lost": MISSING}
_STEPS = {
    "still_wanted": "check_model",
    "in_order": "check_endpoint",
    "room": "check_quota",
    "endpoint_ready": "ensure_endpoint",
    "create": "create_deployment",
    "provisioned": "await_deployment",
    "shift": "choose_share",
    "send": "send_traffic",
    "confirm": "confirm_traffic",
    "choose": "list_outdated",
    "tidy": "delete_outdated",
    "put_back": "restore_traffic",
    "remove": "delete_deployment",
}


def upgraded(saved: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The saved state as this version writes it. What release 0.1 counted in polls counts as started now."""
    if "looks" not in saved:
        return dict(saved)
    started = {name: now for count, name in _TIMES.items() if saved.get(count)}
    since = {observation: now for count, observation in _OBSERVATIONS.items() if saved.get(count)}
    kept = {_FIELDS.get(name, name): value for name, value in saved.items()}
    step = saved.get("step", "")
    return {**kept, **started, "since": since, "step": _STEPS.get(step, step)}
