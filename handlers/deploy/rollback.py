"""The steps that undo a roll-out: the traffic first, then the deployment; each is confirmed. Then it is reported."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handlers.azure.ml.resources import DELETING, ENDED_BADLY, SUCCEEDED, Deployment, Endpoint
from handlers.base import GiveUp, Outcome, shorten
from handlers.deploy.plan import PAUSE, Plan, RolloutState, again, busy
from handlers.deploy.step_retry import once_more
from handlers.deploy.traffic import shown

_SURE = 2  # looks in a row that must show what was to be reached: some replicas are behind
_ODD = 3  # looks in a row that must show traffic which others gave: it may be what was put back a moment ago
_GONE = 4  # looks in a row that must not find a deployment: it may have been asked for, and not be shown yet
_STALE = 40  # looks until what was asked for, and is not shown, is asked for again
_MOST = 120  # looks until somebody must look after it
_UNSETTLED = 5  # looks at a deployment that is still being made, until it is tried to delete it nevertheless
_IN_PROGRESS = timedelta(minutes=1)  # between looks at what takes minutes
_PATIENCE = timedelta(hours=2)  # with a service that fails: meanwhile nothing else is deployed behind the endpoint
_REASON, _CAUSE, _LOG = 500, 300, 300  # characters of a report, which has a thousand


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
        endpoint = None
        try:
            endpoint = self.plan.endpoints.endpoint(self.plan.endpoint) if state.moved else None
            return self._put_back(endpoint, state) if endpoint else self._unseen(state)
        except Exception as error:  # whatever it is, the reason why it goes back must be told
            answer = once_more(self.plan, state, error, _PATIENCE)
            return self._stuck(endpoint, state, answer) if isinstance(answer, GiveUp) else answer

    def _unseen(self, state: RolloutState) -> Outcome | None:
        """There is nothing to put back if no traffic was moved, or if the endpoint is gone."""
        if not state.moved or self.plan.is_lost(None, state):
            return None
        state.seen = 0
        return again(state, f"the endpoint {self.plan.endpoint} is not to be seen")

    def _put_back(self, endpoint: Endpoint, state: RolloutState) -> Outcome | None:
        plan, now = self.plan, shown(endpoint.traffic)
        settled, calm = _is_settled(endpoint.state), plan.calm(state)
        # What was never seen may still come: it is asked to go, in any case, unless a call has that died, or may have.
        sure = state.asked or not state.unsure or (state.doubtful and calm)
        state.lost = 0
        if settled and sure and self._is_back(endpoint, state):
            state.seen += 1
            return None if state.seen >= _SURE else again(state, f"traffic: {now}")
        state.seen = 0
        why = plan.failure(state.operation) if state.asked else ""
        if state.looks >= _MOST:
            raise GiveUp(f"the service does not show it{f': {why}' if why else ''}")
        if settled and calm and (not state.asked or state.looks % _STALE == 0):
            state.operation = plan.endpoints.set_traffic(endpoint, state.before)
            state.asked = True
        return again(state, f"traffic: {now}, being put back to {shown(state.before)}")

    def _is_back(self, endpoint: Endpoint, state: RolloutState) -> bool:
        return endpoint.traffic.get(self.plan.name, 0) == state.before.get(self.plan.name, 0)

    def _stuck(self, endpoint: Endpoint | None, state: RolloutState, error: GiveUp) -> Outcome | None:
        """The service refuses it. That is no harm if the traffic was never moved."""
        if endpoint and _is_settled(endpoint.state) and self._is_back(endpoint, state):
            return None
        now = f"it is {shown(endpoint.traffic)}, and" if endpoint else "it cannot be read; it"
        raise GiveUp(
            f"The traffic of {self.plan.endpoint} must be put back by hand: {now} was {shown(state.before)}. "
            f"{str(error)[:_REASON]}. It was to be put back because of this: {state.broken[:_CAUSE]}"
        ) from error

    def remove(self, state: RolloutState) -> Outcome | None:
        """The deployment is gone, if this action made it and it is not to be left."""
        try:
            return self._remove(state)
        except Exception as error:  # as above
            answer = once_more(self.plan, state, error, _PATIENCE)
            if isinstance(answer, GiveUp):
                return self._noted(state, f"the deployment {self.plan.name} could not be deleted: {answer}")
            return answer

    def _remove(self, state: RolloutState) -> Outcome | None:
        plan = self.plan
        endpoint, found = plan.look()
        if found is None:
            state.seen += 1
            gone = f"there is no deployment {plan.name}"
            return self._noted(state, gone) if state.seen >= _GONE else again(state, gone)
        state.seen = 0
        if plan.leave_failed or not plan.made(found):  # not what is remembered, but its tag says who made it
            return self._noted(state, f"the deployment {plan.name} was left")
        if state.looks >= _MOST:
            return self._noted(state, f"the deployment {plan.name} is to be deleted, and is still {found.state}")
        state.odd = state.odd + 1 if busy(endpoint, plan.name) else 0
        pause = PAUSE if _is_settled(found.state) else _IN_PROGRESS
        if not state.asked and self._can_go(found, state):
            if state.odd >= _ODD:
                return self._noted(state, f"the deployment {plan.name} has traffic that others gave it, and was left")
            if endpoint is None or state.odd:
                return again(state, f"{plan.name} is not deleted yet: it may have traffic")
            state.operation = plan.endpoints.delete(plan.endpoint, plan.name)
            state.asked = True
        if why := plan.failure(state.operation if state.asked else "", found.operation):
            raise GiveUp(why)
        return again(state, f"deleting {plan.name}, which is {found.state}", pause)

    def _can_go(self, found: Deployment, state: RolloutState) -> bool:
        """Is it time to have it deleted? If it does not come to an end, that is tried all the same."""
        if found.state == DELETING or not self.plan.calm(state):
            return False
        return _is_settled(found.state) or (state.looks > 0 and state.looks % _UNSETTLED == 0)

    def _noted(self, state: RolloutState, note: str) -> Outcome | None:
        state.notes.append(shorten(note, _CAUSE))
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


def _is_settled(state: str) -> bool:
    """Is nothing under way?"""
    return state in (SUCCEEDED, *ENDED_BADLY)
