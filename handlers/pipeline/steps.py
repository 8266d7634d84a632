"""`launch`: the next step of starting something and following it."""

from handlers.base import Outcome
from handlers.pipeline.follow import Follow
from handlers.pipeline.start import StartNamed, StartNameless
from handlers.pipeline.target import LaunchState, Named, Nameless, Plan
from handlers.steps import take_step


def launch(plan: Plan) -> Outcome:
    """Take the step that is due. Raises what Azure raises, and RetryLater and GiveUp."""
    match plan.target:
        case Named() as target:
            start = StartNamed(plan, target).steps
        case Nameless() as target:
            start = StartNameless(plan, target).steps
    return take_step((*start, *Follow(plan).steps), plan.action.state, LaunchState)
