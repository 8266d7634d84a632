"""`roll_out`: the next step of a roll-out."""

from dataclasses import replace

from handlers.base import CheckBack, Outcome
from handlers.deploy.plan import Plan, RolloutState
from handlers.deploy.preconditions import Wanted
from handlers.deploy.rollback import Back
from handlers.deploy.rollout import Forward
from handlers.steps import take_step


def roll_out(plan: Plan) -> Outcome:
    """Take the step that is due. Raises what Azure raises, and RetryLater and GiveUp."""
    steps = (*Wanted(plan).steps, *Forward(plan).steps, *Back(plan).steps)
    saved = plan.action.state
    if plan.action.interrupted:
        saved = {**saved, "upset": saved.get("looks", 0), "doubtful": True}
    outcome = take_step(steps, saved, RolloutState)
    if not isinstance(outcome, CheckBack):
        return outcome
    state = RolloutState.model_validate(outcome.state)
    if state.step != saved.get("step"):
        state.next_step()
    as_said = _is_baking(state) or state.failed_at == plan.action.now
    after = outcome.after if plan.poll is None or as_said else min(outcome.after, plan.poll)
    return replace(outcome, after=after, state=state.model_dump(mode="json"))


def _is_baking(state: RolloutState) -> bool:
    """Is nothing waited for but that time goes by?"""
    return state.step == "bake" and not (state.looks or state.odd or state.lost)
