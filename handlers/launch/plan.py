"""`Plan`: the run that one action starts, and whether to wait for its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from handlers.base import Action, Succeeded
from handlers.launch.run import Run
from handlers.launch.state import LaunchState
from handlers.launch.target import Target


@dataclass(frozen=True)
class Plan:
    """The run to start, and the settings of the rule that concern every kind of run."""

    action: Action
    target: Target
    wait: bool = False
    timeout: timedelta = timedelta(hours=24)
    cancel_on_timeout: bool = False
    poll: timedelta | None = None  # the longest pause between two reads; None: it grows to limits.MAX_PAUSE
    at_least_once: bool = False

    @property
    def now(self) -> datetime:
        """When this call began."""
        return self.action.now

    def record_start(self, state: LaunchState, run: str, details: Mapping[str, str]) -> Succeeded | None:
        """Record that the run exists. Return the outcome, or None if the rule waits for the end of the run."""
        state.run, state.started_at, state.details = run, self.now, dict(details)
        state.missing_since = state.missing_at = None
        if self.wait:
            return None
        return Succeeded(f"{self.target.noun} {run} was started in {self.target.location}", self.details(state))

    def details(self, state: LaunchState, run: Run | None = None) -> dict[str, Any]:
        """The details of the outcome, which rules with `after` can use; with `run`, also its status and outputs."""
        details: dict[str, Any] = {"run": state.run, "where": self.target.location, **state.details}
        if link := self.target.link(state.run):
            details["link"] = link
        if run is not None:
            details |= {"status": run.status, **{f"output_{name}": uri for name, uri in run.outputs.items()}}
        return details
