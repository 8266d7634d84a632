"""`LaunchState`: what one action keeps between calls."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from handlers.launch.limits import GAP_COUNTED, MAX_GAP
from handlers.steps import StepState


class LaunchState(StepState):
    """The progress of one action: from the first attempt to start its run, to the end of the run."""

    prepared_at: datetime | None = None  # when the action could first start a run: none of its runs is older
    prepared: dict[str, str] | None = None  # the result of `SearchableTarget.prepare`
    preexisting: list[str] = Field(default_factory=list)  # the ids of runs that were listed before the first attempt
    listing_failed_since: datetime | None = None
    denied_since: datetime | None = None  # since when the service refuses to start a run
    attempts: int = 0  # requests that may have started a run, and did not as far as the lists show
    last_error: str = ""  # of the last attempt
    accepted: bool = False  # the service started the run, and did not return its id
    missing_since: datetime | None = None  # since when consecutive reads of this step have not found the run
    missing_at: datetime | None = None  # the last of these reads
    run: str = ""  # the id of the run
    started_at: datetime | None = None  # when the app learned that the run was started
    cancel_requested: bool = False
    details: dict[str, str] = Field(default_factory=dict)  # for the outcome

    def missing_for(self, found: bool, now: datetime) -> timedelta:
        """Record whether this read found the run; return for how long consecutive reads have not found it.

        A gap between two reads that is longer than MAX_GAP counts as GAP_COUNTED.
        """
        gap = now - (self.missing_at or now)
        if self.missing_since and gap > MAX_GAP:
            self.missing_since += gap - GAP_COUNTED
        self.missing_since = None if found else self.missing_since or now
        self.missing_at = None if found else now
        return now - (self.missing_since or now)


# Actions in progress outlive a deployment of the app: release 0.1 saved other names, and counted polls.
_FIELDS = {
    "since": "prepared_at",
    "known": "prepared",
    "others": "preexisting",
    "blind": "listing_failed_since",
    "denied": "denied_since",
    "tries": "attempts",
    "trouble": "last_error",
    "started": "started_at",
    "canceling": "cancel_requested",
}


def upgraded(saved: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The saved state as this version writes it. A run that release 0.1 had not found counts as missing since now."""
    if "looks" not in saved:
        return dict(saved)
    kept = {_FIELDS.get(name, name): value for name, value in saved.items()}
    return {**kept, "missing_since": now if saved["looks"] else None}
