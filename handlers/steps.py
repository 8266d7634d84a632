"""Handlers that take many calls to finish: named steps over a typed state.

A step is a small function. It looks at the world as it is, does its one thing if that is still to be done, and answers
None (done: the next step), a timedelta (not yet: this step again, later), a CheckBack (the same, in its own words) or
another Outcome (finished). What must be remembered it writes into the state. One call takes one step: the timeline
shows each, and a crash repeats one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from handlers.base import CheckBack, GiveUp, Outcome, Succeeded


class StepState(BaseModel):
    """What is kept between calls. Give every field a default: actions under way outlive a deployment of the app."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    step: str = ""  # by name, not by number: steps may be added while actions are under way


S = TypeVar("S", bound=StepState)
Step: TypeAlias = Callable[[S], timedelta | Outcome | None]


def take_step(steps: Sequence[Step[S]], saved: Mapping[str, Any], state_class: type[S]) -> Outcome:
    """Take the step that is due. By setting ``state.step`` to a name, a step goes there instead of to the next.

    Raises GiveUp if the saved state, or the step that it names, is not of these steps: it was saved by another version;
    and if the steps cannot be told apart by their names.
    """
    named = {getattr(step, "__name__", ""): step for step in steps}
    names = list(named)
    if not names or len(names) < len(steps):
        raise GiveUp(f"a handler needs steps, each a function with a name of its own; these are {', '.join(names)}")
    try:
        state = state_class.model_validate(saved)
    except ValidationError as error:
        raise GiveUp(f"the saved state does not fit {state_class.__name__}: {error}") from error
    now = state.step = state.step or names[0]
    if now not in named:
        raise GiveUp(f"there is no step {now!r} any more, only {', '.join(names)}; replay the event")
    answer = named[now](state)
    if isinstance(answer, timedelta):
        answer = CheckBack(answer, note=f"{now}: not yet")
    if isinstance(answer, CheckBack):  # what is kept is the state, whatever else the step wanted to keep
        return CheckBack(answer.after, state.model_dump(mode="json"), answer.note)
    if answer is not None:
        return answer
    if state.step == now:
        if now == names[-1]:
            return Succeeded(f"{now}: done")
        state.step = names[names.index(now) + 1]
    return CheckBack(timedelta(), state.model_dump(mode="json"), f"{now}: done")
