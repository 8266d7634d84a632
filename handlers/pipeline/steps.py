"""The steps of one action: start the run, then follow it."""

from handlers.base import Outcome
from handlers.pipeline.follow import Follow
from handlers.pipeline.plan import Plan
from handlers.pipeline.start import StartIdempotent, StartSearchable
from handlers.pipeline.state import PipelineState, upgraded
from handlers.pipeline.target import IdempotentTarget, SearchableTarget
from handlers.steps import take_step


def start_and_follow(plan: Plan) -> Outcome:
    """Take the step that is due. Raises RetryLater, GiveUp, and azure-core's errors."""
    match plan.target:
        case IdempotentTarget() as target:
            start = StartIdempotent(plan, target).steps
        case SearchableTarget() as target:
            start = StartSearchable(plan, target).steps
    return take_step((*start, *Follow(plan).steps), upgraded(plan.action.state, plan.now), PipelineState)
