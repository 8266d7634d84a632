"""The steps that make a deployment and give it the traffic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from jinja2 import TemplateError

from handlers.azure.ml.resources import DELETING, ENDED_BADLY, SUCCEEDED, Deployment, Endpoint, NewDeployment
from handlers.base import CheckBack, GiveUp, Outcome, Succeeded
from handlers.deploy.plan import ACTION_TAG, PAUSE, Plan, RolloutState, again, busy
from handlers.deploy.smoke_test import Judgement, Verdict
from handlers.deploy.step_retry import Unseen, once_more
from handlers.deploy.traffic import next_share, shown, with_share

_PROVISIONING = timedelta(seconds=30)  # between looks at what takes minutes
_BAKING = timedelta(minutes=1)
_ROLES = timedelta(seconds=30)  # between requests while a role spreads
_TRIES = {Verdict.NOT_YET: 4, Verdict.NOT_ALLOWED: 60, Verdict.BAD: 1}  # 60: half an hour for a role
_BLIPS = 2  # bad looks in a row that make a deployment unhealthy
_SURE = 2  # looks in a row that must show a split of the traffic: some replicas are behind
_STALE = 40  # looks until what was asked for, and is not shown, has failed
_ODD = 3  # looks in a row at a split that we did not ask for
_TIDYING = timedelta(minutes=30)  # with what cannot be tidied up: the model serves, and others wait for their turn
_LOG = 1_500  # characters of a log that are kept

_Step = Callable[[Any, RolloutState], Outcome | None]


class HandsOff(GiveUp):
    """Somebody else is at work on the endpoint: nothing more is done, not even undone."""


class Gone(GiveUp):
    """The endpoint is not there any more."""


def _or_back(step: _Step) -> _Step:
    """What goes wrong for good in this step is undone before it is reported."""

    @wraps(step)
    def undone(self: "Forward", state: RolloutState) -> Outcome | None:
        try:
            return step(self, state)
        except HandsOff:
            raise
        except Exception as error:  # whatever it is, what was begun is undone if it lasts
            answer = once_more(self.plan, state, error, self.plan.timeout)
            return self.back(state, str(answer)) if isinstance(answer, GiveUp) else answer

    return undone


@dataclass(frozen=True)
class Forward:
    """From an endpoint to a deployment that serves it alone."""

    plan: Plan

    @property
    def steps(self) -> tuple[Callable[[RolloutState], Any], ...]:
        """In order; after `bake` it goes back to `shift` until all shares are done."""
        making = (self.create, self.provisioned, self.smoke_test)
        return *making, self.shift, self.send, self.confirm, self.bake, self.choose, self.tidy

    def back(self, state: RolloutState, why: str) -> Outcome | None:
        """Go back. The container's log is read while there is a container."""
        state.broken, state.step = why, "put_back"
        if state.made or state.moved:
            state.log = self.plan.endpoints.log(self.plan.endpoint, self.plan.name)[-_LOG:]
        return None

    @_or_back
    def create(self, state: RolloutState) -> Outcome | None:
        """Make the deployment, unless it is there. One that an earlier action left broken is deleted first."""
        plan = self.plan
        plan.in_time(state)
        found = plan.endpoints.deployment(plan.endpoint, plan.name)
        if found is None:
            if not plan.calm(state):
                return again(state, f"{plan.name} is not to be seen")
            new = NewDeployment(plan.endpoint, plan.name, plan.model.id, plan.tags)
            state.operation, state.made = plan.endpoints.create(new), True
        elif plan.made(found):
            state.made = True
        elif found.state in (*ENDED_BADLY, DELETING):
            if found.state != DELETING and not state.asked and plan.calm(state):
                state.operation = plan.endpoints.delete(plan.endpoint, plan.name)
                state.asked = True
            if why := plan.failure(state.operation if state.asked else "", found.operation):
                raise GiveUp(f"{plan.name}, which an earlier action left {found.state}, could not be deleted: {why}")
            return again(state, f"{plan.name}, which an earlier action left {found.state}, is being deleted")
        return None

    @_or_back
    def provisioned(self, state: RolloutState) -> Outcome | None:
        """Wait until the deployment is provisioned."""
        plan = self.plan
        plan.in_time(state)
        found = plan.endpoints.deployment(plan.endpoint, plan.name)
        if found is None or (state.made and not plan.made(found)):
            if state.looks >= _STALE:
                raise GiveUp(f"the deployment {plan.name} was accepted and never appeared")
            if why := plan.failure(state.operation):
                raise GiveUp(f"the deployment {plan.name} is Failed: {why}")
            return again(state, f"{plan.name} is not to be seen yet")
        if found.state in ENDED_BADLY:
            why = plan.failure_reason(state.operation, found.operation)
            raise GiveUp(f"the deployment {plan.name} is {found.state}: {why}")
        if found.state != SUCCEEDED:
            if why := plan.failure(state.operation or found.operation):
                raise GiveUp(f"the deployment {plan.name} is Failed: {why}")
            return CheckBack(_PROVISIONING, note=f"{plan.name} is {found.state}")
        return None

    @_or_back
    def smoke_test(self, state: RolloutState) -> Outcome | None:
        """The new deployment answers a request, before it gets any traffic."""
        self.plan.in_time(state)
        verdict, why = self._tested(self._endpoint(state))
        if verdict is Verdict.GOOD:
            return None
        if verdict.value != state.verdict:
            state.verdict, state.looks = verdict.value, 0
        if state.looks + 1 >= _TRIES[verdict]:
            raise GiveUp(f"the smoke test failed: {why}")
        return again(state, f"the smoke test failed: {why}", _ROLES if verdict is Verdict.NOT_ALLOWED else PAUSE)

    @_or_back
    def shift(self, state: RolloutState) -> Outcome | None:
        """Decide who is to get how much. What is decided is saved before it is asked for."""
        plan = self.plan
        plan.in_time(state)
        if not state.shares:
            state.before = state.target = dict(self._endpoint(state).traffic)
        state.was = state.target
        state.shares = next_share(plan.shares, state.before, plan.name, state.shares)
        state.target = with_share(state.before, plan.name, plan.shares[state.shares - 1])
        state.moved = state.unsure = True
        state.baked, state.operation = 0, ""
        return None

    @_or_back
    def send(self, state: RolloutState) -> Outcome | None:
        """Ask for the split, unless a call that died has."""
        self.plan.in_time(state)
        plan, endpoint = self.plan, self._endpoint(state)
        if endpoint.traffic == state.target:
            return None
        if endpoint.traffic != state.was:
            return self._odd(state, endpoint, state.was)
        if not plan.calm(state) or (endpoint.state != SUCCEEDED and state.looks < _STALE):
            plan.failure("", endpoint.operation)
            return again(state, f"traffic: {shown(endpoint.traffic)}; the endpoint is {endpoint.state}")
        state.operation = plan.endpoints.set_traffic(endpoint, state.target)
        return None

    @_or_back
    def confirm(self, state: RolloutState) -> Outcome | None:
        """Look until the service shows exactly this split. Whatever the time: it was asked for, and may have come."""
        plan, endpoint = self.plan, self._endpoint(state)
        if endpoint.state in ENDED_BADLY:
            why = plan.failure_reason(state.operation, endpoint.operation)
            raise GiveUp(f"the traffic could not be changed to {shown(state.target)}: {why}")
        if endpoint.traffic not in (state.target, state.was):
            return self._odd(state, endpoint, state.target)
        shows = endpoint.traffic == state.target and endpoint.state == SUCCEEDED
        state.odd = 0
        state.seen = state.seen + 1 if shows else 0
        if state.seen >= _SURE:
            state.unsure = False
            return None
        why = "" if shows else plan.failure(state.operation, endpoint.operation)
        if why:
            raise GiveUp(f"the traffic could not be changed to {shown(state.target)}: {why}")
        if state.looks >= _STALE:
            why = plan.failure_reason(state.operation, endpoint.operation)
            raise GiveUp(f"the endpoint never showed the traffic {shown(state.target)}: {why}")
        return again(state, f"traffic: {shown(state.target)}" + ("" if shows else " is not shown yet"))

    @_or_back
    def bake(self, state: RolloutState) -> Outcome | None:
        """Watch the deployment with its share for a while, before it gets more; with all of it, once."""
        plan, endpoint = self.plan, self._endpoint(state)
        last = state.shares == len(plan.shares)
        if not last:
            plan.in_time(state)
        if endpoint.traffic != state.target:
            return self._odd(state, endpoint, state.target)
        state.odd = 0
        if ill := self._illness(endpoint):
            if state.looks + 1 >= _BLIPS:
                raise GiveUp(f"unhealthy with {state.target[plan.name]} % of the traffic: {ill}")
            return again(state, f"perhaps unhealthy: {ill}")
        state.looks = 0
        if last:
            return None
        every = min(plan.bake, _BAKING)
        if state.baked * every >= plan.bake:
            state.step = "shift"
            return None
        state.baked += 1
        return CheckBack(every, note=f"traffic: {shown(state.target)}")

    def _odd(self, state: RolloutState, endpoint: Endpoint, expected: Mapping[str, int]) -> Outcome:
        """The traffic is not as it was left, nor as it is to be: a replica that is behind, or somebody else."""
        is_now, was = shown(endpoint.traffic), shown(expected)
        state.odd += 1
        if state.odd < _ODD:
            return CheckBack(PAUSE, note=f"traffic: {is_now}, though it was {was}")
        raise HandsOff(
            f"{self.plan.model} was not rolled out to the end: somebody else changed the traffic of {endpoint.name} "
            f"from {was} to {is_now}. It was left so, and so was the deployment {self.plan.name}"
        )

    def choose(self, state: RolloutState) -> Outcome | None:
        """Which deployments are older than those to keep: ours alone, and none that has traffic."""
        try:
            state.old = self._older(state)
        except Gone:
            raise
        except Exception as error:  # whatever it is, the model serves
            answer = once_more(self.plan, state, error, _TIDYING)
            if not isinstance(answer, GiveUp):
                return answer
            state.notes.append(f"older deployments were not looked for: {answer}")
        return None

    def _older(self, state: RolloutState) -> list[str]:
        plan, endpoint = self.plan, self._endpoint(state)
        ours = [d for d in plan.endpoints.deployments(plan.endpoint) if ACTION_TAG in d.tags and d.name != plan.name]
        idle = [d for d in ours if not busy(endpoint, d.name)]
        good = sorted((d for d in idle if d.state not in ENDED_BADLY), key=_age, reverse=True)
        bad = [] if plan.leave_failed else [d for d in idle if d.state in ENDED_BADLY]
        return [d.name for d in (*good[plan.keep :], *bad)]

    def tidy(self, state: RolloutState) -> Outcome:
        """Delete them, one after the other; what cannot be deleted does not undo what has been reached."""
        while state.old:
            name = state.old[0]
            if (outcome := self._tidied(name, state)) is not None:
                return outcome
            state.old = state.old[1:]
            state.next_step()
        return self._done(state)

    def _tidied(self, name: str, state: RolloutState) -> Outcome | None:
        try:
            return self._deleting(name, state)
        except Exception as error:  # as above
            answer = once_more(self.plan, state, error, _TIDYING)
            if not isinstance(answer, GiveUp):
                return answer
            state.notes.append(f"{name} could not be deleted: {answer}")
        return None

    def _deleting(self, name: str, state: RolloutState) -> Outcome | None:
        """None when there is nothing more to do about this deployment."""
        plan = self.plan
        found = plan.endpoints.deployment(plan.endpoint, name)
        if found is None:
            return None
        plan.in_time(state)
        if state.looks >= _STALE:
            raise GiveUp(f"it is still {found.state}")
        if not state.asked and found.state != DELETING and plan.calm(state):
            if busy(self._endpoint(state), name):  # the second look: nothing is deleted that has traffic in either
                return None
            state.operation = plan.endpoints.delete(plan.endpoint, name)
            state.asked = True
        if why := plan.failure(state.operation if state.asked else "", found.operation):
            raise GiveUp(why)
        return again(state, f"deleting {name}")

    def _done(self, state: RolloutState) -> Succeeded:
        plan = self.plan
        summary = f"{plan.model} serves {plan.endpoint}, by the deployment {plan.name}"
        details = {
            "endpoint": plan.endpoint,
            "deployment": plan.name,
            "model": plan.model.id,
            "workspace": plan.endpoints.azureml.workspace.name,
            "before": shown(state.before),
        }
        return Succeeded("; ".join([summary, *state.notes]), details)

    def _endpoint(self, state: RolloutState) -> Endpoint:
        plan = self.plan
        endpoint = plan.endpoints.endpoint(plan.endpoint)
        if plan.is_lost(endpoint, state):
            raise Gone(f"the endpoint {plan.endpoint} is gone")
        if endpoint is None:
            raise Unseen(f"the endpoint {plan.endpoint} is not to be seen")
        return endpoint

    def _tested(self, endpoint: Endpoint) -> Judgement:
        """What the new deployment makes of the smoke test; without one, it is good."""
        plan, test = self.plan, self.plan.smoke_test
        if test is None:
            return Judgement(Verdict.GOOD)
        try:
            return test.classify(plan.endpoints.score(endpoint, plan.name, test.body()), plan.event)
        except (OSError, TemplateError) as error:
            return Judgement(Verdict.BAD, f"{type(error).__name__}: {error}")

    def _illness(self, endpoint: Endpoint) -> str:
        """Why the deployment is not well; empty if it is."""
        found = self.plan.endpoints.deployment(self.plan.endpoint, self.plan.name)
        if found is None or found.state in ENDED_BADLY:
            return f"the deployment is {found.state if found else 'gone'}"
        return self._tested(endpoint).why


def _age(deployment: Deployment) -> tuple[datetime, str]:
    return deployment.created or datetime.min.replace(tzinfo=UTC), deployment.name
