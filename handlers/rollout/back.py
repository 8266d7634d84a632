"""The steps that undo a roll-out: the traffic first, then the deployment; each is confirmed. Then it is reported."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handlers.azureml.resources import ENDED_BADLY, SUCCEEDED
from handlers.base import GiveUp, Outcome
from handlers.rollout.plan import Plan, RolloutState, again, busy
from handlers.rollout.traffic import shown

_SURE = 2  # looks in a row that must show what was to be reached: some replicas are behind
_STALE = 40  # looks until what was asked for, and is not shown, is asked for again
_MOST = 120  # looks until somebody must look after it
_IN_PROGRESS = timedelta(minutes=1)  # between looks at what takes minutes
_REASON, _LOG = 500, 300  # characters of a report, which has a thousand


@dataclass(frozen=True)
class Back:
    """From wherever it stopped to where it began."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order."""
        return self.put_back, self.remove, self.report

    def put_back(self, state: RolloutState) -> Outcome | None:
        """The traffic is where it was, as far as the new deployment goes: what others have changed since is theirs."""
        plan = self.plan
        endpoint = plan.endpoints.endpoint(plan.endpoint) if state.moved else None
        if endpoint is None:
            return None
        settled = endpoint.state in (SUCCEEDED, *ENDED_BADLY)
        sure = state.asked or not state.unsure  # what was never seen may still come: it is asked to go, in any case
        if settled and sure and endpoint.traffic.get(plan.name, 0) == state.before.get(plan.name, 0):
            state.seen += 1
            return None if state.seen >= _SURE else again(state, f"traffic: {shown(endpoint.traffic)}")
        state.seen = 0
        try:
            if state.looks >= _MOST:
                raise GiveUp("the service does not show it")
            if settled and (not state.asked or state.looks % _STALE == 0):
                plan.endpoints.set_traffic(endpoint, state.before)
                state.asked = True
        except GiveUp as error:
            raise GiveUp(
                f"The traffic of {plan.endpoint} must be put back by hand: it is {shown(endpoint.traffic)}, and was "
                f"{shown(state.before)}. {error}. It was to be put back because of this: {state.broken[:_REASON]}"
            ) from error
        return again(state, f"traffic: {shown(endpoint.traffic)}, being put back to {shown(state.before)}")

    def remove(self, state: RolloutState) -> Outcome | None:
        """The deployment is gone, if this action made it and it is not to be left."""
        plan = self.plan
        endpoint, found = plan.look()
        if found is None:
            state.seen += 1
            gone = f"there is no deployment {plan.name}"
            return self._noted(state, gone) if state.seen >= _SURE else again(state, gone)
        state.seen = 0
        if plan.leave_failed or not plan.made(found):  # not what is remembered, but its tag says who made it
            return self._noted(state, f"the deployment {plan.name} was left")
        if state.looks >= _MOST:
            return self._noted(state, f"the deployment {plan.name} is to be deleted, and is still {found.state}")
        if found.state not in (SUCCEEDED, *ENDED_BADLY):  # it cannot be deleted before it is done, or is being so
            return again(state, f"{plan.name} is {found.state}", _IN_PROGRESS)
        if not state.asked:
            if busy(endpoint, plan.name):
                return self._noted(state, f"the deployment {plan.name} has traffic that others gave it, and was left")
            try:
                plan.endpoints.delete(plan.endpoint, plan.name)
            except GiveUp as error:
                return self._noted(state, f"the deployment {plan.name} could not be deleted: {error}")
            state.asked = True
        return again(state, f"deleting {plan.name}")

    def _noted(self, state: RolloutState, note: str) -> Outcome | None:
        state.notes.append(note)
        return None

    def report(self, state: RolloutState) -> None:
        """Raises GiveUp, which says what went wrong and what was undone."""
        plan = self.plan
        traffic = f"the traffic of {plan.endpoint} is where it was" if state.moved else "no traffic was moved"
        undone = "; ".join([traffic, *state.notes])
        log = f" The end of its log: {state.log[-_LOG:]}" if state.log else ""
        raise GiveUp(
            f"{plan.model} was not deployed: {state.broken[:_REASON].rstrip('.')}. For the rest, {undone}.{log}"
        )
