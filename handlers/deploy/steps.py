"""`roll_out`: take the step of a roll-out that is due."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from handlers.base import CheckBack, Outcome
from handlers.deploy.cleanup import Cleanup
from handlers.deploy.deployment import DeploymentCreation
from handlers.deploy.endpoint import EndpointCreation
from handlers.deploy.plan import Plan
from handlers.deploy.preconditions import Preconditions
from handlers.deploy.rollback import Rollback
from handlers.deploy.rollout import Rollout
from handlers.deploy.state import RolloutState, resumed, upgraded
from handlers.steps import take_step

_STAGES = (Preconditions, EndpointCreation, DeploymentCreation, Rollout, Cleanup, Rollback)


def steps_of(plan: Plan) -> tuple[Callable[[RolloutState], Any], ...]:
    """All steps in order. `bake` goes back to `choose_share` until all shares are done; rollbacks skip ahead."""
    return tuple(step for stage in _STAGES for step in stage(plan).steps)


def roll_out(plan: Plan) -> Outcome:
    """Take the step that is due. Raises azure-core's errors, RetryLater and GiveUp."""
    saved = resumed(upgraded(plan.action.state, plan.now), plan.now, crashed=plan.action.interrupted)
    steps = steps_of(plan)
    outcome = take_step(steps, saved, RolloutState)
    if not isinstance(outcome, CheckBack):
        return outcome
    state = RolloutState.model_validate(outcome.state)
    if state.step != saved.get("step", steps[0].__name__):
        state.next_step()
    state.called_at = plan.now
    return replace(outcome, state=state.model_dump(mode="json"))
