"""The steps of one action: start the run, then follow it."""

from handlers.base import Outcome
from handlers.launch.follow import Follow
from handlers.launch.plan import Plan
from handlers.launch.start import StartIdempotent, StartSearchable
from handlers.launch.state import LaunchState, upgraded
from handlers.launch.target import IdempotentTarget, SearchableTarget
from handlers.steps import take_step


def start_and_follow(plan: Plan) -> Outcome:
    """Take the step that is due. Raises RetryLater, GiveUp, and azure-core's errors."""
    match plan.target:
        case IdempotentTarget() as target:
            start = StartIdempotent(plan, target).steps
        case SearchableTarget() as target:
            start = StartSearchable(plan, target).steps
    return take_step((*start, *Follow(plan).steps), upgraded(plan.action.state, plan.now), LaunchState)
