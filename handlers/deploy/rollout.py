"""The steps that move the traffic to the new deployment, share by share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.azure.ml.endpoint_metrics import traffic_metrics
from handlers.azure.ml.resources import ENDED_BADLY, SUCCEEDED, Endpoint
from handlers.base import CheckBack, GiveUp, Outcome
from handlers.deploy.checks.guard import Guard
from handlers.deploy.deployment import run_smoke_test
from handlers.deploy.limits import (
    BAKE_PAUSE,
    CONCURRENT_CHANGE,
    METRICS_VISIBLE,
    TRAFFIC_SETTLED,
    TRAFFIC_VISIBLE,
    UNHEALTHY,
)
from handlers.deploy.plan import Plan
from handlers.deploy.state import CONFIRMED, FAILED_CHECK, UNEXPECTED, RolloutState
from handlers.deploy.step_retry import ConcurrentChange, with_rollback
from handlers.deploy.traffic import format_traffic, next_share, with_share


@dataclass(frozen=True)
class Rollout:
    """From a deployment without traffic to one that gets all of it."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order; after `bake` comes `choose_share` again until all shares are done."""
        return self.choose_share, self.send_traffic, self.confirm_traffic, self.bake

    @with_rollback
    def choose_share(self, state: RolloutState) -> Outcome | None:
        """Decide the next split. The state is saved before the request is sent, so that a crash does not lose it."""
        plan = self.plan
        plan.check_timeout(state)
        if not state.shares:
            state.original_traffic = state.target_traffic = dict(plan.read_endpoint(state).traffic)
        state.previous_traffic = state.target_traffic
        state.shares = next_share(plan.shares, state.original_traffic, plan.name, state.shares)
        state.target_traffic = with_share(state.original_traffic, plan.name, plan.shares[state.shares - 1])
        state.moved = state.unconfirmed = True
        state.baking_since, state.operation = None, ""
        return None

    @with_rollback
    def send_traffic(self, state: RolloutState) -> Outcome | None:
        """Request the split, unless a call that crashed has done so."""
        plan = self.plan
        plan.check_timeout(state)
        endpoint = plan.read_endpoint(state)
        if endpoint.traffic == state.target_traffic:
            return None
        if waiting := self._check_traffic(state, endpoint, state.previous_traffic):
            return waiting
        ready = endpoint.state == SUCCEEDED or plan.polled_for(state) >= TRAFFIC_VISIBLE
        if not plan.settled(state) or not ready:
            plan.failure("", endpoint.operation)
            split = format_traffic(endpoint.traffic)
            return plan.poll_again(state, f"traffic: {split}; the endpoint is {endpoint.state}")
        state.operation = plan.endpoints.set_traffic(endpoint, state.target_traffic)
        return None

    @with_rollback
    def confirm_traffic(self, state: RolloutState) -> Outcome | None:
        """Wait until every read for TRAFFIC_SETTLED shows the split, even past the `timeout`: it may be in effect."""
        plan = self.plan
        endpoint, split = plan.read_endpoint(state), format_traffic(state.target_traffic)
        if endpoint.state in ENDED_BADLY:
            reason = plan.failure_reason(state.operation, endpoint.operation)
            raise GiveUp(f"the traffic could not be changed to {split}: {reason}")
        if waiting := self._check_traffic(state, endpoint, state.target_traffic, state.previous_traffic):
            return waiting
        shown = endpoint.traffic == state.target_traffic and endpoint.state == SUCCEEDED
        if state.lasted(CONFIRMED, shown, plan.now) >= TRAFFIC_SETTLED:
            state.unconfirmed = False
            return None
        if not shown and (reason := plan.failure(state.operation, endpoint.operation)):
            raise GiveUp(f"the traffic could not be changed to {split}: {reason}")
        if not shown and plan.polled_for(state) >= TRAFFIC_VISIBLE:
            reason = plan.failure_reason(state.operation, endpoint.operation)
            raise GiveUp(f"the endpoint never showed the traffic {split}: {reason}")
        return plan.poll_again(state, f"traffic: {split}" if shown else f"waiting for the traffic {split}")

    @with_rollback
    def bake(self, state: RolloutState) -> Outcome | None:
        """Check the deployment's health while it has its share, before it gets more; with all traffic, check once."""
        plan = self.plan
        endpoint, last = plan.read_endpoint(state), state.shares == len(plan.shares)
        if not last:
            plan.check_timeout(state)
        if waiting := self._check_traffic(state, endpoint, state.target_traffic):
            return waiting
        state.baking_since = state.baking_since or plan.now
        problem = self._health_problem(endpoint)
        if state.lasted(FAILED_CHECK, bool(problem), plan.now) >= UNHEALTHY:
            raise GiveUp(f"unhealthy with {state.target_traffic[plan.name]} % of the traffic: {problem}")
        if problem:
            return plan.poll_again(state, f"a health check failed: {problem}")
        if last:
            return None
        end = state.baking_since + plan.bake
        state.held = self._guarded(plan.guard, state, state.baking_since, end) if plan.guard else ""
        if plan.now >= end and not state.held:
            state.step = "choose_share"
            return None
        held = f"; the guard holds it: {state.held}" if state.held else ""
        pause = min(end - plan.now, BAKE_PAUSE) if plan.now < end else BAKE_PAUSE
        return CheckBack(pause, note=f"traffic: {format_traffic(state.target_traffic)}{held}")

    def _guarded(self, guard: Guard, state: RolloutState, since: datetime, end: datetime) -> str:
        """Why the guard holds the share; empty if it does not. Raises GiveUp if requests exceed a limit of the guard.

        After the bake it waits until Azure Monitor has the last minutes, and then for as many requests as it needs.
        """
        plan = self.plan
        found = traffic_metrics(plan.endpoints.azureml, plan.endpoints.path(plan.endpoint), plan.name, since, plan.now)
        if violation := guard.violation(found):
            raise GiveUp(f"the guard failed with {state.target_traffic[plan.name]} % of the traffic: {violation}")
        if plan.now < end:
            return ""
        if plan.now < end + METRICS_VISIBLE:
            return "metrics of the last minutes are to come"
        return guard.lacking(found)

    def _check_traffic(self, state: RolloutState, endpoint: Endpoint, *expected: Mapping[str, int]) -> CheckBack | None:
        """Wait if the traffic is none of the expected splits: the read may come from a stale replica.

        Raises ConcurrentChange when every read for CONCURRENT_CHANGE has shown an unexpected split.
        """
        plan, unexpected = self.plan, endpoint.traffic not in expected
        lasted = state.lasted(UNEXPECTED, unexpected, plan.now)
        if not unexpected:
            return None
        found, planned = format_traffic(endpoint.traffic), format_traffic(expected[0])
        if lasted < CONCURRENT_CHANGE:
            return plan.wait(f"traffic: {found}, but {planned} was expected")
        raise ConcurrentChange(
            f"the roll-out of {plan.model} stopped: someone else changed the traffic of {endpoint.name} from {planned} "
            f"to {found}. That traffic and the deployment {plan.name} were left as they are"
        )

    def _health_problem(self, endpoint: Endpoint) -> str:
        """Why the deployment is unhealthy; empty if it is healthy."""
        found = self.plan.endpoints.deployment(self.plan.endpoint, self.plan.name)
        if found is None or found.state in ENDED_BADLY:
            return f"the deployment is {found.state if found else 'missing'}"
        return run_smoke_test(self.plan, endpoint).reason
